//! From the end of a command and what its output says to a verdict. Pure. Green means that tests ran, where there is a
//! runner.

use super::Found;
use crate::base::text::counted;
use crate::run::event::Verdict;
use crate::sys::process::Ending;

/// The verdict of a command that ended by itself, and a sentence where the verdict alone does not say it.
pub fn judge(ending: Ending, found: &Found) -> (Verdict, Option<String>) {
    let empty = !found.tools.is_empty() && !found.ran;
    let failed = found.tests.map_or(0, |tests| tests.failed);
    match ending {
        Ending::Exited(0) if empty => (Verdict::NoTestRan, Some(nothing(found))),
        // `pytest || true`: who looks only at the exit code would call it green.
        Ending::Exited(0) if found.red => {
            let tests = if failed > 0 { counted(failed as usize, "test") } else { "tests".into() };
            (Verdict::Failed, Some(format!("its command exited with 0 although {tests} failed")))
        }
        Ending::Exited(0) => (Verdict::Passed, None),
        Ending::Exited(_) if empty && found.fails_when_empty && found.failures.is_empty() => {
            (Verdict::NoTestRan, Some(nothing(found)))
        }
        Ending::Exited(126) => (Verdict::Failed, Some("exit code 126: a command may not be executed".into())),
        Ending::Exited(127) => (Verdict::Failed, Some("exit code 127: a command was not found".into())),
        Ending::Exited(code) => {
            (Verdict::Failed, found.failures.is_empty().then(|| format!("exit code {code}")))
        }
        Ending::Signalled(signal) => (Verdict::Failed, Some(signalled(signal))),
        Ending::TimedOut => (Verdict::TimedOut, None),
        Ending::Interrupted => (Verdict::Interrupted, None),
    }
}

/// How a command ended, in words: `exit code 3`.
pub fn ending(ending: Ending) -> String {
    match ending {
        Ending::Exited(code) => format!("exit code {code}"),
        Ending::Signalled(signal) => signalled(signal),
        Ending::TimedOut => "it took too long".into(),
        Ending::Interrupted => "it was interrupted".into(),
    }
}

fn nothing(found: &Found) -> String {
    let tools = found.tools.join(" and ");
    match found.tests {
        Some(tests) if tests.skipped > 0 => {
            format!("{tools} ran no test: {} skipped", counted(tests.skipped as usize, "test"))
        }
        _ => format!("{tools} ran no test"),
    }
}

fn signalled(signal: i32) -> String {
    let name = match signal {
        libc::SIGABRT => " (abort)",
        libc::SIGBUS | libc::SIGSEGV => " (bad memory access)",
        libc::SIGFPE => " (bad arithmetic)",
        libc::SIGHUP => " (hang-up)",
        libc::SIGILL => " (bad instruction)",
        libc::SIGINT => " (interrupt)",
        libc::SIGKILL => " (kill; as the kernel sends it when memory runs out)",
        libc::SIGPIPE => " (broken pipe)",
        libc::SIGTERM => " (termination)",
        _ => "",
    };
    format!("ended by signal {signal}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::event::Tests;

    fn found(passed: u32, failed: u32, skipped: u32) -> Found {
        let tests = Tests { passed, failed, skipped };
        Found { tools: vec!["pytest"], ..Found::counted(tests, Vec::new()) }
    }

    #[test]
    fn green_needs_a_test_where_there_is_a_runner() {
        let verdict = |code, found: &Found| judge(Ending::Exited(code), found).0;
        assert_eq!(verdict(0, &Found::default()), Verdict::Passed);
        assert_eq!(verdict(0, &found(1, 0, 1)), Verdict::Passed);
        assert_eq!(verdict(0, &found(0, 0, 0)), Verdict::NoTestRan);
        assert_eq!(verdict(0, &found(0, 0, 3)), Verdict::NoTestRan);
        assert_eq!(verdict(1, &found(0, 0, 0)), Verdict::Failed);
        let failing = Found { fails_when_empty: true, ..found(0, 0, 0) };
        assert_eq!(verdict(5, &failing), Verdict::NoTestRan);
        let broken = Found { failures: vec![super::super::failure("x", None, "y")], ..failing };
        assert_eq!(verdict(4, &broken), Verdict::Failed);
    }

    #[test]
    fn a_hidden_failure_is_red() {
        let (verdict, note) = judge(Ending::Exited(0), &found(3, 2, 0));
        assert_eq!(verdict, Verdict::Failed);
        assert_eq!(note.as_deref(), Some("its command exited with 0 although 2 tests failed"));
    }

    #[test]
    fn a_signal_is_named() {
        let (verdict, note) = judge(Ending::Signalled(libc::SIGSEGV), &Found::default());
        assert_eq!(verdict, Verdict::Failed);
        assert_eq!(note.as_deref(), Some("ended by signal 11 (bad memory access)"));
    }
}
