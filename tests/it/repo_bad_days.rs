//! Bad days of environments and tests: kills, full disks, silent indexes, runaways, hostile output. Each ends with
//! a clear word, and the next run completes.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::repo_command::{catalog, commit, git, origin};
use crate::world::{DEVBOOT, World, tree};

/// Stands for pytest, so that no index is needed: runs the functions of `test_*.py`, writes the report.
const PYTEST: &str = r#"
import glob, os, runpy, shlex, sys, traceback
def xml(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
sys.path.insert(0, "")
cases, failed = [], 0
for path in sorted(glob.glob("test_*.py")):
    for name, test in list(runpy.run_path(path).items()):
        if name.startswith("test_") and callable(test):
            try:
                test()
                cases.append('<testcase name="%s"/>' % name)
            except Exception:
                failed += 1
                said = traceback.format_exc()
                print(said)
                cases.append('<testcase name="%s"><failure message="no">%s</failure></testcase>' % (name, xml(said)))
report = [word[len("--junitxml="):] for word in shlex.split(os.environ["PYTEST_ADDOPTS"]) if word.startswith("--junitxml=")][0]
if not os.path.lexists(report):
    with open(report, "w") as file:
        file.write('<testsuites><testsuite tests="%d" failures="%d" errors="0" skipped="0">%s</testsuite></testsuites>'
                   % (len(cases), failed, "".join(cases)))
sys.exit(1 if failed else 0 if cases else 5)
"#;

/// Builds a wheel with nothing in it, after what the test puts before it.
const BACKEND: &str = r#"
import os, zipfile
def build_wheel(folder, config=None, metadata=None):
    before()
    name = "slow-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("slow.py", "")
        wheel.writestr("slow-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
        wheel.writestr("slow-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("slow-1.0.dist-info/RECORD", "")
    return name
def build_sdist(folder, config=None):
    raise NotImplementedError
"#;

/// A world with a package index of its own: a folder.
struct Days {
    world: World,
    index: PathBuf,
}

impl Days {
    fn new() -> Self {
        let world = World::new();
        let index = world.outside().join("index");
        fs::create_dir(&index).unwrap();
        let days = Self { world, index };
        days.wheel(
            "pytest",
            "99.0",
            &[
                ("pytest/__init__.py", ""),
                ("pytest/__main__.py", PYTEST),
                (
                    "pytest-99.0.dist-info/entry_points.txt",
                    "[console_scripts]\npytest = pytest.__main__:main\n",
                ),
            ],
        );
        days
    }

    fn python(&self, script: &str, args: &[&Path]) {
        let done = self.world.command("python3").args(["-c", script]).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn wheel(&self, name: &str, version: &str, files: &[(&str, &str)]) {
        let from = self.world.outside().join(format!("{name}-wheel"));
        let about = format!("{name}-{version}.dist-info");
        let meta = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        let wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned();
        let own = [("METADATA", meta), ("WHEEL", wheel), ("RECORD", String::new())];
        let own = own.map(|(file, text)| (format!("{about}/{file}"), text));
        let all = files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).chain(own);
        for (file, text) in all {
            let path = from.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let to = self.index.join(format!("{name}-{version}-py3-none-any"));
        self.python(
            "import shutil, sys; p = shutil.make_archive(sys.argv[2], 'zip', sys.argv[1]); \
                     shutil.move(p, sys.argv[2] + '.whl')",
            &[&from, &to],
        );
    }

    /// The source of the package `slow`, whose build does this first.
    fn source(&self, before: &str) {
        let from = self.world.outside().join("source");
        let dir = from.join("slow-1.0");
        fs::create_dir_all(&dir).unwrap();
        let system = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n\
                      [project]\nname = 'slow'\nversion = '1.0'\n";
        fs::write(dir.join("pyproject.toml"), system).unwrap();
        fs::write(dir.join("PKG-INFO"), "Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n").unwrap();
        let body = before.lines().map(|line| format!("    {line}\n")).collect::<String>();
        fs::write(dir.join("backend.py"), format!("{BACKEND}\ndef before():\n{body}")).unwrap();
        let to = self.index.join("slow-1.0");
        self.python(
            "import shutil, sys; shutil.make_archive(sys.argv[2], 'gztar', sys.argv[1], 'slow-1.0')",
            &[&from, &to],
        );
    }

    /// The repository `one`, known to the catalog.
    fn repo(&self, files: &[(&str, &str)]) -> PathBuf {
        let mut files = files.to_vec();
        if files.iter().all(|(name, _)| *name != "requirements.txt") {
            files.push(("requirements.txt", "pytest\n"));
        }
        let dir = origin(&self.world, "one", &files);
        catalog(&self.world, &[("one", &dir)]);
        dir
    }

    /// devboot with pip, and the folder as the only index.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(DEVBOOT);
        let path: Vec<PathBuf> = std::env::split_paths(&crate::world::path_variable())
            .filter(|dir| !dir.join("uv").exists())
            .collect();
        command.args(args).env("PATH", std::env::join_paths(path).unwrap());
        command.env("PIP_NO_INDEX", "1").env("PIP_FIND_LINKS", &self.index);
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::of(self.command(args).output().unwrap())
    }

    fn test(&self) -> Ended {
        self.run(&["repo", "test", "one", "--json"])
    }

    /// Environments with their marker, and folders without.
    fn environments(&self) -> (usize, usize) {
        let envs = self.world.path(".local/share/devboot/envs");
        let Ok(found) = fs::read_dir(envs) else { return (0, 0) };
        let (whole, half): (Vec<PathBuf>, Vec<PathBuf>) =
            found.map(|entry| entry.unwrap().path()).partition(|dir| dir.join("devboot-env.json").exists());
        (whole.len(), half.len())
    }

    fn log(&self, kind: &str) -> Vec<u8> {
        self.world.read(&format!(".local/state/devboot/logs/{kind}-one.log"))
    }
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn of(done: Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self { code: done.status.code(), stdout: text(&done.stdout), stderr: text(&done.stderr) }
    }

    fn all(&self) -> String {
        format!("{:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.all());
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.all().contains(text), "does not say {text:?}: {}", self.all());
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("no JSON: {}", self.all()))
    }

    #[track_caller]
    fn verdict(self, wanted: &str) -> Self {
        assert_eq!(self.json()["repositories"][0]["tests"]["verdict"], wanted, "{}", self.all());
        self
    }

    #[track_caller]
    fn class(self, wanted: &str) -> Self {
        assert_eq!(self.json()["repositories"][0]["failure"]["class"], wanted, "{}", self.all());
        self
    }
}

/// A FIFO through which something that devboot has started tells its process id.
struct Word(PathBuf);

impl Word {
    fn new(world: &World) -> Self {
        let path = world.outside().join("word");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Self(path)
    }

    /// Python that tells it.
    fn telling(&self) -> String {
        format!("import os, time\nopen({:?}, 'w').write(str(os.getpid()) + '\\n')\n", self.0)
    }

    fn hear(&self) -> u32 {
        use std::os::unix::fs::OpenOptionsExt;
        let mut fifo = fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&self.0).unwrap();
        let patience = Instant::now() + Duration::from_secs(60);
        let mut told = String::new();
        while !told.ends_with('\n') {
            assert!(Instant::now() < patience, "nothing was told");
            let mut buffer = [0; 64];
            match fifo.read(&mut buffer) {
                Ok(count) if count > 0 => told.push_str(std::str::from_utf8(&buffer[..count]).unwrap()),
                _ => std::thread::sleep(Duration::from_millis(10)),
            }
        }
        told.trim().parse().unwrap()
    }
}

fn is_there(id: u32) -> bool {
    // A zombie has ended, too.
    fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

#[track_caller]
fn ends(id: u32) {
    let patience = Instant::now() + Duration::from_secs(30);
    while is_there(id) {
        assert!(Instant::now() < patience, "{id} is left behind");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn begin(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

const GREEN: &str = "def test_a():\n    pass\n";

#[test]
fn killed_while_it_installs() {
    let days = Days::new();
    let word = Word::new(&days.world);
    days.repo(&[("requirements.txt", "slow\npytest\n"), ("test_a.py", GREEN)]);
    days.source(&format!("{}time.sleep(600)", word.telling()));
    let mut child = begin(days.command(&["repo", "test", "one"]));
    let builder = word.hear();
    child.kill().unwrap();
    child.wait().unwrap();
    ends(builder);
    assert_eq!(days.environments(), (0, 1), "the half one is there, and does not count");
    days.source("pass");
    days.test().exits(0).verdict("passed");
    assert_eq!(days.environments(), (1, 0));
}

#[test]
fn killed_while_it_tests() {
    let days = Days::new();
    let word = Word::new(&days.world);
    let waits = format!("{}time.sleep(600)", word.telling()).replace('\n', "\n    ");
    let dir = days.repo(&[("test_a.py", &format!("def test_a():\n    {waits}\n"))]);
    let mut child = begin(days.command(&["repo", "test", "one"]));
    let tester = word.hear();
    child.kill().unwrap();
    child.wait().unwrap();
    ends(tester);
    commit(&days.world, &dir, &[("test_a.py", GREEN)], "2021-03-02T12:00:00Z");
    days.world.write("repos/one/test_a.py", GREEN);
    days.test().exits(0).verdict("passed");
}

#[test]
fn runaways_end_with_all_that_they_started() {
    let days = Days::new();
    let word = Word::new(&days.world);
    let script = format!(
        "import os, signal, subprocess, sys, time\n\
         def test_a():\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n    \
         subprocess.Popen([sys.executable, '-c', '''\
         import os, signal, time\n\
         if os.fork(): os._exit(0)\n\
         os.setsid()\n\
         for n in range(3): os.close(n)\n\
         signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{}time.sleep(600)'''])\n    time.sleep(600)\n",
        word.telling().replace("\\n", "\\\\n"),
    );
    days.repo(&[("test_a.py", GREEN)]);
    // The limit holds for the environment too, which may take longer.
    days.test().exits(0).verdict("passed");
    days.world.write("repos/one/test_a.py", &script);
    let ran = std::thread::scope(|scope| {
        let away = scope.spawn(|| word.hear());
        let ran = days.run(&["repo", "test", "one", "--json", "--timeout", "4"]);
        ends(away.join().unwrap());
        ran
    });
    ran.exits(2).verdict("timed-out").class("timed-out").says("--timeout 3600");
    days.world.write("repos/one/test_a.py", GREEN);
    days.test().exits(0).verdict("passed");
}

#[test]
fn an_index_that_is_down_or_silent_is_waited_for() {
    let days = Days::new();
    days.repo(&[("requirements.txt", "slow\npytest\n"), ("test_a.py", GREEN)]);
    days.source("pass");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [closed, silent.local_addr().unwrap()] {
        let mut command = days.command(&["repo", "test", "one", "--json"]);
        command.env_remove("PIP_NO_INDEX").env_remove("PIP_FIND_LINKS");
        command.env("PIP_INDEX_URL", format!("http://{address}/simple")).env("PIP_DEFAULT_TIMEOUT", "1");
        let ran = Ended::of(command.output().unwrap()).exits(2).class("index-unreachable");
        assert_eq!(ran.json()["items"][1]["state"], "postponed", "{}", ran.all());
        assert_eq!(days.environments(), (0, 0));
    }
    let mut command = days.command(&["repo", "test", "one", "--json"]);
    command.env("PATH", crate::world::path_variable()).env_remove("PIP_NO_INDEX").env("UV_HTTP_TIMEOUT", "1");
    command.env("UV_DEFAULT_INDEX", format!("http://{}/simple", silent.local_addr().unwrap()));
    let ran = Ended::of(command.output().unwrap()).exits(2).class("index-unreachable");
    assert_eq!(ran.json()["repositories"][0]["waits"], true, "{}", ran.all());
    assert!(String::from_utf8_lossy(&days.log("python")).contains("error sending request"), "uv asks");
    assert!(days.world.text(".local/state/devboot/setup.json").contains("\"python of one\""));
    days.test().exits(0).verdict("passed");
}

#[test]
fn without_a_compiler() {
    let days = Days::new();
    days.repo(&[("requirements.txt", "slow\npytest\n"), ("test_a.py", GREEN)]);
    days.source("raise SystemExit(\"error: command 'gcc' failed: No such file or directory\")");
    days.test().exits(1).class("build-needs-compiler").says("apt install gcc");
    assert_eq!(days.environments(), (0, 0));
    days.source("pass");
    days.test().exits(0).verdict("passed");
}

#[test]
fn what_tests_do_to_the_clone_is_said() {
    let days = Days::new();
    let test = "def test_a():\n    open('made.txt', 'w').write('x')\n    open('kept.txt', 'a').write('x')\n    \
                open('../beside.txt', 'w').write('x')\n";
    days.repo(&[("test_a.py", test), ("kept.txt", "")]);
    let ran = days.test().exits(0).verdict("passed");
    let report = &ran.json()["repositories"][0];
    assert_eq!(report["left_behind"], serde_json::json!(["kept.txt", "made.txt"]));
    assert_eq!(report["outside"], serde_json::json!(["repos/beside.txt"]));
    assert_eq!(days.world.text("repos/one/made.txt"), "x", "it stays");
    days.run(&["repo", "remove", "one", "--yes"]).exits(3).says("stays");
    let shown = days.run(&["repo", "test", "one"]).exits(0);
    // What was there before is not the tests' doing, unless they change it again.
    assert!(shown.stdout.contains("changed by its build or tests: kept.txt\n"), "{}", shown.all());
}

#[test]
fn a_build_that_writes_into_the_home_is_seen_whether_it_ends_well_or_not() {
    let days = Days::new();
    days.world.write(".ssh/authorized_keys", "mine\n");
    days.repo(&[("requirements.txt", "slow\npytest\n"), ("test_a.py", GREEN)]);
    let write = "home = os.environ['HOME']\nopen(home + '/.ssh/authorized_keys', 'a').write('evil')\n\
                 open(home + '/dropped', 'w')\n";
    days.source(&format!("{write}raise SystemExit('no')"));
    let ran = days.run(&["repo", "test", "one", "--json", "--no-repair"]).exits(1);
    let report = &ran.json()["repositories"][0];
    assert_eq!(report["outside"], serde_json::json!([".ssh/authorized_keys", "dropped"]), "{}", ran.all());
    assert_eq!(days.world.text(".ssh/authorized_keys"), "mine\nevil", "it is said and nothing else");
    days.source(write);
    let shown = days.run(&["repo", "test", "one"]).exits(0);
    shown.says("changed outside of its folder meanwhile: ~/.ssh/authorized_keys and 1 more\n");
    days.world.write("repos/one/test_a.py", "def test_a():\n    assert 1\n");
    let quiet = days.test().exits(0);
    assert_eq!(quiet.json()["repositories"][0]["outside"], serde_json::json!([]), "{}", quiet.all());
}

#[test]
fn an_environment_that_is_broken_or_something_else_is_made_again() {
    let days = Days::new();
    days.repo(&[("test_a.py", GREEN)]);
    let ran = days.test().exits(0).verdict("passed");
    let dir = PathBuf::from(ran.json()["repositories"][0]["environment"].as_str().unwrap());
    let again = |when: &str| {
        let ran = days.test().exits(0).verdict("passed");
        assert_eq!(ran.json()["repositories"][0]["reused"], false, "{when}");
        assert!(fs::symlink_metadata(&dir).unwrap().is_dir(), "{when}");
    };
    for python in ["python", "python3"] {
        fs::remove_file(dir.join("bin").join(python)).unwrap();
        std::os::unix::fs::symlink("/gone/python3", dir.join("bin").join(python)).unwrap();
    }
    again("its Python is gone");
    let elsewhere = days.world.outside().join("elsewhere");
    fs::rename(&dir, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &dir).unwrap();
    let before = tree(&elsewhere);
    again("a link to elsewhere");
    assert!(before == tree(&elsewhere), "what the link led to was changed");
    fs::remove_dir_all(&dir).unwrap();
    fs::write(&dir, "mine").unwrap();
    again("a file");
}

#[test]
fn a_clone_that_was_edited_or_moved() {
    let days = Days::new();
    days.repo(&[("test_a.py", GREEN)]);
    days.test().exits(0).verdict("passed");
    let red = "def test_a():\n    assert 1 == 2\n";
    days.world.write("repos/one/test_a.py", red);
    days.test().exits(2).verdict("failed").says("changed");
    assert_eq!(days.world.text("repos/one/test_a.py"), red);
    let record = days.world.text(".local/state/devboot/setup.json");
    assert!(record.contains(" +changes "), "{record}");
    fs::rename(days.world.path("repos/one"), days.world.path("moved")).unwrap();
    days.test().exits(0).verdict("passed");
    assert_eq!(days.world.text("moved/test_a.py"), red);
    assert_eq!(days.world.text("repos/one/test_a.py"), GREEN);
}

#[test]
fn two_at_once() {
    let days = Days::new();
    let word = Word::new(&days.world);
    let waits = format!("{}time.sleep(600)", word.telling()).replace('\n', "\n    ");
    days.repo(&[("test_a.py", &format!("def test_a():\n    {waits}\n"))]);
    let mut first = begin(days.command(&["repo", "test", "one"]));
    word.hear();
    days.run(&["repo", "test", "one"]).exits(1).says(&first.id().to_string());
    let other = Days::new();
    other.repo(&[("test_a.py", GREEN)]);
    other.test().exits(0).verdict("passed");
    first.kill().unwrap();
    first.wait().unwrap();
    days.world.write("repos/one/test_a.py", GREEN);
    days.test().exits(0).verdict("passed");
}

#[test]
fn output_that_floods_or_lies() {
    let days = Days::new();
    let test = "import sys\ndef test_a():\n    for n in range(200):\n        sys.stdout.write('x' * 1000000 + '\\n')\n    \
                sys.stdout.flush()\n    sys.stdout.buffer.write(b'\\xff\\xfe\\x1b]0;owned\\x07\\n')\n    \
                raise ValueError('\\x1b[2Jowned \\x07')\n";
    days.repo(&[("test_a.py", test)]);
    let ran = days.run(&["repo", "test", "one"]).exits(2);
    assert!(
        !ran.stdout.contains(['\x1b', '\x07']) && !ran.stderr.contains(['\x1b', '\x07']),
        "{}",
        ran.all()
    );
    let log = days.log("tests");
    assert!(log.len() < (16 << 20) + 100, "{}", log.len());
    let text = String::from_utf8_lossy(&log);
    assert!(text.contains(" MB are left out here]\n"));
    assert!(text.lines().rev().take(3).any(|line| line.starts_with("ValueError: ")), "its end is there");
    days.test().exits(2).verdict("failed");
}

#[test]
fn a_report_that_is_something_else() {
    let days = Days::new();
    let start = "import os, shlex\nreport = [w for w in shlex.split(os.environ['PYTEST_ADDOPTS']) if 'junitxml' in w][0].split('=', 1)[1]\n";
    let bomb = "'<!DOCTYPE b [<!ENTITY a \"ha\">' + ''.join('<!ENTITY a%d \"%s\">' % (n, '&a%s;' % (n - 1 if n else '') * 10) for n in range(30)) + ']><testsuite tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"0\"><testcase name=\"&a29;\"/></testsuite>'";
    let true_one = days.world.outside().join("true.xml");
    fs::write(&true_one, "<testsuite tests='7' failures='0' errors='0' skipped='0'/>").unwrap();
    let cases = [
        (format!("os.symlink({true_one:?}, report)"), "no-test-ran"),
        ("os.mkfifo(report)".to_owned(), "no-test-ran"),
        ("os.mkdir(report)".to_owned(), "no-test-ran"),
        ("open(report, 'w').truncate(1 << 30)".to_owned(), "no-test-ran"),
        (format!("open(report, 'w').write({bomb})"), "passed"),
    ];
    days.repo(&[("test_a.py", GREEN)]);
    days.test().exits(0);
    for (act, verdict) in cases {
        days.world.write("repos/one/test_a.py", format!("{start}def test_a():\n    {act}\n"));
        days.test().verdict(verdict);
        days.world.write("repos/one/test_a.py", GREEN);
        days.test().exits(0).verdict("passed");
    }
    assert!(true_one.exists());
}

#[test]
fn files_that_are_too_large_or_too_odd() {
    let days = Days::new();
    let dir = days.repo(&[
        ("test_a.py", GREEN),
        ("Makefile", "include Makefile\ntest:\n\tpython -m pytest\n"),
        ("it's \"quoted\" $(touch owned).py", "x = 1\n"),
    ]);
    days.test().exits(2).says("one");
    assert!(!days.world.path("repos/one/owned").exists());
    let mut large = fs::File::create(dir.join("requirements.txt")).unwrap();
    for _ in 0..50 {
        large.write_all(&b"# nothing\n".repeat(100_000)).unwrap();
    }
    git(&days.world, &dir, &["rm", "-q", "Makefile"]);
    commit(&days.world, &dir, &[], "2021-03-03T12:00:00Z");
    fs::remove_dir_all(days.world.path("repos/one")).unwrap();
    let ran = days.test().says("requirements.txt: it is larger than 1 MB");
    assert!(ran.code.is_some_and(|code| code < 3), "{}", ran.all());
}

#[test]
fn no_secret_reaches_what_is_kept() {
    let days = Days::new();
    days.repo(&[("requirements.txt", "slow\npytest\n"), ("test_a.py", GREEN)]);
    let mut command = days.command(&["repo", "test", "one", "--json"]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    command.env_remove("PIP_NO_INDEX").env("MY_TOKEN", "hidden-in-the-environment");
    command.env("PIP_INDEX_URL", format!("http://me:hidden-in-the-address@{closed}/simple"));
    let ran = Ended::of(command.env("PIP_DEFAULT_TIMEOUT", "1").output().unwrap());
    assert!(!ran.all().contains("hidden-in"), "{}", ran.all());
    for (path, node) in days.world.tree() {
        assert!(!format!("{node:?}").contains("hidden-in"), "{}", path.display());
    }
}
