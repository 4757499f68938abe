//! Which test files a change affects, in which order, and why. Pure.
//!
//! Each test file has a signature: a digest over all that it depends on. It is *affected* when that is not the one at which it
//! last passed, so the answer is right after a restart, a run that was cancelled, or a change that was taken back. The *rest* are
//! files that have not run since anything of the stage changed: the graph says that nothing of theirs did, and a run says so, too.

use std::collections::{BTreeMap, BTreeSet};

use super::graph::{Graph, Reach};
use super::memory::Memory;
use crate::base::digest::Digest;

/// Files that every test depends on, by their last name.
const SETTINGS: [&str; 16] = [
    "pyproject.toml",
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "tox.ini",
    "setup.cfg",
    "setup.py",
    ".coveragerc",
    "Pipfile",
    "Pipfile.lock",
    "poetry.lock",
    "uv.lock",
    "pdm.lock",
    "environment.yml",
    ".env",
];

/// What is known when a run begins.
pub struct Facts<'a> {
    /// The files of the project that the stage depends on.
    pub files: &'a [String],
    /// Who depends on whom.
    pub graph: &'a Graph,
    /// What a path holds.
    pub digest: &'a dyn Fn(&str) -> Option<Digest>,
    /// The digest of all else: interpreter, packages, environment, arguments.
    pub around: Digest,
    /// The digest of the whole stage.
    pub whole: &'a str,
    /// Whether a file held something else when a run last began.
    pub changed: &'a dyn Fn(&str) -> bool,
}

/// Why a file runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It never ran.
    New,
    /// It failed when it ran last.
    Failed,
    /// It depends on something that changed, by this way.
    Depends(Vec<String>),
    /// Something that it depends on is not what it was when it last passed.
    Differs,
    /// Nothing that it depends on changed; it has not run at these bytes.
    Rest,
}

impl Why {
    /// As a sentence for the file.
    pub fn sentence(&self, file: &str) -> String {
        match self {
            Self::New => format!("{file} never ran"),
            Self::Failed => format!("{file} failed when it ran last"),
            Self::Depends(way) if way.len() < 2 => format!("{file} changed"),
            Self::Depends(way) => format!("{} (changed)", way.join(" -> ")),
            Self::Differs => format!("{file} depends on something that is not as it was when it passed"),
            Self::Rest => format!("nothing that {file} depends on changed"),
        }
    }
}

/// A test file that is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The file.
    pub file: String,
    /// Why.
    pub why: Why,
}

/// What is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// First.
    pub affected: Vec<Chosen>,
    /// Then.
    pub rest: Vec<Chosen>,
    /// The signature of each test file, now.
    pub signatures: BTreeMap<String, String>,
}

impl Plan {
    /// The same, and then also what has passed at these bytes.
    pub fn and_all(mut self) -> Self {
        // What is no choice is left to pytest.
        self.rest.clear();
        if !self.affected.is_empty() {
            let is_first = |file: &String| self.affected.iter().any(|chosen| chosen.file == *file);
            let others = self.signatures.keys().filter(|file| !is_first(file));
            self.rest = others.map(|file| Chosen { file: file.clone(), why: Why::Rest }).collect();
        }
        self
    }
}

/// Decides. Every file of `tests` gets its signature.
pub fn select(tests: &BTreeSet<String>, memory: &Memory, facts: &Facts<'_>) -> Plan {
    let everywhere: Vec<&str> =
        facts.files.iter().map(String::as_str).filter(|file| is_everywhere(file)).collect();
    let mut plan = Plan::default();
    let mut ranked: Vec<(bool, bool, usize, u64, Chosen)> = Vec::new();
    for test in tests {
        let plugins =
            memory.plugins.iter().map(String::as_str).filter(|plugin| !plugin.ends_with("conftest.py"));
        let first = std::iter::once(test.as_str()).chain(conftests(test, facts.files)).chain(plugins);
        let reach = facts.graph.reach(first);
        let signature = signature(test, &reach, &everywhere, memory, facts);
        let record = memory.files.get(test);
        let is_good = record.is_some_and(|record| record.good.as_ref() == Some(&signature));
        if is_good {
            let is_there = record.is_some_and(|record| record.ran_at.as_deref() == Some(facts.whole));
            if !is_there {
                plan.rest.push(Chosen { file: test.clone(), why: Why::Rest });
            }
        } else {
            let way = reach.way_to(|file| (facts.changed)(file));
            let distance = way.as_ref().map_or(usize::MAX, Vec::len);
            let failed = record.is_some_and(|record| !record.failed.is_empty());
            let why = match (record, way) {
                (None, _) => Why::New,
                (_, Some(way)) => Why::Depends(way.into_iter().map(str::to_owned).collect()),
                (Some(_), None) if failed => Why::Failed,
                (Some(_), None) => Why::Differs,
            };
            let milliseconds = record.map_or(0.0, |record| record.milliseconds) as u64;
            let chosen = Chosen { file: test.clone(), why };
            ranked.push((!failed, distance != 1, distance, milliseconds, chosen));
        }
        plan.signatures.insert(test.clone(), signature);
    }
    // Failed last, then changed itself, then near, then short.
    ranked.sort_by(|a, b| (a.0, a.1, a.2, a.3, &a.4.file).cmp(&(b.0, b.1, b.2, b.3, &b.4.file)));
    plan.affected = ranked.into_iter().map(|(.., chosen)| chosen).collect();
    let short =
        |chosen: &Chosen| memory.files.get(&chosen.file).map_or(0.0, |record| record.milliseconds) as u64;
    plan.rest.sort_by_key(short);
    plan
}

