//! Which runs of pytest an attempt is made of, and with which arguments. Pure but for what the ground is asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::executor::Ground;
use super::graph::{Extracted, Graph};
use super::job::{Job, Patience, THREADS};
use super::memory::Memory;
use super::select::{Chosen, Facts, Plan, is_everywhere, is_setting, select};
use crate::base::digest::Digest;
use crate::project::model::Pytest;
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
    /// Whether what runs is known to who asked alone: then it says nothing of files.
    pub(super) is_loose: bool,
}

impl Batch {
    /// All tests, which pytest finds by itself.
    pub(super) fn whole() -> Self {
        Self { is_all: true, ..Self::of(Vec::new()) }
    }

    /// These files.
    pub(super) fn of(files: Vec<String>) -> Self {
        Self { files, chosen: Vec::new(), rest: 0, nice: 0, is_all: false, is_loose: false }
    }
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
    files: &[String],
    now: &HashMap<String, Digest>,
    memory: &Memory,
) -> Option<Plan> {
    if memory.files.is_empty()
        || memory.coverage
        || memory.blind
        || memory.together
        || memory.crowded
        || memory.settings.as_ref() != Some(&settings(files, now))
        || memory.rootdir.as_deref() != unit.root.to_str()
        || unit.prepared.cwd != unit.root
    {
        return None;
    }
    let mut tests: BTreeSet<String> =
        memory.files.keys().filter(|file| now.contains_key(*file)).cloned().collect();
    let known_dirs: BTreeSet<String> = tests.iter().map(|file| dir_of(file)).collect();
    let kinds = Kinds::of(memory);
    // A file that is named is taken for one of tests, also where only its doctests are meant.
    if tests.iter().any(|file| file.ends_with(".py") && !kinds.is_module(file)) {
        return None;
    }
    for file in files.iter().filter(|file| !memory.files.contains_key(*file)) {
        let is_left = || {
            memory.left.get(file).is_some_and(|left| now.get(file).is_some_and(|now| now.short() == *left))
        };
        if !kinds.is_test(file) || is_left() {
            continue;
        }
        // A file that is new to us: beside others that pytest collects it surely is collected; else all run.
        if !file.ends_with(".py") || !known_dirs.contains(&dir_of(file)) {
            return None;
        }
        tests.insert(file.clone());
    }
    let extracted = |file: &String| {
        let known = memory
            .imports
            .get(file)
            .filter(|(of, _)| now.get(file).is_some_and(|now| now.to_string() == *of));
        // What could not be read may import anything.
        known.map_or(Extracted { dynamic: true, ..Extracted::default() }, |(_, extracted)| extracted.clone())
    };
    let sources = files.iter().filter(|file| file.ends_with(".py"));
    let extracted = sources.map(|file| (file.clone(), extracted(file))).collect();
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
        changed: &|path| {
            let now = now.get(path).map(Digest::short);
            match memory.before.get(path) {
                Some(before) => Some(before.as_str()) != now.as_deref(),
                None => path.ends_with(".py") && now.is_some() && !memory.before.is_empty(),
            }
        },
    };
    Some(select(&tests, memory, &facts))
}

/// The digest of what decides which tests there are: settings and conftests.
pub(super) fn settings(files: &[String], now: &HashMap<String, Digest>) -> String {
    let is_setting = |file: &&String| is_setting(file) || file.rsplit('/').next() == Some("conftest.py");
    let mut parts: Vec<String> = Vec::new();
    for file in files.iter().filter(is_setting) {
        parts.extend([file.clone(), now.get(file).map(ToString::to_string).unwrap_or_default()]);
    }
    Digest::of_parts(parts.iter().map(String::as_bytes)).to_string()
}

/// What the files held that tests may depend on, for the next run to say what has changed.
pub(super) fn watched(memory: &Memory, now: &HashMap<String, Digest>) -> BTreeMap<String, String> {
    let read: BTreeSet<&String> = memory.reads.values().flatten().collect();
    let is_watched = |path: &&String| path.ends_with(".py") || is_everywhere(path) || read.contains(path);
    let files = now.iter().filter(|(path, _)| is_watched(path));
    files.map(|(path, digest)| (path.clone(), digest.short())).collect()
}

/// Which files are test files, as far as their names say it.
pub(super) struct Kinds {
    modules: Patterns,
    doctests: Patterns,
    /// The endings of test files that are no Python.
    endings: BTreeSet<String>,
}

impl Kinds {
    pub(super) fn of(memory: &Memory) -> Self {
        let others = memory.files.keys().filter(|file| !file.ends_with(".py"));
        Self {
            modules: Patterns::of(&memory.patterns),
            doctests: Patterns::of(&memory.doctests),
            endings: others.filter_map(|file| ending(file)).collect(),
        }
    }

