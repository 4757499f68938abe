//! Certificates: the client reads the machine's authorities once, so each case is a process of its own.

use std::path::Path;
use std::process::Command;

use devboot::repos::git::batch::CloneOutcome;

use super::world::World;

/// Runs [`a_clone_over_tls`] in a process with these authorities and returns what became of the clone.
fn clone_with(url: &str, file: &Path, dir: &Path) -> String {
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "repos::tls::a_clone_over_tls", "--ignored", "--nocapture"])
        .env("DEVBOOT_TEST_URL", url)
        .env("SSL_CERT_FILE", file)
        .env("SSL_CERT_DIR", dir)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
#[ignore = "a part of the test below, in a process of its own"]
#[allow(clippy::print_stdout, reason = "its output is the answer to the process that started it")]
fn a_clone_over_tls() {
    let world = World::new();
    let spec = world.spec("x", std::env::var("DEVBOOT_TEST_URL").unwrap());
    match world.clone(&spec) {
        CloneOutcome::Failed(fault) => println!("{}; {:?}", fault.one_line(), fault.hints),
        outcome => println!("{outcome:?}"),
    }
}

#[test]
fn only_a_certificate_that_an_authority_vouches_for_is_accepted() {
    let world = World::new();
    let made = world.repo("x", 1);
    let (server, cert) = world.https();
    let (_other, stranger) = {
        let world = World::new();
        let (server, cert) = world.https();
        ((world, server), cert)
    };
    let url = format!("https://127.0.0.1:{}/git/x", server.port);
    let empty = world.path("home");
    let trusted = clone_with(&url, &cert, &empty);
    assert!(trusted.contains(&made[0]), "{trusted}");
    let unknown = clone_with(&url, &stranger, &empty);
    assert!(unknown.contains("certificate is not accepted"), "{unknown}");
    let none = clone_with(&url, Path::new("/dev/null"), &empty);
    assert!(none.contains("no certificate authorities") && none.contains("ca-certificates"), "{none}");
    let plain = world.http();
    let plain = clone_with(&format!("http://127.0.0.1:{}/git/x", plain.port), Path::new("/dev/null"), &empty);
    assert!(plain.contains(&made[0]), "plain http needs no authority: {plain}");
}
