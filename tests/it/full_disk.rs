//! A disk that fills up: an rc file is old or new, never cut off.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::world::{DEVBOOT, World, stock};

/// A small file system that is gone when dropped.
pub struct Disk(PathBuf);

impl Disk {
    pub fn new(world: &World, kilobytes: usize) -> Self {
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

    /// Where it is.
    pub fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// Mounts it again as `ro` or `rw`.
    pub fn remount(&self, how: &str) {
        let option = format!("remount,{how}");
        assert!(mount().args(["-o", &option]).arg(&self.0).status().unwrap().success());
    }

    /// Fills the disk but for `left` bytes, rounded up to a page.
    pub fn fill(&self, left: usize) {
        let filler = self.0.join("filler");
        let _ = fs::remove_file(&filler);
        let _ = fs::write(&filler, vec![b'x'; 256 << 20]);
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

pub fn privileged(program: &str) -> Command {
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

#[test]
fn a_clone_that_finds_no_room_is_not_there_and_the_next_one_is_whole() {
    use devboot::repos::git::fetch::History;
    use devboot::repos::git::{BatchOptions, CloneLimits, CloneOutcome, CloneSpec, clone_all};
    let world = World::new();
    let noise: String = (0..60_000_u64).map(|i| format!("{:x}", i * 104_729 % 1_000_003)).collect();
    let origin = crate::repo_command::origin(&world, "one", &[("noise.txt", &noise), ("a.txt", "a\n")]);
    let disk = Disk::new(&world, 16 << 10);
    let spec = CloneSpec {
        name: "one".into(),
        url: format!("file://{}", origin.display()),
        reference: None,
        history: History::Full,
        submodules: true,
        dest: disk.0.join("repos/one"),
        limits: CloneLimits::default(),
    };
    let clone = || {
        let options = BatchOptions { jobs: 1, offline: false };
        clone_all(std::slice::from_ref(&spec), options, &|_| ()).remove(0)
    };
    let mut failed = 0;
    for left in [0, 8 << 10, 64 << 10, 200 << 10, 400 << 10] {
        disk.fill(left);
        match clone() {
            CloneOutcome::Failed(_) => failed += 1,
            other => panic!("with {left} bytes left: {other:?}"),
        }
        assert!(!spec.dest.exists(), "with {left} bytes left");
    }
    assert_eq!(failed, 5);
    disk.fill(8 << 20);
    assert!(matches!(clone(), CloneOutcome::Cloned { .. }));
    assert_eq!(fs::read_to_string(spec.dest.join("noise.txt")).unwrap(), noise);
    assert_eq!(crate::repo_command::git(&world, &spec.dest, &["status", "--porcelain"]), "");
}

#[test]
fn an_environment_that_finds_no_room_is_not_there_and_the_next_one_is_whole() {
    use devboot::repos::python::environment::{EnvOutcome, EnvSpec, ensure, whole};
    use devboot::repos::python::interpreter::{Places, inventory};
    use devboot::repos::python::plan::plan;
    use devboot::repos::python::repair::Resolve;
    use devboot::repos::testing::failure::{Facts, Stage, classify};
    use devboot::sys::real::RealSystem;
    let world = World::new();
    let repo = world.outside().join("repo");
    fs::create_dir(&repo).unwrap();
    fs::write(repo.join("requirements.txt"), "").unwrap();
    let disk = Disk::new(&world, 200 << 10);
    let places = Places::of(world.home(), |name| std::env::var_os(name));
    let python = inventory(&RealSystem, &places, None).own().unwrap().clone();
    let plan = plan(&|name| (name == "requirements.txt").then(String::new), &[], "").unwrap();
    let spec = EnvSpec {
        repo,
        plan: plan.clone(),
        python: python.clone(),
        envs: disk.0.join("envs"),
        cache: disk.0.join("cache"),
        log: world.outside().join("log"),
        time: std::time::Duration::from_secs(120),
        offline: false,
        resolve: Resolve::Today,
    };
    disk.fill(64 << 10);
    match ensure(&spec) {
        EnvOutcome::Failed(error) => {
            let (ending, text) = error.said();
            let failure = classify(Stage::Install, Some(ending), text, None, &Facts::default());
            assert_eq!(failure.map(|failure| failure.class), Some("disk-full"), "{error:?}");
        }
        other => panic!("{other:?}"),
    }
    let dir = devboot::repos::python::environment::dir(&spec.envs, &plan.digest(&python));
    assert!(!dir.exists(), "nothing is left of it");
    disk.fill(150 << 20);
    let EnvOutcome::Built(built) = ensure(&spec) else { panic!("there is room now") };
    assert!(whole(&RealSystem, &built.dir, &built.record.digest).is_some());
}
