//! Profiles carried out from the files to a lease, and the console's address, against real and false servers.

use std::cell::RefCell;
use std::time::Duration;

use devboot::base::error::{Diagnose, ErrorKind, Fault};
use devboot::base::secret::Secret;
use devboot::base::time::Timestamp;
use devboot::cloud::aws::call::{CallError, Waiting};
use devboot::cloud::aws::config::{self, Locations};
use devboot::cloud::aws::console::{console, sign_in, token_path};
use devboot::cloud::aws::endpoint::address;
use devboot::cloud::aws::lease::AwsLease;
use devboot::cloud::aws::obtain::{Means, ObtainError, Sessions, obtain};
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
    carry_with(world, vars, name, None)
}

/// The sessions of one key and one device.
#[derive(Default)]
struct Kept(RefCell<Option<AwsLease>>);

impl Sessions for Kept {
    fn find(&self, access_key_id: &str, device: &str) -> Option<AwsLease> {
        assert_eq!((access_key_id, device), ("AKIAUSER", DEVICE));
        self.0.borrow().clone()
    }

    fn keep(&self, access_key_id: &str, device: &str, session: Option<&AwsLease>) {
        assert_eq!((access_key_id, device), ("AKIAUSER", DEVICE));
        *self.0.borrow_mut() = session.cloned();
    }
}

const DEVICE: &str = "arn:aws:iam::123456789012:mfa/me";

