//! A disk that fills up: an rc file is old or new, never cut off.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::world::{DEVBOOT, World, stock};

/// A small file system that is gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn new(world: &World, kilobytes: usize) -> Self {
        let point = world.outside().join("disk");
        fs::create_dir_all(&point).unwrap();
        let status =
            mount().args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k"), "tmpfs"]).arg(&point).status();
        assert!(status.unwrap().success(), "mounting a tmpfs needs root or sudo");
        let owner = Command::new("id").args(["-u"]).output().unwrap();
        let owner = String::from_utf8_lossy(&owner.stdout).trim().to_owned();
        assert!(privileged("chown").arg(owner).arg(&point).status().unwrap().success());
        Self(point)
    }

    /// Fills the disk but for `left` bytes, rounded up to a page.
    fn fill(&self, left: usize) {
        let filler = self.0.join("filler");
        let _ = fs::remove_file(&filler);
        let _ = fs::write(&filler, vec![b'x'; 8 << 20]);
        let full = fs::metadata(&filler).unwrap().len() as usize;
        fs::File::options()
            .write(true)
            .open(&filler)
            .unwrap()
            .set_len(full.saturating_sub(left) as u64)
            .unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = privileged("umount").arg(&self.0).status();
    }
}

fn privileged(program: &str) -> Command {
    let root = Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n");
    if root {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}

fn mount() -> Command {
    privileged("mount")
}

#[test]
fn at_every_page() {
    let outside = World::new();
    let disk = Disk::new(&outside, 1024);
    let home = disk.0.join("h");
    for pages in 0..200 {
        let _ = fs::remove_file(disk.0.join("filler"));
        let _ = fs::remove_dir_all(&home);
        fs::create_dir(&home).unwrap();
        fs::write(home.join(".bashrc"), stock::AWS_BASHRC).unwrap();
        fs::write(home.join(".zshrc"), "setopt autocd").unwrap();
        disk.fill(pages * 4096);
        let mut command = outside.command(DEVBOOT);
        let ended =
            command.env("HOME", &home).args(["apply", "--yes", "--profile", "minimal"]).output().unwrap();
        let bashrc = fs::read(home.join(".bashrc")).unwrap();
        let old = bashrc == stock::AWS_BASHRC.as_bytes();
        let new = bashrc.ends_with(b"# <<< devboot <<<\n") && bashrc.starts_with(b"# >>> devboot env >>>\n");
        assert!(old || new, "with {pages} pages left: {}", String::from_utf8_lossy(&bashrc));
        if ended.status.success() {
            assert!(new);
            assert!(pages > 5, "the disk was never full");
            return;
        }
        let text = String::from_utf8_lossy(&ended.stderr);
        assert!(old, "with {pages} pages left: it failed, but .bashrc is new: {text}");
        assert!(text.contains("free some space"), "with {pages} pages left: {text}");
    }
    panic!("it never fitted");
}
