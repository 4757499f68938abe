//! git's own configuration on the way to a server: what works with git works here.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

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

    fs::remove_dir_all(world.path("home/x")).unwrap();
    let folder = world.path("authorities");
    fs::create_dir(&folder).unwrap();
    fs::copy(&cert, folder.join("0a1b2c3d.0")).unwrap();
    fs::write(folder.join("README"), "no certificate").unwrap();
    fs::write(folder.join("ffffffff.0"), "no certificate").unwrap();
    configure(&world, &format!("[http]\nsslCAPath = {}\n", folder.display()));
    let said = clone_apart(&world, &url, &[("SSL_CERT_FILE", stranger.to_str().unwrap())]);
    assert!(said.contains(&made[0]), "{said}");
    fs::remove_dir_all(world.path("home/x")).unwrap();
    let said = clone_apart(&world, &url, &[("GIT_SSL_CAPATH", "/nowhere")]);
    assert!(said.contains("/nowhere cannot be used") && said.contains("GIT_SSL_CAPATH"), "{said}");
}

fn take(from: &mut TcpStream, count: u8) -> Vec<u8> {
    let mut bytes = vec![0; count.into()];
    from.read_exact(&mut bytes).unwrap();
    bytes
}

/// Answers one client as a SOCKS 5 proxy does, brings it to `port` whatever host it asks for, and returns that host.
fn socks(listener: &TcpListener, port: u16) -> String {
    let (mut client, _) = listener.accept().unwrap();
    let methods = take(&mut client, 2)[1];
    take(&mut client, methods);
    client.write_all(&[5, 0]).unwrap();
    let head = take(&mut client, 5);
    assert_eq!((head[1], head[3]), (1, 3), "a connection, to a host by its name");
    let host = String::from_utf8(take(&mut client, head[4])).unwrap();
    take(&mut client, 2);
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut server, &mut client);
    host
}

#[test]
fn a_socks_proxy_is_spoken_with_whoever_names_it() {
    let world = configured("");
    let made = world.repo("x", 1);
    let http = world.http();
    for named in ["git", "environment"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("socks5h://{}", listener.local_addr().unwrap());
        let text = if named == "git" { format!("[http]\nproxy = {proxy}\n") } else { String::new() };
        configure(&world, &text);
        let port = http.port;
        // A look whether anybody is there comes first, and says nothing.
        let proxied = std::thread::spawn(move || {
            drop(listener.accept().unwrap());
            socks(&listener, port)
        });
        let all = if named == "git" { "" } else { proxy.as_str() };
        let said = clone_apart(&world, "http://far.invalid/git/x", &[("ALL_PROXY", all)]);
        assert!(said.contains(&made[0]), "{named}: {said}");
        assert_eq!(proxied.join().unwrap(), "far.invalid");
        fs::remove_dir_all(world.path("home/x")).unwrap();
    }
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
