//! Certificates: the client reads the machine's authorities once, so each case is a process of its own.

use std::fs;
use std::path::Path;

use super::apart::clone_apart;
use super::world::World;

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
    let clone_with = |url: &str, file: &Path| {
        let _ = fs::remove_dir_all(world.path("home/x"));
        let file = file.to_str().unwrap();
        clone_apart(&world, url, &[("SSL_CERT_FILE", file), ("SSL_CERT_DIR", "/nowhere")])
    };
    let url = format!("https://127.0.0.1:{}/git/x", server.port);
    let trusted = clone_with(&url, &cert);
    assert!(trusted.contains(&made[0]), "{trusted}");
    let unknown = clone_with(&url, &stranger);
    assert!(unknown.contains("certificate is not accepted"), "{unknown}");
    let none = clone_with(&url, Path::new("/dev/null"));
    assert!(none.contains("no certificate authorities") && none.contains("ca-certificates"), "{none}");
    let plain = world.http();
    let plain = clone_with(&format!("http://127.0.0.1:{}/git/x", plain.port), Path::new("/dev/null"));
    assert!(plain.contains(&made[0]), "plain http needs no authority: {plain}");
}
