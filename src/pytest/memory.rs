//! What is remembered of a stage's tests from run to run: what came of each file and at which bytes, what was seen to be read, what each
//! file imports, and which modules a run had to import. Losing it costs one whole run.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::graph::Extracted;
use crate::sys::system::{ReadSystem, WriteSystem, replace};

/// The largest file that is read, in bytes.
const LIMIT: u64 = 128 << 20;

/// Another form has another number; what has an older one is made again.
const FORM: u32 = 8;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The number of this form.
    pub form: u32,
    /// By test file.
    pub files: BTreeMap<String, FileRecord>,
    /// What each file was seen to read, relative to the root.
    pub reads: BTreeMap<String, Vec<String>>,
    /// What runs wrote before they read it.
    pub made: BTreeSet<String>,
    /// What was not as before when the last runs that wrote it were over, and after how many.
    pub altered: BTreeMap<String, u32>,
    /// What was written in each run, by whom nobody saw, and held the same before and after.
    pub rewritten: BTreeSet<String>,
    /// What was written so in the last run of tests that take too long to be run again for it.
    pub suspected: BTreeSet<String>,
    /// What runs wrote and took away again.
    pub passing: BTreeSet<String>,
    /// Test files that started other programs.
    pub spawned: BTreeSet<String>,
    /// What each Python file imports, with the digest of the bytes in which that stands.
    pub imports: BTreeMap<String, (String, Extracted)>,
    /// The modules that runs imported from outside the project, in their order.
    pub modules: Vec<String>,
    /// The variables that the project sets while it is imported: what is imported after that may read them.
    pub sets: BTreeSet<String>,
    /// Whether the project makes errors of warnings: then nothing is imported for it.
    pub strict: bool,
    /// Sets of modules, by digest, after which a warm run hung or broke.
    pub quarantined: BTreeSet<String>,
    /// Tests that failed, and may not be red for plain pytest: nobody has looked.
    pub unjudged: BTreeSet<String>,
    /// Modules that files use without importing them, as they were when all passed in a process of their own.
    pub lent: BTreeSet<(String, String)>,
    /// The directory that node ids are relative to, and the file with pytest's settings, as it said itself.
    pub rootdir: Option<String>,
    /// See `rootdir`.
    pub ini: Option<String>,
    /// The names of Python files that hold tests, as patterns.
    pub patterns: Vec<String>,
    /// The names of files that hold doctests, as patterns.
    pub doctests: Vec<String>,
    /// Files that would be test files by their names and were not collected, with the beginnings of their digests.
    pub left: BTreeMap<String, String>,
    /// The digest of all settings and conftests when a whole run last found its tests by itself.
    pub settings: Option<String>,
    /// The project's files that are plugins of every run.
    pub plugins: BTreeSet<String>,
    /// What files held when a run last began, as the beginnings of their digests.
    pub before: BTreeMap<String, String>,
    /// Whether its settings measure coverage, which tells the truth only of whole runs.
    pub coverage: bool,
    /// Whether what the last whole run read was not all seen.
    pub blind: bool,
    /// Whether a run in which pytest finds all tests itself passed where files that were named did not: some need others before them.
    pub together: bool,
    /// Whether tests failed with the others that passed without them, and no run of all has passed since.
    pub crowded: bool,
    /// For so many runs no two files run at the same time: they came to harm.
    pub serial: u32,
}

/// What came of a test file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    /// The digest of all that it depended on when it last passed; none when it did not.
    pub good: Option<String>,
    /// The digest of the whole stage when it last ran.
    pub ran_at: Option<String>,
    /// The digest of all that it depended on when it last ran.
    pub last: Option<String>,
    /// Whether pytest found all tests by itself then.
    pub as_found: bool,
    /// The tests that failed then.
    pub failed: Vec<String>,
    /// Tests that had different outcomes at the same bytes.
    pub flaky: BTreeSet<String>,
    /// The digest of those bytes, with all else that the file depended on.
    pub flaky_at: Option<String>,
    /// How many tests it has.
    pub tests: u32,
    /// How many of them were skipped when it last ran.
    pub skipped: u32,
    /// How long it took, in milliseconds.
    pub milliseconds: f64,
}

impl FileRecord {
    /// These tests had two outcomes at this digest.
    pub fn turned(&mut self, signature: &str, tests: impl IntoIterator<Item = String>) {
        let mut tests = tests.into_iter().peekable();
        if tests.peek().is_none() {
            return;
        }
        if self.flaky_at.as_deref() != Some(signature) {
            self.flaky.clear();
            self.flaky_at = Some(signature.to_owned());
        }
        self.flaky.extend(tests);
    }

    /// Whether a test had two outcomes at this digest.
    pub fn is_flaky(&self, signature: &str, test: &str) -> bool {
        self.flaky_at.as_deref() == Some(signature) && self.flaky.contains(test)
    }
}

impl Memory {
    /// What was kept; nothing when there is none that can be read.
    pub fn load(system: &dyn ReadSystem, file: &Path) -> Self {
        let read = system.read(file, LIMIT).ok();
        let kept: Option<Self> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        kept.filter(|kept| kept.form == FORM).unwrap_or(Self { form: FORM, ..Self::default() })
    }

    /// Keeps it; the file's directory exists.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, system: &dyn WriteSystem, file: &Path) -> std::io::Result<()> {
        replace(system, file, &serde_json::to_vec(self).unwrap_or_default(), 0o600)
    }

    /// The modules from elsewhere that files of the project use by way of a package, and do not import themselves: whether they
    /// are there depends on who else imports them.
    pub fn borrowed(&self) -> BTreeSet<(String, String)> {
        let modules: HashSet<&String> = self.modules.iter().collect();
        let mut found = BTreeSet::new();
        for (file, (_, extracted)) in &self.imports {
            let imports = |module: &String| {
                let is_it = |name: &String| {
                    name.strip_prefix(module.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                extracted.names.iter().any(is_it)
            };
            let used = extracted.uses.iter().filter(|module| modules.contains(module) && !imports(module));
            found.extend(used.map(|module| (file.clone(), module.clone())));
        }
        found
    }

    /// The modules that a server imports.
    pub fn preload(&self) -> Vec<String> {
        let is_wanted =
            |name: &&String| !self.strict && !NEVER.contains(&name.split('.').next().unwrap_or(name));
        self.modules.iter().filter(is_wanted).cloned().collect()
    }
}

/// Packages that start threads, read devices or change the process when they are imported.
const NEVER: [&str; 12] = [
    "ddtrace",
    "debugpy",
    "faulthandler",
    "gevent",
    "eventlet",
    "jax",
    "jaxlib",
    "opentelemetry",
    "pydevd",
    "pyroscope",
    "tensorflow",
    "xdist",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::real::RealSystem;

    #[test]
    fn it_is_kept_and_another_form_is_made_again() {
        let (system, dir) = (RealSystem, tempfile::tempdir().unwrap());
        let file = &dir.path().join("memory.json");
        let mut memory = Memory::load(&system, file);
        memory.modules = vec!["numpy".into(), "jax.numpy".into(), "gevent".into()];
        memory.files.insert("t.py".into(), FileRecord { tests: 3, ..FileRecord::default() });
        memory.save(&system, file).unwrap();
        assert_eq!(Memory::load(&system, file), memory);
        assert_eq!(memory.preload(), ["numpy"]);
        memory.strict = true;
        assert!(memory.preload().is_empty());
        memory.form = FORM - 1;
        memory.save(&system, file).unwrap();
        assert!(Memory::load(&system, file).files.is_empty());
    }
}
