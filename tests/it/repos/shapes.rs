//! The ways in which small ML repositories fail, as fixtures of our own, with the real pip, uv, make and pytest.
//! Packages are wheels that the test writes, so that no index is asked.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use devboot::base::digest::Digest;
use devboot::repos::python::environment::{EnvRecord, PythonEnv};
use devboot::repos::testing::failure::{Facts, Failure};
use devboot::repos::testing::notices;
use devboot::repos::testing::run::{TestSpec, Tested, install_failure, test};
use devboot::repos::testing::runner::Runner;
use devboot::repos::testing::verdict::Verdict;
use devboot::sys::process::{self, CommandSpec, Ending, find};
use devboot::sys::real::RealSystem;

use super::world::World;

/// The environment that `tests/run` installs: pytest, Flask, uv and the other tools. It is found by its uv.
fn installed() -> PathBuf {
    let uv = find("uv").expect("tests/run puts uv on PATH");
    uv.parent().unwrap().parent().unwrap().to_owned()
}

fn env_in(dir: PathBuf) -> PythonEnv {
    let record = EnvRecord {
        schema: 1,
        digest: Digest::of(b"shapes"),
        inputs: Vec::new(),
        python: "3.11.7".into(),
        tool: "pip".into(),
        added_pytest: false,
        as_of: None,
    };
    PythonEnv { dir, record }
}

pub struct Shape {
    dir: tempfile::TempDir,
}

impl Shape {
    pub fn new(files: &[(&str, &str)]) -> Self {
        let shape = Self { dir: tempfile::tempdir().unwrap() };
        shape.write(files);
        shape
    }

