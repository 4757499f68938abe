//! Signing in against a portal of our own, and the token's file between us and botocore.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use devboot::base::secret::Secret;
use devboot::base::time::Timestamp;
use devboot::cloud::aws::call::{CallError, Waiting};
use devboot::cloud::aws::endpoint::address;
use devboot::cloud::aws::profile::SsoSource;
use devboot::cloud::aws::sigv4::Keys;
use devboot::cloud::aws::sso::cache::{self, TokenStanding};
use devboot::cloud::aws::sso::client::Sso;
use devboot::sys::http::{self, Method, Request};
use devboot::sys::real::RealSystem;
use devboot::sys::route::Route;
use devboot::sys::stream::Patience;
use devboot::sys::{clock, process};

use super::clients::python;
use crate::world::World;

pub struct Portal {
    child: Child,
    pub url: String,
}

impl Drop for Portal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Portal {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// One that confirms a device code at once and hands out these keys.
    pub fn giving(keys: &Keys) -> Self {
        let token = keys.session_token.as_ref().unwrap().expose();
        let keys = serde_json::json!({
            "accessKeyId": keys.access_key_id, "secretAccessKey": keys.secret_access_key.expose(), "sessionToken": token,
        });
        Self::with(&[&keys.to_string()])
    }

    /// One at which nobody ever confirms a device code.
    pub fn deserted() -> Self {
        Self::with(&["\"never\""])
    }

    fn with(args: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cloud_aws/portal.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, url: format!("http://127.0.0.1:{}", port.trim()) }
    }

    pub fn sso(&self) -> Sso {
        let endpoint = address(&self.url, "eu-west-1").unwrap();
        Sso { oidc: endpoint.clone(), portal: endpoint, waiting: Waiting::default(), clock: clock::now }
    }
}

pub fn source() -> SsoSource {
    SsoSource {
        session: Some("work".into()),
        start_url: "https://d-123.awsapps.com/start".into(),
        region: "eu-west-1".into(),
        account: "111111111111".into(),
        role: "dev".into(),
        scopes: vec!["sso:account:access".into()],
    }
}

pub fn signed_in(sso: &Sso) -> cache::CachedToken {
    let (client, flow) = sso.start_device(&source()).unwrap();
    sso.confirmed(&source(), client, flow, |_| true).unwrap()
}

#[test]
fn a_device_code_brings_a_token_that_opens_roles_until_it_is_signed_out() {
    let portal = Portal::start();
    let sso = portal.sso();
    let (client, flow) = sso.start_device(&source()).unwrap();
    assert_eq!(flow.user_code, "ABCD-EFGH");
    let mut waits = Vec::new();
    let pause = |time: Duration| {
        waits.push(time.as_secs());
        true
    };
    let cached = sso.confirmed(&source(), client, flow, pause).unwrap();
    assert_eq!(waits, [1, 1, 6], "pending, then too fast");
    assert_eq!(cached.standing(clock::now()), TokenStanding::Good);

    let accounts = sso.accounts(&cached.token).unwrap();
    let accounts: Vec<_> = accounts.iter().map(|it| (it.id.as_str(), it.name.as_str())).collect();
    assert_eq!(accounts, [("111111111111", "one"), ("222222222222", "two \\u{1b}[2J")]);
    assert_eq!(sso.roles(&cached.token, "111111111111").unwrap(), ["dev"]);
    let lease = sso.role_credentials(&cached.token, &source()).unwrap();
    assert_eq!(lease.keys.secret_access_key.expose(), "portal-secret");
    assert!((3500..=3600).contains(&lease.left(clock::now()).unwrap()));
    let other = SsoSource { role: "admin".into(), ..source() };
    assert_eq!(code(sso.role_credentials(&cached.token, &other)), "ForbiddenException");

    let renewed = sso.refreshed(&cached).unwrap().unwrap();
    assert_ne!(renewed.token.access.expose(), cached.token.access.expose());
    assert_eq!(code(sso.refreshed(&cached)), "InvalidGrantException", "a refresh token is good for one use");
    sso.sign_out(&renewed.token).unwrap();
    assert_eq!(code(sso.role_credentials(&renewed.token, &source())), "UnauthorizedException");
}

