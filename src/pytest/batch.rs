//! Which runs of pytest an attempt is made of, and with which arguments. Pure but for what the ground is asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::executor::Ground;
use super::graph::Graph;
use super::job::{Job, THREADS};
use super::memory::Memory;
use super::select::{Chosen, Facts, Plan, select};
use crate::base::digest::Digest;
use crate::run::unit::Unit;

/// The rest of the tests steps back behind everything that a person waits for, as nice(2) has it.
const BEHIND: i32 = 10;

/// How many reasons are told of.
const REASONS: usize = 5;

/// Whether Python keeps what it compiles: it must not when a source was saved just now.
const BYTECODE: &str = "PYTHONDONTWRITEBYTECODE";

/// Options that leave alone which tests there are.
const HARMLESS: [&str; 12] = [
    "-q",
    "-qq",
    "-v",
    "-vv",
    "-ra",
    "-rA",
    "-rf",
    "--tb=",
    "--color=",
    "--durations=",
    "--strict-markers",
    "--no-header",
];

/// One run of pytest among those of an attempt.
pub(super) struct Batch {
    /// The files to name; none runs all.
    pub(super) files: Vec<String>,
    pub(super) chosen: Vec<Chosen>,
    /// How many follow in the next batch.
    pub(super) rest: usize,
    pub(super) nice: i32,
    /// Whether all tests are in it.
    pub(super) is_all: bool,
}

/// Whether the arguments leave it to us which tests run.
pub(super) fn is_selectable(args: &[String], unit: &Unit) -> bool {
    let is_harmless = |arg: &String| {
        HARMLESS.iter().any(|known| arg == known || (known.ends_with('=') && arg.starts_with(known)))
    };
    args.iter().all(is_harmless)
        && ["PYTEST_ADDOPTS", "PYTEST_PLUGINS"].iter().all(|name| !unit.prepared.env.contains_key(*name))
}

/// What is to run; `None`: everything, as pytest collects it.
pub(super) fn plan(
    unit: &Unit,
    ground: &dyn Ground,
    (files, new): (&[String], &[String]),
    now: &HashMap<String, Digest>,
    (memory, before): (&Memory, &HashMap<String, Digest>),
) -> Option<Plan> {
    if memory.files.is_empty()
        || memory.rootdir.as_deref() != unit.root.to_str()
        || unit.prepared.cwd != unit.root
    {
        return None;
    }
    let mut tests: BTreeSet<String> =
        memory.files.keys().filter(|file| now.contains_key(*file)).cloned().collect();
    let known_dirs: BTreeSet<String> = tests.iter().map(|file| dir_of(file)).collect();
    for file in new.iter().filter(|file| !memory.files.contains_key(*file)) {
        // A file that is new to us: one that pytest surely collects, one that it surely does not; else all run.
        let name = file.rsplit('/').next().unwrap_or(file);
        let is_test = name.starts_with("test_") || name.ends_with("_test.py");
        if is_test && !known_dirs.contains(&dir_of(file)) {
            return None;
        }
        if is_test {
            tests.insert(file.clone());
        }
    }
    let extracted =
        memory.imports.iter().map(|(file, (_, extracted))| (file.clone(), extracted.clone())).collect();
    let graph = Graph::of(files.iter().map(String::as_str), &extracted, &memory.reads);
    let digest =
        |path: &str| now.get(path).copied().or_else(|| ground.digests(&[path.to_owned()]).pop().flatten());
    let python = ground.python();
    let around = [
        python.map(|python| format!("{} {:?}", python.identity, python.packages)).unwrap_or_default(),
        format!("{:?} {:?}", lasting(unit), unit.stage.action),
    ];
    let whole = whole(unit);
    let facts = Facts {
        files,
        graph: &graph,
        digest: &digest,
        around: Digest::of_parts(around.iter().map(String::as_bytes)),
        whole: &whole,
        changed: &|path| !before.is_empty() && before.get(path) != now.get(path),
    };
    Some(select(&tests, memory, &facts))
}

/// The environment without what differs from run to run.
pub(super) fn lasting(unit: &Unit) -> BTreeMap<String, String> {
    let mut env = unit.prepared.env.clone();
    env.remove(BYTECODE);
    env
}

