//! A guarded profile: a person opens it, and nobody else.

use super::{DEV, Home};
use crate::world::Ran;

/// Runs a script in bash on a terminal; answers the question with yes when it comes.
const TERMINAL: &str = "import os, pty, sys, time\n\
    pid, fd = pty.fork()\n\
    if pid == 0: os.execvp('bash', ['bash', '-ic', sys.argv[1]])\n\
    out = b''\n\
    asked = False\n\
    while True:\n\
    \x20   try: data = os.read(fd, 4096)\n\
    \x20   except OSError: break\n\
    \x20   if not data: break\n\
    \x20   out += data\n\
    \x20   if not asked and b'and use it in this shell?' in out:\n\
    \x20       asked = True\n\
    \x20       os.write(fd, sys.argv[2].encode())\n\
    sys.stdout.write(out.decode())\n\
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";

fn on_terminal(home: &Home, script: &str, answer: &str) -> Ran {
    let mut command = home.command("python3");
    Ran::of(command.args(["-c", TERMINAL, script, answer]).env("TERM", "xterm").output().unwrap())
}

#[test]
fn only_a_person_opens_it_and_only_for_a_while() {
    let home = Home::new();
    let _ = home
        .shell("bash", "devboot use prod")
        .exits(4)
        .says("nobody has confirmed it")
        .says("a person opens it");
    let _ = home.devboot(&["cloud", "credential-process", "prod"]).exits(4).says("is guarded and not open");
    let _ = home.devboot(&["cloud", "env", "prod"]).exits(4);
    let _ = on_terminal(&home, "devboot use prod", "n")
        .exits(4)
        .says("Open it for all your processes for 5 min, and use it in this shell?")
        .says("was not confirmed");
    // Who only presses return has not said yes.
    let _ = on_terminal(&home, "devboot use prod", "\r").exits(4).says("was not confirmed");
    let _ = home.devboot(&["cloud", "credential-process", "prod"]).exits(4);
    let said = on_terminal(
        &home,
        "devboot use prod; echo \"guard $DEVBOOT_CLOUD_GUARD until $DEVBOOT_CLOUD_UNTIL\"",
        "y",
    )
    .exits(0);
    let said = said.says(DEV).says("guard prod until 1");
    assert!(said.stdout.contains("5 min") || said.stdout.contains("4 min"), "{}", said.stdout);
    // Opened by a person: tools without a terminal get what they ask for, until it is closed.
    let _ = home.devboot(&["cloud", "credential-process", "prod"]).exits(0).says("ASIA");
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    home.unlock();
    let _ = home.devboot(&["cloud", "credential-process", "prod"]).exits(4);
}

#[test]
fn an_identity_that_is_not_the_pinned_one_is_refused() {
    let home = Home::new();
    let _ = home
        .devboot(&["cloud", "add", "other", "--aws-profile", "work", "--account", "999999999999"])
        .exits(0);
    let ran = home
        .shell("bash", "devboot use other; echo \"[$DEVBOOT_CLOUD]\"")
        .says("those of the account 123456789012");
    assert!(ran.stdout.ends_with("[]\n"));
    let _ = home.devboot(&["cloud", "check", "other"]).exits(4);
    let _ = home.devboot(&["cloud", "check", "dev"]).exits(0).says("verified");
    let _ = home.devboot(&["cloud", "add", "shut", "--aws-profile", "locked"]).exits(0);
    let _ = home.shell("bash", "devboot use shut").says("AccessDenied");
}
