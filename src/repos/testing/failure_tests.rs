//! Every class of failure by the words that real programs wrote when they were made to fail: pip 23 and 24, uv 0.13,
//! pytest 6 to 9, make, dash, gcc, pylint. Paths are shortened, and lines between are left out.

use super::classes::TABLE;
use super::failure::{Evidence, Facts, Failure, Stage, classify, known, raised, retired};
use super::report::read_junit;
use crate::sys::process::Ending;

fn facts() -> Facts {
    Facts {
        name: "hello".into(),
        python: Some("3.11.7".into()),
        asked: Some("3.8".into()),
        asked_by: Some(".github/workflows/main.yml".into()),
        modules: vec!["app".into(), "hello".into()],
    }
}

#[track_caller]
fn failure(stage: Stage, text: &str) -> Failure {
    classify(stage, Some(Ending::Exited(1)), text, None, &facts())
        .unwrap_or_else(|| panic!("no class: {text}"))
}

#[track_caller]
fn check(stage: Stage, class: &str, texts: &[&str]) {
    for text in texts {
        let failure = failure(stage, text);
        assert_eq!(failure.class, class, "{text}\n{failure:?}");
        assert!(!failure.advice.is_empty() && !failure.evidence.is_empty(), "{failure:?}");
    }
}

#[test]
fn the_table_is_well_formed() {
    for (at, class) in TABLE.iter().enumerate() {
        assert!(class.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", class.id);
        assert!(TABLE[..at].iter().all(|other| other.id != class.id), "{} stands twice", class.id);
        assert!(!class.stages.is_empty() && !class.title.is_empty());
        let failure = known(class.id, "some words", &facts()).unwrap();
        assert!(!failure.advice.is_empty(), "{}", class.id);
        if let Evidence::Line(groups) = class.evidence {
            assert!(groups.iter().all(|words| !words.is_empty()), "{}", class.id);
        }
    }
    assert_eq!(known("no-such-class", "", &facts()), None);
    assert_eq!(classify(Stage::Run, Some(Ending::Exited(1)), "words\n", None, &facts()), None);
}

#[test]
fn endings() {
    let of = |ending, text| classify(Stage::Run, Some(ending), text, None, &facts()).map(|found| found.class);
    assert_eq!(of(Ending::TimedOut, "x"), Some("timed-out"));
    assert_eq!(of(Ending::Signalled(9), ""), Some("out-of-memory"));
    assert_eq!(of(Ending::Signalled(11), ""), Some("crashed"));
    assert_eq!(of(Ending::Exited(2), "make: *** [Makefile:2: test] Killed\n"), Some("out-of-memory"));
    assert_eq!(of(Ending::Exited(2), "make: *** [Makefile:2: test] Segmentation fault\n"), Some("crashed"));
}

#[test]
fn installing_on_a_python_that_does_not_fit() {
    check(
        Stage::Install,
        "wrong-python",
        &[
            "INFO: pip is looking at multiple versions of oldthing to determine which version is compatible with \
             other requirements. This could take a while.\n\
             ERROR: Package 'oldthing' requires a different Python: 3.11.7 not in '<3.8'\n",
            "ERROR: Ignored the following versions that require a different python version: 1.0 Requires-Python \
             >=3.99\nERROR: Could not find a version that satisfies the requirement newthing (from versions: none)\n\
             ERROR: No matching distribution found for newthing\n",
            "error: No solution found when resolving dependencies\n  cause: Because onlyabi==1.0 has no wheels with \
             a matching Python ABI tag (e.g., `cp311`) and you require onlyabi==1.0, we can conclude that your \
             requirements are unsatisfiable.\n",
            "      Traceback (most recent call last):\n        File \"/tmp/s_pkg/setup.py\", line 1, in <module>\n\
             \x20         import pkg_resources\n      ModuleNotFoundError: No module named 'pkg_resources'\n\
             error: metadata-generation-failed\n",
            "         ModuleNotFoundError: No module named 'imp'\n",
        ],
    );
    let failure =
        failure(Stage::Install, "ERROR: Package 'x' requires a different Python: 3.11.7 not in '<3.8'");
    assert!(failure.advice.starts_with("devboot repo test hello --python 3.8 ("), "{}", failure.advice);
    assert!(failure.repair);
}

#[test]
fn installing_what_the_index_does_not_give() {
    check(
        Stage::Install,
        "no-such-package",
        &[
            "ERROR: Could not find a version that satisfies the requirement nosuch (from versions: none)\n\
             ERROR: No matching distribution found for nosuch\n",
            "  cause: Because nosuch was not found in the package registry and you require nosuch, we can conclude \
             that your requirements are unsatisfiable.\n",
        ],
    );
    check(
        Stage::Install,
        "index-unreachable",
        &[
            "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after \
             connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPConnection object at \
             0x7f21f1c38790>: Failed to establish a new connection: [Errno 111] Connection refused')': \
             /simple/nosuch/\nERROR: No matching distribution found for nosuch\n",
            "error: Request failed after 3 retries in 5.3s\n  cause: client error (Connect)\n  cause: dns error\n\
             \x20 cause: error resolving DNS\n",
        ],
    );
    check(
        Stage::Install,
        "hash-mismatch",
        &[
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the \
             package versions, please update the hashes.\n",
            "error: Failed to download `cc==1.0`\n  cause: Hash mismatch for `cc==1.0`\n",
        ],
    );
    check(
        Stage::Install,
        "version-conflict",
        &[
            "ERROR: Cannot install aa==1.0 and bb==1.0 because these package versions have conflicting \
             dependencies.\n\nERROR: ResolutionImpossible: for help visit https://pip.pypa.io/\n",
            "error: No solution found when resolving dependencies\n  cause: Because all versions of bb depend on \
             cc==2.0 and all versions of aa depend on cc==1.0, we can conclude that all versions of aa and all \
             versions of bb are incompatible.\n",
        ],
    );
    check(
        Stage::Install,
        "disk-full",
        &[
            "  cause: failed to copy file from /c/__init__.py to /x/.tmp: No space left on device (os error 28)\n",
            "OSError: [Errno 28] No space left on device: '/tmp/pip-unpack/pytest.whl' -> '/s/pytest.whl'\n",
        ],
    );
    check(
        Stage::Install,
        "retired-runtime",
        &["error: No interpreter found for Python 3.99 in managed installations or search path\n"],
    );
}

#[test]
fn building_packages() {
    check(
        Stage::Install,
        "build-needs-compiler",
        &[
            "      building 's_c' extension\n      error: command '-Wsign-compare' failed: No such file or \
             directory\n      [end of output]\n  ERROR: Failed building wheel for s-c\n",
            "         error: command 'gcc' failed: No such file or directory\n",
            "      m.c:1:10: fatal error: Python.h: No such file or directory\n      compilation terminated.\n\
             \x20     error: command '/usr/bin/gcc' failed with exit code 1\n",
        ],
    );
    check(
        Stage::Install,
        "build-backend-fails",
        &[
            "      RuntimeError: this cannot be built\n      [end of output]\n  \nerror: metadata-generation-failed\n",
            "error: The build backend returned an error\n  cause: Call to `setuptools.build_meta` failed (exit \
             status: 1)\n\n         [stderr]\n         RuntimeError: this cannot be built\n",
        ],
    );
    let failure =
        failure(Stage::Install, "      RuntimeError: cannot be built\nerror: metadata-generation-failed\n");
    assert_eq!(failure.evidence, "RuntimeError: cannot be built");
}

#[test]
fn targets_that_cannot_run() {
    let run = |class, text| check(Stage::Run, class, &[text]);
    run("needs-docker", "/bin/sh: 1: docker: not found\nmake: *** [Makefile:2: lint] Error 127\n");
    run("needs-docker", "make: docker: No such file or directory\nmake: *** [Makefile:2: lint] Error 127\n");
    run(
        "needs-docker",
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n",
    );
    run("missing-helper-script", "make: ./pylint_runner: No such file or directory\nmake: *** Error 127\n");
    run("missing-helper-script", "/bin/sh: 1: ./run: not found\n");
    run(
        "target-names-missing-file",
        "ERROR: file or directory not found: test_hello.py\n\nmake: *** Error 4\n",
    );
    run(
        "target-names-missing-file",
        "python: can't open file '/r/test_x.py': [Errno 2] No such file or directory\n",
    );
    run("runner-not-installed", "/usr/bin/python3: No module named pytest\n");
    run("runner-not-installed", "/bin/sh: 1: pytest: not found\n");
    run(
        "runner-not-installed",
        "make: hadolint: No such file or directory\nmake: *** [Makefile:4: had] Error 127\n",
    );
    run("runner-not-installed", "python -m pytest: error: unrecognized arguments: --nbval\n");
    run("no-op-target", "make: 'test' is up to date.\n");
    let advice = |text| failure(Stage::Run, text).advice;
    assert!(advice("make: hadolint: No such file or directory\n").starts_with("install hadolint,"));
    assert!(advice("/usr/bin/python3: No module named pytest\n").starts_with("add pytest to"));
    assert!(advice("python -m pytest: error: unrecognized arguments: --nbval\n").contains("--nbval"));
}

const DRIFT: &str = "ImportError while importing test module '/r/test_x.py'.\nTraceback:\ntest_x.py:1: in <module>\n\
    \x20   from flask import Flask\n../v38/lib/python3.8/site-packages/flask/__init__.py:19: in <module>\n\
    \x20   from jinja2 import Markup, escape\nE   ImportError: cannot import name 'Markup' from 'jinja2' \
    (/v38/lib/python3.8/site-packages/jinja2/__init__.py)\n";

#[test]
fn imports() {
    check(
        Stage::Run,
        "import-fails-after-install",
        &[
            DRIFT,
            "  File \"/v/lib/python3.6/site-packages/flask/__init__.py\", line 19, in <module>\n    from jinja2 \
             import escape\nImportError: cannot import name 'escape'\n",
            "  File \"app.py\", line 1, in <module>\nAttributeError: module 'np_' has no attribute 'bool'\n",
        ],
    );
    assert!(failure(Stage::Run, DRIFT).repair);
    check(
        Stage::Run,
        "wrong-python",
        &[
            "../v62/lib/python3.11/site-packages/_pytest/assertion/rewrite.py:356: in _rewrite_test\n    co = \
           compile(tree, fn_, \"exec\", dont_inherit=True)\nE   TypeError: required field \"lineno\" missing from \
           alias\n",
        ],
    );
    let missing = "test_m.py:1: in <module>\n    import nothing_like_it\nE   ModuleNotFoundError: No module named \
                   'nothing_like_it'\n";
    let failure = failure(Stage::Run, missing);
    assert_eq!(failure.class, "missing-module-of-project");
    assert_eq!(failure.evidence, "ModuleNotFoundError: No module named 'nothing_like_it'");
    assert!(failure.advice.starts_with("add nothing_like_it to requirements.txt"), "{}", failure.advice);
    let own = self::failure(Stage::Run, "E   ModuleNotFoundError: No module named 'hello'\n");
    assert!(own.advice.contains("on Python's path"), "{}", own.advice);
    check(
        Stage::Import,
        "import-side-effects",
        &[
            "OSError: pytest: reading from stdin while output is captured!  Consider using `-s`.\n",
            "  File \"hello.py\", line 1, in <module>\n    input()\nEOFError: EOF when reading a line\n",
            "  File \"hello.py\", line 3, in <module>\nSystemExit: 2\n",
        ],
    );
    // An import that the project itself gets wrong is its own red test, no matter of packages.
    let typo = "test_x.py:1: in <module>\nE   ImportError: cannot import name 'x' from 'app' (/r/app.py)\n";
    assert_eq!(classify(Stage::Run, None, typo, None, &facts()), None);
}

#[test]
fn red_tests_and_red_lint() {
    let xml = |message: &str, text: &str| {
        let xml = format!(
            "<testsuite tests='2' failures='1'><testcase classname='test_n' name='test_a'><failure \
             message='{message}'>{text}</failure></testcase></testsuite>"
        );
        read_junit(xml.as_bytes()).unwrap()
    };
    let of = |report| classify(Stage::Run, Some(Ending::Exited(1)), "", Some(&report), &facts()).unwrap();
    let red = of(xml("assert 1 == 2", "E   assert 1 == 2\n\ntest_n.py:6: AssertionError"));
    assert_eq!((red.class, red.evidence.as_str()), ("test-assertion", "test_n::test_a: assert 1 == 2"));
    let dns = "urllib.error.URLError: &lt;urlopen error [Errno -2] Name or service not known&gt;";
    assert_eq!(of(xml(dns, "")).class, "needs-network");
    check(
        Stage::Lint,
        "lint-red-tests-green",
        &["app.py:3:4: W0101: Unreachable code (unreachable)\nmake: *** Error 4\n"],
    );
}

#[test]
fn frames_of_both_kinds_are_read() {
    let text = "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\n    x\n  File \"b.py\", line \
                2, in f\n    y\nValueError: z\n";
    let [only] = &raised(text)[..] else { panic!() };
    assert_eq!((only.line, only.at, only.by), ("ValueError: z", "b.py", "a.py"));
    let text = "test_n.py:4: \n_ _ _\n    def f():\n>       raise X\nE       TypeError: no\n\n/lib/request.py:1351: TypeError\n";
    let [only] = &raised(text)[..] else { panic!() };
    assert_eq!((only.at, only.by), ("/lib/request.py", "test_n.py"));
}

#[test]
fn hostile_words_are_tamed() {
    let text = format!("\u{1b}[2JModuleNotFoundError: {}\u{7}\n{}", "x".repeat(5000), "y".repeat(1 << 20));
    assert_eq!(classify(Stage::Run, None, &text, None, &facts()), None);
    let text = format!("ModuleNotFoundError: No module named '{}\u{1b}]0;'\n", "x".repeat(5000));
    let failure = failure(Stage::Run, &text);
    assert!(failure.evidence.len() <= 400 && !failure.evidence.contains('\u{1b}'), "{failure:?}");
}

#[test]
fn old_runtimes_are_retired() {
    assert!(retired("3.6") && retired("3.7.16") && retired("2.7"));
    assert!(!retired("3.8") && !retired("3.13.0") && !retired("three"));
}
