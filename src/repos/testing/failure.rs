//! Why an installation or a run of tests failed, as one of a few classes that people can act on. One row a class:
//! its signs in the output, and what to do about it. Pure.

use serde::Serialize;

use crate::base::redact;
use crate::base::text::printable;
use crate::sys::process::Ending;

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The environment was made.
    Install,
    /// The tests were run.
    Run,
}

/// One class of failures.
#[derive(Debug, PartialEq, Eq)]
pub struct Class {
    /// A stable word.
    pub id: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// When it can happen.
    stages: &'static [Stage],
    /// Lines that show it; `*` stands for any part of a line.
    signs: &'static [&'static str],
    /// What to do about it; `{name}` is the repository, `{1}` what the first `*` of the sign stood for.
    advice: &'static str,
    /// Versions of an earlier day may mend it.
    pub repair: bool,
}

/// A failure with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What kind it is.
    #[serde(serialize_with = "id_of")]
    pub class: &'static Class,
    /// The line that shows it.
    pub evidence: String,
    /// What to do about it, with the command to type.
    pub advice: String,
}

fn id_of<S: serde::Serializer>(class: &&'static Class, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(class.id)
}

/// What is known of something that failed.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The repository's name.
    pub name: &'a str,
    /// What was being done.
    pub stage: Stage,
    /// How it ended.
    pub ending: Ending,
    /// What it said: messages of failing tests first, then the end of the output.
    pub text: &'a str,
}

const BOTH: &[Stage] = &[Stage::Install, Stage::Run];
const INSTALL: &[Stage] = &[Stage::Install];
const RUN: &[Stage] = &[Stage::Run];

macro_rules! class {
    ($id:ident, $word:literal, $title:literal, $stages:expr, $repair:literal, [$($sign:literal),* $(,)?], $advice:literal) => {
        #[doc = $title]
        pub static $id: Class = Class {
            id: $word,
            title: $title,
            stages: $stages,
            signs: &[$($sign),*],
            advice: $advice,
            repair: $repair,
        };
    };
}

class!(
    DISK_FULL,
    "disk-full",
    "the disk is full",
    BOTH,
    false,
    ["*No space left on device*", "*[Errno 28]*", "*Disk quota exceeded*"],
    "free some space (`devboot status` shows what devboot uses), then devboot repo test {name}"
);
class!(
    TIMED_OUT,
    "timed-out",
    "it took too long",
    BOTH,
    false,
    [],
    "devboot repo test {name} --timeout 3600"
);
class!(
    OUT_OF_MEMORY,
    "out-of-memory",
    "the memory was used up",
    BOTH,
    false,
    ["MemoryError*", "*Cannot allocate memory*", "*Killed signal terminated program*"],
    "close what else runs, or use a machine with more memory"
);
class!(
    NO_VENV,
    "no-venv",
    "this Python cannot make environments",
    INSTALL,
    false,
    ["*ensurepip is not available*", "*No module named 'ensurepip'*", "*No module named venv*"],
    "sudo apt install python3-venv, or pip install uv"
);
class!(
    INDEX_UNREACHABLE,
    "index-unreachable",
    "the package index cannot be reached",
    INSTALL,
    false,
    [
        "*Failed to establish a new connection*",
        "*Temporary failure in name resolution*",
        "*Name or service not known*",
        "*Network is unreachable*",
        "*Max retries exceeded*",
        "*dns error*",
        "*error sending request*",
        "*Connection refused*",
    ],
    "devboot repo test {name}, once the network is there"
);
class!(
    HASH_MISMATCH,
    "hash-mismatch",
    "a package is not the one that the repository expects",
    INSTALL,
    false,
    ["*THESE PACKAGES DO NOT MATCH THE HASHES*", "*Hash mismatch for `*`*"],
    "do not install it by hand: tell the repository's owner"
);
class!(
    WRONG_PYTHON_INSTALL,
    "wrong-python",
    "its packages do not exist for this Python",
    INSTALL,
    false,
    [
        "*requires a different Python*",
        "*require a different python version*",
        "*the current Python version (*) does not satisfy*",
        "*has no wheels with a matching Python*",
        "*module 'pkgutil' has no attribute 'ImpImporter'*",
        "*No module named 'distutils'*",
    ],
    "devboot repo test {name} --python VERSION, with one that it was made for (`devboot repo show {name}`)"
);
class!(
    NEEDS_COMPILER,
    "build-needs-compiler",
    "a package must be compiled, and there is no compiler",
    INSTALL,
    false,
    [
        "*command '*' failed: No such file or directory*",
        "*unable to execute '*'*",
        "*Python.h: No such file*",
        "*can't find Rust compiler*",
        "*No such file or directory: 'gcc'*",
        "*No such file or directory: 'cc'*",
    ],
    "sudo apt install gcc python3-dev, or devboot repo test {name} --python VERSION with one that has wheels"
);
class!(
    VERSION_CONFLICT,
    "version-conflict",
    "its requirements contradict each other",
    INSTALL,
    true,
    ["*ResolutionImpossible*", "*has conflicting dependencies*", "*your requirements are unsatisfiable*"],
    "look at its requirements.txt: two of them ask for different versions of the same package"
);
class!(
    NO_SUCH_VERSION,
    "no-such-version",
    "the index does not have what it asks for",
    INSTALL,
    false,
    [
        "*No matching distribution found for *",
        "*was not found in the package registry*",
        "*there is no version of *",
    ],
    "check the name and version of {1} in its requirements"
);
class!(
    BUILD_FAILS,
    "build-fails",
    "a package cannot be built here",
    INSTALL,
    true,
    [
        "*Failed to build `*`*",
        "*Failed building wheel for *",
        "*Failed to build *",
        "*metadata-generation-failed*",
        "*subprocess-exited-with-error*",
        "*No module named 'pkg_resources'*",
        "*BackendUnavailable*",
    ],
    "devboot repo test {name} --python VERSION, with one that has wheels for it"
);

