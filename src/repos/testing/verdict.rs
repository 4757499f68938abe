//! What a run of tests means: from exit code and report to a verdict. Pure. Green means that tests ran.

use super::report::Report;
use crate::base::text::{counted, printable};

/// What is known of a repository's tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All tests that ran passed, and some ran.
    Passed {
        /// How many.
        tests: u64,
    },
    /// Tests failed, or the command did although they passed.
    Failed {
        /// How many failed.
        failed: u64,
        /// How many passed.
        passed: u64,
        /// The last words of the run.
        why: String,
    },
    /// The command succeeded, and nothing shows that a test ran.
    NoTestRan {
        /// What it did instead.
        why: String,
    },
    /// There is no environment to run tests in: it could not be installed.
    CouldNotInstall {
        /// The installer's last words.
        why: String,
    },
    /// Every test that failed did so for want of a network.
    NeedsNetwork {
        /// How many passed.
        passed: u64,
        /// How many found no network.
        failed: u64,
    },
    /// The tests are run in a container, and there is no Docker here.
    NeedsDocker {
        /// What asks for it.
        why: String,
    },
    /// There is nothing to run.
    NoTestTarget,
    /// There are no tests; its modules were imported and its application asked for its first page instead. Never
    /// the same as passed.
    Smoke {
        /// Modules that import.
        imported: u64,
        /// Modules that do not.
        failed: u64,
        /// The status with which its web application answered `GET /`, if it has one.
        answered: Option<u16>,
    },
    /// The time was up.
    TimedOut,
    /// A signal ended the run.
    Crashed {
        /// Which one.
        signal: i32,
    },
    /// The run broke off before a test ran.
    CouldNotStart {
        /// Its last words.
        why: String,
    },
    /// The environment is not there yet.
    Postponed {
        /// What is missing.
        why: String,
    },
    /// The user stopped it.
    Interrupted,
}

impl Verdict {
    /// A stable word for records and `--json`.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Passed { .. } => "passed",
            Verdict::Failed { .. } => "failed",
            Verdict::NoTestRan { .. } => "no-test-ran",
            Verdict::CouldNotInstall { .. } => "could-not-install",
            Verdict::NeedsNetwork { .. } => "needs-network",
            Verdict::NeedsDocker { .. } => "needs-docker",
            Verdict::NoTestTarget => "no-test-target",
            Verdict::Smoke { .. } if self.red() => "smoke-failed",
            Verdict::Smoke { .. } => "smoke",
            Verdict::TimedOut => "timed-out",
            Verdict::Crashed { .. } => "crashed",
            Verdict::CouldNotStart { .. } => "could-not-start",
            Verdict::Postponed { .. } => "postponed",
            Verdict::Interrupted => "interrupted",
        }
    }

    /// The verdict for people, in a few words and one line.
    pub fn words(&self) -> String {
        match self {
            Verdict::Passed { tests } => format!("{} passed", count(*tests, "test")),
            Verdict::Failed { failed: 0, why, .. } => format!("the test command failed: {}", last_line(why)),
            Verdict::Failed { failed, passed, .. } => {
                format!("{} failed, {passed} passed", count(*failed, "test"))
            }
            Verdict::NoTestRan { why } => format!("no test ran: {}", printable(why)),
            Verdict::CouldNotInstall { why } => format!("could not be installed: {}", last_line(why)),
            Verdict::NeedsNetwork { passed, failed } => {
                format!(
                    "{passed} passed, {} the network",
                    if *failed == 1 { "1 needs".into() } else { format!("{failed} need") }
                )
            }
            Verdict::NeedsDocker { why } => format!("needs Docker: {}", last_line(why)),
            Verdict::NoTestTarget => "no test target".into(),
            Verdict::Smoke { imported, failed, answered } => {
                let mut words = format!("no tests; {}", count(*imported, "module"));
                words.push_str(if *imported == 1 { " imports" } else { " import" });
                if *failed > 0 {
                    words.push_str(&format!(
                        ", {failed} {}",
                        if *failed == 1 { "does not" } else { "do not" }
                    ));
                }
                if let Some(status) = answered {
                    words.push_str(&format!(", / answers {status}"));
                }
                words
            }
            Verdict::TimedOut => "took too long".into(),
            Verdict::Crashed { signal } => format!("ended by signal {signal}"),
            Verdict::CouldNotStart { why } => format!("could not start: {}", last_line(why)),
            Verdict::Postponed { why } => printable(why),
            Verdict::Interrupted => "interrupted".into(),
        }
    }

    /// Whether something is wrong that a person would call red. Neither green nor red are: no test ran, nothing to
    /// run, a smoke import without failures, and what waits.
    pub fn red(&self) -> bool {
        match self {
            // An app that answers is what matters; a script beside it may need more.
            Verdict::Smoke { failed, answered, .. } => answered.map_or(*failed > 0, |code| code >= 500),
            Verdict::Passed { .. }
            | Verdict::NoTestRan { .. }
            | Verdict::NoTestTarget
            | Verdict::NeedsNetwork { .. }
            | Verdict::NeedsDocker { .. }
            | Verdict::Postponed { .. }
            | Verdict::Interrupted => false,
            _ => true,
        }
    }
}

