//! The doctor's checks of a host. Pure: facts and probed capabilities come in as values.

use serde::Serialize;

use super::{Capabilities, Facts};
use crate::base::text::size;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, but look at it.
    Warn,
    /// It does not work.
    Bad,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub evidence: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// Space that is kept free in every home, in bytes: enough for an editor's swap file and a shell's history.
pub const RESERVE: u64 = 50_000_000;

impl Check {
    /// A check that is as it should be.
    pub fn good(name: &str, evidence: impl Into<String>) -> Self {
        Self { name: name.into(), verdict: Verdict::Good, evidence: evidence.into(), fix: None }
    }

    /// A check that is not.
    pub fn not(name: &str, verdict: Verdict, evidence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name: name.into(), verdict, evidence: evidence.into(), fix: Some(fix.into()) }
    }
}

/// The checks of a host. `path` is the search path.
pub fn checks(facts: &Facts, can: &Capabilities, path: &str) -> Vec<Check> {
    vec![space(facts, can), home(can), filesystem(can), programs(can), search_path(facts, path)]
}

fn space(facts: &Facts, can: &Capabilities) -> Check {
    let name = "space";
    let Some(free) = can.home_free else {
        return Check::not(name, Verdict::Warn, "the system does not tell", "df -h ~");
    };
    let quota =
        facts.kind.rules().home_quota.map_or_else(String::new, |quota| format!(", quota {}", size(quota)));
    let evidence = format!("{} free in the home{quota}", size(free));
    let fix = "du -xh ~ | sort -h | tail shows what takes the space";
    match free {
        _ if free < RESERVE / 10 => Check::not(name, Verdict::Bad, evidence, fix),
        _ if free < RESERVE => Check::not(name, Verdict::Warn, evidence, fix),
        _ => Check::good(name, evidence),
    }
}

fn home(can: &Capabilities) -> Check {
    let name = "home";
    if !can.home_writable {
        return Check::not(
            name,
            Verdict::Bad,
            "files cannot be created in it",
            "ls -ld ~; mount | grep home",
        );
    }
    if !can.home_executable {
        let fix = "Python environments will not run from it: give them a directory elsewhere";
        return Check::not(name, Verdict::Warn, "programs in it cannot be run (noexec)", fix);
    }
    Check::good(name, "writable, programs can be run")
}

fn filesystem(can: &Capabilities) -> Check {
    let name = "file system";
    if can.home_is_remote {
        let evidence =
            format!("{}: over a network, where locks, modes or links may be missing", can.home_filesystem);
        return Check::not(name, Verdict::Warn, evidence, "keep Python environments on a local disk");
    }
    Check::good(name, if can.home_filesystem.is_empty() { "not told" } else { &can.home_filesystem })
}

fn programs(can: &Capabilities) -> Check {
    let name = "programs";
    let has = |program: &str| can.programs.iter().any(|have| have == program);
    let missing: Vec<&str> = ["git", "python3"].into_iter().filter(|program| !has(program)).collect();
    if missing.is_empty() {
        let all = [can.programs.join(", "), can.shells.join(", ")].join(", ");
        return Check::good(name, all);
    }
    let manager = can.package_managers.first().map_or("your package manager", String::as_str);
    let fix = format!("install with {manager}: {}", missing.join(" "));
    Check::not(name, Verdict::Warn, format!("missing: {}", missing.join(", ")), fix)
}

fn search_path(facts: &Facts, path: &str) -> Check {
    let name = "PATH";
    let entries: Vec<&str> = path.split(':').collect();
    if entries.iter().any(|entry| entry.is_empty() || *entry == ".") {
        let fix = "take the empty or '.' entry out: a program of that name in any folder you enter would run";
        return Check::not(name, Verdict::Bad, "has the current directory in it", fix);
    }
    let local = facts.home.join(".local/bin");
    if !entries.iter().any(|entry| local.as_os_str() == *entry) {
        return Check::not(
            name,
            Verdict::Warn,
            "~/.local/bin is not in it",
            "start a new shell after `devboot setup`",
        );
    }
    Check::good(name, format!("{} entries", entries.len()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::sys::memory::MemorySystem;

    fn facts() -> Facts {
        crate::host::detect(&MemorySystem::default(), &BTreeMap::new(), Path::new("/h")).unwrap()
    }

    fn able() -> Capabilities {
        Capabilities {
            home_free: Some(1 << 30),
            home_size: Some(1 << 31),
            home_filesystem: "ext4".into(),
            home_is_remote: false,
            home_writable: true,
            home_executable: true,
            root: false,
            sudo: false,
            systemd_user: false,
            terminal: false,
            shells: vec!["bash".into()],
            package_managers: vec!["apt-get".into()],
            programs: vec!["git".into(), "python3".into()],
        }
    }

    fn worst(can: &Capabilities, path: &str) -> (String, Verdict) {
        let worst = checks(&facts(), can, path).into_iter().max_by_key(|check| check.verdict).unwrap();
        (worst.name, worst.verdict)
    }

    #[test]
    fn each_trouble_is_found() {
        let path = "/h/.local/bin:/usr/bin";
        assert_eq!(worst(&able(), path).1, Verdict::Good);
        let bad = |change: &dyn Fn(&mut Capabilities)| {
            let mut can = able();
            change(&mut can);
            worst(&can, path)
        };
        assert_eq!(bad(&|can| can.home_free = Some(1000)), ("space".into(), Verdict::Bad));
        assert_eq!(bad(&|can| can.home_writable = false), ("home".into(), Verdict::Bad));
        assert_eq!(bad(&|can| can.home_executable = false), ("home".into(), Verdict::Warn));
        assert_eq!(bad(&|can| can.home_is_remote = true), ("file system".into(), Verdict::Warn));
        assert_eq!(bad(&|can| can.programs.clear()), ("programs".into(), Verdict::Warn));
        assert_eq!(worst(&able(), "/h/.local/bin::/usr/bin"), ("PATH".into(), Verdict::Bad));
        assert_eq!(worst(&able(), "/usr/bin"), ("PATH".into(), Verdict::Warn));
    }
}
