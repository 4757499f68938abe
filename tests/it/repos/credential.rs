//! Passwords: asked of git's own helpers, given to the server they are for, shown to nobody.

use std::fs;

use super::apart::clone_apart;
use super::world::{Server, World};

/// A world whose git has a helper that answers with this password and keeps what it is told.
fn world(password: &str) -> (World, Vec<String>, Server) {
    let world = World::new();
    let made = world.repo("x", 2);
    let http = world.http();
    let log = world.path("helper.log");
    let helper = format!(
        "!f() {{ echo verb=$1 >>{log}; cat >>{log}; test $1 = get && printf 'username=me\\npassword={password}\\n'; }}; f",
        log = log.display()
    );
    let helper = helper.replace('\\', "\\\\").replace('"', "\\\"");
    fs::write(world.path("gitconfig"), format!("[credential]\nhelper = \"{helper}\"\n")).unwrap();
    (world, made, http)
}

fn told(world: &World) -> String {
    fs::read_to_string(world.path("helper.log")).unwrap_or_default()
}

#[test]
fn a_helper_is_asked_once_and_told_that_it_was_right() {
    let (world, made, http) = world("p@w");
    let said = clone_apart(&world, &format!("http://127.0.0.1:{}/auth/x", http.port), &[]);
    assert!(said.contains(&made[1]) && !said.contains("p@w"), "{said}");
    let told = told(&world);
    assert_eq!(told.matches("verb=").collect::<Vec<_>>().len(), 2, "{told}");
    assert!(told.starts_with("verb=get\n") && told.contains("verb=store\n"), "{told}");
    assert!(told.contains(&format!("host=127.0.0.1:{}\n", http.port)) && !told.contains("path="), "{told}");
    let config = fs::read_to_string(world.path("home/x/.git/config")).unwrap();
    assert!(!config.contains("p@w") && !config.contains("me@"), "{config}");
}

#[test]
fn a_wrong_password_is_tried_once_and_the_helper_is_told() {
    let (world, _, http) = world("wr0ng");
    let said = clone_apart(&world, &format!("http://me@127.0.0.1:{}/auth/x", http.port), &[]);
    assert!(said.contains("does not take the password of git's credential helper"), "{said}");
    assert!(said.contains("ssh address") && !said.contains("wr0ng"), "{said}");
    let told = told(&world);
    assert!(told.contains("verb=erase\n") && !told.contains("verb=store"), "{told}");
    assert!(told.contains("username=me\n"), "{told}");
    let asked = fs::read_to_string(&http.log).unwrap();
    assert_eq!(asked.lines().filter(|line| line.contains("Basic")).count(), 1, "{asked}");
}

#[test]
fn the_path_is_told_where_git_is_set_to() {
    let (world, made, http) = world("p@w");
    let mut config = fs::read_to_string(world.path("gitconfig")).unwrap();
    config += "useHttpPath = true\n";
    fs::write(world.path("gitconfig"), config).unwrap();
    let said = clone_apart(&world, &format!("http://127.0.0.1:{}/auth/x", http.port), &[]);
    assert!(said.contains(&made[1]), "{said}");
    assert!(told(&world).contains("path=auth/x\n"), "{}", told(&world));
}

#[test]
fn without_a_helper_nobody_is_asked_and_the_hint_says_what_to_do() {
    let (world, _, http) = world("p@w");
    // A person's own programs for asking would wait for ever.
    fs::write(world.path("gitconfig"), "[core]\naskPass = sleep\n").unwrap();
    let url = format!("http://127.0.0.1:{}/auth/x", http.port);
    let said = clone_apart(&world, &url, &[("SSH_ASKPASS", "sleep"), ("GIT_ASKPASS", "sleep")]);
    assert!(said.contains("asks for a password") && said.contains("credential helper"), "{said}");
    let bare = world.path("bare");
    fs::create_dir(&bare).unwrap();
    let said = clone_apart(&world, &url, &[("PATH", bare.to_str().unwrap())]);
    assert!(said.contains("git is not installed here"), "{said}");
}

#[test]
fn no_other_server_is_given_the_password() {
    let (world, _, http) = world("p@w");
    let said = clone_apart(&world, &format!("http://127.0.0.1:{}/away/auth/x", http.port), &[]);
    assert!(said.contains("asks for a password") && said.contains("redirected"), "{said}");
    assert_eq!(told(&world), "");
    // Asked first, then sent away: the answer stays behind.
    let said = clone_apart(&world, &format!("http://127.0.0.1:{}/auth-away/auth/x", http.port), &[]);
    assert!(said.contains("asks for a password") && said.contains("redirected"), "{said}");
    let asked = fs::read_to_string(&http.log).unwrap();
    let given: Vec<_> = asked.lines().filter(|line| line.contains("Basic")).collect();
    assert!(given.len() == 1 && given[0].contains("/auth-away/"), "{asked}");
    assert!(!told(&world).contains("erase"), "it was not wrong there: {}", told(&world));
}
