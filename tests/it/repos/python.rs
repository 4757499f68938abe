//! Python environments and test runs with the real pip, venv, make and pytest.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use devboot::base::error::Fault;
use devboot::repos::files::{file_names, read_text};
use devboot::repos::python::environment::{EnvOutcome, EnvSpec, MARKER, PythonEnv, ensure};
use devboot::repos::python::interpreter::{self, Places};
use devboot::repos::python::plan::plan;
use devboot::repos::python::repair::Resolve;
use devboot::repos::starters;
use devboot::repos::testing::run::{TestSpec, test};
use devboot::repos::testing::verdict::Verdict;
use devboot::sys::env;
use devboot::sys::real::RealSystem;

use super::world::World;

struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("repo")).unwrap();
        for (name, text) in files {
            fs::write(dir.path().join("repo").join(name), text).unwrap();
        }
        Self { dir }
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    fn env_spec(&self) -> EnvSpec {
        let repo = self.repo();
        let names = file_names(&RealSystem, &repo);
        let plan =
            plan(&|name| read_text(&RealSystem, &repo.join(name)), &names, repo.to_str().unwrap()).unwrap();
        EnvSpec {
            plan,
            python: interpreter::inventory(&RealSystem, &Places::of(self.dir.path(), env::var_os), None)
                .own()
                .unwrap()
                .clone(),
            envs: self.dir.path().join("data/envs"),
            log: self.dir.path().join("logs/env.log"),
            cache: self.dir.path().join("cache"),
            time: Duration::from_secs(300),
            offline: false,
            resolve: Resolve::Today,
            repo,
        }
    }

    #[track_caller]
    fn built(&self) -> PythonEnv {
        match ensure(&self.env_spec()) {
            EnvOutcome::Built(env) => env,
            other => {
                panic!("{other:?}: {}", fs::read_to_string(self.dir.path().join("logs/env.log")).unwrap())
            }
        }
    }

    fn test(&self, env: Option<PythonEnv>, time: Duration) -> Verdict {
        test(&TestSpec {
            repo: self.repo(),
            env,
            log: self.dir.path().join("logs/it's tests.log"),
            time,
            ..TestSpec::default()
        })
        .verdict
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.repo())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn the_starter_is_built_once_and_its_tests_pass() {
    let project = Project::new(&[]);
    for file in starters::files("hello-ml").unwrap() {
        fs::write(project.repo().join(file.path), file.text).unwrap();
    }
    let before = project.names();
    let env = project.built();
    assert!(!env.record.added_pytest);
    assert_eq!(project.test(Some(env.clone()), MINUTE), Verdict::Passed { tests: 9 });
    assert_eq!(project.names(), before, "a test run leaves no trace");

    let log = project.dir.path().join("logs/env.log");
    fs::remove_file(&log).unwrap();
    assert!(matches!(ensure(&project.env_spec()), EnvOutcome::Present(found) if found == env));
    assert!(!log.exists(), "nothing ran");

    // Without its marker it is what a killed build left.
    fs::remove_file(env.dir.join(MARKER)).unwrap();
    fs::write(env.dir.join("rest"), "x").unwrap();
    let mut offline = project.env_spec();
    offline.offline = true;
    assert!(matches!(ensure(&offline), EnvOutcome::Postponed { .. }));
    assert_eq!(project.built(), env);
    assert!(!env.dir.join("rest").exists());
}

