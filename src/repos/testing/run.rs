//! Running a repository's tests in its environment, without leaving traces in its folder.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::failure::{Facts, Failure, Stage, classify, known};
use super::report::{self, FailedTest, Report};
use super::runner::{self, Chosen, Repo, Runner};
use super::surroundings::{Scratch, Surroundings};
use super::verdict::{self, Verdict};
use super::{fallback, lint};
use crate::repos::files::{file_names, followed, read_text};
use crate::repos::python::environment::{self, PythonEnv};
use crate::sys::process::{self, Ending};
use crate::sys::real::RealSystem;
use crate::sys::system::{FileKind, ReadSystem};

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct TestSpec {
    /// The repository.
    pub repo: PathBuf,
    /// Its environment; without one, the machine's `python3` is used.
    pub env: Option<PythonEnv>,
    /// The command that the profile gives, run by `sh`; `None` is what the repository itself declares.
    pub command: Option<String>,
    /// Where the output goes.
    pub log: PathBuf,
    /// The longest time for one run.
    pub time: Duration,
    /// `make lint` runs, too, where there is such a target.
    pub lint: bool,
    /// What is known for advice; name, Python and modules are filled in where they are missing.
    pub facts: Facts,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Tested {
    /// How the tests were run, or would be; `None` when there is nothing that runs tests.
    pub runner: Option<Runner>,
    /// What is known of the tests now.
    pub verdict: Verdict,
    /// The name of what went wrong.
    pub failure: Option<Failure>,
    /// What was found besides, where the declared way runs no test: by discovery, or by a smoke import. It never
    /// makes the verdict green.
    pub besides: Option<Verdict>,
    /// What lint says, when it was asked for and there is such a target.
    pub lint: Option<lint::Linted>,
    /// The first tests that failed.
    pub failing: Vec<FailedTest>,
    /// What is worth saying, a sentence each.
    pub notes: Vec<String>,
    /// How long all of it took.
    pub elapsed: Duration,
    /// Where the output is.
    pub log: PathBuf,
}

/// What runs need to know.
struct Run<'a> {
    spec: &'a TestSpec,
    facts: Facts,
    names: Vec<String>,
    around: Surroundings,
}

/// Runs the tests and judges them.
pub fn test(spec: &TestSpec) -> Tested {
    let started = Instant::now();
    let mut tested = match Scratch::make() {
        Ok(scratch) => tested(spec, scratch),
        Err(error) => {
            let why = format!("cannot make a folder for temporary files: {error}");
            Tested::of(None, Verdict::CouldNotStart { why })
        }
    };
    tested.elapsed = started.elapsed();
    tested.log = spec.log.clone();
    tested
}

impl Tested {
    fn of(runner: Option<Runner>, verdict: Verdict) -> Self {
        Self {
            runner,
            verdict,
            failure: None,
            besides: None,
            lint: None,
            failing: Vec::new(),
            notes: Vec::new(),
            elapsed: Duration::ZERO,
            log: PathBuf::new(),
        }
    }
}

fn tested(spec: &TestSpec, scratch: Scratch) -> Tested {
    let names = file_names(&RealSystem, &spec.repo);
    let makefile = ["GNUmakefile", "makefile", "Makefile"]
        .iter()
        .find_map(|name| read_text(&RealSystem, &spec.repo.join(name)));
    let bin = spec.env.as_ref().map(PythonEnv::bin);
    let in_env = |program: &str| {
        let path = bin.as_ref().map(|bin| bin.join(program));
        path.is_some_and(|path| matches!(followed(&RealSystem, &path), Ok(Some(_))))
    };
    let repo = Repo {
        given: spec.command.as_deref(),
        makefile: makefile.as_deref(),
        names: &names,
        read: &|name| read_text(&RealSystem, &spec.repo.join(name)),
        has: &|program| in_env(program) || process::find(program).is_some(),
        installed: &|tool| bin.is_none() || in_env(tool),
    };
    let chosen = runner::choose(&repo);
    let discovered = runner::discover(&repo);
    let run = Run {
        spec,
        facts: facts(spec, &names),
        around: Surroundings::new(spec, bin.as_deref(), scratch),
        names: names.clone(),
    };
    let mut tested = run.decided(chosen, discovered);
    if spec.lint && tested.verdict != Verdict::Interrupted {
        let green = matches!(tested.verdict, Verdict::Passed { .. });
        tested.lint = lint::lint(makefile.as_deref(), &run.around, &run.facts, green);
    }
    tested
}

