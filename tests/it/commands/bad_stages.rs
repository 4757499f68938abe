//! Stages that do not end, do not start, write what they like: each gets its word, and nothing is left of it.

use std::fs;
use std::process::Command;

use super::{Demo, json, processes_with};
use crate::world::Ran;
use crate::world::until;

/// A project with one stage that runs this, and whether it may be cached does not matter.
fn one(run: &str, more: &str) -> Demo {
    Demo::new(&format!("[stage.bad]\nrun = '''{run}'''\ninputs = ['devboot.toml']\n{more}\n"))
}

/// How the stage `bad` ended in the last run, as the history has it.
fn end(demo: &Demo) -> serde_json::Value {
    let runs = demo.runs();
    let number = runs[0]["run"].to_string();
    let told = json(&demo.history(&[&number, "--json"]).exits(0).stdout);
    told["stages"][0]["end"].clone()
}

#[test]
fn one_that_ignores_the_polite_signal_is_killed_when_its_time_is_up() {
    let demo = one("trap \"\" TERM; echo up; while :; do sleep 0.1; done", "timeout = '300ms'");
    let home = demo.world.home().display().to_string();
    demo.run(&[]).exits(2).says("timed out").says("it took longer than 300 ms").says("RED in bad");
    assert_eq!(end(&demo)["verdict"], "timed-out");
    assert_eq!(processes_with(&home), [0; 0]);
}

#[test]
fn what_it_leaves_in_the_background_ends_with_it() {
    for away in [
        "(exec sleep 600) & echo started",
        "setsid sleep 600 & echo started",
        "(setsid sleep 600 </dev/null >/dev/null 2>&1 &); echo started",
        "python3 -c \"import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork() == 0:\n  time.sleep(600)\n\"; echo started",
    ] {
        let demo = one(away, "");
        let home = demo.world.home().display().to_string();
        demo.run(&[]).exits(0).says("started");
        assert_eq!(processes_with(&home), [0; 0], "{away}");
    }
}

#[test]
fn what_it_writes_moves_no_terminal() {
    let demo = one(
        "printf \"\\033[2Ja\\000\\377\\007b\\033]0;title\\007c\\302\\233d\\n\\033[31mred\\033[0m\\nno end\\033[1A\"; exit 1",
        "",
    );
    let raw = |ran: &Ran| -> String {
        let all = format!("{}{}", ran.stdout, ran.stderr);
        all.chars().filter(|c| c.is_control() && *c != '\n').collect()
    };
    for ran in [demo.run(&[]).exits(2), demo.logs(&["bad"]).exits(0)] {
        assert_eq!(raw(&ran), "");
        assert!(ran.stdout.contains("\\u{7}b\\u{1b}]0;title\\u{7}c\\u{9b}d\nred\nno end"), "{}", ran.stdout);
    }
    let quiet = demo.run(&["--quiet"]).exits(2);
    assert_eq!(raw(&quiet), "");
    // JSON escapes them: whoever reads the value gets what was written.
    let events = demo.run(&["--json"]).exits(2);
    assert_eq!(raw(&events), "");
    let said: String =
        events.stdout.lines().map(json).filter_map(|e| e["text"].as_str().map(str::to_owned)).collect();
    assert!(said.contains("\u{1b}[2Ja"), "{said:?}");
}

#[test]
fn a_flood_of_output_is_bounded_on_disk_and_in_memory() {
    const MEASURE: &str = "import resource, subprocess, sys\n\
        code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode\n\
        print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    for (flood, rest) in [
        ("echo first; yes 0123456789abcde | head -c 200000000; echo last", "last"),
        ("echo first; head -c 200000000 /dev/zero | tr \"\\000\" x; echo; echo last", "last"),
    ] {
        let demo = one(flood, "");
        let run = demo.run_command(&[]);
        let mut measured = demo.world.command("python3");
        measured.args(["-c", MEASURE]).arg(run.get_program()).args(run.get_args()).current_dir(demo.path(""));
        let told = Ran::of(measured.output().unwrap()).exits(0).stdout;
        let (code, kilobytes) = told.trim().split_once(' ').unwrap();
        assert_eq!(code, "0", "{flood}");
        assert!(kilobytes.parse::<u64>().unwrap() < 100_000, "{told}");
        let logged = demo.logs(&["bad"]).exits(0).stdout;
        assert!(logged.len() <= (16 << 20) + 1000 && logged.starts_with("first\n"), "{}", logged.len());
        assert!(logged.contains(" MB are left out here]\n") && logged.ends_with("last\n"));
        let replayed = demo.run(&[]).exits(0).says("unchanged").says(" left out").stdout;
        assert!(replayed.len() < 1 << 20 && replayed.ends_with(&format!("{rest}\n")), "{}", replayed.len());
    }
}

