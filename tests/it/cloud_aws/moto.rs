//! moto's server with its check of signatures on: AWS's own reading of a signature, made by botocore.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use devboot::base::secret::Secret;
use devboot::cloud::aws::call::{CallError, Waiting};
use devboot::cloud::aws::endpoint::{Endpoint, address};
use devboot::cloud::aws::profile::{Role, WebIdentity};
use devboot::cloud::aws::sigv4::{Keys, Scope, Unsigned, form, sign};
use devboot::cloud::aws::sts::Sts;
use devboot::sys::clock;
use devboot::sys::http::{self, Header, Method, Request};
use devboot::sys::route::Route;
use devboot::sys::stream::Patience;

/// The calls that the set-up makes before signatures are checked.
const SET_UP: usize = 6;

/// A server, and a user in it who may assume a role.
pub struct Moto {
    child: Child,
    posts: Arc<AtomicUsize>,
    pub endpoint: Endpoint,
    pub keys: Keys,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Moto {
    /// A server that checks signatures once a user is set up.
    pub fn start() -> Self {
        let mut moto = Self::open(SET_UP);
        moto.set_up();
        moto
    }

    /// A server that checks signatures from some call on.
    fn open(unchecked: usize) -> Self {
        let mut child = Command::new("moto_server")
            .args(["-H", "127.0.0.1", "-p", "0"])
            .env("INITIAL_NO_AUTH_ACTION_COUNT", unchecked.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let url = lines.find_map(|line| line.split_once("Running on ").map(|(_, url)| url.trim().to_owned()));
        // Its log goes on; a full pipe would stop it.
        let posts = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&posts);
        std::thread::spawn(move || {
            lines.filter(|line| line.contains("\"POST ")).for_each(|_| {
                counted.fetch_add(1, Ordering::SeqCst);
            });
        });
        let anyone = Keys {
            access_key_id: "AKIAANYONE".into(),
            secret_access_key: Secret::new("anything".into()),
            session_token: None,
        };
        Self { child, posts, endpoint: address(&url.unwrap(), "us-east-1").unwrap(), keys: anyone }
    }

    fn set_up(&mut self) {
        let anything =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let policy = [("PolicyName", "all"), ("PolicyDocument", anything)];
        self.iam("CreateUser", &[("UserName", "alice")]);
        self.iam("PutUserPolicy", &[("UserName", "alice"), policy[0], policy[1]]);
        let me = "arn:aws:iam::123456789012:user/alice";
        for (name, who) in
            [("dev", [me, "arn:aws:sts::123456789012:assumed-role/dev/me@example"]), ("locked", [""; 2])]
        {
            let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": who}}
            ]});
            self.iam("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust.to_string())]);
        }
        self.iam("PutRolePolicy", &[("RoleName", "dev"), policy[0], policy[1]]);
        let made = self.iam("CreateAccessKey", &[("UserName", "alice")]);
        let between = |start: &str, end: &str| {
            made.split_once(start).unwrap().1.split_once(end).unwrap().0.trim().to_owned()
        };
        self.keys = Keys {
            access_key_id: between("<AccessKeyId>", "</AccessKeyId>"),
            secret_access_key: Secret::new(between("<SecretAccessKey>", "</SecretAccessKey>")),
            session_token: None,
        };
    }

    fn iam(&self, action: &str, more: &[(&str, &str)]) -> String {
        let known = [("Action", action), ("Version", "2010-05-08")];
        let pairs: Vec<_> =
            known.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let body = form(&pairs).into_bytes();
        let headers = [("host", self.endpoint.host.as_str())];
        let unsigned = Unsigned { method: "POST", path: "/", query: &[], headers: &headers, body: &body };
        let scope = Scope { region: "us-east-1", service: "iam" };
        let signed = sign(&unsigned, &self.keys, scope, clock::now());
        let request = Request {
            url: self.endpoint.url("/"),
            accept: "text/xml",
            method: Method::Post("application/x-www-form-urlencoded", body),
            login: None,
            headers: signed
                .into_iter()
                .map(|(name, value)| Header { name: name.to_owned(), value })
                .collect(),
            route: Route::default(),
        };
        let patience = Patience { stall: std::time::Duration::from_secs(60), deadline: None };
        let answer = http::send(request, patience).unwrap();
        let (status, bytes) = (answer.status, answer.bytes(1 << 20).unwrap());
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(status, 200, "{action}: {text}");
        text
    }

    /// How many calls it has answered. It says so a little after the answer.
    pub fn calls(&self) -> usize {
        self.posts.load(Ordering::SeqCst)
    }

    pub fn sts(&self) -> Sts {
        Sts::new(self.endpoint.clone(), Waiting::default(), clock::now)
    }
}