/// The facts that the caller gave, completed.
fn facts(spec: &TestSpec, names: &[String]) -> Facts {
    let mut facts = spec.facts.clone();
    if facts.name.is_empty() {
        facts.name = spec.repo.file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    facts.python = facts.python.or_else(|| spec.env.as_ref().map(|env| env.record.python.clone()));
    if facts.modules.is_empty() {
        let top =
            names.iter().filter_map(|name| name.strip_suffix("/__init__.py").or(name.strip_suffix(".py")));
        facts.modules = top.filter(|name| !name.contains('/')).map(str::to_owned).collect();
    }
    facts
}

impl Run<'_> {
    fn decided(&self, chosen: Chosen, discovered: Option<Runner>) -> Tested {
        let Some(runner) = chosen.runner else {
            let mut tested = self.smoked();
            tested.notes.extend(chosen.notes);
            return tested;
        };
        let mut tested = match chosen.obstacle {
            Some(obstacle) => {
                let mut tested = Tested::of(Some(runner), before(obstacle.class, &obstacle.evidence));
                tested.failure = known(obstacle.class, &obstacle.evidence, &self.facts);
                tested
            }
            None => self.run(runner),
        };
        if nothing_ran(&tested) {
            let other = discovered.filter(|other| *other != runner);
            let besides = match other {
                Some(other) => self.run(other),
                None => self.smoked(),
            };
            if besides.verdict != Verdict::NoTestTarget {
                tested.notes.extend(other.map(|other| {
                    format!(
                        "{} runs none of the tests that are here; {} was tried besides",
                        runner.name(),
                        other.name()
                    )
                }));
                tested.notes.extend(besides.notes);
                tested.notes.extend(
                    besides.failure.map(|failure| format!("{}: {}", failure.title, failure.evidence)),
                );
                tested.besides = Some(besides.verdict);
                tested.failing = besides.failing;
            }
        }
        tested.notes.extend(chosen.notes);
        tested
    }

    fn run(&self, runner: Runner) -> Tested {
        let (command, xml) = self.around.command(runner, &self.names);
        let done = match process::run(&command) {
            Ok(done) => done,
            Err(error) => {
                let words = format!("{}: {error}", command.program.to_string_lossy());
                let mut tested = Tested::of(Some(runner), Verdict::CouldNotStart { why: words.clone() });
                if error.kind() == std::io::ErrorKind::NotFound {
                    tested.failure = known("runner-not-installed", &words, &self.facts);
                }
                return tested;
            }
        };
        let text = format!("{}\n{}", done.text(), done.error_text());
        let report = left(&xml, 64 << 20).and_then(|xml| report::read_junit(&xml));
        let report = report.or_else(|| report::read_unittest(&text));
        let code = match done.ending {
            Ending::Exited(code) => Some(code),
            _ => None,
        };
        let verdict = match done.ending {
            Ending::TimedOut => Verdict::TimedOut,
            Ending::Interrupted => return Tested::of(Some(runner), Verdict::Interrupted),
            Ending::Signalled(signal) => Verdict::Crashed { signal },
            Ending::Exited(_) => verdict::judge(code, report.as_ref(), &environment::last_lines(&done, 5)),
        };
        let mut tested = Tested::of(Some(runner), verdict);
        tested.failure = self.name(&tested.verdict, done.ending, &text, report.as_ref());
        if tested.failure.as_ref().is_some_and(|failure| failure.class == "needs-docker")
            && let Verdict::CouldNotStart { why } = tested.verdict
        {
            tested.verdict = Verdict::NeedsDocker { why };
        }
        tested.failing = report.map(|report| report.failures).unwrap_or_default();
        tested
    }

    /// The class of what went wrong.
    fn name(
        &self,
        verdict: &Verdict,
        ending: Ending,
        text: &str,
        report: Option<&Report>,
    ) -> Option<Failure> {
        let facts = &self.facts;
        match verdict {
            Verdict::Passed { .. } => None,
            // Tests are green and something after them is not.
            Verdict::Failed { failed: 0, .. } => classify(Stage::Lint, Some(ending), text, report, facts),
            Verdict::NoTestRan { why } if report.is_none() => {
                classify(Stage::Run, Some(ending), text, None, facts)
                    .or_else(|| known("no-op-target", why, facts))
            }
            Verdict::NoTestRan { why } if report.is_some_and(|report| report.counts.tests == 0) => {
                known("no-test-target", why, facts)
            }
            Verdict::NoTestRan { .. } => None,
            _ => classify(Stage::Run, Some(ending), text, report, facts),
        }
    }

    fn smoked(&self) -> Tested {
        let modules = fallback::modules(&self.names);
        if modules.is_empty() {
            let mut tested = Tested::of(None, Verdict::NoTestTarget);
            tested.failure = known("no-test-target", "no target, no test file, no module", &self.facts);
            return tested;
        }
        let smoked = fallback::smoke(
            &modules,
            &self.around.python,
            &|command| self.around.prepare(command),
            self.around.scratch(),
            self.spec.time,
            &self.facts,
        );
        let mut tested = Tested::of(None, smoked.verdict);
        tested.failure = smoked.failure;
        tested.notes = smoked.notes;
        tested
    }
}

/// The class of an installation that failed, by the log that it left. `ending` is how its last step ended.
pub fn install_failure(log: &Path, ending: Ending, facts: &Facts) -> Option<Failure> {
    let bytes = RealSystem.read(log, 32 << 20).ok()?;
    classify(Stage::Install, Some(ending), &String::from_utf8_lossy(&bytes), None, facts)
}

/// What a run left at our path; it may have put anything there, and a link is not followed.
pub(super) fn left(report: &Path, limit: u64) -> Option<Vec<u8>> {
    let meta = RealSystem.meta(report).ok().flatten()?;
    (meta.kind == FileKind::File).then(|| RealSystem.read(report, limit).ok())?
}

/// The verdict of what is known before it is run.
fn before(class: &str, evidence: &str) -> Verdict {
    let why = evidence.to_owned();
    match class {
        "no-op-target" => Verdict::NoTestRan { why },
        "needs-docker" => Verdict::NeedsDocker { why },
        _ => Verdict::CouldNotStart { why },
    }
}

/// Whether the declared way ran no test for a reason that leaves other ways open.
fn nothing_ran(tested: &Tested) -> bool {
    const OTHER: [&str; 4] =
        ["target-names-missing-file", "runner-not-installed", "missing-helper-script", "needs-docker"];
    match tested.verdict {
        Verdict::NoTestRan { .. } => tested.failure.is_some(),
        Verdict::CouldNotStart { .. } | Verdict::NeedsDocker { .. } => {
            tested.failure.as_ref().is_some_and(|failure| OTHER.contains(&failure.class))
        }
        _ => false,
    }
}
