//! pytest warm and by what a change affects, with the real one: the same outcomes as in a plain run, and no test missed.

mod bad_days;
mod command;
mod counts;
mod like_cold;
mod outcomes;
mod plugins;
mod selection;
mod side_by_side;
mod soundness;
mod standby;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use devboot::base::digest::Digest;
use devboot::project::model::{Action, Stage, StageId};
use devboot::project::python::Python;
use devboot::pytest::executor::{Ground, Pytest, PytestExecutor};
use devboot::run::event::{RunEvent, RunId, Tests, Verdict};
use devboot::run::feed::{Follower, feed};
use devboot::run::logs::Logs;
use devboot::run::recorder::{Record, Recorder};
use devboot::run::unit::{Attempt, Executor, Prepared, Unit, brake};

/// The interpreter with pytest in it, and what only the test command has.
fn python() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv/bin/python");
    assert!(installed.exists(), "tests/run makes {}", installed.display());
    installed
}

/// Another interpreter: an older pytest, with plugins that change how tests run.
fn python_with_plugins() -> PathBuf {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-venv-plugins/bin/python");
    assert!(installed.exists(), "tests/run makes {}", installed.display());
    installed
}

/// A project of Python files, and what runs its tests.
pub struct Project {
    dir: tempfile::TempDir,
    pytest: Arc<Pytest>,
    runtime: tokio::runtime::Runtime,
    pub tests: devboot::project::model::Pytest,
    /// Only these were asked for.
    pub asked: Vec<String>,
    /// Also those of which it is known that they pass.
    pub force: bool,
    pub python: PathBuf,
    pub env: Vec<(&'static str, String)>,
    packages: Arc<Mutex<BTreeMap<String, String>>>,
}

struct Files {
    root: PathBuf,
    /// When each file was last written, as it was last seen.
    written: Mutex<BTreeMap<String, std::time::SystemTime>>,
    packages: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Ground for Files {
    fn files(&self, _: &Unit) -> Vec<String> {
        files(&self.root)
    }

    fn digests(&self, paths: &[String]) -> Vec<Option<Digest>> {
        paths.iter().map(|path| fs::read(self.root.join(path)).ok().map(|bytes| Digest::of(&bytes))).collect()
    }

    fn edition(&self) -> u64 {
        let time = |path: &String| fs::metadata(self.root.join(path)).and_then(|meta| meta.modified());
        let all = files(&self.root);
        *self.written.lock().unwrap() =
            all.into_iter().filter_map(|path| Some((path.clone(), time(&path).ok()?))).collect();
        0
    }

    fn touched(&self, paths: &[String], _: u64) -> Vec<String> {
        let written = self.written.lock().unwrap();
        let is_touched = |path: &&String| {
            let now = fs::metadata(self.root.join(path)).and_then(|meta| meta.modified()).ok();
            written.get(*path).copied() != now
        };
        paths.iter().filter(is_touched).cloned().collect()
    }

    fn python(&self) -> Option<Arc<Python>> {
        let packages = self.packages.lock().unwrap().clone();
        Some(Arc::new(Python { program: python(), packages, ..Python::default() }))
    }
}

/// The files below a directory, without what Python and pytest leave there.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "__pycache__" {
                continue;
            }
            match path.is_dir() {
                true => waiting.push(path),
                false => found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned()),
            }
        }
    }
    found.sort();
    found
}

/// What came of a run.
pub struct Came {
    pub attempt: Attempt,
    pub record: Record,
    pub events: Vec<RunEvent>,
}

impl Came {
    pub fn note(&self) -> &str {
        self.attempt.note.as_deref().unwrap_or_default()
    }

    pub fn tests(&self) -> Tests {
        self.record.found.tests.unwrap_or_default()
    }

    /// What came of each test.
    pub fn results(&self) -> Vec<devboot::run::event::TestResult> {
        let tests = |event: &RunEvent| match event {
            RunEvent::TestsFinished { tests, .. } => tests.clone(),
            _ => Vec::new(),
        };
        self.events.iter().flat_map(tests).collect()
    }

    /// How many files ran before and after the verdict of the affected ones, when there was one.
    pub fn affected(&self) -> Option<(Verdict, usize, usize)> {
        self.events.iter().find_map(|event| match event {
            RunEvent::Affected { verdict, files, rest, .. } => Some((*verdict, *files, *rest)),
            _ => None,
        })
    }
}