fn code(result: Result<impl std::fmt::Debug, CallError>) -> String {
    match result {
        Err(CallError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

fn visit(url: &str) -> u16 {
    let request = Request {
        url: url.to_owned(),
        accept: "*/*",
        method: Method::Get,
        login: None,
        headers: Vec::new(),
        route: Route::default(),
    };
    http::send(request, Patience { stall: Duration::from_secs(60), deadline: None }).unwrap().status
}

#[test]
fn a_browser_brings_a_token_and_strangers_do_not() {
    let portal = Portal::start();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut browser = None;
    let cached = portal.sso().with_browser(&source(), deadline, |page: &Secret<String>| {
        let page = page.expose().clone();
        browser = Some(std::thread::spawn(move || {
            let (_, rest) = page.split_once("redirect_uri=http%3A%2F%2F127.0.0.1%3A").unwrap();
            let port = rest.split_once('%').unwrap().0;
            let callback = |rest: &str| format!("http://127.0.0.1:{port}{rest}");
            assert_eq!(visit(&callback("/")), 404);
            assert_eq!(visit(&callback("/oauth/callback?code=evil&state=guess")), 403);
            visit(&page)
        }));
    });
    assert_eq!(cached.unwrap().token.access.expose(), "access-1");
    assert_eq!(browser.unwrap().join().unwrap(), 200);
}

#[test]
fn a_browser_that_does_not_come_is_not_waited_for() {
    let portal = Portal::start();
    let deadline = Instant::now() + Duration::from_millis(300);
    assert!(portal.sso().with_browser(&source(), deadline, |_| ()).is_err());
}

#[test]
fn botocore_reads_our_token_and_we_read_what_it_made_of_it() {
    let portal = Portal::start();
    let world = World::new();
    let config = "[profile a]\nsso_session = work\nsso_account_id = 111111111111\nsso_role_name = dev\n\
        [sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://d-123.awsapps.com/start\n";
    world.write(".aws/config", config);
    let mut cached = signed_in(&portal.sso());
    let dir = world.path(".aws/sso/cache");
    let script = "import boto3; c = boto3.Session(profile_name='a').get_credentials().get_frozen_credentials(); \
        print(c.access_key, c.secret_key, c.token)";
    let uid = process::owner().0;
    let read = || cache::read(&RealSystem, &dir, &source(), uid).unwrap();
    assert!(read().is_none());
    let botocore = |when: &str| {
        let mut command = world.command(python());
        command.args(["-c", script]).env("AWS_ENDPOINT_URL_SSO", &portal.url);
        let output = command.env("AWS_ENDPOINT_URL_SSO_OIDC", &portal.url).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.trim(), "ASIAPORTAL portal-secret portal-token", "{when}: {output:?}");
    };

    cache::write(&RealSystem, &dir, &source(), &cached).unwrap();
    assert_eq!(world.tree()[Path::new(".aws/sso/cache")], crate::world::Node::Dir(0o700));
    botocore("as we wrote it");
    assert_eq!(read().unwrap().token.access.expose(), cached.token.access.expose());

    cached.token.expires = Timestamp(clock::now().0 + 300);
    cache::write(&RealSystem, &dir, &source(), &cached).unwrap();
    botocore("near its end");
    let renewed = read().unwrap();
    assert_ne!(renewed.token.access.expose(), cached.token.access.expose(), "botocore has refreshed it");
    assert_eq!(renewed.standing(clock::now()), TokenStanding::Good);
    assert!(portal.sso().refreshed(&renewed).unwrap().is_some(), "and we can go on from there");
}

#[test]
fn a_file_that_is_not_ours_is_not_read() {
    let world = World::new();
    let dir = world.path("cache");
    let portal = Portal::start();
    cache::write(&RealSystem, &dir, &source(), &signed_in(&portal.sso())).unwrap();
    let other = process::owner().0 + 1;
    assert!(cache::read(&RealSystem, &dir, &source(), other).is_err());
    let file = cache::file(&dir, &source());
    let moved = world.path("elsewhere");
    std::fs::rename(&file, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &file).unwrap();
    assert!(cache::read(&RealSystem, &dir, &source(), process::owner().0).is_err());
}
