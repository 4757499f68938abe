//! Profiles carried out from the files to a lease, and the console's address, against real and false servers.

use std::time::Duration;

use devboot::base::error::{Diagnose, ErrorKind, Fault};
use devboot::base::secret::Secret;
use devboot::base::time::Timestamp;
use devboot::cloud::aws::call::{CallError, Waiting};
use devboot::cloud::aws::config::{self, Locations};
use devboot::cloud::aws::console::{console, sign_in, token_path};
use devboot::cloud::aws::endpoint::address;
use devboot::cloud::aws::lease::AwsLease;
use devboot::cloud::aws::obtain::{Means, ObtainError, obtain};
use devboot::cloud::aws::profile::resolve;
use devboot::cloud::aws::sigv4::Keys;
use devboot::cloud::aws::sso::cache;
use devboot::sys::real::RealSystem;
use devboot::sys::{clock, process};

use super::bad_days::{Fake, answer};
use super::moto::{Moto, ROLE};
use super::sso::{Portal, signed_in, source};
use crate::world::World;

/// Carries out a profile of the world's files; also what was asked for on the way.
fn carry(world: &World, vars: &[(&str, &str)], name: &str) -> (Result<AwsLease, ObtainError>, Vec<String>) {
    let home = world.home().display().to_string();
    let var = |wanted: &str| {
        let found = vars.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned());
        found.or_else(|| (wanted == "HOME").then(|| home.clone()))
    };
    let locations: Locations = config::locations(var, false);
    let config = config::read(&RealSystem, &locations).unwrap();
    let means = Means {
        config: &config,
        var: &var,
        system: &RealSystem,
        sso_cache: &world.path(".aws/sso/cache"),
        uid: process::owner().0,
        waiting: Waiting::default(),
        program: Duration::from_secs(60),
        clock: clock::now,
    };
    let mut asked = Vec::new();
    let mut ask = |device: &str| {
        asked.push(device.to_owned());
        Ok::<_, Fault>(Secret::new("123456".to_owned()))
    };
    let lease = obtain(&resolve(&config, name).unwrap(), &means, &mut ask);
    (lease, asked)
}

fn keys_of(moto: &Moto) -> String {
    let Keys { access_key_id, secret_access_key, .. } = &moto.keys;
    format!("aws_access_key_id = {access_key_id}\naws_secret_access_key = {}\n", secret_access_key.expose())
}

#[test]
fn a_chain_of_roles_ends_in_a_lease_and_asks_each_device_once() {
    let (moto, world) = (Moto::start(), World::new());
    let role = format!("role_arn = {ROLE}\nrole_session_name = me@example\n");
    let device = "arn:aws:iam::123456789012:mfa/";
    let config = format!(
        "[profile outer]\n{role}source_profile = inner\nmfa_serial = {device}second\nduration_seconds = 43200\n\
         [profile inner]\n{role}source_profile = user\nmfa_serial = {device}first\n\
         [profile asked]\n{role}source_profile = outer\nexternal_id = x\n[profile env]\n{role}credential_source = Environment\n"
    );
    world.write(".aws/config", config).write(".aws/credentials", format!("[user]\n{}", keys_of(&moto)));
    let url = moto.endpoint.url("");
    let vars = [("AWS_ENDPOINT_URL_STS", url.as_str())];
    let (lease, asked) = carry(&world, &vars, "outer");
    let lease = lease.unwrap();
    assert_eq!(asked, [format!("{device}first"), format!("{device}second")]);
    assert_eq!(moto.sts().identity(&lease.keys).unwrap().account, "123456789012");
    assert!(lease.left(clock::now()).unwrap() <= 3600, "a role from a role lasts an hour");
    assert!(matches!(carry(&world, &vars, "asked").0.unwrap_err(), ObtainError::Call(CallError::Limit(_))));

    let secret = moto.keys.secret_access_key.expose().as_str();
    let host =
        [vars[0], ("AWS_ACCESS_KEY_ID", moto.keys.access_key_id.as_str()), ("AWS_SECRET_ACCESS_KEY", secret)];
    assert_eq!(carry(&world, &host, "env").0.unwrap().account.as_deref(), Some("123456789012"));
    assert!(matches!(carry(&world, &vars, "env").0, Err(ObtainError::Host(_))));
}

