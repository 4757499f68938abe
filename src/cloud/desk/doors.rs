//! The doors: an endpoint on this machine for each profile that tools are pointed at, which speaks what AWS's, Google's and
//! Azure's own hosts speak. A door keeps its port and its secret when the service is started anew, so that a tool that was
//! pointed at it goes on.

use std::path::Path;
use std::sync::{Arc, Weak};

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::audit::Handing;
use super::away::Kind;
use super::part::{Lease, Miss};
use super::{Codes, Desk, Key};
use crate::base::error::{ErrorKind, Fault};
use crate::base::secret::Secret;
use crate::cloud::aws::container;
use crate::cloud::azure::identity_endpoint;
use crate::cloud::azure::token::MANAGEMENT;
use crate::cloud::gcp::{exchange_endpoint, metadata};
use crate::cloud::head::Head;
use crate::cloud::profiles;
use crate::cloud::provider::Provider;
use crate::cloud::shelf::Ends;
use crate::cloud::standing::Standing;
use crate::sys::clock;
use crate::sys::loopback::{Answer, Ask, Loopback, Refused};
use crate::sys::real::RealSystem;
use crate::sys::system::{ReadSystem, replace};

/// The file of a door in its profile's directory.
const FILE: &str = "door";

/// The paths of the protocols. The one without a path of its own is that of Google's metadata server.
const AWS: &str = "/aws";
const AZURE: &str = "/azure";
const GCP: &str = "/gcp";

/// A door that is open.
pub(super) struct Door {
    _loopback: Loopback,
    host: String,
    secret: Secret<String>,
}

/// A door as it is remembered. The secret opens the door and no cloud.
#[derive(Serialize, Deserialize)]
struct Remembered {
    profile: String,
    port: u16,
    secret: String,
}

/// Where tools of a profile ask.
pub(super) struct At {
    /// Host and port.
    pub(super) host: String,
    /// What they show.
    pub(super) secret: Secret<String>,
}

impl At {
    pub(super) fn aws(&self) -> container::Door {
        container::Door { host: self.host.clone(), path: AWS.into(), token: self.secret.clone() }
    }

    pub(super) fn azure(&self) -> identity_endpoint::Door {
        identity_endpoint::Door {
            host: self.host.clone(),
            path: AZURE.into(),
            secret: Some(self.secret.clone()),
        }
    }

    pub(super) fn gcp(&self) -> exchange_endpoint::Door {
        exchange_endpoint::Door { host: self.host.clone(), path: GCP.into(), secret: self.secret.clone() }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host)
    }
}

impl Desk {
    /// The door of a profile, opened if it is not.
    pub(super) fn door(self: &Arc<Self>, profile: &str) -> Result<At, Miss> {
        let mut book = self.book();
        if let Some(door) = book.doors.get(profile) {
            return Ok(At { host: door.host.clone(), secret: door.secret.clone() });
        }
        let path = self.place(profile)?.join(FILE);
        let before = remembered(&path).filter(|door| door.profile == profile);
        let secret = match &before {
            Some(door) => Secret::new(door.secret.clone()),
            None => Secret::new(secret()?),
        };
        let loopback = self.bind(profile, before.as_ref().map_or(0, |door| door.port), &secret)?;
        let door =
            Remembered { profile: profile.into(), port: loopback.port(), secret: secret.expose().clone() };
        if before.is_none_or(|before| before.port != door.port) {
            let text = Secret::new(serde_json::to_vec(&door).unwrap_or_default());
            self.put(&path, text.expose())?;
        }
        let at = At { host: loopback.host(), secret: secret.clone() };
        book.doors.insert(profile.to_owned(), Door { host: loopback.host(), _loopback: loopback, secret });
        Ok(at)
    }

    /// The port of before, or another one when somebody else has it now.
    fn bind(self: &Arc<Self>, profile: &str, port: u16, secret: &Secret<String>) -> Result<Loopback, Miss> {
        let bind = |port| {
            let (desk, name, secret) = (Arc::downgrade(self), profile.to_owned(), secret.clone());
            let handler = Arc::new(move |ask: &Ask<'_>| answer(&desk, &name, &secret, ask));
            let (desk, name) = (Arc::downgrade(self), profile.to_owned());
            let told = Arc::new(move |refused: &Refused<'_>| {
                if let Some(desk) = desk.upgrade() {
                    desk.not_let_near(refused, &name);
                }
            });
            Loopback::bind(port, handler, told)
        };
        let bound = match bind(port) {
            Err(_) if port != 0 => bind(0),
            bound => bound,
        };
        Ok(bound.map_err(|error| {
            Fault::new(ErrorKind::Failed, "cannot open an endpoint on this machine").cause(error)
        })?)
    }

