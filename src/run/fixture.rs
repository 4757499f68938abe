//! Stages and a project for tests.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::cache::Cache;
use super::dispatcher::{Job, Order, RunRecord, execute};
use super::event::{RunEvent, RunId, StageEnd, Trigger};
use super::feed::{Feed, Follower, feed};
use super::flow::Tools;
use super::local::Local;
use super::logs::Logs;
use super::service::Services;
use super::unit::{Prepared, Site};
use crate::base::digest::Digest;
use crate::project::contents::Contents;
use crate::project::model::{Action, Command, Stage, StageId};

/// A stage that does nothing.
pub fn stage(name: &str) -> Stage {
    Stage {
        id: StageId(name.into()),
        action: Action::Run(Command::Shell("true".into())),
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

/// A stage that runs a script.
pub fn sh(name: &str, script: &str) -> Stage {
    Stage { action: Action::Run(Command::Shell(script.into())), ..stage(name) }
}

/// The same stage, which needs others.
pub fn needs(stage: Stage, needs: &[&str]) -> Stage {
    Stage { needs: needs.iter().map(|need| StageId((*need).into())).collect(), ..stage }
}

/// A project whose stages depend on their action and on the files that they name.
pub struct Plain {
    root: PathBuf,
    pub wrote: Mutex<Vec<String>>,
}

impl Plain {
    fn fingerprint(&self, stage: &Stage) -> Result<Digest, String> {
        let mut parts = vec![format!("{:?}", stage.action).into_bytes()];
        for input in &stage.inputs {
            parts.push(
                fs::read(self.root.join(input)).map_err(|error| format!("cannot read {input}: {error}"))?,
            );
        }
        Ok(Digest::of_parts(parts.iter().map(Vec::as_slice)))
    }
}

impl Site for Plain {
    fn prepare(&self, stage: &Stage) -> Result<Prepared, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        Ok(Prepared {
            known: None,
            fingerprint: Some(self.fingerprint(stage)?),
            why: "asked for".into(),
            env: [("PATH".to_owned(), path)].into(),
            cwd: self.root.join(&stage.cwd),
            python: None,
            tests: Vec::new(),
            force: false,
            through: Vec::new(),
        })
    }

    fn changed_since(&self, stage: &Stage, fingerprint: &Digest) -> Option<String> {
        let same = self.fingerprint(stage).is_ok_and(|now| now == *fingerprint);
        (!same).then(|| stage.inputs.join(", "))
    }

    fn started(&self, _: &StageId) {}

    fn wrote(&self, _: &StageId, files: &[String]) {
        self.wrote.lock().unwrap().extend(files.iter().cloned());
    }
}

/// A project in a directory of its own, with logs and a store.
pub struct World {
    pub dir: TempDir,
    pub site: Arc<Plain>,
    pub tools: Arc<Tools>,
    pub feed: Feed,
    pub follower: Follower,
    runs: u64,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("project");
        fs::create_dir(&root).unwrap();
        let site = Arc::new(Plain { root: root.clone(), wrote: Mutex::default() });
        let logs = Logs::new(&dir.path().join("logs"));
        let tools = Tools {
            site: Arc::clone(&site) as Arc<dyn Site>,
            executors: vec![("local", Arc::new(Local))],
            pytest: None,
            cache: Some(Cache::new(&dir.path().join("cache"))),
            contents: Arc::new(Mutex::new(Contents::new(&root))),
            services: Services::new(logs.clone()),
            logs,
            root,
        };
        let (feed, follower) = feed();
        Self { dir, site, tools: Arc::new(tools), feed, follower, runs: 0 }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.tools.root.join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn job(&mut self, stages: &[Stage]) -> Job {
        self.runs += 1;
        Job {
            part: None,
            run: RunId(self.runs),
            trigger: Trigger::Request,
            generation: 1,
            waited: std::time::Duration::ZERO,
            changed: Vec::new(),
            changes: 0,
            stages: stages.to_vec(),
            slots: 4,
            force: false,
        }
    }

    /// Runs stages to their end.
    pub async fn run(&mut self, stages: &[Stage]) -> RunRecord {
        let job = self.job(stages);
        self.run_job(job).await
    }

    pub async fn run_job(&mut self, job: Job) -> RunRecord {
        let (_orders, mut receiver) = unbounded_channel();
        let run = execute(job, &self.tools, &mut receiver, &self.feed);
        tokio::time::timeout(Duration::from_secs(120), run).await.expect("the run does not end")
    }

    /// Runs stages, and gives an order as soon as one has written something.
    pub async fn run_until_output(&mut self, stages: &[Stage], order: Order) -> RunRecord {
        let job = self.job(stages);
        let (orders, mut receiver): (UnboundedSender<Order>, _) = unbounded_channel();
        let run = execute(job, &self.tools, &mut receiver, &self.feed);
        let follower = &mut self.follower;
        let ordering = async {
            while let Some(event) = follower.next().await {
                if matches!(event, RunEvent::Output { .. }) {
                    orders.send(order).unwrap();
                    break;
                }
            }
        };
        let both = async { tokio::join!(run, ordering).0 };
        tokio::time::timeout(Duration::from_secs(120), both).await.expect("the run does not end")
    }

    /// What was told so far.
    pub fn events(&mut self) -> Vec<RunEvent> {
        std::iter::from_fn(|| self.follower.try_next()).collect()
    }

    /// Everything that a stage was heard to write.
    pub fn output(&mut self) -> String {
        self.events()
            .into_iter()
            .filter_map(|event| match event {
                RunEvent::Output { text, .. } => Some(text),
                _ => None,
            })
            .collect()
    }
}

/// How a stage ended.
pub fn end<'r>(record: &'r RunRecord, stage: &str) -> &'r StageEnd {
    &record.stages.iter().find(|(id, _)| id.0 == stage).unwrap().1
}