    /// Whether pytest would collect a file of this name, where it looks.
    pub(super) fn is_test(&self, file: &str) -> bool {
        self.is_module(file)
            || self.doctests.fit(file)
            || ending(file).is_some_and(|ending| self.endings.contains(&ending))
    }

    /// Whether it is a module of tests, by its name.
    fn is_module(&self, file: &str) -> bool {
        self.modules.fit(file)
    }
}

/// Patterns as fnmatch has them: of the name alone, but where one has a slash.
struct Patterns {
    names: GlobSet,
    paths: GlobSet,
}

impl Patterns {
    fn of(patterns: &[String]) -> Self {
        let mut sets = [GlobSetBuilder::new(), GlobSetBuilder::new()];
        for pattern in patterns {
            let is_path = pattern.contains('/');
            let whole =
                if is_path { format!("**/{}", pattern.trim_start_matches('/')) } else { pattern.clone() };
            // What is no pattern here may be one to Python: then any file may be meant.
            let glob = Glob::new(&whole).or_else(|_| Glob::new("*"));
            if let Ok(glob) = glob {
                sets[usize::from(is_path)].add(glob);
            }
        }
        let [names, paths] = sets.map(|set| set.build().unwrap_or_default());
        Self { names, paths }
    }

    fn fit(&self, file: &str) -> bool {
        self.names.is_match(file.rsplit('/').next().unwrap_or(file)) || self.paths.is_match(file)
    }
}

