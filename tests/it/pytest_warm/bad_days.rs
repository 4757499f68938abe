//! Tests that do what tests should not: the verdict is that of plain pytest, and nothing is left behind.

use devboot::sys::process::Ending;

use super::*;

/// A project with one bad file beside a good one, run warm and plain; the two say the same.
#[track_caller]
fn same(name: &str, bad: &[(&str, &str)]) -> Came {
    let project = Project::whole(&[("test_good.py", "def test_good():\n    assert True\n")]);
    project.warm();
    bad.iter().for_each(|(file, text)| project.write(file, text));
    let came = project.run();
    bad.iter().for_each(|(file, text)| project.write(file, text));
    let plain = project.plain();
    let code = plain.status.code().map(Ending::Exited);
    if let Some(code) = code {
        assert_eq!(came.attempt.ending, Some(code), "{name}: {}\n{}", came.note(), came.record.text);
    } else {
        assert!(
            matches!(came.attempt.ending, Some(Ending::Signalled(_))),
            "{name}: {:?}",
            came.attempt.ending
        );
    }
    let words = steady(&String::from_utf8_lossy(&plain.stdout));
    let last = words.lines().last().unwrap_or_default().to_owned();
    assert!(steady(&came.record.text).contains(&last), "{name}: no {last:?} in\n{}", came.record.text);
    came
}

#[test]
fn a_process_that_ends_well_before_its_tests_have_is_red() {
    let exit = (
        "test_exit.py",
        "import os\n\ndef test_1():\n    pass\n\ndef test_2():\n    os._exit(0)\n\ndef test_3():\n    assert 0\n",
    );
    let project = Project::new(&[exit, ("test_ok.py", "def test_ok():\n    pass\n")]);
    for came in [project.run(), project.run()] {
        assert_eq!(came.attempt.verdict, Some(Verdict::Failed), "{}", came.note());
        assert!(came.note().contains("of 4 tests had run"), "{}", came.note());
    }
}

#[test]
fn what_cannot_be_imported_is_red_with_pytests_words() {
    for (name, file, text) in [
        ("syntax", "test_bad.py", "def test_x(:\n    pass\n"),
        ("conftest", "conftest.py", "def broken(:\n"),
        ("import", "test_bad.py", "import no_such_module\n"),
        ("exit", "test_bad.py", "import sys\nsys.exit(3)\n"),
        ("encoding", "test_bad.py", "# -*- coding: nonsense -*-\ndef test_x():\n    pass\n"),
    ] {
        let came = same(name, &[(file, text)]);
        assert_ne!(came.attempt.ending, Some(Ending::Exited(0)), "{name}");
    }
    let project = Project::whole(&[("test_a.py", "def test_a():\n    pass\n")]);
    project.warm();
    project.write(
        "test_latin.py",
        b"# -*- coding: latin-1 -*-\nNAME = 'caf\xe9'\ndef test_x():\n    assert len(NAME) == 4\n",
    );
    assert_eq!(project.run().tests().passed, 2);
}