    /// Opens the doors that were open when the service ended last.
    pub fn reopen(self: &Arc<Self>) {
        let dir = self.dirs.state.join("cloud");
        for name in RealSystem.list(&dir).unwrap_or_default() {
            let Some(door) = remembered(&dir.join(name).join(FILE)) else { continue };
            if profiles::read(&RealSystem, &self.dirs.config).is_ok_and(|all| all.contains_key(&door.profile))
            {
                let _ = self.door(&door.profile);
            }
        }
    }

    /// Writes a file of ours for our user alone, unless it says that already.
    pub(super) fn put(&self, path: &Path, bytes: &[u8]) -> Result<(), Miss> {
        if RealSystem.read(path, 1 << 20).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        Ok(replace(&RealSystem, path, bytes, 0o600).map_err(|error| {
            Fault::new(ErrorKind::Failed, format!("cannot write {}", path.display())).cause(error)
        })?)
    }

    /// Whether a lease can be given without a wait.
    fn is_at_hand(&self, key: &Key) -> bool {
        let now = clock::now();
        let standing = self.book().shelf.held(key, now).map(|lease| lease.standing(now));
        matches!(standing, Some(Standing::Fresh | Standing::Due))
    }

    /// A lease for who asks at a door.
    fn at_door(
        self: &Arc<Self>,
        ask: &Ask<'_>,
        profile: &str,
        provider: Provider,
        resource: &str,
    ) -> Result<Lease, Miss> {
        let found = self.profile(profile)?;
        if !found.providers().contains(&provider) {
            let words = format!("the profile '{profile}' has no part for {}", provider.title());
            return Err(Fault::new(ErrorKind::Usage, words).into());
        }
        let key = Key { profile: profile.to_owned(), provider, resource: resource.to_owned() };
        let who = ask.process();
        if !self.is_at_hand(&key) {
            ask.takes_long();
        }
        let lease = self.lease(&key, &found, &Codes::new());
        self.handed(&Handing { profile, provider, way: "endpoint", who }, lease.as_ref().err());
        self.tend();
        lease
    }

    /// Writes down that a door let somebody not in, and why.
    fn not_let_in(self: &Arc<Self>, ask: &Ask<'_>, (profile, provider): (&str, Provider), why: &'static str) {
        let kind = Kind { profile: profile.to_owned(), provider: Some(provider), uid: ask.uid, why };
        self.turned_away(kind, || (ask.process(), None));
    }

    /// Writes down that somebody was not even let near a door.
    fn not_let_near(self: &Arc<Self>, refused: &Refused<'_>, profile: &str) {
        let why = refused.why.words();
        let kind = Kind { profile: profile.to_owned(), provider: None, uid: refused.uid, why };
        self.turned_away(kind, || (refused.process(), refused.named()));
    }
}

fn remembered(path: &Path) -> Option<Remembered> {
    serde_json::from_slice(&RealSystem.read(path, 4 << 10).ok()?).ok()
}

