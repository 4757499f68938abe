//! A session from run to run: what holds, and what is said of what does not.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::turn::Order;
use super::{Access, Asked, Decision, Session};
use crate::project::files;
use crate::project::resolve::resolve;
use crate::run::event::{RunEvent, Trigger};
use crate::run::feed::feed;
use crate::sys::dirs::Dirs;

const TEXT: &str = r#"
[stage.look]
run = "test ! -e red"
inputs = ["*.txt"]
"#;

struct Desk {
    dir: tempfile::TempDir,
    session: Session,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("project");
        fs::create_dir(&root).unwrap();
        ["a.txt", "b.txt"].iter().for_each(|name| fs::write(root.join(name), "1").unwrap());
        let session = Self::open(&dir, Access::Write);
        Self { dir, session }
    }

    fn open(dir: &tempfile::TempDir, access: Access) -> Session {
        let root = dir.path().join("project");
        let pipeline = resolve(TEXT, "devboot.toml", "demo").unwrap().pipeline;
        let files = files::list(&root, &[], &[]);
        let env = [("PATH".to_owned(), std::env::var("PATH").unwrap())].into();
        let dirs = Dirs::of_home(dir.path());
        let (session, said) = Session::open(&dirs, &root, pipeline, files, env, access).unwrap();
        assert_eq!(said, [""; 0]);
        session
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join("project").join(name), text).unwrap();
    }

    /// Runs all; why the stage ran or did not, up to the first digest.
    fn run(&self, force: bool) -> String {
        let (out, mut follower) = feed();
        let (_orders, mut orders) = tokio::sync::mpsc::unbounded_channel();
        let (stages, changed) = (BTreeSet::new(), BTreeSet::new());
        let order = Order {
            trigger: Trigger::Change,
            generation: 1,
            stages,
            tests: Vec::new(),
            force,
            changed,
            waited: std::time::Duration::ZERO,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.session.run(order, &mut orders, &out, |_| ()));
        let events = std::iter::from_fn(|| follower.try_next());
        let why = |event| match event {
            RunEvent::StageStarted { why, .. } => Some(why),
            RunEvent::StageFinished { end, .. } => end.note,
            _ => None,
        };
        let said: BTreeMap<usize, String> = events.filter_map(why).enumerate().collect();
        let said = said.get(&0).cloned().unwrap_or_default();
        said.split(" (").next().unwrap_or_default().to_owned()
    }

    /// What another session says of the next run.
    fn elsewhere(&self) -> String {
        let asked = Asked { trigger: Trigger::Change, force: false };
        let reason = Self::open(&self.dir, Access::Read).reasons(&BTreeSet::new(), asked).remove(0);
        match reason.decision.unwrap() {
            Decision::Run(why) => why.split(" (").next().unwrap_or_default().to_owned(),
            Decision::Holds(run, verdict) => format!("{verdict:?} in {}", run.0),
        }
    }
}

#[test]
fn what_differs_is_named_though_the_items_are_let_go_after_every_run() {
    let desk = Desk::new();
    assert_eq!(desk.run(false), "it has not run here before");
    assert_eq!(desk.elsewhere(), "Passed in 1");
    let holds = desk.run(false);
    assert!(holds.contains("nothing"), "{holds}");
    desk.write("b.txt", "22");
    assert_eq!(desk.elsewhere(), "b.txt changed");
    assert_eq!(desk.run(false), "b.txt changed");
    assert_eq!(desk.run(true), "it was asked for with --force");
    desk.write("red", "");
    // Nothing that it says to depend on: the verdict alone is another one.
    assert_eq!(desk.run(true), "it was asked for with --force");
    assert_eq!(desk.elsewhere(), "Failed in 5");
    desk.write("a.txt", "333");
    assert_eq!(desk.elsewhere(), "a.txt changed");
    assert_eq!(desk.run(false), "a.txt changed");
    let again = desk.run(false);
    assert_eq!(desk.elsewhere(), "Failed in 6", "{again}");
}