impl Project {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("p");
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(dir.path().join("state")).unwrap();
        let packages = Arc::<Mutex<BTreeMap<String, String>>>::default();
        let ground = Files {
            root: root.canonicalize().unwrap(),
            written: Mutex::default(),
            packages: Arc::clone(&packages),
        };
        let pytest = Arc::new(Pytest::new(Arc::new(ground), &dir.path().join("state"), true));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let env = [("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("PYTHONDONTWRITEBYTECODE", "1")];
        let project = Self {
            dir,
            pytest,
            runtime,
            tests: devboot::project::model::Pytest::default(),
            asked: Vec::new(),
            force: false,
            python: python(),
            env: env.map(|(name, value)| (name, value.to_owned())).into(),
            packages,
        };
        files.iter().for_each(|(file, text)| project.write(file, text));
        project
    }

    /// With arguments that leave no choice of tests: every run is whole.
    pub fn whole(files: &[(&str, &str)]) -> Self {
        let mut project = Self::new(files);
        project.tests.args = vec!["--maxfail=1000".into()];
        project
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("p").canonicalize().unwrap()
    }

    pub fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.dir.path().join("p").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn install(&self, package: &str, version: &str) {
        self.packages.lock().unwrap().insert(package.into(), version.into());
    }

    fn unit(&self) -> Unit {
        let root = self.root();
        let mut whole = Digest::begin();
        for file in files(&root) {
            whole.part(file.as_bytes());
            whole.part(&fs::read(root.join(&file)).unwrap());
        }
        let prepared = Prepared {
            fingerprint: Some(whole.end()),
            known: None,
            why: String::new(),
            env: self.env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            cwd: root.clone(),
            python: Some(self.python.clone()),
            tests: self.asked.clone(),
            force: self.force,
            through: Vec::new(),
        };
        Unit { stage: stage(self.tests.clone()), prepared, root }
    }

    /// Runs the stage once, and gets warm for the next time.
    pub fn run(&self) -> Came {
        self.run_until(|_| false)
    }

    /// The same, cancelled as soon as it tells of such a thing.
    pub fn run_until(&self, is_it: impl Fn(&RunEvent) -> bool) -> Came {
        let unit = self.unit();
        let (feed, mut follower): (_, Follower) = feed();
        let logs = Logs::new(&self.dir.path().join("logs"));
        let mut recorder = Recorder::begin(RunId(1), &unit.stage.id, &feed, &logs);
        let (brake, stop) = brake();
        let executor = PytestExecutor(Arc::clone(&self.pytest));
        let mut events = Vec::new();
        let attempt = self.runtime.block_on(async {
            let mut attempt = executor.attempt(&unit, &mut recorder, stop);
            let attempt = loop {
                tokio::select! {
                    attempt = &mut attempt => break attempt,
                    event = follower.next() => if let Some(event) = event {
                        if is_it(&event) {
                            brake.pull(Verdict::Cancelled);
                        }
                        events.push(event);
                    },
                }
            };
            self.pytest.warm_up(&unit).await;
            // The executor has begun the same by itself; it finds nothing left to do, but it has to find that now.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            attempt
        });
        let record = recorder.finish();
        drop(feed);
        events.extend(std::iter::from_fn(|| follower.try_next()));
        Came { attempt, record, events }
    }

    /// Runs until it is warm.
    pub fn warm(&self) -> Came {
        for _ in 0..3 {
            let came = self.run();
            if came.note().starts_with("warm") {
                return came;
            }
        }
        panic!("it does not get warm: {}", self.run().note());
    }

    /// `python -m pytest`, and nothing of ours.
    pub fn plain(&self) -> std::process::Output {
        let mut command = Command::new(&self.python);
        command.args(["-m", "pytest"]).args(&self.tests.args).current_dir(self.root()).env_clear();
        command.envs(self.env.iter().cloned()).stdin(std::process::Stdio::null()).output().unwrap()
    }
}

fn stage(tests: devboot::project::model::Pytest) -> Stage {
    Stage {
        id: StageId("test".into()),
        action: Action::Pytest(tests),
        needs: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        metrics: Vec::new(),
        params: BTreeMap::new(),
        env: BTreeMap::new(),
        pass_env: Vec::new(),
        cwd: String::new(),
        timeout: None,
        retries: 0,
        cache: true,
        wants_cloud: false,
        on: "local".into(),
        cell: BTreeMap::new(),
    }
}

/// An output without what differs from run to run: times, and the rules that are as long as the times leave room.
fn steady(text: &str) -> String {
    let line = |line: &str| {
        let line = line.trim_matches(['=', ' ']);
        match line.rsplit_once(" in ") {
            Some((words, time)) if time.ends_with('s') && time.starts_with(|c: char| c.is_ascii_digit()) => {
                words.to_owned()
            }
            _ => line.to_owned(),
        }
    };
    text.lines().map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}