    pub fn write(&self, files: &[(&str, &str)]) {
        for (name, text) in files {
            let path = self.repo().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("hello")
    }

    fn spec(&self) -> TestSpec {
        TestSpec {
            repo: self.repo(),
            env: Some(env_in(installed())),
            log: self.dir.path().join("log"),
            time: Duration::from_secs(60),
            ..TestSpec::default()
        }
    }

    pub fn test(&self) -> Tested {
        self.test_as(&self.spec())
    }

    /// Runs the tests; whatever comes of it, the repository is what it was.
    #[track_caller]
    fn test_as(&self, spec: &TestSpec) -> Tested {
        let before = tree(&self.repo());
        let tested = test(spec);
        assert_eq!(tree(&self.repo()), before, "the run changed the repository");
        tested
    }
}

/// Every file below a folder, with its bytes.
fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.insert(path.clone(), Vec::new());
                open.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[track_caller]
fn class(tested: &Tested) -> &Failure {
    let log = fs::read_to_string(&tested.log).unwrap_or_default();
    tested.failure.as_ref().unwrap_or_else(|| panic!("{tested:?}\n{log}"))
}

pub const GREEN: (&str, &str) = ("test_hello.py", "def test_a():\n    pass\n");

#[test]
fn a_target_of_comments_is_no_test_and_discovery_is_reported_beside_it() {
    let shape = Shape::new(&[("Makefile", "test:\n\t#python -m pytest -vv test_hello.py\n"), GREEN]);
    let tested = shape.test();
    assert!(
        matches!(&tested.verdict, Verdict::NoTestRan { why } if why.contains("1 test file")),
        "{tested:?}"
    );
    assert_eq!(class(&tested).class, "no-op-target");
    assert_eq!(tested.besides, Some(Verdict::Passed { tests: 1 }));
    // A folder of the target's name: make finds nothing to do.
    let shape =
        Shape::new(&[("Makefile", "test:\n\tpytest\n"), ("test/test_a.py", "def test_a():\n    pass\n")]);
    let tested = shape.test();
    assert!(matches!(tested.verdict, Verdict::NoTestRan { .. }), "{tested:?}");
    assert_eq!(
        (class(&tested).class, &tested.besides),
        ("no-op-target", &Some(Verdict::Passed { tests: 1 }))
    );
}

#[test]
fn a_target_names_what_is_not_there() {
    let shape =
        Shape::new(&[("Makefile", "test:\n\tpython -m pytest -vv test_hello.py\n"), ("app.py", "x = 1\n")]);
    let tested = shape.test();
    assert!(matches!(tested.verdict, Verdict::CouldNotStart { .. }), "{tested:?}");
    assert_eq!((tested.runner, class(&tested).class), (Some(Runner::Make), "target-names-missing-file"));
    assert_eq!(tested.besides, Some(Verdict::Smoke { imported: 1, failed: 0, answered: None }));
    // The same, where only pytest itself can find out.
    shape.write(&[("Makefile", "F = test_hello.py\ntest:\n\tpython -m pytest $(F)\n")]);
    let tested = shape.test();
    assert!(matches!(tested.verdict, Verdict::CouldNotStart { .. }), "{tested:?}");
    assert_eq!(class(&tested).class, "target-names-missing-file");
    let of = |recipe: &str| {
        shape.write(&[("Makefile", &format!("test:\n\t{recipe}\n")), GREEN]);
        class(&shape.test()).class
    };
    assert_eq!(of("python -m pylint app.py"), "runner-not-installed");
    assert_eq!(of("true && no-such-runner test_hello.py"), "runner-not-installed");
    assert_eq!(of("python -m pytest --nbval test_hello.py"), "runner-not-installed");
    assert_eq!(of("./run_tests"), "missing-helper-script");
    assert_eq!(of("cd . && ./run_tests"), "missing-helper-script");
}

#[test]
fn tests_that_need_the_network_are_counted_apart() {
    let text = "import urllib.request\ndef test_a():\n    pass\n\
                def test_b():\n    urllib.request.urlopen('http://devboot-no-such-host.invalid/')\n\
                def test_c():\n    import socket\n    socket.create_connection(('devboot-no-such-host.invalid', 80))\n";
    let shape =
        Shape::new(&[("Makefile", "test:\n\tpython -m pytest -vv test_*.py\n"), ("test_hello.py", text)]);
    let tested = shape.test();
    assert_eq!(tested.verdict, Verdict::NeedsNetwork { passed: 1, failed: 2 }, "{tested:?}");
    assert_eq!((class(&tested).class, tested.failing.len()), ("needs-network", 2));
    shape.write(&[("test_red.py", "def test_red():\n    assert 1 == 2\n")]);
    let tested = shape.test();
    assert!(matches!(tested.verdict, Verdict::Failed { failed: 3, passed: 1, .. }), "{tested:?}");
}

#[test]
fn lint_is_judged_apart_and_docker_is_named() {
    let lint = "@echo 'app.py:3: W0101: Unreachable code'; exit 4";
    let makefile = |lint: &str| format!("test:\n\tpytest\nlint:\n\t{lint}\n");
    let shape = Shape::new(&[("Makefile", &makefile(lint)), GREEN]);
    let spec = TestSpec { lint: true, ..shape.spec() };
    let tested = shape.test_as(&spec);
    assert_eq!((&tested.verdict, &tested.failure), (&Verdict::Passed { tests: 1 }, &None));
    let failure = tested.lint.unwrap().failure.unwrap();
    assert_eq!(failure.class, "lint-red-tests-green");
    assert_eq!(failure.evidence, "app.py:3: W0101: Unreachable code");
    shape.write(&[("Makefile", &makefile("@echo 'a.py:3: W0101: Unreachable'; echo 'rated 9/10'; exit 4"))]);
    assert_eq!(shape.test_as(&spec).lint.unwrap().failure.unwrap().evidence, "a.py:3: W0101: Unreachable");
    assert_eq!(shape.test().lint, None, "only when it is asked for");
    // Whether the program is missing or its engine, it is the same to the user.
    let docker = "DOCKER_HOST=unix:///devboot/no.sock docker run --rm -i hadolint/hadolint < Dockerfile";
    shape.write(&[("Makefile", &makefile(docker)), ("Dockerfile", "FROM scratch\n")]);
    let failure = shape.test_as(&spec).lint.unwrap().failure.unwrap();
    assert_eq!(failure.class, "needs-docker");
    shape.write(&[("Makefile", &format!("test:\n\t{docker}\n"))]);
    let tested = shape.test();
    assert!(matches!(tested.verdict, Verdict::NeedsDocker { .. }), "{tested:?}");
    assert_eq!(tested.besides, Some(Verdict::Passed { tests: 1 }));
    shape.write(&[("Makefile", "test:\n\tpytest\n\t@echo bad style; exit 2\n")]);
    let tested = shape.test();
    assert!(matches!(tested.verdict, Verdict::Failed { failed: 0, passed: 1, .. }), "{tested:?}");
    assert_eq!(class(&tested).class, "lint-red-tests-green");
}

#[test]
fn without_tests_modules_are_imported_and_the_application_is_asked() {
    let app =
        "from flask import Flask\napp = Flask(__name__)\n@app.route('/')\ndef hello():\n    return 'hi'\n";
    let shape = Shape::new(&[("app.py", app), ("lib/__init__.py", ""), ("not-a-module.py", "1 / 0\n")]);
    let tested = shape.test();
    assert_eq!(tested.verdict, Verdict::Smoke { imported: 2, failed: 0, answered: Some(200) });
    assert_eq!((tested.runner, &tested.failure), (None, &None));

    shape.write(&[("app.py", &app.replace("'hi'", "1 / 0"))]);
    let tested = shape.test();
    assert_eq!(tested.verdict, Verdict::Smoke { imported: 2, failed: 0, answered: Some(500) });
    assert_eq!(class(&tested).class, "app-answers-error");

    let shape = Shape::new(&[("hello.py", "print('hello world')\n")]);
    let tested = shape.test();
    assert_eq!(tested.verdict, Verdict::Smoke { imported: 1, failed: 0, answered: None });
    assert_eq!(class(&tested).class, "import-side-effects");
    assert_eq!(class(&tested).evidence, "importing hello prints: hello world");

    shape.write(&[
        ("hello.py", "import nothing_like_it\n"),
        ("other.py", "input()\n"),
        ("third.py", "while 1: pass\n"),
    ]);
    let spec = TestSpec { time: Duration::from_secs(3), ..shape.spec() };
    let tested = shape.test_as(&spec);
    assert_eq!(tested.verdict, Verdict::Smoke { imported: 0, failed: 3, answered: None });
    assert_eq!(class(&tested).class, "missing-module-of-project");
    assert_eq!(Shape::new(&[("README.md", "")]).test().verdict, Verdict::NoTestTarget);
}

#[test]
fn an_asgi_application_is_asked_without_its_test_client() {
    // What FastAPI and Starlette are to a caller: their module, and the protocol.
    let starlette = "class Starlette:\n    async def __call__(self, scope, receive, send):\n        \
                     await send({'type': 'http.response.start', 'status': 204, 'headers': []})\n        \
                     await send({'type': 'http.response.body', 'body': b''})\n";
    let app = "from starlette import Starlette\napp = Starlette()\n";
    let shape = Shape::new(&[("main.py", app), ("starlette/__init__.py", starlette)]);
    assert_eq!(shape.test().verdict, Verdict::Smoke { imported: 2, failed: 0, answered: Some(204) });
}

#[test]
fn the_environment_stands_first_and_unittest_is_read() {
    let text = "import os, sys, unittest\nclass T(unittest.TestCase):\n    def test_env(self):\n        \
                self.assertEqual(os.path.realpath(os.environ['VIRTUAL_ENV']), os.path.realpath(sys.prefix))\n        \
                self.assertEqual(os.environ['PATH'].split(':')[0], os.environ['VIRTUAL_ENV'] + '/bin')\n    \
                def test_red(self):\n        self.assertEqual(1, 2)\n";
    let shape = Shape::new(&[("Makefile", "test:\n\tpython -m unittest\n"), ("test_env.py", text)]);
    let tested = shape.test();
    assert!(matches!(tested.verdict, Verdict::Failed { failed: 1, passed: 1, .. }), "{tested:?}");
    assert_eq!(tested.failing[0].message, "AssertionError: 1 != 2");
    let shape = Shape::new(&[("checks/tests.py", text)]);
    let tested = shape.test();
    assert_eq!(tested.runner, Some(Runner::Unittest));
}

#[test]
fn what_ends_a_run_is_named() {
    let shape = Shape::new(&[("Makefile", "test:\n\tkill -9 $$$$\n"), GREEN]);
    assert_eq!(class(&shape.test()).class, "out-of-memory");
    shape.write(&[("Makefile", "test:\n\tsleep 600\n")]);
    let tested = shape.test_as(&TestSpec { time: Duration::from_millis(300), ..shape.spec() });
    assert_eq!((&tested.verdict, class(&tested).class), (&Verdict::TimedOut, "timed-out"));
}

#[test]
fn what_ci_files_name_and_no_cloud_offers_is_noticed() {
    let flow =
        "jobs:\n  a:\n    steps:\n    - with:\n        python-version: 3.6\n    - run: ./helper --all\n";
    let shape = Shape::new(&[(".github/workflows/main.yml", flow)]);
    let notices = notices::of(&RealSystem, &shape.repo());
    let classes: Vec<&str> = notices.iter().map(|notice| notice.class).collect();
    assert_eq!(classes, ["retired-runtime", "missing-helper-script"]);
}

/// Writes wheels: `name version tag metadata module text` each, into a folder.
const WHEELS: &str = r#"
import sys, zipfile
folder = sys.argv[1]
def wheel(name, version, tag="py3-none-any", metadata="", files={}):
    info = "%s-%s.dist-info/" % (name, version)
    with zipfile.ZipFile("%s/%s-%s-%s.whl" % (folder, name, version, tag), "w") as z:
        for path, text in files.items():
            z.writestr(path, text)
        z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s" % (name, version, metadata))
        z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: %s\n" % tag)
        z.writestr(info + "RECORD", "")
wheel("oldthing", "1.0", metadata="Requires-Python: <3.5\n")
wheel("oldabi", "1.0", tag="cp34-cp34m-manylinux1_x86_64")
wheel("left", "1.0", metadata="Requires-Dist: middle==1.0\n")
wheel("right", "1.0", metadata="Requires-Dist: middle==2.0\n")
wheel("middle", "1.0")
wheel("middle", "2.0")
wheel("webthing", "1.0", metadata="Requires-Dist: template\n", files={"webthing.py": "from template import escape\n"})
wheel("template", "3.0", files={"template/__init__.py": ""})
"#;

/// A backend that lies beside its project asks no index for anything.
const BACKEND: &str = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\
                       [project]\nname = \"broken\"\nversion = \"1\"\n";

const TOOLS: [&str; 2] = ["pip", "uv"];

/// A new environment and a folder of wheels.
struct Installer {
    dir: tempfile::TempDir,
}

impl Installer {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("wheels")).unwrap();
        let python = installed().join("bin/python");
        let run = |args: &[&str]| {
            let done = Command::new(&python).args(args).current_dir(dir.path()).status().unwrap();
            assert!(done.success(), "{args:?}");
        };
        run(&["-c", WHEELS, "wheels"]);
        run(&["-m", "venv", "env"]);
        Self { dir }
    }

    fn install(&self, tool: &str, wanted: &[&str]) -> (bool, PathBuf, Ending) {
        let python = self.dir.path().join("env/bin/python");
        let log = self.dir.path().join(format!("{tool}.log"));
        drop(fs::remove_file(&log));
        let command = match tool {
            "uv" => CommandSpec::new("uv").args(["pip", "install", "--python"]).arg(&python),
            _ => CommandSpec::new(&python).args(["-m", "pip", "install", "--no-input", "--retries", "1"]),
        };
        let index = wanted.iter().any(|word| word.starts_with("--index-url"));
        let local = if index { vec![] } else { vec!["--no-index", "--find-links", "wheels"] };
        let command = command
            .args(local)
            .args(wanted)
            .cwd(self.dir.path())
            .log(&log)
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            .env("UV_HTTP_RETRIES", "0")
            .env("UV_CACHE_DIR", self.dir.path().join("uv-cache"));
        let done = process::run(&command).unwrap();
        (done.ok(), log, done.ending)
    }

    #[track_caller]
    fn fails(&self, tool: &str, wanted: &[&str]) -> Failure {
        let (ok, log, ending) = self.install(tool, wanted);
        let text = fs::read_to_string(&log).unwrap();
        assert!(!ok, "{tool} installed {wanted:?}: {text}");
        let facts = Facts { name: "hello".into(), python: Some("3.11.7".into()), ..Facts::default() };
        install_failure(&log, ending, &facts).unwrap_or_else(|| panic!("no class for {tool}: {text}"))
    }
}

