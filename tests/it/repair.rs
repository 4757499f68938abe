//! The repair: packages that do not fit together today are resolved as of the days of the history, by the real uv
//! from an index on loopback that knows when its packages were uploaded.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::repo_command::{commit, git, origin};
use crate::world::{DEVBOOT, Ran, World, assert_same};

struct Index {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Drop for Index {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Index {
    fn new(world: &World) -> Self {
        let folder = world.outside().join("index");
        fs::create_dir(&folder).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/index.py");
        let mut child =
            world.command("python3").arg(script).arg(&folder).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap(), folder }
    }

    /// How many requests there were.
    fn asked(&self) -> usize {
        fs::read_to_string(self.folder.join("log")).unwrap().lines().count()
    }

    fn test(&self, world: &World, args: &[&str]) -> (Ran, Value) {
        let index = format!("http://127.0.0.1:{}/simple", self.port);
        let mut command = world.command(DEVBOOT);
        command.args(["repo", "test", "--json"]).args(args);
        command.env("UV_DEFAULT_INDEX", &index).env("PIP_INDEX_URL", &index);
        let done = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran =
            Ran { code: done.status.code().unwrap(), stdout: text(&done.stdout), stderr: text(&done.stderr) };
        let json: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
        (ran, json["repositories"][0].clone())
    }
}

const MAKEFILE: &str = "test:\n\tpython -m unittest -v check\n";
const CHECK: &str = "import unittest\nimport app_dep\n\nclass T(unittest.TestCase):\n    \
                     def test_old(self):\n        self.assertEqual(app_dep.old(), 1)\n";

/// A repository of 2021 whose pin no longer fits what it leaves open; last committed in 2025.
fn of_2021(world: &World) -> PathBuf {
    assert!(world.shell(&["sh", "-c"], "command -v uv").code == 0, "tests/run puts uv on PATH");
    let files = [("requirements.txt", "app-dep==1.0\n"), ("Makefile", MAKEFILE), ("check.py", CHECK)];
    let dir = origin(world, "old", &files);
    commit(world, &dir, &[("README.txt", "later\n")], "2025-01-10T12:00:00Z");
    dir
}

fn address(dir: &Path) -> String {
    format!("file://{}", dir.display())
}

#[test]
fn packages_are_resolved_as_of_the_last_change_and_what_worked_is_kept() {
    let world = World::new();
    let before = world.tree();
    let index = Index::new(&world);
    let dir = of_2021(&world);
    let (ran, report) = index.test(&world, &[&address(&dir)]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.stdout, ran.stderr);
    let attempts = report["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 2, "{report}");
    assert_eq!(attempts[0]["versions"], "today");
    assert_eq!(attempts[0]["failure"]["class"], "import-fails-after-install");
    assert_eq!(attempts[1]["versions"], "as of 2021-03-01, the last change of its dependencies");
    assert_eq!(report["tests"]["verdict"], "passed");
    // The clone is what it was: one commit deep, nothing in it that git does not know.
    let clone = world.path("repos/old");
    assert_eq!(git(&world, &clone, &["status", "--porcelain", "--ignored"]), "");
    assert_eq!(git(&world, &clone, &["rev-list", "--count", "HEAD"]), "1");
    let envs = world.path(".local/share/devboot/envs");
    let entries =
        || -> Vec<PathBuf> { fs::read_dir(&envs).unwrap().map(|entry| entry.unwrap().path()).collect() };
    let locks: Vec<PathBuf> =
        entries().into_iter().filter(|path| path.extension().is_some_and(|end| end == "lock")).collect();
    assert_eq!(locks.len(), 1);
    assert!(fs::read_to_string(&locks[0]).unwrap().contains("\nlib==1.0"));
    assert_eq!(entries().len(), 2, "the environment of today is gone: {:?}", entries());

    let asked = index.asked();
    let (ran, report) = index.test(&world, &["old"]);
    assert_eq!((ran.code, report["reused"].as_bool(), index.asked()), (0, Some(true), asked));
    assert_eq!(report["attempts"].as_array().unwrap().len(), 1);

    let env = entries().into_iter().find(|path| path.is_dir()).unwrap();
    fs::remove_dir_all(env).unwrap();
    let (ran, report) = index.test(&world, &["old"]);
    assert_eq!((ran.code, report["reused"].as_bool()), (0, Some(false)), "{}", ran.stderr);
    assert_eq!(report["attempts"].as_array().unwrap().len(), 1, "the lock is used at once: {report}");
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_same(&before, &world.tree(), "uninstall");
}

#[test]
fn pins_that_were_edited_late_call_for_the_day_of_the_oldest() {
    let world = World::new();
    let index = Index::new(&world);
    let dir = of_2021(&world);
    let later = [("requirements.txt", "app-dep==1.0\nlate==1.0\n")];
    commit(&world, &dir, &later, "2025-02-01T12:00:00Z");
    let (ran, report) = index.test(&world, &[&address(&dir)]);
    let tried: Vec<&str> =
        report["attempts"].as_array().unwrap().iter().map(|one| one["versions"].as_str().unwrap()).collect();
    let expected = [
        "today",
        "as of 2025-02-01, the last change of its dependencies",
        "as of 2021-03-01, its oldest pin",
    ];
    assert_eq!((ran.code, tried.as_slice()), (0, expected.as_slice()), "{report}");
}

#[test]
fn without_a_repair_it_stays_red_and_is_named() {
    let world = World::new();
    let index = Index::new(&world);
    let dir = of_2021(&world);
    let (ran, report) = index.test(&world, &[&address(&dir), "--no-repair"]);
    assert_eq!(ran.code, 2);
    assert_eq!(report["failure"]["class"], "import-fails-after-install");
    assert!(report["failure"]["advice"].as_str().unwrap().contains("--no-repair"), "{report}");
    assert_eq!(report["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(report["python_why"].as_str().map(str::is_empty), Some(false));
}