fn signature(
    test: &str,
    reach: &Reach<'_>,
    everywhere: &[&str],
    memory: &Memory,
    facts: &Facts<'_>,
) -> String {
    // What another program read, nobody has seen.
    let is_blind = reach.files().any(|file| memory.spawned.contains(file)) || memory.spawned.contains(test);
    let all = facts.files.iter().map(String::as_str);
    let more = all.filter(|file| is_blind || (reach.dynamic && file.ends_with(".py")));
    let paths: BTreeSet<&str> = reach.files().chain(everywhere.iter().copied()).chain(more).collect();
    let mut parts = vec![facts.around.to_string()];
    for path in paths {
        let held = match (facts.digest)(path) {
            Some(digest) => digest.to_string(),
            // A directory that was listed, or nothing.
            None => names_below(path, facts.files),
        };
        parts.extend([path.to_owned(), held]);
    }
    Digest::of_parts(parts.iter().map(String::as_bytes)).to_string()
}

fn names_below(dir: &str, files: &[String]) -> String {
    let prefix = if dir == "." || dir.is_empty() { String::new() } else { format!("{dir}/") };
    let names: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.strip_prefix(&prefix))
        .map(|rest| rest.split('/').next().unwrap_or(rest))
        .collect();
    Digest::of_parts(names.iter().map(|name| name.as_bytes())).to_string()
}

/// Whether it may hold pytest's settings, or those of what it starts.
pub(super) fn is_setting(file: &str) -> bool {
    SETTINGS.contains(&file.rsplit('/').next().unwrap_or(file))
}

pub(super) fn is_everywhere(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    let is_pins = name.ends_with(".txt") && (name.contains("requirements") || name.contains("constraints"));
    is_setting(file) || is_pins || name.ends_with(".so") || name.ends_with(".pyd")
}