fn ending(file: &str) -> Option<String> {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.rsplit_once('.').map(|(_, ending)| ending.to_owned())
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
pub(super) fn batches(plan: Option<&Plan>, asked: &[String]) -> Vec<Batch> {
    if !asked.is_empty() {
        let files = asked_files(asked, plan);
        let (is_loose, files) = (files.is_none(), files.unwrap_or_default());
        return vec![Batch { files, chosen: Vec::new(), rest: 0, nice: 0, is_all: false, is_loose }];
    }
    let whole = |chosen: Vec<Chosen>| {
        let files = chosen.iter().map(|chosen| chosen.file.clone()).collect();
        vec![Batch { files, chosen, rest: 0, nice: 0, is_all: true, is_loose: false }]
    };
    let Some(plan) = plan else { return whole(Vec::new()) };
    let files = |chosen: &[Chosen]| chosen.iter().map(|chosen| chosen.file.clone()).collect::<Vec<_>>();
    let is_all = plan.affected.len() + plan.rest.len() == plan.signatures.len();
    match (plan.affected.is_empty(), plan.rest.is_empty()) {
        (false, true) if is_all => whole(plan.affected.clone()),
        (true, true) => whole(Vec::new()),
        (false, true) => {
            let (files, chosen) = (files(&plan.affected), plan.affected.clone());
            vec![Batch { files, chosen, rest: 0, nice: 0, is_all: false, is_loose: false }]
        }
        (true, false) => {
            let (files, chosen) = (files(&plan.rest), plan.rest.clone());
            vec![Batch { files, chosen, rest: 0, nice: 0, is_all: false, is_loose: false }]
        }
        (false, false) => {
            let first = Batch {
                files: files(&plan.affected),
                chosen: plan.affected.clone(),
                rest: plan.rest.len(),
                nice: 0,
                is_all: false,
                is_loose: false,
            };
            let then = Batch {
                files: files(&plan.rest),
                chosen: plan.rest.clone(),
                rest: 0,
                nice: BEHIND,
                is_all: false,
                is_loose: false,
            };
            vec![first, then]
        }
    }
}

/// The test files that were asked for by their names; `None` when anything else was, which is for pytest itself to understand.
fn asked_files(asked: &[String], plan: Option<&Plan>) -> Option<Vec<String>> {
    let known = |name: &String| {
        let name = name.trim_start_matches("./");
        plan.is_some_and(|plan| plan.signatures.contains_key(name)).then(|| name.to_owned())
    };
    asked.iter().map(known).collect()
}

/// All in one run, in their order.
pub(super) fn together(batches: Vec<Batch>) -> Batch {
    let mut all =
        Batch { files: Vec::new(), chosen: Vec::new(), rest: 0, nice: 0, is_all: false, is_loose: false };
    for batch in batches {
        all.files.extend(batch.files);
        all.chosen.extend(batch.chosen);
    }
    all
}

/// What is sent for a run of these files of a batch; `all` are those of the project.
pub(super) fn job(
    (unit, tests): (&Unit, &Pytest),
    (batch, files): (&Batch, &[String]),
    memory: &Memory,
    all: &[String],
) -> Job {
    let is_named = !files.is_empty();
    let mut args = tests.args.clone();
    args.extend(unit.prepared.tests.iter().filter(|_| batch.is_loose).cloned());
    if is_named {
        // What pytest would find from the root alone it must not look for from the files that are named.
        let root = memory.rootdir.clone().unwrap_or_default();
        args.extend([format!("--rootdir={root}"), format!("--confcutdir={root}")]);
        let is_nested = |file: &String| file.contains('/') && is_setting(file);
        let none = || all.iter().any(is_nested).then(|| "/dev/null".to_owned());
        if let Some(ini) = memory.ini.clone().or_else(none) {
            args.extend(["-c".into(), ini]);
        }
        args.extend(files.iter().cloned());
    }
    let unset = THREADS.iter().filter(|name| !unit.prepared.env.contains_key(**name));
    Job {
        root: unit.root.clone(),
        cwd: unit.prepared.cwd.clone(),
        args,
        unset: unset.map(|name| (*name).to_owned()).collect(),
        set: unit
            .prepared
            .env
            .get_key_value(BYTECODE)
            .map(|(name, value)| (name.clone(), value.clone()))
            .into_iter()
            .collect(),
        nice: batch.nice,
        memory: tests.memory_mb.map(|megabytes| u64::from(megabytes) << 20),
        is_named,
        patience: patience(batch, memory),
    }
}

/// How long a warm run that says nothing is waited for: longer than it took before.
fn patience(batch: &Batch, memory: &Memory) -> Patience {
    let is_in = |file: &String| batch.is_all || batch.files.contains(file);
    let files = memory.files.iter().filter(|(file, _)| is_in(file));
    let longest = files.map(|(_, record)| record.milliseconds).fold(0.0, f64::max);
    let longest = Duration::from_millis(longest as u64);
    // A test that is new may take as long as it likes.
    let are_known = !batch.files.is_empty() && batch.files.iter().all(|file| memory.files.contains_key(file));
    let busy = are_known.then(|| SPIN.max(longest * 10));
    Patience { still: Duration::from_secs(15) + longest * 3, busy }
}

/// What computes is not waited for longer than this, or ten times as long as it took.
const SPIN: Duration = Duration::from_secs(5 * 60);

/// Files that a lane of its own is worth: together they took so long when they ran last, in milliseconds.
const WORTH: f64 = 120.0;

/// The files of a batch, shared out among processes that run side by side. One lane, as the batch is, where there is nothing to
/// gain. Each lane keeps the order; the longest files are given out first, each to the lane that has the least.
pub(super) fn lanes(batch: &Batch, memory: &Memory, most: usize) -> Vec<Vec<String>> {
    let known = |file: &String| memory.files.get(file).map(|record| record.milliseconds);
    let times: Option<Vec<f64>> = batch.files.iter().map(known).collect();
    let whole = vec![batch.files.clone()];
    let Some(times) = times.filter(|times| !batch.is_loose && times.iter().sum::<f64>() >= WORTH) else {
        return whole;
    };
    let most = most.min(batch.files.len());
    if most < 2 || memory.serial > 0 {
        return whole;
    }
    let mut places: Vec<usize> = (0..times.len()).collect();
    places.sort_by(|a, b| times[*b].total_cmp(&times[*a]));
    let mut lanes: Vec<(f64, Vec<usize>)> = vec![(0.0, Vec::new()); most];
    for place in places {
        let Some(lane) = lanes.iter_mut().min_by(|a, b| a.0.total_cmp(&b.0)) else { return whole };
        // Each file costs something besides its tests.
        lane.0 += times[place] + 2.0;
        lane.1.push(place);
    }
    let in_order = |(_, mut places): (f64, Vec<usize>)| {
        places.sort_unstable();
        places.into_iter().map(|place| batch.files[place].clone()).collect()
    };
    let mut lanes: Vec<Vec<String>> = lanes.into_iter().map(in_order).collect();
    // The one that is shown as it runs begins with what runs first.
    if let Some(first) = lanes.iter().position(|lane| lane.first() == batch.files.first()) {
        lanes.swap(0, first);
    }
    lanes
}

/// How long these files took when they ran last, in milliseconds.
pub(super) fn took(files: &[String], memory: &Memory) -> f64 {
    files.iter().filter_map(|file| memory.files.get(file)).map(|record| record.milliseconds).sum()
}

/// The first reasons, as sentences.
pub(super) fn reasons(chosen: &[Chosen]) -> Vec<String> {
    chosen.iter().take(REASONS).map(|chosen| chosen.why.sentence(&chosen.file)).collect()
}