#[test]
fn what_cannot_be_installed_has_a_class_with_pip_and_with_uv() {
    let installer = Installer::new();
    let path = installer.dir.path();
    fs::write(path.join("hashes.txt"), format!("middle==1.0 --hash=sha256:{:064}\n", 0)).unwrap();
    for (name, backend) in [
        ("raises", "def build_wheel(*a):\n    raise RuntimeError('this cannot be built')\n"),
        (
            "compiles",
            "import subprocess\ndef build_wheel(*a):\n    subprocess.run(['cc', '-c', 'm.c'], check=True)\n",
        ),
    ] {
        fs::create_dir(path.join(name)).unwrap();
        fs::write(path.join(name).join("pyproject.toml"), BACKEND).unwrap();
        fs::write(path.join(name).join("backend.py"), backend).unwrap();
        fs::write(path.join(name).join("m.c"), "#include <devboot_not_here.h>\n").unwrap();
    }
    let world = World::new();
    let (server, _) = world.https();
    let strange = format!("--index-url=https://127.0.0.1:{}/simple", server.port);
    for tool in TOOLS {
        let class = |wanted: &[&str]| installer.fails(tool, wanted).class;
        assert_eq!(class(&["left", "right"]), "version-conflict", "{tool}");
        assert_eq!(class(&["devboot-no-such-package"]), "no-such-package", "{tool}");
        assert_eq!(class(&["-r", "hashes.txt"]), "hash-mismatch", "{tool}");
        assert_eq!(class(&["--index-url=http://127.0.0.1:1/simple", "x"]), "index-unreachable", "{tool}");
        assert_eq!(class(&[&strange, "x"]), "index-untrusted", "{tool}");
        assert_eq!(class(&["./compiles"]), "build-needs-compiler", "{tool}");
        let raises = installer.fails(tool, &["./raises"]);
        assert_eq!(
            (raises.class, raises.evidence.as_str()),
            ("build-backend-fails", "RuntimeError: this cannot be built")
        );
        assert!(raises.repair);
    }
    // uv does not look at an upper bound, pip does not say that it is the ABI.
    let old = installer.fails("pip", &["oldthing"]);
    assert_eq!(old.class, "wrong-python");
    assert!(old.advice.contains("devboot repo test hello --python"), "{old:?}");
    assert_eq!(installer.fails("uv", &["oldabi"]).class, "wrong-python");
    assert_eq!(installer.fails("pip", &["oldabi"]).class, "no-such-package");
}