class!(
    NEEDS_DOCKER,
    "needs-docker",
    "it needs Docker",
    RUN,
    false,
    [
        "*Cannot connect to the Docker daemon*",
        "*docker: not found*",
        "*docker: command not found*",
        "*docker: No such file or directory*",
        "*docker.errors.DockerException*",
    ],
    "run it where there is a Docker engine: these hosts have none, or need it started"
);
class!(
    NEEDS_NETWORK,
    "needs-network",
    "it needs the network",
    RUN,
    false,
    [
        "*NameResolutionError*",
        "*Failed to resolve '*'*",
        "*Temporary failure in name resolution*",
        "*Name or service not known*",
        "*Max retries exceeded with url*",
        "*Network is unreachable*",
        "*nodename nor servname*",
        "*getaddrinfo failed*",
        "*ProxyError*",
    ],
    "devboot repo test {name}, once the internet can be reached"
);
class!(
    RUNNER_MISSING,
    "runner-not-installed",
    "the program that runs its tests is not installed",
    RUN,
    false,
    [
        "*No module named pytest",
        "*No module named tox",
        "*No module named nox",
        "*No module named 'pytest'",
        "*pytest: not found",
        "*pytest: command not found",
        "*pytest: No such file or directory",
        "*tox: not found",
        "*nox: not found",
        "*tox: No such file or directory",
        "*nox: No such file or directory",
        "*unrecognized arguments: --cov*",
        "*unrecognized arguments: --nbval*",
    ],
    "it does not name its test runner among its requirements: add it there, or give the profile a test command"
);
class!(
    MISSING_FILE,
    "target-names-missing-file",
    "its test command names a file that is not there",
    RUN,
    false,
    [
        "*file or directory not found: *",
        "*can't open file '*'*",
        "*No rule to make target '*'*",
        "*not found: *.py",
    ],
    "{1} is not in the repository: tell its owner, or give the profile a test command of your own"
);
class!(
    WRONG_PYTHON_RUN,
    "wrong-python",
    "it does not run under this Python",
    RUN,
    false,
    [
        "*required field \"lineno\" missing from alias*",
        "*module 'pkgutil' has no attribute 'ImpImporter'*",
        "*No module named 'distutils'*",
        "*cannot import name '*' from 'collections'*",
        "*module 'collections' has no attribute '*'*",
        "*module 'inspect' has no attribute 'getargspec'*",
        "*No module named 'imp'*",
        "*module 'asyncio' has no attribute 'coroutine'*",
    ],
    "devboot repo test {name} --python VERSION, with one that it was made for (`devboot repo show {name}`)"
);
class!(
    IMPORT_FAILS,
    "import-fails-after-install",
    "its packages of today do not fit together",
    RUN,
    true,
    [
        "*cannot import name '*' from '*' (*site-packages*",
        "*numpy.dtype size changed*",
        "*numpy.core.multiarray failed to import*",
        "*compiled using NumPy 1.x cannot be run*",
        "*module '*' has no attribute '*'*",
        "*got an unexpected keyword argument 'as_tuple'*",
        "*No module named 'werkzeug.*'*",
        "*No module named 'jinja2.*'*",
        "*No module named 'sklearn.*'*",
        "*No module named 'flask.*'*",
        "*__init__() got an unexpected keyword argument '*'*",
    ],
    "an older Python may do: devboot repo test {name} --python VERSION"
);
class!(
    MISSING_MODULE,
    "missing-module",
    "it imports a module that its requirements do not bring",
    RUN,
    false,
    ["*ModuleNotFoundError: No module named '*'*", "*ImportError: No module named *"],
    "'{2}' is not among its requirements: add it there and tell its owner"
);
class!(
    CRASHED,
    "crashed",
    "the test process died",
    RUN,
    false,
    ["Fatal Python error: *"],
    "run it by hand with its log open: python -X faulthandler -m pytest"
);
class!(
    TEST_FAILED,
    "test-failed",
    "a test says no",
    RUN,
    false,
    ["*AssertionError*", "*assert *", "FAILED *", "E  *", "*Error: *"],
    "read the log: the code and its tests disagree"
);