#[test]
fn what_tidies_up_behind_a_run_gets_to_do_so_and_a_port_is_free_for_the_next() {
    let text = "import socket\nfrom multiprocessing import shared_memory\n\n\
                def test_leaves():\n    made = shared_memory.SharedMemory(create=True, size=64)\n    \
                open('left', 'a').write(made.name + '\\n')\n    global held\n    held = socket.socket()\n    \
                held.bind(('127.0.0.1', PORT))\n    held.listen()\n";
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = text.replace("PORT", &port.to_string());
    let project = Project::new(&[("test_shm.py", text.as_str())]);
    project.warm();
    for round in 0..3 {
        project.write("test_shm.py", format!("{text}# {round}\n"));
        let came = project.run();
        assert_eq!((came.tests().passed, came.note()), (1, "warm"), "{}", came.record.text);
    }
    // The tracker of multiprocessing unlinks what the tests have not.
    let left = fs::read_to_string(project.root().join("left")).unwrap();
    let is_left = |name: &&str| Path::new("/dev/shm").join(name).exists();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while left.lines().any(|name| is_left(&name)) {
        let names: Vec<_> = left.lines().enumerate().filter(|(_, name)| is_left(name)).collect();
        assert!(std::time::Instant::now() < deadline, "{names:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_test_that_ends_its_process_is_no_result_and_runs_again_cold() {
    for (name, text) in [
        ("_exit", "import os\ndef test_x():\n    os._exit(0)\n"),
        ("segfault", "import ctypes\ndef test_x():\n    ctypes.string_at(0)\n"),
        ("group", "import os, signal\ndef test_x():\n    os.killpg(os.getpgid(0), signal.SIGKILL)\n"),
        ("parent", "import os, signal\ndef test_x():\n    os.kill(os.getpid(), signal.SIGTERM)\n"),
    ] {
        let project = Project::whole(&[("test_good.py", "def test_good():\n    assert True\n")]);
        project.warm();
        project.write("test_z.py", text);
        let came = project.run();
        assert!(came.note().starts_with("cold: the warm run broke off"), "{name}: {}", came.note());
        // `os._exit(0)` in the last test looks like success to who reads the exit code alone.
        assert!(came.attempt.ending != Some(Ending::Exited(0)) || came.tests() == Tests::default(), "{name}");
        fs::remove_file(project.root().join("test_z.py")).unwrap();
        assert_eq!(project.warm().tests().passed, 1, "{name}: it recovers");
    }
}

#[test]
fn what_a_test_does_to_its_process_stays_there() {
    let came = same(
        "rude",
        &[(
            "test_rude.py",
            "import os, sys, threading, time, subprocess\n\
             def test_chdir(tmp_path):\n    os.chdir(tmp_path)\n\
             def test_env():\n    os.environ.clear()\n\
             def test_stdout():\n    sys.stdout.write('x')\n\
             def test_thread():\n    threading.Thread(target=time.sleep, args=(300,), daemon=True).start()\n\
             def test_fork():\n    pid = os.fork()\n    if pid == 0:\n        os._exit(0)\n    assert os.waitpid(pid, 0)[1] == 0\n\
             def test_deletes_itself():\n    os.remove(__file__)\n\
             def test_escapes():\n    print('\\x1b[2J\\x1b]0;owned\\x07')\n    assert 0\n\
             def test_child():\n    subprocess.Popen(['sleep', '300'])\n",
        )],
    );
    assert_eq!(came.note(), "warm");
    assert_eq!((came.tests().passed, came.tests().failed), (8, 1));
}

#[test]
fn what_hangs_only_when_it_is_forked_runs_again_cold_and_is_not_forked_again() {
    let project = Project::whole(&[("test_good.py", "def test_good():\n    assert True\n")]);
    project.warm();
    // A forked run leads its session; one in a process of its own has a guard that does.
    project.write(
        "test_hang.py",
        "import os, time\ndef test_hang():\n    if os.getsid(0) == os.getpid():\n        time.sleep(3000)\n",
    );
    let came = project.run();
    assert!(came.note().starts_with("cold: the warm run hung"), "{}", came.note());
    assert_eq!(came.tests().passed, 2);
    assert!(project.run().note().starts_with("cold: a warm run hung"), "it is not tried again");
}

#[test]
fn what_is_edited_where_it_is_installed_is_never_run_as_it_was() {
    for apart in [false, true] {
        let test = "import dep.deep\ndef test_a():\n    assert dep.deep.VALUE == 1\n";
        let mut project = Project::whole(&[("test_a.py", test)]);
        project.tests.apart = apart;
        let lib = project.dir.path().join("site-packages");
        fs::create_dir_all(lib.join("dep")).unwrap();
        fs::write(lib.join("dep/__init__.py"), "").unwrap();
        let deep = lib.join("dep/deep.py");
        fs::write(&deep, "VALUE = 1\n").unwrap();
        // As of something that was installed a while ago.
        let ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        fs::File::options().append(true).open(&deep).unwrap().set_modified(ago).unwrap();
        project.env.push(("PYTHONPATH", lib.display().to_string()));
        let warmth = if apart { "standby: fork = false" } else { "warm" };
        project.run();
        assert_eq!((project.run().note(), project.run().tests().passed), (warmth, 1));
        fs::write(&deep, "VALUE = 2\n").unwrap();
        let came = project.run();
        assert_eq!(came.note(), "cold: dep.deep was edited where it is installed");
        assert_eq!((came.attempt.tests.unwrap().passed, came.attempt.tests.unwrap().failed), (0, 1));
        // What takes its place has imported what is there now.
        let came = project.run();
        assert_eq!((came.note(), came.tests().failed), (warmth, 1));
    }
}

#[test]
fn a_module_that_writes_itself_anew_when_it_is_imported_keeps_nothing_cold_for_long() {
    for apart in [false, true] {
        let mut project =
            Project::whole(&[("test_a.py", "import maker\ndef test_a():\n    assert maker.made.X\n")]);
        project.tests.apart = apart;
        let lib = project.dir.path().join("site-packages");
        fs::create_dir(&lib).unwrap();
        let maker = "import os, sys\nwith open(os.path.join(os.path.dirname(__file__), 'made.py'), 'w') as out:\n    out.write('X = %d\\n' % os.getpid())\nimport made\n";
        fs::write(lib.join("maker.py"), maker).unwrap();
        project.env.push(("PYTHONPATH", lib.display().to_string()));
        let notes: Vec<String> = (0..4).map(|_| project.run().note().to_owned()).collect();
        let warmth = if apart { "standby: fork = false" } else { "warm" };
        assert!(notes[1].starts_with("cold: made was edited where it is installed"), "{notes:?}");
        assert_eq!(notes[3], warmth, "{notes:?}");
    }
}

#[test]
fn five_thousand_tests_are_five_thousand_results() {
    let project = Project::whole(&[(
        "test_many.py",
        "import pytest\n@pytest.mark.parametrize('n', range(5000))\ndef test_n(n):\n    assert n != 4321\n",
    )]);
    let warm = project.warm();
    assert_eq!((warm.tests().passed, warm.tests().failed), (4999, 1));
    assert_eq!(warm.attempt.failures[0].name, "test_many.py::test_n[4321]");
}

#[test]
fn without_pytest_it_says_so_as_python_does() {
    let project = Project::whole(&[("test_a.py", "def test_a():\n    pass\n")]);
    let bare = project.dir.path().join("bare");
    let made =
        Command::new("/usr/bin/python3").args(["-m", "venv", "--without-pip"]).arg(&bare).status().unwrap();
    assert!(made.success());
    let mut unit = project.unit();
    unit.prepared.python = Some(bare.join("bin/python"));
    let (feed, _follower) = feed();
    let logs = Logs::new(&project.dir.path().join("logs"));
    let mut recorder = Recorder::begin(RunId(1), &unit.stage.id, &feed, &logs);
    let executor = PytestExecutor(Arc::clone(&project.pytest));
    let attempt = project.runtime.block_on(executor.attempt(&unit, &mut recorder, brake().1));
    assert_eq!(attempt.ending, Some(Ending::Exited(1)));
    assert!(recorder.finish().text.contains("No module named pytest"));
}

#[test]
fn a_run_that_is_given_up_ends_with_all_that_it_started() {
    let project = Project::whole(&[("test_a.py", "def test_a():\n    pass\n")]);
    project.warm();
    let marker = project.dir.path().join("up");
    let text = format!(
        "import subprocess, time, pathlib\ndef test_long():\n    subprocess.Popen(['sleep', '4711'])\n    pathlib.Path({:?}).write_text('x')\n    time.sleep(300)\n",
        marker
    );
    project.write("test_long.py", text);
    let unit = project.unit();
    let (feed, _follower) = feed();
    let logs = Logs::new(&project.dir.path().join("logs"));
    let mut recorder = Recorder::begin(RunId(1), &unit.stage.id, &feed, &logs);
    let (brake, stop) = brake();
    let executor = PytestExecutor(Arc::clone(&project.pytest));
    let attempt = project.runtime.block_on(async {
        let run = executor.attempt(&unit, &mut recorder, stop);
        tokio::pin!(run);
        loop {
            tokio::select! {
                attempt = &mut run => break attempt,
                () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {
                    if marker.exists() {
                        brake.pull(Verdict::Cancelled);
                    }
                }
            }
        }
    });
    assert_eq!(attempt.verdict, Some(Verdict::Cancelled));
    let sleeps = Command::new("pgrep").args(["-f", "sleep 4711"]).output().unwrap();
    assert!(sleeps.stdout.is_empty(), "{}", String::from_utf8_lossy(&sleeps.stdout));
    fs::remove_file(project.root().join("test_long.py")).unwrap();
    assert_eq!(project.run().tests().passed, 1);
}
