//! Google Cloud: every source against a token server, and google-auth with what is handed over to it.

use std::time::Duration;

use devboot::base::error::{Diagnose, ErrorKind};
use devboot::base::secret::Secret;
use devboot::base::time::Timestamp;
use devboot::cloud::exchange::Waiting;
use devboot::cloud::gcp::config_dir::FILES;
use devboot::cloud::gcp::credential::{Credential, Impersonated, parse};
use devboot::cloud::gcp::environment::{HandOver, Place, changes};
use devboot::cloud::gcp::exchange_endpoint::{self, Door};
use devboot::cloud::gcp::metadata::{self, Account, FLAVOR, NO_STORE};
use devboot::cloud::gcp::obtain::{GcpError, GcpIdentity, Means, Source, identity, obtain};
use devboot::cloud::gcp::token::{SCOPES, Servers};
use devboot::cloud::token::{TokenError, TokenLease};
use devboot::sys::clock;

use super::{TokenServer, endpoint, says};
use crate::cloud_aws::bad_days::answer;
use crate::world::World;

const WAITING: Waiting = Waiting { stall: Duration::from_secs(30), total: Duration::from_secs(60) };

/// The file of a service account whose tokens come from this server.
pub fn service_account(token_uri: &str) -> String {
    serde_json::json!({
        "type": "service_account", "project_id": "p-1", "private_key_id": "k1",
        "private_key": include_str!("key.pem"), "token_uri": token_uri,
        "client_email": "robot@p-1.iam.gserviceaccount.com",
    })
    .to_string()
}

fn user(refresh_token: &str) -> Credential {
    let text = serde_json::json!({
        "type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": refresh_token
    });
    parse(text.to_string().as_bytes()).unwrap()
}

fn acting(target: &str) -> Source {
    Source::Credential(Credential::Impersonated(Impersonated {
        source: Box::new(user("1//good")),
        target: target.into(),
        delegates: vec!["between@p.iam".into()],
    }))
}

struct Cloud {
    server: TokenServer,
    servers: Servers,
}

impl Cloud {
    fn start() -> Self {
        let server = TokenServer::start();
        let at = |path: &str| format!("{}{path}", server.url);
        let servers = Servers { token: at("/token"), iam: at(""), token_info: at("/tokeninfo") };
        Self { server, servers }
    }