/// Every class, the most telling first.
pub static CLASSES: &[&Class] = &[
    &DISK_FULL,
    &TIMED_OUT,
    &OUT_OF_MEMORY,
    &NO_VENV,
    &INDEX_UNREACHABLE,
    &HASH_MISMATCH,
    &WRONG_PYTHON_INSTALL,
    &NEEDS_COMPILER,
    &VERSION_CONFLICT,
    &NO_SUCH_VERSION,
    &BUILD_FAILS,
    &NEEDS_DOCKER,
    &NEEDS_NETWORK,
    &RUNNER_MISSING,
    &MISSING_FILE,
    &WRONG_PYTHON_RUN,
    &IMPORT_FAILS,
    &MISSING_MODULE,
    &CRASHED,
    &TEST_FAILED,
];

/// A recipe that does nothing; told from the files, not from output.
pub static NO_OP: Class = Class {
    id: "no-op-target",
    title: "its test target runs nothing",
    stages: RUN,
    signs: &[],
    advice: "nothing is tested there: tell its owner, or give the profile a test command of your own",
    repair: false,
};

impl Class {
    /// The failure of this class that is known by other means than its signs.
    pub fn because(&'static self, name: &str, evidence: &str) -> Failure {
        failure(self, name, evidence, &[])
    }

    fn is_of(&self, facts: &Facts<'_>) -> bool {
        self.stages.contains(&facts.stage)
    }
}

/// The class of a failure; `None` when nothing shows one.
pub fn classify(facts: &Facts<'_>) -> Option<Failure> {
    match facts.ending {
        Ending::TimedOut => return Some(TIMED_OUT.because(facts.name, "the time was up")),
        Ending::Signalled(9) => return Some(OUT_OF_MEMORY.because(facts.name, "it was killed")),
        Ending::Signalled(signal) if facts.stage == Stage::Run => {
            return Some(CRASHED.because(facts.name, &format!("signal {signal} ended it")));
        }
        _ => {}
    }
    let lines: Vec<&str> = facts.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    CLASSES.iter().filter(|class| class.is_of(facts)).find_map(|class| {
        let found = class
            .signs
            .iter()
            .find_map(|sign| lines.iter().find_map(|line| captures(sign, line).map(|parts| (*line, parts))));
        found.map(|(line, parts)| failure(class, facts.name, line, &parts))
    })
}

/// Whether all of these texts have a sign of the class.
pub fn all_are(class: &Class, texts: &[&str]) -> bool {
    let has = |text: &&str| {
        text.lines().any(|line| class.signs.iter().any(|sign| captures(sign, line.trim()).is_some()))
    };
    !texts.is_empty() && texts.iter().all(has)
}

fn failure(class: &'static Class, name: &str, evidence: &str, parts: &[&str]) -> Failure {
    let word = |index: usize| parts.get(index).map_or("it", |part| part.trim());
    let advice = class.advice.replace("{name}", name).replace("{1}", word(1)).replace("{2}", word(1));
    let evidence: String = redact::line(evidence).chars().take(300).collect();
    Failure { class, evidence: printable(&evidence), advice: printable(&redact::line(&advice)) }
}

