//! Which server of AWS is asked: the one that the profile names, whatever a shell says.

use std::io::Read;
use std::net::TcpListener;
use std::process::Stdio;

use super::{DEV, Home};
use crate::world::{DEVBOOT, Ran};

#[test]
fn a_shell_s_own_server_proves_nobody_and_is_said_to_be_passed_over() {
    let home = Home::new();
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("http://{}", elsewhere.local_addr().unwrap());
    let moto = home.moto.endpoint.url("");
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"] {
        let check = |url: &str| {
            let mut command = home.command(DEVBOOT);
            Ran::of(command.args(["cloud", "check", "dev"]).env(variable, url).output().unwrap())
        };
        let ran = check(&url).exits(0).says(&format!("{variable} is for this shell alone"));
        assert!(ran.stdout.contains(&format!("verified  AWS 123456789012 {DEV}")), "{}", ran.stdout);
        assert_eq!(check(moto.trim_end_matches('/')).exits(0).stderr, "", "the same server needs no word");
        let script = format!("export {variable}={url}; devboot use dev && printenv DEVBOOT_CLOUD {variable}");
        let ran = home.shell("bash", &script).exits(0).says(&format!("{variable} is for this shell alone"));
        assert_eq!(ran.stdout, format!("dev\n{url}\n"), "it stays the shell's");
    }
    assert!(elsewhere.accept().is_err(), "nobody was asked there");
}

#[test]
fn a_service_that_is_run_with_a_server_asks_there() {
    let home = Home::new();
    let moto = home.moto.endpoint.url("");
    let moto = moto.trim_end_matches('/');
    let config = home.world.text(".aws/config").replace(&format!("endpoint_url = {moto}\n"), "");
    assert!(!config.contains("endpoint_url"));
    home.world.write(".aws/config", config);
    let _ = home.devboot(&["daemon", "stop"]);
    let mut service = home.command(DEVBOOT);
    service.args(["daemon", "run", "--detached"]).env("AWS_ENDPOINT_URL_STS", moto).stdout(Stdio::piped());
    let mut service = service.spawn().unwrap();
    let _ = service.stdout.take().unwrap().read_to_string(&mut String::new());
    home.unlock();
    let ran = home.devboot(&["cloud", "check", "dev"]).exits(0);
    assert!(ran.stdout.contains(DEV), "{}", ran.stdout);
    let _ = home.devboot(&["daemon", "stop"]);
    let _ = service.wait();
}