    fn ask<T>(&self, ask: impl FnOnce(&Means<'_>) -> T) -> T {
        let host = self.server.url.strip_prefix("http://").unwrap().to_owned();
        let var = move |name: &str| (name == "GCE_METADATA_HOST").then(|| host.clone());
        ask(&Means { servers: &self.servers, var: &var, waiting: WAITING, clock: clock::now })
    }

    fn lease(&self, source: &Source) -> Result<TokenLease, GcpError> {
        self.ask(|means| obtain(source, SCOPES, means))
    }

    #[track_caller]
    fn gives(&self, source: &Source, token: &str, email: &str, project: Option<&str>) {
        let lease = self.lease(source).unwrap();
        assert_eq!(lease.token.expose(), token);
        assert!((1700..=3600).contains(&lease.left(clock::now())), "{lease:?}");
        let who = GcpIdentity { email: Some(email.into()), project: project.map(str::to_owned) };
        assert_eq!(self.ask(|means| identity(source, &lease, means)).unwrap(), who);
    }
}

#[test]
fn every_source_gives_a_token_and_says_whose_it_is() {
    let cloud = Cloud::start();
    // What is signed is verified by google-auth.
    let robot = parse(service_account(&cloud.servers.token).as_bytes()).unwrap();
    let name = "robot@p-1.iam.gserviceaccount.com";
    cloud.gives(&Source::Credential(robot), &format!("of-{name}"), name, Some("p-1"));
    cloud.gives(&Source::Credential(user("1//good")), "of-me", "me@x.org", None);
    let target = "target@p-2.iam.gserviceaccount.com";
    let through = "acting-through-projects/-/serviceAccounts/between@p.iam";
    cloud.gives(&acting(target), through, target, Some("p-2"));
    let machine = Impersonated {
        source: Box::new(Credential::Machine),
        target: target.to_owned(),
        delegates: vec!["between@p.iam".into()],
    };
    cloud.gives(&Source::Credential(Credential::Impersonated(machine)), through, target, Some("p-2"));
    cloud.gives(&Source::Host, "of-host", "host@p-1.iam.gserviceaccount.com", Some("p-1"));
}

#[test]
fn refusals_say_what_to_do() {
    let cloud = Cloud::start();
    let refused = cloud.lease(&Source::Credential(user("1//gone"))).unwrap_err();
    assert!(refused.to_string().contains("expired or revoked. (invalid_grant)"), "{refused}");
    assert_eq!((refused.kind(), refused.hints().len()), (ErrorKind::NeedsUser, 1));
    let refused = cloud.lease(&acting("other@p.iam")).unwrap_err();
    assert!(refused.hints()[0].contains("Token Creator"), "{refused} {:?}", refused.hints());
    // A key that the server does not know.
    let text = service_account(&cloud.servers.token).replace("\"k1\"", "\"k2\"");
    let other = Source::Credential(parse(text.as_bytes()).unwrap());
    let refused = cloud.lease(&other).unwrap_err();
    assert!(
        matches!(&refused, GcpError::Token(TokenError::Refused(it)) if it.code == "invalid_grant"),
        "{refused}"
    );
}

/// What a long day leaves behind in a shell; each of it would win, or break the call.
const STALE: [(&str, &str); 9] = [
    ("GOOGLE_APPLICATION_CREDENTIALS", "/gone.json"),
    ("GOOGLE_CLOUD_PROJECT", "stale"),
    ("GCLOUD_PROJECT", "stale"),
    ("NO_GCE_CHECK", "true"),
    ("GCE_METADATA_HOST", "127.0.0.1:1"),
    ("GCE_METADATA_IP", "127.0.0.1:1"),
    ("GCE_METADATA_MTLS_MODE", "strict"),
    ("CLOUDSDK_CORE_PROJECT", "stale"),
    ("GOOGLE_CLOUD_QUOTA_PROJECT", "stale"),
];

const WHO: &str = "import google.auth, google.auth.transport.requests as transport
credentials, project = google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])
credentials.refresh(transport.Request())
print(credentials.token, project, getattr(credentials, 'service_account_email', ''), credentials.quota_project_id,
      credentials.universe_domain, credentials.valid)";

/// A world with default credentials of another account.
fn world(cloud: &Cloud) -> World {
    let world = World::new();
    world.write(".config/gcloud/application_default_credentials.json", service_account(&cloud.servers.token));
    world
}

fn lease_of_profile() -> TokenLease {
    let now = clock::now();
    TokenLease {
        token: Secret::new("of-the-profile".into()),
        audience: SCOPES.into(),
        obtained: now,
        expiration: Timestamp(now.0 + 3600),
    }
}

/// The two endpoints of a service, and the hand-over that points to them.
fn service(world: &World) -> HandOver {
    let account = Account { email: "me@x.org".into(), project: Some("p-9".into()), scopes: SCOPES.into() };
    let host = endpoint(move |head, _, host| {
        let given = metadata::answer(head, host, &account, Some(&lease_of_profile()), clock::now());
        let headers = format!(
            "{}: {}\r\n{}: {}\r\nContent-Type: {}\r\n",
            FLAVOR.0, FLAVOR.1, NO_STORE.0, NO_STORE.1, given.content_type
        );
        answer(&format!("{} Answer", given.status), &headers, given.body.expose())
    });
    let door = |host: &str| Door {
        host: host.to_owned(),
        path: "/gcp/token".into(),
        secret: Secret::new("of this shell".into()),
    };
    let exchange = endpoint(move |head, body, host| {
        let kind = "Content-Type: application/json\r\n";
        match exchange_endpoint::admit(head, body, &door(host)) {
            Ok(()) => {
                answer("200 OK", kind, exchange_endpoint::answer(&lease_of_profile(), clock::now()).expose())
            }
            Err(refusal) => answer(&format!("{} Refused", refusal.status()), kind, refusal.body()),
        }
    });
    let credentials_file = world.path("run/gcp.json").display().to_string();
    let file = exchange_endpoint::credentials_file(&door(&exchange), &credentials_file);
    world.write("run/gcp.json", file.expose());
    for (path, bytes) in FILES {
        world.write(&format!("run/gcloud/{path}"), bytes);
    }
    HandOver::Service { host, credentials_file, config_dir: world.path("run/gcloud").display().to_string() }
}

