//! `devboot watch` on a terminal: what a person sees and types.

use std::net::TcpListener;

use super::{Demo, processes_with};
use crate::world::until;

/// The Flask starter, on a port that nobody uses.
fn starter() -> Demo {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let files = devboot::repos::starters::files("hello-ml").unwrap();
    let demo = Demo::inferred(&[]);
    for file in files {
        demo.write(file.path, &file.text.replace("8080", &port.to_string()));
    }
    demo
}

#[test]
fn the_starter_turns_red_for_a_broken_handler_and_green_when_it_is_mended() {
    let demo = starter();
    let home = demo.world.home().display().to_string();
    let mut live = demo.watch_on_terminal(&["--trust"]);
    live.until("GREEN 9 passed, 3 stages");
    live.types("?");
    live.until("run again what ran last");
    live.types("f");
    live.until("nothing has failed");
    live.types("r");
    live.until("smoke  passed");
    live.until("GREEN 9 passed");
    let app = demo.text("app.py");
    demo.replace("app.py", &app.replace("\"Hello, ML!", "\"Goodbye"));
    live.until("changed: app.py");
    // The tests run beside the restart, and which of them ends first is nobody's promise.
    let [_, smoke, _, red] = live.until_each([
        "app    ready",
        "smoke  failed",
        "test_app.py:9 test_app.py::test_home_says_hello",
        "RED in",
    ]);
    assert!(smoke.contains("expected the text 'Hello, ML!' in the body; it begins: Goodbye"), "{smoke}");
    assert!(red.contains("smoke") && red.contains("test") && red.contains("1 failed"), "{red}");
    demo.replace("app.py", &app.replace("return \"Hello, ML!\\n\"", "return undefined"));
    live.until("smoke  failed");
    let red = live.until("RED in");
    assert!(red.contains("smoke") && red.contains("test"), "{red}");
    demo.replace("app.py", &app);
    live.until("smoke  passed");
    live.until("GREEN 9 passed");
    live.types("q");
    live.ends().exits(0);
    until("nothing is left", || processes_with(&home).is_empty());
    assert_eq!(demo.runs()[0]["verdict"], "passed");
}

const RED: &str = "[stage.a]\nrun = 'echo ran >> ../ran; echo the reason; exit 3'\ninputs = []\n";

#[test]
fn keys_run_again_and_a_red_end_is_red() {
    let demo = Demo::new(RED);
    let mut live = demo.watch_on_terminal(&["--trust"]);
    live.until("the reason");
    live.until("RED in a");
    for (times, key) in [(2, "r"), (3, "f"), (4, "a"), (5, "R")] {
        live.types(key);
        live.until("RED in a");
        assert_eq!(demo.times("ran"), times, "{key}");
    }
    live.types("l");
    live.until("the reason");
    live.types("q");
    let all = live.ends().exits(2).stdout;
    assert!(all.contains("\u{1b}["), "there are colours on a terminal");
}

#[test]
fn keys_run_a_command_again_and_end_it() {
    let demo = Demo::inferred(&[("a.txt", "1")]);
    let mut live =
        demo.watch_on_terminal(&["--", "sh", "-c", "echo ran >> ../ran; cat a.txt; echo; echo here"]);
    live.until("keys: r run again");
    live.until("here");
    live.until("done, ");
    live.types("r");
    live.until("here");
    live.until("done, ");
    live.types("x?");
    live.until("keys: r run again");
    live.types("q");
    live.ends().exits(0);
    assert_eq!(demo.times("ran"), 2);
}

#[test]
fn only_a_turn_of_the_colour_rings_and_notifies() {
    let demo = Demo::new("[stage.a]\nrun = 'grep -q yes state'\ninputs = ['state']\n");
    demo.write("state", "yes\n");
    let mut live = demo.watch_on_terminal(&["--trust", "--bell", "--notify"]);
    live.until("GREEN");
    for (state, end) in [("no\n", "RED in a"), ("never\n", "RED in a"), ("yes!\n", "GREEN")] {
        demo.replace("state", state);
        live.until(end);
    }
    live.types("q");
    let all = live.ends().exits(0).stdout;
    let shown: Vec<&str> =
        all.split("\u{1b}]9;devboot: ").skip(1).filter_map(|rest| rest.split('\u{7}').next()).collect();
    assert_eq!(shown, ["red", "green again"], "{all:?}");
    // Each notification ends with one, too.
    assert_eq!(all.matches('\u{7}').count(), 2 * shown.len(), "{all:?}");
}

#[test]
fn a_file_that_is_wrong_at_the_start_is_waited_for() {
    let demo = Demo::new("[stage.a]\nrun = 'echo ran >> ../ran'\nneeds = ['b']\n");
    let mut live = demo.watch_on_terminal(&["--trust"]);
    live.until("devboot.toml:3");
    live.until("waiting for devboot.toml to be saved");
    demo.replace("devboot.toml", "[stage.a]\nrun = \n");
    live.until("devboot.toml:2");
    live.until("waiting for devboot.toml to be saved");
    demo.replace("devboot.toml", "[stage.a]\nrun = 'echo ran >> ../ran'\n");
    live.until("GREEN");
    assert_eq!(demo.times("ran"), 1);
    live.types("q");
    live.ends().exits(0);
    demo.replace("devboot.toml", "x");
    let mut live = demo.watch_on_terminal(&["--trust"]);
    live.until("waiting for devboot.toml to be saved");
    live.types("\u{3}");
    live.ends().exits(130);
    demo.watch(&[]).ends().exits(64).says("devboot.toml:1");
}

#[test]
fn an_interrupt_from_the_keyboard_ends_it_and_gives_the_terminal_back() {
    let demo = Demo::new("[stage.a]\nrun = 'echo ran >> ../ran; sleep 600'\n");
    let home = demo.world.home().display().to_string();
    let mut live = demo.watch_on_terminal(&["--trust"]);
    until("it runs", || demo.times("ran") == 1);
    live.types("\u{3}");
    live.ends().exits(130);
    until("nothing is left", || processes_with(&home).is_empty());
    assert_eq!(demo.runs()[0]["verdict"], "interrupted");
}

#[test]
fn nothing_that_a_stage_writes_moves_the_terminal() {
    let demo = Demo::new(
        "[stage.a]\nrun = '''printf \"\\033[2Jgone\\033]0;title\\007\\302\\2331Ax\\n\"; exit 1'''\ninputs = []\n",
    );
    let mut live = demo.watch_on_terminal(&["--trust", "--verbose"]);
    live.until("RED in a");
    live.types("l");
    live.until("gone");
    live.types("q");
    let all = live.ends().exits(2).stdout;
    for raw in ["\u{1b}[2J", "\u{1b}]", "\u{7}", "\u{9b}"] {
        assert!(!all.contains(raw), "{raw:?} in {all:?}");
    }
}