/// The digest of all that the stage depends on.
pub(super) fn whole(unit: &Unit) -> String {
    unit.prepared.fingerprint.map_or_else(String::new, |fingerprint| fingerprint.to_string())
}

fn dir_of(file: &str) -> String {
    file.rsplit_once('/').map_or(String::new(), |(dir, _)| dir.to_owned())
}

/// The runs of a plan, in their order.
pub(super) fn batches(plan: Option<&Plan>) -> Vec<Batch> {
    let whole = |chosen: Vec<Chosen>| {
        let files = chosen.iter().map(|chosen| chosen.file.clone()).collect();
        vec![Batch { files, chosen, rest: 0, nice: 0, is_all: true }]
    };
    let Some(plan) = plan else { return whole(Vec::new()) };
    let files = |chosen: &[Chosen]| chosen.iter().map(|chosen| chosen.file.clone()).collect::<Vec<_>>();
    let is_all = plan.affected.len() + plan.rest.len() == plan.signatures.len();
    match (plan.affected.is_empty(), plan.rest.is_empty()) {
        (false, true) if is_all => whole(plan.affected.clone()),
        (true, true) => whole(Vec::new()),
        (false, true) => {
            let (files, chosen) = (files(&plan.affected), plan.affected.clone());
            vec![Batch { files, chosen, rest: 0, nice: 0, is_all: false }]
        }
        (true, false) => {
            let (files, chosen) = (files(&plan.rest), plan.rest.clone());
            vec![Batch { files, chosen, rest: 0, nice: 0, is_all: false }]
        }
        (false, false) => {
            let first = Batch {
                files: files(&plan.affected),
                chosen: plan.affected.clone(),
                rest: plan.rest.len(),
                nice: 0,
                is_all: false,
            };
            let then = Batch {
                files: files(&plan.rest),
                chosen: plan.rest.clone(),
                rest: 0,
                nice: BEHIND,
                is_all: false,
            };
            vec![first, then]
        }
    }
}

/// All in one run, in their order.
pub(super) fn together(batches: Vec<Batch>) -> Batch {
    let mut all = Batch { files: Vec::new(), chosen: Vec::new(), rest: 0, nice: 0, is_all: false };
    for batch in batches {
        all.files.extend(batch.files);
        all.chosen.extend(batch.chosen);
    }
    all
}

/// What is sent for a run.
pub(super) fn job(unit: &Unit, args: &[String], batch: &Batch, memory: &Memory) -> Job {
    let mut args = args.to_vec();
    if !batch.is_all {
        // What pytest would find from the root alone it must not look for from the files that are named.
        args.extend(memory.rootdir.iter().map(|dir| format!("--rootdir={dir}")));
        args.extend(memory.ini.iter().map(|ini| format!("--config-file={ini}")));
        args.extend(batch.files.iter().cloned());
    }
    let unset = THREADS.iter().filter(|name| !unit.prepared.env.contains_key(**name));
    let failed =
        batch.files.iter().filter_map(|file| memory.files.get(file)).flat_map(|record| &record.failed);
    Job {
        root: unit.root.clone(),
        cwd: unit.prepared.cwd.clone(),
        args,
        order: batch.files.clone(),
        first: failed.cloned().collect(),
        unset: unset.map(|name| (*name).to_owned()).collect(),
        set: unit
            .prepared
            .env
            .get_key_value(BYTECODE)
            .map(|(name, value)| (name.clone(), value.clone()))
            .into_iter()
            .collect(),
        nice: batch.nice,
        patience: patience(batch, memory),
    }
}

/// For how long a warm run may neither say nor compute anything: longer than it took before.
fn patience(batch: &Batch, memory: &Memory) -> Duration {
    let is_in = |file: &String| batch.is_all || batch.files.contains(file);
    let files = memory.files.iter().filter(|(file, _)| is_in(file));
    let longest = files.map(|(_, record)| record.milliseconds).fold(0.0, f64::max);
    Duration::from_secs(15) + Duration::from_millis(longest as u64) * 3
}

/// The first reasons, as sentences.
pub(super) fn reasons(chosen: &[Chosen]) -> Vec<String> {
    chosen.iter().take(REASONS).map(|chosen| chosen.why.sentence(&chosen.file)).collect()
}