fn carry_with(
    world: &World,
    vars: &[(&str, &str)],
    name: &str,
    sessions: Option<&dyn Sessions>,
) -> (Result<AwsLease, ObtainError>, Vec<String>) {
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
        sessions,
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

fn lease_of(action: &str, key: &str) -> Vec<u8> {
    let body = format!(
        "<{action}Response><{action}Result><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
         <SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>"
    );
    answer("200 OK", "", body)
}

fn refusal(words: &str) -> Vec<u8> {
    let body = format!(
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>{words}</Message></Error></ErrorResponse>"
    );
    answer("403 Forbidden", "", body)
}

#[test]
fn one_code_is_good_for_all_roles_until_the_session_is_refused() {
    let world = World::new();
    let role = format!("role_arn = {ROLE}\nsource_profile = user\nmfa_serial = {DEVICE}\n");
    world.write(".aws/config", format!("[profile a]\n{role}[profile b]\n{role}external_id = xyz\n"));
    world.write(".aws/credentials", "[user]\naws_access_key_id = AKIAUSER\naws_secret_access_key = s\n");
    let kept = Kept::default();
    let carry = |answers: Vec<Vec<u8>>, name: &str| {
        let sts = Fake::answering(answers);
        let vars = [("AWS_ENDPOINT_URL_STS", sts.url.as_str())];
        let (lease, asked) = carry_with(&world, &vars, name, Some(&kept));
        let sent: Vec<String> = sts.requests.try_iter().collect();
        (lease.map(|lease| lease.keys.access_key_id), asked.len(), sent)
    };

    let answers = vec![lease_of("GetSessionToken", "ASIASESSION"), lease_of("AssumeRole", "ASIAROLE")];
    let (lease, asked, sent) = carry(answers, "a");
    assert_eq!((lease.unwrap().as_str(), asked), ("ASIAROLE", 1));
    assert!(sent[0].contains("Credential=AKIAUSER/") && sent[0].contains("TokenCode=123456"), "{}", sent[0]);
    assert!(sent[1].contains("Credential=ASIASESSION/") && !sent[1].contains("TokenCode"), "{}", sent[1]);

    // Another role, and no code; not for the renewal of the first either.
    let (lease, asked, _) = carry(vec![lease_of("AssumeRole", "ASIAOTHER")], "b");
    assert_eq!((lease.unwrap().as_str(), asked), ("ASIAOTHER", 0));

    // The session was taken back: a new code makes a new one.
    let again = lease_of("GetSessionToken", "ASIASECOND");
    let (lease, asked, _) = carry(vec![refusal("revoked"), again, lease_of("AssumeRole", "ASIAR2")], "a");
    assert_eq!((lease.unwrap().as_str(), asked), ("ASIAR2", 1));
    assert_eq!(kept.0.borrow().as_ref().unwrap().keys.access_key_id, "ASIASECOND");

    // A wrong code is said to be one, and nothing is kept of it.
    *kept.0.borrow_mut() = None;
    let wrong = refusal("MultiFactorAuthentication failed with invalid MFA one time pass code.");
    let (lease, _, sent) = carry(vec![wrong], "a");
    assert_eq!((lease.unwrap_err().kind(), sent.len()), (ErrorKind::NeedsUser, 1));
    // Who may have no session has the role as before; a role that is refused says its own reason.
    let (lease, _, sent) = carry(vec![refusal("no session"), lease_of("AssumeRole", "ASIADIRECT")], "a");
    assert_eq!(lease.unwrap(), "ASIADIRECT");
    assert!(sent[1].contains("Credential=AKIAUSER/") && sent[1].contains("TokenCode=123456"), "{}", sent[1]);
    let session = lease_of("GetSessionToken", "ASIATHIRD");
    let (lease, _, _) = carry(vec![session, refusal("not yours"), refusal("used code")], "a");
    assert!(lease.unwrap_err().to_string().contains("not yours"));
    assert!(kept.0.borrow().is_none());
}

#[test]
fn an_instance_s_role_is_read_by_the_second_version_of_its_metadata_only() {
    let world = World::new();
    world.write(
        ".aws/config",
        format!("[profile i]\nrole_arn = {ROLE}\ncredential_source = Ec2InstanceMetadata\n"),
    );
    let given = r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIAEC2","SecretAccessKey":"s","Token":"t","Expiration":"2099-01-01T00:00:00Z"}"#;
    let carry = |answers: Vec<Vec<u8>>| {
        let (metadata, sts) =
            (Fake::answering(answers), Fake::answering(vec![lease_of("AssumeRole", "ASIAROLE")]));
        let vars = [
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url.as_str()),
            ("AWS_ENDPOINT_URL_STS", sts.url.as_str()),
            // What a shell that devboot switched has; the profile names the instance itself.
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let lease = carry(&world, &vars, "i").0.map(|lease| lease.keys.access_key_id);
        (lease, metadata.requests.try_iter().collect::<Vec<_>>(), sts.requests.try_iter().collect::<Vec<_>>())
    };
    let ok = |body: &str| answer("200 OK", "", body);
    let (lease, asked, signed) = carry(vec![ok("TOKEN=="), ok("my-role\n"), ok(given)]);
    assert_eq!(lease.unwrap(), "ASIAROLE");
    let starts = [
        "PUT /latest/api/token ",
        "GET /latest/meta-data/iam/security-credentials/ ",
        "GET /latest/meta-data/iam/security-credentials/my-role ",
    ];
    for (asked, start) in asked.iter().zip(starts) {
        assert!(asked.starts_with(start), "{asked}");
    }
    assert!(asked[0].contains("x-aws-ec2-metadata-token-ttl-seconds: 300\r\n"), "{}", asked[0]);
    assert!(asked[1..].iter().all(|it| it.contains("x-aws-ec2-metadata-token: TOKEN==\r\n")), "{asked:?}");
    assert!(signed[0].contains("Credential=ASIAEC2/"), "{}", signed[0]);

    // No token: the first version is not asked. A name that is none, a role that gives nothing, and none at all.
    let (lease, asked, _) = carry(vec![answer("403 Forbidden", "", "")]);
    assert_eq!((lease.is_err(), asked.len()), (true, 1));
    let (lease, asked, _) = carry(vec![ok("T"), ok("../../user-data")]);
    assert_eq!((lease.is_err(), asked.len()), (true, 2));
    let (lease, ..) = carry(vec![ok("T"), ok("r"), ok(r#"{"Code":"AssumeRoleUnauthorizedAccess"}"#)]);
    assert!(lease.unwrap_err().to_string().contains("AssumeRoleUnauthorizedAccess"));
    let (lease, ..) = carry(vec![ok("T"), answer("404 Not Found", "", "")]);
    assert!(lease.unwrap_err().to_string().contains("no role"));
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
