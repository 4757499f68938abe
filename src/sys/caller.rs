//! What the system tells of another process: which program it is, where it stands, at which terminal.

use std::path::PathBuf;

/// What is known of a process. A part is missing where the system does not tell, or not us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The program that it runs.
    pub exe: Option<PathBuf>,
    /// Its directory.
    pub cwd: Option<PathBuf>,
    /// Its terminal, such as `/dev/pts/3`.
    pub tty: Option<String>,
}

/// What is known of a process. For records, never for decisions: a process can take any name, and a number can have
/// passed to another one.
#[cfg(target_os = "linux")]
pub fn of(pid: u32) -> Caller {
    let link = |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).ok();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    Caller { exe: link("exe"), cwd: link("cwd"), tty: stat.and_then(|stat| terminal(&stat)) }
}

/// The process that started another, where the system tells.
pub fn parent(pid: u32) -> Option<u32> {
    // proc(5): field 4; field 2 may hold anything.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// What is known of a process: nothing here.
#[cfg(not(target_os = "linux"))]
pub fn of(_: u32) -> Caller {
    Caller::default()
}

/// The terminal in a line of `/proc/PID/stat`; proc(5): field 7 is its device number, field 2 may hold anything.
#[cfg(target_os = "linux")]
fn terminal(stat: &str) -> Option<String> {
    let device: u32 =
        stat.rsplit_once(')')?.1.split_whitespace().nth(4)?.parse::<i32>().ok()?.cast_unsigned();
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xf_ff00));
    match major {
        0 => None,
        4 if minor < 64 => Some(format!("/dev/tty{minor}")),
        4 => Some(format!("/dev/ttyS{}", minor - 64)),
        // The kernel's pseudo-terminals have eight majors in a row.
        136..=143 => Some(format!("/dev/pts/{}", (major - 136) * 256 + minor)),
        _ => Some(format!("{major}:{minor}")),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn we_know_ourselves() {
        let us = of(std::process::id());
        assert_eq!(us.exe, std::env::current_exe().ok());
        assert_eq!(us.cwd, std::env::current_dir().ok());
        assert_eq!(of(u32::MAX), Caller::default());
    }

    #[test]
    fn terminals_have_their_names() {
        let line = |device: i32| format!("7 (a) b) S 1 2 3 {device} 9 9");
        let names = [0, 34816, 34816 + 7, 4 << 8 | 1, 4 << 8 | 64, 5 << 8].map(|d| terminal(&line(d)));
        let wanted = [
            None,
            Some("/dev/pts/0"),
            Some("/dev/pts/7"),
            Some("/dev/tty1"),
            Some("/dev/ttyS0"),
            Some("5:0"),
        ];
        assert_eq!(names.each_ref().map(Option::as_deref), wanted);
        assert_eq!(terminal("7 (x"), None);
    }
}