pub fn role(arn: &str) -> Role {
    Role {
        profile: "dev".into(),
        arn: arn.into(),
        session_name: Some("me@example".into()),
        external_id: Some("a+b=c,d.e@f:g/h-i".into()),
        mfa_serial: None,
        duration: Some(1800),
        region: None,
    }
}

pub const ROLE: &str = "arn:aws:iam::123456789012:role/dev";

fn refusal(result: Result<impl std::fmt::Debug, CallError>) -> String {
    match result {
        Err(CallError::Refused(refusal)) => refusal.code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn signatures_are_accepted_and_one_wrong_byte_is_not() {
    let moto = Moto::start();
    let sts = moto.sts();
    let me = sts.identity(&moto.keys).unwrap();
    assert_eq!(
        (me.account.as_str(), me.arn.as_str()),
        ("123456789012", "arn:aws:iam::123456789012:user/alice")
    );

    let lease = sts.assume_role(&moto.keys, &role(ROLE), None).unwrap();
    assert_eq!(lease.account.as_deref(), Some("123456789012"));
    let left = lease.left(clock::now()).unwrap();
    assert!((1700..=1800).contains(&left), "{left} seconds left");
    let assumed = sts.identity(&lease.keys).unwrap();
    assert_eq!(assumed.arn, "arn:aws:sts::123456789012:assumed-role/dev/me@example");
    let chained = sts.assume_role(&lease.keys, &role(ROLE), None).unwrap();
    assert_eq!(sts.identity(&chained.keys).unwrap().account, "123456789012");

    let locked = ROLE.replace("dev", "locked");
    assert_eq!(refusal(sts.assume_role(&moto.keys, &role(&locked), None)), "AccessDenied");

    let mut wrong = moto.keys.clone();
    let mut secret = wrong.secret_access_key.expose().clone();
    let last = secret.pop().unwrap();
    secret.push(if last == 'x' { 'y' } else { 'x' });
    wrong.secret_access_key = Secret::new(secret);
    assert_eq!(refusal(sts.identity(&wrong)), "SignatureDoesNotMatch");
    let mut unknown = moto.keys.clone();
    unknown.access_key_id.push('X');
    assert_eq!(refusal(sts.identity(&unknown)), "InvalidClientTokenId");
    let mut without_token = lease.keys;
    without_token.session_token = None;
    assert!(sts.identity(&without_token).is_err(), "temporary keys need their token");
}

#[test]
fn sessions_and_web_identities_are_leases() {
    // moto cannot check signatures and take calls that have none.
    let moto = Moto::open(1000);
    let session = moto.sts().session(&moto.keys, Some(3600), None).unwrap();
    assert!(session.keys.session_token.is_some() && session.expiration.is_some());
    let web = WebIdentity {
        role_arn: ROLE.into(),
        session_name: None,
        token_file: "/unread".into(),
        duration: None,
    };
    let lease = moto.sts().web_identity(&web, &Secret::new("eyJ.eyJ.x\n".into())).unwrap();
    assert_eq!(lease.account.as_deref(), Some("123456789012"));
}
