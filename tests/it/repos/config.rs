//! git's own configuration on the way to a server: what works with git works here.

use std::fs;

use super::apart::clone_apart;
use super::world::World;

fn configured(text: &str) -> World {
    let world = World::new();
    configure(&world, text);
    world
}

fn configure(world: &World, text: &str) {
    fs::write(world.path("gitconfig"), text).unwrap();
}

#[test]
fn another_address_is_used_and_the_origin_is_the_one_that_was_given() {
    let world = configured("");
    let made = world.repo("x", 2);
    let http = world.http();
    configure(
        &world,
        &format!(
            "[url \"http://me:p%40w@127.0.0.1:{}/auth/\"]\ninsteadOf = https://far.invalid/\n",
            http.port
        ),
    );
    let said = clone_apart(&world, "https://far.invalid/x", &[]);
    assert!(said.contains(&made[1]), "{said}");
    let config = fs::read_to_string(world.path("home/x/.git/config")).unwrap();
    assert!(config.contains("https://far.invalid/x") && !config.contains("p%40w"), "{config}");
    let said = clone_apart(&world, "https://far.invalid/x", &[]);
    assert!(said.contains("Present"), "{said}");
    let global = world.path("gitconfig");
    let fetched = std::process::Command::new("git")
        .args(["fetch", "-q"])
        .current_dir(world.path("home/x"))
        .env("GIT_CONFIG_GLOBAL", global)
        .status();
    assert!(fetched.unwrap().success(), "git goes on with the clone");
}

#[test]
fn gits_proxy_goes_before_the_environments_and_exceptions_before_both() {
    let world = configured("");
    let made = world.repo("x", 1);
    let http = world.http();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    configure(&world, &format!("[http]\nproxy = http://me:s3cret@127.0.0.1:{}\n", http.port));
    let dead = format!("http://127.0.0.1:{closed}");
    let url = "http://far.invalid/git/x";
    let said = clone_apart(&world, url, &[("http_proxy", &dead), ("NO_PROXY", "far.invalid")]);
    assert!(said.contains("Postponed") && said.contains("far.invalid"), "{said}");
    let said = clone_apart(&world, url, &[("http_proxy", &dead)]);
    assert!(said.contains(&made[0]), "{said}");
    assert!(fs::read_to_string(&http.log).unwrap().contains("GET http://far.invalid/git/x/info/refs"));
    fs::remove_dir_all(world.path("home/x")).unwrap();
    configure(&world, &format!("[http]\nproxy = socks9://me:s3cret@127.0.0.1:{}\n", http.port));
    let said = clone_apart(&world, url, &[]);
    assert!(said.contains("cannot be used") && !said.contains("s3cret"), "{said}");
}

#[test]
fn certificates_are_checked_against_gits_authorities_and_never_not_at_all() {
    let world = configured("");
    let made = world.repo("x", 1);
    let (server, cert) = world.https();
    let url = format!("https://127.0.0.1:{}/git/x", server.port);
    let none = [("SSL_CERT_FILE", "/dev/null"), ("SSL_CERT_DIR", "/nowhere")];
    configure(&world, "[http]\nsslVerify = false\n");
    let stranger = {
        let other = World::new();
        let (_server, cert) = other.https();
        fs::copy(cert, world.path("stranger.pem")).unwrap();
        world.path("stranger.pem")
    };
    let said = clone_apart(&world, &url, &[("SSL_CERT_FILE", stranger.to_str().unwrap())]);
    assert!(said.contains("not accepted") && said.contains("sslVerify=false is not followed"), "{said}");
    configure(&world, "[http]\nsslCAInfo = /nowhere/ca.pem\n");
    let said = clone_apart(&world, &url, &none);
    assert!(said.contains("/nowhere/ca.pem cannot be used") && said.contains("http.sslCAInfo"), "{said}");
    configure(
        &world,
        &format!("[http \"https://127.0.0.1:{}\"]\nsslCAInfo = {}\n", server.port, cert.display()),
    );
    let said = clone_apart(&world, &url, &none);
    assert!(said.contains(&made[0]), "{said}");
}

#[test]
fn extra_headers_go_to_their_server_and_to_no_other() {
    let world = configured("");
    let made = world.repo("x", 1);
    let http = world.http();
    let own = format!("http://127.0.0.1:{}", http.port);
    configure(&world, &format!("[http \"{own}/\"]\nextraHeader = X-Token: s3cret\n"));
    let said = clone_apart(&world, &format!("{own}/token/x"), &[]);
    assert!(said.contains(&made[0]) && !said.contains("s3cret"), "{said}");
    fs::remove_dir_all(world.path("home/x")).unwrap();
    fs::write(&http.log, "").unwrap();
    let said = clone_apart(&world, &format!("{own}/away/git/x"), &[]);
    assert!(said.contains(&made[0]), "{said}");
    let log = fs::read_to_string(&http.log).unwrap();
    let given: Vec<_> = log.lines().filter(|line| line.contains("s3cret")).collect();
    assert!(given.iter().all(|line| line.contains("/away/")) && !given.is_empty(), "{log}");
    fs::remove_dir_all(world.path("home/x")).unwrap();
    let said = clone_apart(&world, &format!("http://me:p%40w@127.0.0.1:{}/away/auth/x", http.port), &[]);
    assert!(said.contains("asks for a password"), "{said}");
}

#[test]
fn a_broken_configuration_is_said() {
    let world = configured("[core\n");
    world.repo("x", 1);
    let said = clone_apart(&world, world.path("srv/x").to_str().unwrap(), &[]);
    assert!(said.contains("git's configuration cannot be read"), "{said}");
}

#[test]
fn the_ssh_command_is_that_of_the_environment_or_of_git() {
    let world = configured("[core]\nsshCommand = \"there() { shift; eval \\\"$1\\\"; }; there\"\n");
    let made = world.repo("x", 1);
    let url = format!("ssh://h.invalid{}", world.path("srv/x").display());
    let said = clone_apart(&world, &url, &[("GIT_SSH_COMMAND", "echo not this one >&2; false")]);
    assert!(said.contains("not this one"), "{said}");
    let said = clone_apart(&world, &url, &[]);
    assert!(said.contains(&made[0]), "{said}");
}