fn count(count: u64, noun: &str) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), noun)
}

fn last_line(text: &str) -> String {
    printable(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim())
}

/// Judges a finished run. `code` is `None` when a signal ended it; `why` are its last words.
pub fn judge(code: Option<i32>, report: Option<&Report>, why: &str) -> Verdict {
    let why = why.to_owned();
    match report.map(|report| (report, report.counts)) {
        Some((report, counts)) if counts.failed > 0 && report.network == counts.failed => {
            Verdict::NeedsNetwork { passed: counts.passed(), failed: counts.failed }
        }
        Some((_, counts)) if counts.failed > 0 => {
            Verdict::Failed { failed: counts.failed, passed: counts.passed(), why }
        }
        Some((_, counts)) if counts.passed() > 0 => match code {
            Some(0) => Verdict::Passed { tests: counts.passed() },
            _ => Verdict::Failed { failed: 0, passed: counts.passed(), why },
        },
        Some((_, counts)) if counts.skipped > 0 && code == Some(0) => {
            Verdict::NoTestRan { why: format!("all {} tests were skipped", counts.skipped) }
        }
        // 5 is pytest's "no tests collected"; make turns it into 2, and then the empty report says it. What
        // names a missing file runs nothing, too, and is an error.
        Some(_)
            if matches!(code, Some(0 | 5))
                || why.contains("no tests ran") && !why.contains("file or directory not found") =>
        {
            Verdict::NoTestRan { why: "no tests were found".into() }
        }
        None if code == Some(0) => {
            Verdict::NoTestRan { why: "the command succeeded and nothing shows that a test ran".into() }
        }
        _ => Verdict::CouldNotStart { why },
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Counts;
    use super::*;

    #[test]
    fn green_needs_a_test_that_ran() {
        let judge = |code, counts: Option<(u64, u64, u64)>, why| {
            let report = counts.map(|(tests, failed, skipped)| Report {
                counts: Counts { tests, failed, skipped },
                ..Report::default()
            });
            super::judge(code, report.as_ref(), why)
        };
        assert_eq!(judge(Some(0), Some((3, 0, 1)), ""), Verdict::Passed { tests: 2 });
        assert!(matches!(judge(Some(0), Some((2, 0, 2)), ""), Verdict::NoTestRan { .. }));
        assert!(matches!(judge(Some(0), None, ""), Verdict::NoTestRan { .. }));
        assert!(matches!(judge(Some(5), Some((0, 0, 0)), ""), Verdict::NoTestRan { .. }));
        assert!(matches!(judge(Some(2), Some((0, 0, 0)), "no tests ran"), Verdict::NoTestRan { .. }));
        let why = "no tests ran in 0.02s; ERROR: file or directory not found: x.py";
        assert!(matches!(judge(Some(2), Some((0, 0, 0)), why), Verdict::CouldNotStart { .. }));
        assert!(matches!(judge(Some(0), Some((3, 1, 0)), ""), Verdict::Failed { failed: 1, passed: 2, .. }));
        assert!(matches!(judge(Some(1), Some((3, 0, 0)), ""), Verdict::Failed { failed: 0, passed: 3, .. }));
        assert!(matches!(judge(Some(2), None, "x"), Verdict::CouldNotStart { .. }));
        assert!(matches!(judge(None, None, "x"), Verdict::CouldNotStart { .. }));
    }

    #[test]
    fn only_when_nothing_else_failed_is_it_the_network() {
        let counts = Counts { tests: 3, failed: 2, skipped: 0 };
        let all = Report { counts, network: 2, ..Report::default() };
        let verdict = judge(Some(1), Some(&all), "");
        assert_eq!(verdict, Verdict::NeedsNetwork { passed: 1, failed: 2 });
        assert_eq!(verdict.words(), "1 passed, 2 need the network");
        let some = Report { network: 1, ..all };
        assert!(matches!(judge(Some(1), Some(&some), ""), Verdict::Failed { failed: 2, .. }));
    }

    #[test]
    fn a_smoke_import_is_not_a_pass() {
        let smoke = Verdict::Smoke { imported: 2, failed: 1, answered: Some(200) };
        assert_eq!(smoke.words(), "no tests; 2 modules import, 1 does not, / answers 200");
        assert_eq!((smoke.word(), smoke.red()), ("smoke", false), "a script beside the app");
        let smoke = Verdict::Smoke { imported: 2, failed: 1, answered: None };
        assert_eq!((smoke.word(), smoke.red()), ("smoke-failed", true));
        let smoke = Verdict::Smoke { imported: 2, failed: 0, answered: Some(500) };
        assert_eq!((smoke.word(), smoke.red()), ("smoke-failed", true));
    }
}