fn secret() -> Result<String, Fault> {
    let mut bytes = [0_u8; 32];
    let failed = |_| Fault::new(ErrorKind::Failed, "the system gives no random numbers");
    SystemRandom::new().fill(&mut bytes).map_err(failed)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn body(text: &Secret<String>) -> Secret<Vec<u8>> {
    Secret::new(text.expose().as_bytes().to_vec())
}

/// What a door answers. The loopback has let nobody in who is known to be another user, nor a web page.
fn answer(desk: &Weak<Desk>, profile: &str, secret: &Secret<String>, ask: &Ask<'_>) -> Answer {
    let Some(desk) = desk.upgrade() else { return Answer::text(503, "the service ends") };
    let at = match desk.book().doors.get(profile) {
        Some(door) => At { host: door.host.clone(), secret: secret.clone() },
        None => return Answer::text(503, "not open yet"),
    };
    let head = Head { method: ask.method, target: ask.target, headers: &ask.headers };
    match ask.path() {
        AWS => aws(&desk, profile, &head, ask, &at),
        AZURE => azure(&desk, profile, &head, ask, &at),
        GCP => gcp(&desk, profile, &head, ask, &at),
        _ => gce(&desk, profile, &head, ask, &at),
    }
}

fn aws(desk: &Arc<Desk>, profile: &str, head: &Head<'_>, ask: &Ask<'_>, at: &At) -> Answer {
    let refused = |refusal: container::Refusal| {
        Answer::json(refusal.status(), Secret::new(refusal.body().into_bytes()))
    };
    if let Err(refusal) = container::admit(head, &at.aws()) {
        desk.not_let_in(ask, (profile, Provider::Aws), refusal.words());
        return refused(refusal);
    }
    match desk.at_door(ask, profile, Provider::Aws, "") {
        Ok(Lease::Aws(lease)) => Answer::json(200, body(&container::answer(&lease, clock::now()))),
        _ => refused(container::Refusal::NoCredentials),
    }
}

fn azure(desk: &Arc<Desk>, profile: &str, head: &Head<'_>, ask: &Ask<'_>, at: &At) -> Answer {
    let refused = |refusal: identity_endpoint::Refusal| {
        Answer::json(refusal.status(), Secret::new(refusal.body().into_bytes()))
    };
    let form = String::from_utf8_lossy(ask.body);
    let client = desk.profile(profile).ok().and_then(|found| found.azure?.client);
    let resource = match identity_endpoint::admit(head, &form, &at.azure(), client.as_deref()) {
        Ok(resource) => resource,
        Err(refusal) => {
            desk.not_let_in(ask, (profile, Provider::Azure), refusal.words());
            return refused(refusal);
        }
    };
    match desk.at_door(ask, profile, Provider::Azure, &usual(&resource)) {
        Ok(Lease::Token(lease)) => {
            Answer::json(200, body(&identity_endpoint::answer(&lease, clock::now(), client.as_deref())))
        }
        _ => refused(identity_endpoint::Refusal::NoToken),
    }
}

/// The resource that a switch proves an identity by is held once, however it is written.
fn usual(resource: &str) -> String {
    let is_usual = resource.trim_end_matches('/') == MANAGEMENT.trim_end_matches('/');
    if is_usual { String::new() } else { resource.to_owned() }
}

fn gcp(desk: &Arc<Desk>, profile: &str, head: &Head<'_>, ask: &Ask<'_>, at: &At) -> Answer {
    let refused = |refusal: exchange_endpoint::Refusal| {
        Answer::json(refusal.status(), Secret::new(refusal.body().into_bytes()))
    };
    let form = String::from_utf8_lossy(ask.body);
    if let Err(refusal) = exchange_endpoint::admit(head, &form, &at.gcp()) {
        desk.not_let_in(ask, (profile, Provider::Gcp), refusal.words());
        return refused(refusal);
    }
    match desk.at_door(ask, profile, Provider::Gcp, "") {
        Ok(Lease::Token(lease)) => Answer::json(200, body(&exchange_endpoint::answer(&lease, clock::now()))),
        _ => refused(exchange_endpoint::Refusal::NoToken),
    }
}

/// Google's metadata server has no secret: only who is known to be us is answered.
fn gce(desk: &Arc<Desk>, profile: &str, head: &Head<'_>, ask: &Ask<'_>, at: &At) -> Answer {
    if ask.uid.is_none() {
        desk.not_let_in(ask, (profile, Provider::Gcp), "who asks is not known");
        return Answer::text(403, "who asks is not known");
    }
    if let Some((status, why)) = metadata::refusal(head, &at.host) {
        desk.not_let_in(ask, (profile, Provider::Gcp), why);
        return gce_answer(&metadata::refused(status, why));
    }
    let Some(account) = desk.gcp_account(profile) else { return Answer::text(404, "no such account") };
    let wants_token = ask.path().ends_with("/token");
    let lease = if wants_token { desk.at_door(ask, profile, Provider::Gcp, "").ok() } else { None };
    let lease = match &lease {
        Some(Lease::Token(lease)) => Some(lease),
        _ => None,
    };
    gce_answer(&metadata::answer(head, &at.host, &account, lease, clock::now()))
}

fn gce_answer(answer: &metadata::Answer) -> Answer {
    Answer {
        status: answer.status,
        kind: answer.content_type,
        headers: vec![(metadata::FLAVOR.0, metadata::FLAVOR.1.to_owned())],
        body: body(&answer.body),
    }
}