#[test]
fn packages_that_were_installed_and_do_not_fit_each_other() {
    for tool in TOOLS {
        let installer = Installer::new();
        let (ok, log, _) = installer.install(tool, &["webthing"]);
        assert!(ok, "{}", fs::read_to_string(log).unwrap());
        let env = installer.dir.path().join("env");
        // pytest comes from the environment of the tests.
        let site =
            "import site, sys; print([p for p in site.getsitepackages() if p.startswith(sys.prefix)][0])";
        let of = |env: &Path| {
            let done = Command::new(env.join("bin/python")).args(["-c", site]).output().unwrap();
            String::from_utf8(done.stdout).unwrap().trim().to_owned()
        };
        fs::write(Path::new(&of(&env)).join("pytest-of-tests.pth"), of(&installed()) + "\n").unwrap();
        let shape = Shape::new(&[
            ("app.py", "import webthing\n"),
            ("test_app.py", "import app\ndef test_a():\n    pass\n"),
        ]);
        let spec = TestSpec { env: Some(env_in(env)), ..shape.spec() };
        let tested = shape.test_as(&spec);
        assert!(matches!(tested.verdict, Verdict::Failed { failed: 1, passed: 0, .. }), "{tested:?}");
        let failure = class(&tested);
        assert_eq!(failure.class, "import-fails-after-install", "{tool}: {tested:?}");
        assert!(failure.repair && failure.evidence.contains("cannot import name 'escape' from 'template'"));
        fs::remove_file(shape.repo().join("test_app.py")).unwrap();
        let tested = shape.test_as(&spec);
        assert_eq!(tested.verdict, Verdict::Smoke { imported: 0, failed: 1, answered: None });
        assert_eq!(class(&tested).class, "import-fails-after-install");
    }
}
