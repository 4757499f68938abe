//! Tests of other languages by what a change affects, with the real tools: a leaf runs first, a base runs all, nothing is lost.

mod cargo;
mod go;
mod nextest;
mod scripts;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use devboot::project::files;
use devboot::project::infer::{Look, infer};
use devboot::project::model::StageId;
use devboot::project::resolve::resolve;
use devboot::run::dispatcher;
use devboot::run::event::{Failure, Portion, RunEvent, StageEnd, Trigger, Verdict};
use devboot::run::feed::feed;
use devboot::session::turn::Order;
use devboot::session::{Access, Session};
use devboot::sys::dirs::Dirs;

/// A project, and what a session of it has to know.
pub struct Project {
    dir: tempfile::TempDir,
    /// What stands in its `devboot.toml`; nothing is inferred then.
    text: Option<String>,
    env: BTreeMap<String, String>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Came {
    pub end: StageEnd,
    pub affected: Option<Affected>,
    pub failed: Vec<Failure>,
}

/// The verdict of the tests that a change affects.
#[derive(Debug, PartialEq, Eq)]
pub struct Affected {
    pub verdict: Verdict,
    pub passed: u32,
    pub chosen: usize,
    pub rest: usize,
    pub of: Portion,
    pub because: Vec<String>,
}

impl Came {
    pub fn note(&self) -> &str {
        self.end.note.as_deref().unwrap_or_default()
    }

    pub fn passed(&self) -> u32 {
        self.end.tests.unwrap_or_default().passed
    }

    /// The verdict of the affected ones, how many there are, and how many others.
    pub fn first(&self) -> Option<(Verdict, usize, usize)> {
        self.affected.as_ref().map(|found| (found.verdict, found.chosen, found.rest))
    }
}

impl Project {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("p")).unwrap();
        let wanted = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
        let mut env: BTreeMap<String, String> =
            wanted.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
        env.insert("GOCACHE".into(), cache.to_string_lossy().into_owned());
        let project = Self { dir, text: None, env };
        files.iter().for_each(|(file, text)| project.write(file, text));
        project
    }

    /// With this pipeline.
    pub fn with(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("p")
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn remove(&self, file: &str) {
        fs::remove_file(self.root().join(file)).unwrap();
    }

    /// What is kept from run to run, by its file.
    pub fn is_remembered(&self) -> bool {
        let mut waiting = vec![self.dir.path().join("home")];
        while let Some(dir) = waiting.pop() {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                if entry.file_name().to_string_lossy().starts_with("related-") {
                    return true;
                }
                if entry.file_type().unwrap().is_dir() {
                    waiting.push(entry.path());
                }
            }
        }
        false
    }

    pub fn run(&self) -> Came {
        self.run_until(|_| false)
    }

    /// Runs the stage `test` in a session of its own; an event for which `stop` is true cancels it.
    pub fn run_until(&self, stop: impl Fn(&RunEvent) -> bool) -> Came {
        let root = self.root();
        let listing = files::list(&root, &[], &[]);
        let names: Vec<String> = listing.files.iter().map(str::to_owned).collect();
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        let pipeline = match &self.text {
            Some(text) => resolve(text, "devboot.toml", "p").unwrap().pipeline,
            None => infer("p", &Look { files: &names, read: &read, has: &|_| false }).0,
        };
        let dirs = Dirs::of_home(&self.dir.path().join("home"));
        let (session, said) =
            Session::open(&dirs, &root, pipeline, listing, self.env.clone(), Access::Write).unwrap();
        assert_eq!(said, [""; 0]);
        let (out, mut follower) = feed();
        let (cancels, mut orders) = tokio::sync::mpsc::unbounded_channel();
        let test = StageId("test".into());
        let stages = BTreeSet::from([test.clone()]);
        let order = Order {
            trigger: Trigger::Change,
            generation: 1,
            stages,
            tests: Vec::new(),
            force: false,
            waited: std::time::Duration::ZERO,
            changed: BTreeSet::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut came = (None, None, Vec::new());
        let mut see = |event: RunEvent| {
            if stop(&event) {
                cancels.send(dispatcher::Order::Cancel(vec![test.clone()])).unwrap();
            }
            match event {
                RunEvent::StageFinished { end, .. } => came.0 = Some(end),
                RunEvent::Affected { verdict, tests, files, rest, of, because, .. } => {
                    came.1 =
                        Some(Affected { verdict, passed: tests.passed, chosen: files, rest, of, because });
                }
                RunEvent::TestFailed { failure, .. } => came.2.push(failure),
                _ => {}
            }
        };
        runtime.block_on(async {
            let running = session.run(order, &mut orders, &out, |_| ());
            tokio::pin!(running);
            loop {
                tokio::select! {
                    _ = &mut running => break,
                    Some(event) = follower.next() => see(event),
                }
            }
        });
        std::iter::from_fn(|| follower.try_next()).for_each(&mut see);
        let (end, affected, failed) = came;
        Came { end: end.unwrap(), affected, failed }
    }
}