/// What each `*` of a pattern stands for, if the line is of that form; each takes as little as it can, the last
/// one all that is left.
fn captures<'a>(pattern: &str, line: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = pattern.split('*');
    let mut rest = line.strip_prefix(parts.next()?)?;
    let mut found = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            // The end of the pattern is the end of the line.
            let end = rest.strip_suffix(part)?;
            found.push(end);
            return Some(found);
        }
        let at = rest.find(part)?;
        found.push(&rest[..at]);
        rest = &rest[at + part.len()..];
    }
    rest.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(stage: Stage, text: &str) -> &'static str {
        let facts = Facts { name: "x", stage, ending: Ending::Exited(1), text };
        classify(&facts).map_or("-", |failure| failure.class.id)
    }

    #[test]
    fn patterns_stand_for_parts_of_a_line() {
        assert_eq!(captures("*a*b", "xaYb"), Some(vec!["x", "Y"]));
        assert_eq!(captures("*not found: *", "ERROR: not found: /x y"), Some(vec!["ERROR: ", "/x y"]));
        assert_eq!(captures("*x", "xy"), None);
        assert_eq!(captures("whole", "whole"), Some(vec![]));
        assert_eq!(captures("whole", "wholes"), None);
    }

    #[test]
    fn every_word_is_there_once_a_stage_and_every_class_says_what_to_do() {
        let mut seen = std::collections::BTreeSet::new();
        for class in CLASSES.iter().chain([&&NO_OP]) {
            assert!(
                seen.insert((class.id, class.stages.len(), class.stages[0] == Stage::Run)),
                "{}",
                class.id
            );
            assert!(!class.advice.is_empty() && !class.title.is_empty());
            assert!(class.signs.is_empty() || class.signs.iter().all(|sign| sign.len() > 3), "{}", class.id);
        }
    }

    #[test]
    fn installations_are_told_apart() {
        use Stage::Install;
        for (text, id) in [
            ("ERROR: Package 'p' requires a different Python: 3.11.7 not in '<3.8'", "wrong-python"),
            (
                "ERROR: Ignored the following versions that require a different python version: 1.0 R",
                "wrong-python",
            ),
            (
                "And because the current Python version (3.11.7) does not satisfy Python<3.8 and",
                "wrong-python",
            ),
            ("error: command 'gcc' failed: No such file or directory", "build-needs-compiler"),
            ("ERROR: Failed building wheel for wrapt", "build-fails"),
            ("  × Failed to build `p==1.0`", "build-fails"),
            ("ERROR: ResolutionImpossible: for help visit", "version-conflict"),
            ("ERROR: No matching distribution found for nothing==1", "no-such-version"),
            ("OSError: [Errno 28] No space left on device", "disk-full"),
            ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "hash-mismatch"),
            ("Could not fetch URL: Max retries exceeded with url: /simple/", "index-unreachable"),
            ("something else", "-"),
        ] {
            assert_eq!(class(Install, text), id, "{text}");
        }
    }

    #[test]
    fn runs_are_told_apart() {
        use Stage::Run;
        for (text, id) in [
            (
                "E   ImportError: cannot import name 'a' from 'b' (/e/lib/python3.8/site-packages/b/__init__.py)",
                "import-fails-after-install",
            ),
            ("E   ImportError: cannot import name 'a' from 'app' (/home/me/app.py)", "test-failed"),
            ("E   ModuleNotFoundError: No module named 'pandas'", "missing-module"),
            ("/e/bin/python: No module named pytest", "runner-not-installed"),
            ("ERROR: file or directory not found: test_hello.py", "target-names-missing-file"),
            ("TypeError: required field \"lineno\" missing from alias", "wrong-python"),
            (
                "requests.exceptions.ConnectionError: Max retries exceeded with url: /w (Caused by",
                "needs-network",
            ),
            ("/bin/sh: 1: docker: not found", "needs-docker"),
            ("E       assert 1 == 2", "test-failed"),
        ] {
            assert_eq!(class(Run, text), id, "{text}");
        }
    }

    #[test]
    fn an_ending_says_more_than_words() {
        let facts = Facts { name: "x", stage: Stage::Run, ending: Ending::TimedOut, text: "assert 1 == 2" };
        let failure = classify(&facts).unwrap();
        assert_eq!(
            (failure.class.id, failure.advice.as_str()),
            ("timed-out", "devboot repo test x --timeout 3600")
        );
        let killed = Facts { ending: Ending::Signalled(9), ..facts };
        assert_eq!(classify(&killed).unwrap().class.id, "out-of-memory");
    }

    #[test]
    fn advice_names_what_was_missing_and_hides_what_is_secret() {
        let text = "E   ModuleNotFoundError: No module named 'pandas'";
        let facts = Facts { name: "x", stage: Stage::Run, ending: Ending::Exited(1), text };
        assert!(classify(&facts).unwrap().advice.starts_with("'pandas' is not among"));
        let text = "fatal: https://me:hunter2@h/x Max retries exceeded\u{1b}[2J";
        let facts = Facts { stage: Stage::Install, text, ..facts };
        let shown = format!("{:?}", classify(&facts).unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}'), "{shown}");
    }
}