/// The files that pytest loads before a test file: those of its directory and of all above.
fn conftests<'a>(test: &str, files: &'a [String]) -> impl Iterator<Item = &'a str> {
    let dir = test.rsplit_once('/').map_or(String::new(), |(dir, _)| format!("{dir}/"));
    files.iter().map(String::as_str).filter(move |file| {
        file.strip_suffix("conftest.py")
            .is_some_and(|at| (at.is_empty() || at.ends_with('/')) && dir.starts_with(at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pytest::graph::Extracted;
    use crate::pytest::memory::FileRecord;

    /// A small project whose files hold their version.
    struct World {
        files: BTreeMap<String, u32>,
        imports: BTreeMap<String, Extracted>,
        memory: Memory,
        before: BTreeMap<String, u32>,
    }

    impl World {
        fn new() -> Self {
            let files = [
                "conftest.py",
                "app/a.py",
                "app/b.py",
                "tests/conftest.py",
                "tests/test_a.py",
                "tests/test_b.py",
                "other/test_c.py",
                "pytest.ini",
                "data.csv",
                "notes.md",
            ];
            let import = |file: &str, names: &[&str]| {
                let names = names.iter().map(|name| (*name).to_owned()).collect();
                (file.to_owned(), Extracted { names, ..Extracted::default() })
            };
            let imports = [
                import("tests/test_a.py", &["app.a"]),
                import("tests/test_b.py", &["app.b"]),
                import("app/b.py", &["app.a"]),
            ];
            let files: BTreeMap<String, u32> = files.map(|file| (file.to_owned(), 1)).into();
            Self { before: files.clone(), files, imports: imports.into(), memory: Memory::default() }
        }

        fn plan(&self) -> Plan {
            let files: Vec<String> = self.files.keys().cloned().collect();
            let graph = Graph::of(files.iter().map(String::as_str), &self.imports, &self.memory.reads);
            let tests = files.iter().filter(|file| file.contains("test_")).cloned().collect();
            let whole = format!("{:?}", self.files);
            let facts = Facts {
                files: &files,
                graph: &graph,
                digest: &|path| self.files.get(path).map(|version| Digest::of(&version.to_le_bytes())),
                around: Digest::of(b""),
                whole: &whole,
                changed: &|path| self.files.get(path) != self.before.get(path),
            };
            select(&tests, &self.memory, &facts)
        }

        /// Runs these of a plan; those in `red` fail.
        fn run(&mut self, plan: &Plan, files: &[Chosen], red: &[&str]) {
            let whole = format!("{:?}", self.files);
            for chosen in files {
                let failed = red.contains(&chosen.file.as_str());
                let signature = plan.signatures[&chosen.file].clone();
                let record = FileRecord {
                    good: (!failed).then_some(signature),
                    ran_at: Some(whole.clone()),
                    failed: if failed { vec![format!("{}::test", chosen.file)] } else { Vec::new() },
                    ..FileRecord::default()
                };
                self.memory.files.insert(chosen.file.clone(), record);
            }
            self.before = self.files.clone();
        }

        fn known() -> Self {
            let mut world = Self::new();
            let plan = world.plan();
            assert_eq!((plan.affected.len(), plan.rest.len()), (3, 0));
            world.run(&plan, &plan.affected, &[]);
            assert!(world.plan().affected.is_empty() && world.plan().rest.is_empty(), "all is known");
            world
        }

        fn save(&mut self, file: &str) -> Plan {
            *self.files.entry(file.to_owned()).or_default() += 1;
            self.plan()
        }
    }

    fn names(chosen: &[Chosen]) -> Vec<&str> {
        chosen.iter().map(|chosen| chosen.file.as_str()).collect()
    }

    #[test]
    fn a_change_affects_who_depends_on_it_the_nearest_first_and_the_rest_follows() {
        let mut world = World::known();
        let plan = world.save("app/a.py");
        assert_eq!(names(&plan.affected), ["tests/test_a.py", "tests/test_b.py"]);
        assert_eq!(names(&plan.rest), ["other/test_c.py"]);
        let whys: Vec<String> = plan.affected.iter().map(|one| one.why.sentence(&one.file)).collect();
        assert_eq!(whys[0], "tests/test_a.py -> app/a.py (changed)");
        assert_eq!(whys[1], "tests/test_b.py -> app/b.py -> app/a.py (changed)");
        // The affected ones ran, the rest was cancelled: it is still to come.
        world.run(&plan, &plan.affected, &[]);
        assert_eq!((world.plan().affected.len(), names(&world.plan().rest)), (0, vec!["other/test_c.py"]));
    }

    #[test]
    fn what_failed_runs_first_and_until_it_passes() {
        let mut world = World::known();
        let plan = world.save("app/a.py");
        world.run(&plan, &plan.affected, &["tests/test_b.py"]);
        let plan = world.plan();
        assert_eq!(plan.affected, [Chosen { file: "tests/test_b.py".into(), why: Why::Failed }]);
        let plan = world.save("app/a.py");
        assert_eq!(names(&plan.affected), ["tests/test_b.py", "tests/test_a.py"]);
    }

    #[test]
    fn a_change_that_is_taken_back_affects_nothing() {
        let mut world = World::known();
        world.files.insert("app/a.py".into(), 2);
        assert_eq!(world.plan().affected.len(), 2);
        world.files.insert("app/a.py".into(), 1);
        assert!(world.plan().affected.is_empty());
    }

    #[test]
    fn settings_and_conftests_reach_all_below_them() {
        for (file, count) in [
            ("pytest.ini", 3),
            ("conftest.py", 3),
            ("tests/conftest.py", 2),
            ("requirements.txt", 3),
            ("notes.md", 0),
            ("x.so", 3),
        ] {
            assert_eq!(World::known().save(file).affected.len(), count, "{file}");
        }
    }

    #[test]
    fn what_was_read_counts_and_what_other_programs_read_is_everything() {
        let mut world = World::new();
        world.memory.reads.insert("app/a.py".into(), vec!["data.csv".into()]);
        world.memory.reads.insert("other/test_c.py".into(), vec!["app".into()]);
        let plan = world.plan();
        world.run(&plan, &plan.affected.clone(), &[]);
        assert_eq!(names(&world.save("data.csv").affected), ["tests/test_a.py", "tests/test_b.py"]);
        // It listed a directory: a new name there counts, a change of a file does not.
        assert_eq!(names(&world.save("app/new.csv").affected).last(), Some(&"other/test_c.py"));
        let mut world = World::new();
        world.memory.spawned.insert("other/test_c.py".into());
        let plan = world.plan();
        world.run(&plan, &plan.affected.clone(), &[]);
        assert_eq!(names(&world.save("notes.md").affected), ["other/test_c.py"]);
    }

    #[test]
    fn a_file_that_takes_a_names_place_or_is_gone_counts() {
        let mut world = World::known();
        assert_eq!(names(&world.save("app/a/__init__.py").affected), ["tests/test_a.py", "tests/test_b.py"]);
        let mut world = World::known();
        world.files.remove("app/b.py");
        assert_eq!(names(&world.plan().affected), ["tests/test_b.py"]);
    }

    #[test]
    fn what_nobody_can_tell_depends_on_all_of_python() {
        let mut world = World::new();
        world.imports.insert("other/test_c.py".into(), Extracted { dynamic: true, ..Extracted::default() });
        let plan = world.plan();
        world.run(&plan, &plan.affected.clone(), &[]);
        assert!(names(&world.save("app/a.py").affected).contains(&"other/test_c.py"));
        assert!(!names(&World::known().save("app/a.py").affected).contains(&"other/test_c.py"));
    }
}