#[test]
fn a_metadata_server_s_answers_are_taken_by_google_auth() {
    let cloud = Cloud::start();
    let world = world(&cloud);
    let hand_over = service(&world);
    let without_file = |place| {
        let mut changes = changes(&hand_over, place);
        changes.retain(|change| change.name != "GOOGLE_APPLICATION_CREDENTIALS");
        changes
    };
    let stale = &STALE[1..];
    // Without a project in the profile, the server's is taken.
    let said = says(&world, stale, without_file(Place::default()), WHO);
    assert_eq!(said, "of-the-profile p-9 me@x.org None googleapis.com True");
    let place = Place { project: Some("p-of-profile"), ..Place::default() };
    let said = says(&world, stale, without_file(place), WHO);
    assert_eq!(said, "of-the-profile p-of-profile me@x.org None googleapis.com True");
}

#[test]
fn a_file_that_leads_to_an_endpoint_is_taken_by_google_auth() {
    let cloud = Cloud::start();
    let world = world(&cloud);
    let hand_over = service(&world);
    let place = Place { project: Some("p-of-profile"), ..Place::default() };
    let said = says(&world, &STALE, changes(&hand_over, place), WHO);
    assert!(said.starts_with("of-the-profile p-of-profile "), "{said}");
    assert!(said.ends_with("googleapis.com True"), "{said}");
    let other = world.text("run/gcp.json").replace("of this shell", "of another shell");
    world.write("run/gcp.json", other);
    let script =
        format!("try:\n    {}\nexcept Exception as error:\n    print(error)", WHO.replace('\n', "\n    "));
    let said = says(&world, &STALE, changes(&hand_over, place), &script);
    assert!(said.contains("the statement is not this endpoint's"), "{said}");
}

#[test]
fn a_configuration_s_credentials_are_taken_with_it() {
    let cloud = Cloud::start();
    let world = World::new();
    world.write("work.json", service_account(&cloud.servers.token));
    let hand_over = HandOver::Named {
        configuration: "work".into(),
        credentials_file: Some(world.path("work.json").display().to_string()),
    };
    let place = Place { project: Some("p-9"), ..Place::default() };
    let said = says(&world, &STALE, changes(&hand_over, place), WHO);
    assert!(said.starts_with("of-robot@p-1.iam.gserviceaccount.com p-9 "), "{said}");
}

#[test]
fn with_values_google_auth_finds_nobody_rather_than_somebody_else() {
    let cloud = Cloud::start();
    let world = world(&cloud);
    let config_dir = world.path("run/gcloud").display().to_string();
    let hand_over = HandOver::Value { lease: Box::new(lease_of_profile()), config_dir };
    let script = "import google.auth, os
try:
    print('somebody', google.auth.default())
except google.auth.exceptions.DefaultCredentialsError:
    print('nobody', os.environ['GOOGLE_OAUTH_ACCESS_TOKEN'])";
    let said = says(&world, &STALE, changes(&hand_over, Place::default()), script);
    assert_eq!(said, "nobody of-the-profile");
}

#[test]
fn gcloud_s_directory_keeps_no_token() {
    let world = World::new();
    for (path, bytes) in FILES {
        world.write(path, bytes);
    }
    // What gcloud does with its database, in its words.
    let script = r#"import sqlite3
def run(*statement):
    with sqlite3.connect('access_tokens.db', detect_types=sqlite3.PARSE_DECLTYPES, isolation_level=None) as connection:
        return connection.execute(*statement).fetchone()
run('CREATE TABLE IF NOT EXISTS "access_tokens" (account_id TEXT PRIMARY KEY, access_token TEXT, '
    'token_expiry TIMESTAMP, rapt_token TEXT, id_token TEXT)')
run('SELECT id_token FROM "access_tokens" LIMIT 1')
run('REPLACE INTO "access_tokens" (account_id, access_token, token_expiry, rapt_token, id_token) VALUES (?,?,?,?,?)',
    ('me@x.org', 'ya29.secret', None, None, None))
kept = run('SELECT access_token, token_expiry, rapt_token, id_token FROM "access_tokens" WHERE account_id = ?',
           ('me@x.org',))
run('DELETE FROM "access_tokens" WHERE account_id = ?', ('me@x.org',))
print(kept, b'ya29' in open('access_tokens.db', 'rb').read())"#;
    assert_eq!(says(&world, &[], Vec::new(), script), "None False");
}