#[test]
fn a_sign_in_is_renewed_or_asked_for() {
    let (portal, world) = (Portal::start(), World::new());
    let config = "[profile a]\nsso_session = work\nsso_account_id = 111111111111\nsso_role_name = dev\n\
        [sso-session work]\nsso_region = eu-west-1\nsso_start_url = https://d-123.awsapps.com/start\n\
        [profile login]\nlogin_session = s\n";
    world.write(".aws/config", config);
    let vars = [("AWS_ENDPOINT_URL", portal.url.as_str())];
    let nobody = carry(&world, &vars, "a").0.unwrap_err();
    assert_eq!(
        (nobody.to_string().as_str(), nobody.kind()),
        ("nobody is signed in to 'work'", ErrorKind::NeedsUser)
    );

    let dir = world.path(".aws/sso/cache");
    let mut cached = signed_in(&portal.sso());
    cached.token.expires = Timestamp(clock::now().0 - 60);
    cache::write(&RealSystem, &dir, &source(), &cached).unwrap();
    let lease = carry(&world, &vars, "a").0.unwrap();
    assert_eq!(lease.keys.access_key_id, "ASIAPORTAL");
    let renewed = cache::read(&RealSystem, &dir, &source(), process::owner().0).unwrap().unwrap();
    assert_ne!(renewed.token.access.expose(), cached.token.access.expose(), "what was renewed is kept");

    // The old refresh token was used up.
    cache::write(&RealSystem, &dir, &source(), &cached).unwrap();
    assert!(matches!(carry(&world, &vars, "a").0, Err(ObtainError::SignIn(_))));
    assert!(matches!(carry(&world, &vars, "login").0, Err(ObtainError::PassedThrough(_))));
}

#[test]
fn programs_and_host_endpoints_serve_as_sources() {
    let world = World::new();
    let given =
        r#"{"AccessKeyId":"ASIAHOST","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
    let role = format!("role_arn = {ROLE}\ncredential_source = EcsContainer\n");
    let answers = r#"{"Version":1,"AccessKeyId":"AKIAP","SecretAccessKey":"s"}"#;
    world.write("answer", answers).write("token", "of the host");
    let config = format!(
        "[profile host]\n{role}[profile p]\ncredential_process = cat {}\naws_account_id = 42\n",
        world.path("answer").display()
    );
    world.write(".aws/config", config);
    let lease = carry(&world, &[], "p").0.unwrap();
    assert_eq!((lease.keys.access_key_id.as_str(), lease.account.as_deref()), ("AKIAP", Some("42")));

    let refused =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    let (host, sts) = (
        Fake::answering(vec![answer("200 OK", "", given)]),
        Fake::answering(vec![answer("403 Forbidden", "", refused)]),
    );
    let (url, token) = (format!("{}/role?x=y", host.url), world.path("token").display().to_string());
    let vars = [
        ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.as_str()),
    ];
    assert!(matches!(carry(&world, &vars, "host").0, Err(ObtainError::Call(CallError::Refused(_)))));
    let asked = host.requests.recv().unwrap();
    assert!(
        asked.starts_with("GET /role?x=y ") && asked.contains("authorization: of the host\r\n"),
        "{asked}"
    );
    let signed = sts.requests.recv().unwrap();
    assert!(
        signed.contains("Credential=ASIAHOST/") && signed.contains("x-amz-security-token: t\r\n"),
        "{signed}"
    );

    let elsewhere = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/x")];
    assert!(matches!(carry(&world, &elsewhere, "host").0, Err(ObtainError::Host(_))));
}

#[test]
fn the_console_s_address_has_the_token_and_no_error_has_the_session() {
    let lease = AwsLease {
        keys: Keys {
            access_key_id: "ASIA1".into(),
            secret_access_key: Secret::new("hidden1".into()),
            session_token: Some(Secret::new("hidden2".into())),
        },
        account: None,
        obtained: Timestamp(0),
        expiration: None,
    };
    let path = token_path(&lease, None).unwrap();
    let at = |url: &str| {
        let mut console = console("eu-west-1").unwrap();
        console.signin = address(url, "eu-west-1").unwrap();
        sign_in(&console, &path, Waiting::default(), clock::now)
    };
    let good = Fake::answering(vec![answer("200 OK", "", r#"{"SigninToken":"tok"}"#)]);
    assert!(at(&good.url).unwrap().expose().ends_with("&SigninToken=tok"));
    assert!(good.requests.recv().unwrap().contains("hidden1"), "the session was sent");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bad = Fake::answering(vec![answer("400 Bad Request", "", "<html>hidden1")]);
    for url in [bad.url, format!("http://{closed}")] {
        let error = Fault::from(at(&url).unwrap_err());
        assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
    }
}