#[test]
fn pytest_is_there_for_tests_that_forgot_it_and_verdicts_are_honest() {
    let project = Project::new(&[("test_a.py", "def test_a():\n    assert True\n")]);
    let env = project.built();
    assert!(env.record.added_pytest);
    let judge = |makefile: Option<&str>, text: &str, time| {
        fs::write(project.repo().join("test_a.py"), text).unwrap();
        let path = project.repo().join("Makefile");
        match makefile {
            Some(makefile) => fs::write(path, makefile).unwrap(),
            None => drop(fs::remove_file(path)),
        }
        project.test(Some(env.clone()), time)
    };
    let good = "def test_a():\n    pass\n";
    assert_eq!(judge(None, good, MINUTE), Verdict::Passed { tests: 1 });
    assert_eq!(judge(Some("test:\n\tpython -m pytest -q\n"), good, MINUTE), Verdict::Passed { tests: 1 });
    assert!(matches!(judge(Some("test:\n\t#pytest\n"), good, MINUTE), Verdict::NoTestRan { .. }));
    assert!(matches!(judge(Some("test:\n\tls\n"), good, MINUTE), Verdict::NoTestRan { .. }));
    assert!(matches!(judge(None, "x = 1\n", MINUTE), Verdict::NoTestRan { .. }));
    let skipped = "import pytest\npytest.skip('no', allow_module_level=True)\n";
    assert!(matches!(judge(None, skipped, MINUTE), Verdict::NoTestRan { .. }));
    let half = "def test_a():\n    pass\ndef test_b():\n    assert 0\n";
    assert!(matches!(judge(None, half, MINUTE), Verdict::Failed { failed: 1, passed: 1, .. }));
    let hidden = Some("test:\n\t-python -m pytest\n");
    assert!(matches!(judge(hidden, half, MINUTE), Verdict::Failed { failed: 1, passed: 1, .. }));
    assert!(matches!(
        judge(None, "import nothing_like_it\n", MINUTE),
        Verdict::Failed { failed: 1, passed: 0, .. }
    ));
    let lint = Some("test:\n\tpython -m pytest\n\tfalse\n");
    assert!(matches!(judge(lint, good, MINUTE), Verdict::Failed { failed: 0, passed: 1, .. }));
    let broken = Some("test:\n\tno-such-program\n");
    assert!(matches!(judge(broken, good, MINUTE), Verdict::CouldNotStart { .. }));
    let unittest = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        pass\n";
    let makefile = Some("test:\n\tpython -m unittest\n");
    assert_eq!(judge(makefile, unittest, MINUTE), Verdict::Passed { tests: 1 });
    let slow = "import time\ndef test_a():\n    time.sleep(600)\n";
    assert_eq!(judge(None, slow, Duration::from_secs(1)), Verdict::TimedOut);
}

#[test]
fn a_failed_build_says_why_and_leaves_nothing() {
    let project = Project::new(&[("requirements.txt", "./no-such-folder\n")]);
    let spec = project.env_spec();
    let EnvOutcome::Failed(error) = ensure(&spec) else { panic!("it was built") };
    let fault = Fault::from(error);
    assert!(fault.message.contains("no-such-folder"), "{fault:?}");
    assert!(fault.hints.iter().any(|hint| hint.contains("env.log")), "{fault:?}");
    assert_eq!(fs::read_dir(&spec.envs).unwrap().count(), 0);
}

#[test]
fn an_index_that_cannot_be_reached_postpones() {
    let text = "--index-url http://127.0.0.1:1/simple\ndevboot-no-such-package\n";
    let project = Project::new(&[("requirements.txt", text)]);
    let spec = project.env_spec();
    assert!(matches!(ensure(&spec), EnvOutcome::Postponed { .. }));
    assert_eq!(fs::read_dir(&spec.envs).unwrap().count(), 0);
}

#[test]
fn an_index_that_nobody_vouches_for_is_not_waited_for() {
    let world = World::new();
    let (server, _) = world.https();
    let index = format!("--index-url https://127.0.0.1:{}/simple\ndevboot-no-such-package\n", server.port);
    let project = Project::new(&[("requirements.txt", &index)]);
    let EnvOutcome::Failed(error) = ensure(&project.env_spec()) else { panic!("it was built, or waits") };
    assert!(error.said().1.to_lowercase().contains("certificate"), "{error:?}");
}