#[test]
fn one_that_reads_its_input_finds_its_end() {
    let demo = one("cat; echo end of input", "");
    let mut command = demo.run_command(&[]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let input = child.stdin.take();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || std::io::read_to_string(&mut stdout).unwrap());
    assert_eq!(reader.join().unwrap(), "end of input\n", "our own input stays open all the while");
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_end_by_a_signal_and_a_start_that_fails_have_their_words() {
    let demo = one("kill -SEGV $$", "");
    demo.run(&[]).exits(2).says("failed").says("ended by signal 11 (bad memory access)");
    let demo = one("no-such-program", "");
    demo.run(&[]).exits(2).says("exit code 127: a command was not found");
    let demo = Demo::new("[stage.bad]\nrun = ['no-such-program']\n");
    demo.run(&[]).exits(1).says("not started").says("cannot start no-such-program: No such file");
    assert_eq!(end(&demo)["verdict"], "not-started");
    let demo = Demo::new(
        "[stage.bad]\nrun = ['./plain.txt']\n[stage.after]\nrun = 'echo ran >> ../ran'\nneeds = ['bad']\n",
    );
    demo.write("plain.txt", "no program\n");
    demo.run(&[]).exits(1).says("cannot start ./plain.txt: Permission denied");
    assert_eq!(demo.times("ran"), 0);
}

#[test]
fn tests_that_are_none_are_never_green() {
    let demo =
        Demo::inferred(&[("tests/test_none.py", "def helper():\n    pass\n"), ("pytest.ini", "[pytest]\n")]);
    let ran = demo.run(&[]).exits(2).says("no test ran").says("NO TEST RAN");
    assert!(!ran.stderr.contains("GREEN"), "{}", ran.stderr);
    demo.run(&[]).exits(2).says("it ran no test in run 1");
    demo.write("tests/test_none.py", "def test_one():\n    assert 1 + 1 == 2\n");
    demo.run(&[]).exits(0).says("GREEN 1 passed");
    demo.write("tests/test_none.py", "def test_one():\n    assert 1 + 1 == 3\n");
    let red = demo.run(&[]).exits(2).says("RED in test").says("tests/test_none.py:2 ");
    assert!(
        red.stderr.contains("assert (1 + 1) == 3") || red.stderr.contains("assert 2 == 3"),
        "{}",
        red.stderr
    );
}

#[test]
fn a_failure_that_the_exit_code_hides_is_red() {
    let demo = one("python3 -m pytest -p no:cacheprovider || true", "");
    demo.write("test_a.py", "def test():\n    assert False\n");
    demo.run(&[]).exits(2).says("its command exited with 0 although 1 test failed");
}

#[test]
fn a_flaky_stage_is_named_and_green() {
    let demo = one("test -e ../second || { touch ../second; exit 1; }", "retries = 1");
    demo.run(&[]).exits(0).says("again").says("attempt 2").says("flaky").says("GREEN, BUT FLAKY");
}

#[test]
fn stages_that_need_each_other_are_named() {
    let demo = Demo::new(
        "[stage.a]\nrun = 'x'\nneeds = ['b']\n[stage.b]\nrun = 'x'\nneeds = ['c']\n[stage.c]\nrun = 'x'\nneeds = ['a']\n",
    );
    demo.run(&[]).exits(64).says("stages need each other: a → b → c → a");
    let checked = demo.command("project", ["check"]).output().unwrap();
    Ran::of(checked).exits(1).says("devboot.toml:").says("stages need each other");
}

#[test]
fn an_interrupt_ends_the_stage_and_all_that_it_started() {
    for (name, code) in [("INT", 130), ("TERM", 130), ("HUP", 130)] {
        let demo = one("echo up; (sleep 600 & wait)", "");
        let home = demo.world.home().display().to_string();
        let mut live = super::Live::start(demo.run_command(&[]));
        live.until("up");
        live.signal(name);
        live.ends().exits(code).says("interrupted");
        assert_eq!(processes_with(&home), [0; 0], "{name}");
        assert_eq!(demo.runs()[0]["verdict"], "interrupted");
        demo.why(&[]).exits(0).says("would run: it did not finish in run 1");
    }
}

#[test]
fn nothing_of_a_stage_outlives_a_devboot_that_is_killed() {
    let demo = one("echo up; (trap \"\" TERM HUP; sleep 600 & setsid sleep 600 & wait)", "");
    let home = demo.world.home().display().to_string();
    let mut live = super::Live::start(demo.run_command(&[]));
    live.until("up");
    live.signal("KILL");
    live.ends().exits(137);
    until("every process of the stage is gone", || processes_with(&home).is_empty());
    let listed = demo.runs();
    assert_eq!((listed[0]["run"].as_u64(), listed[0]["verdict"].as_str()), (Some(1), Some("interrupted")));
    demo.history(&[]).exits(0).says("interrupted");
    demo.run(&["-n"]).exits(0).says("would run");
}

#[test]
fn a_stage_that_writes_into_its_inputs_is_not_taken_for_settled() {
    let demo = Demo::new("[stage.bad]\nrun = 'echo more >> a.txt'\ninputs = ['a.txt']\n");
    demo.write("a.txt", "one\n");
    demo.run(&[]).exits(0).says("its inputs changed while it ran: a.txt changed");
    demo.run(&[]).exits(0);
    assert_eq!(fs::read_to_string(demo.path("a.txt")).unwrap(), "one\nmore\nmore\n");
}

#[test]
fn a_closed_reader_ends_nothing_half_way() {
    let demo = one("yes | head -n 100000; echo ran >> ../ran", "");
    let script = "\"$@\" | head -n 1; exit ${PIPESTATUS[0]}";
    let run = demo.run_command(&[]);
    let mut piped = Command::new("bash");
    piped.env_clear().envs(run.get_envs().filter_map(|(k, v)| Some((k, v?))));
    piped.args(["-c", script, "bash"]).arg(run.get_program()).args(run.get_args()).current_dir(demo.path(""));
    Ran::of(piped.output().unwrap()).exits(0).says("y");
    assert_eq!(demo.times("ran"), 1);
}
