//! Where everyone in this home gets credentials: it holds the open vault and the leases, gets each lease once however many ask,
//! renews them before they end, and says who one is by them. It asks no person: what only a person can give is an answer of its
//! own, and whoever asked comes again with it.
//!
//! One lock guards what is known; nothing that takes time is done under it.

mod audit;
mod away;
mod aws;
mod azure;
mod doors;
mod gcp;
mod part;
mod switch;
mod tend;
mod token;
mod vault;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::audit::Recorder;
pub use self::audit::{AUDIT, UNVERIFIED};
use self::away::Away;
pub use self::aws::{SEALED as AWS_SEALED, SEEDS as MFA_SEEDS};
pub use self::azure::AZURE_SEALED;
use self::doors::Door;
pub use self::gcp::GCP_SEALED;
use self::part::Known;
pub use self::part::{Lease, Miss, code_needed, sealed_names};
pub use self::vault::FILE as VAULT;
use self::vault::Open;
use super::aws::lease::AwsLease;
use super::profiles::{self, CredentialProfile, Profiles};
use super::provider::Provider;
use super::shelf::{Shelf, Turn};
use crate::base::digest::Digest;
use crate::base::error::{ErrorKind, Fault};
use crate::base::secret::Secret;
use crate::base::text::nearest;
use crate::base::time::Timestamp;
use crate::ipc::cloud::{self as wire, CloudRequest, CloudResponse};
use crate::sys::clock;
use crate::sys::content::{self, Look, Stamp};
use crate::sys::dirs::Dirs;
use crate::sys::real::RealSystem;
use crate::sys::socket;

/// How long one who waits for another's fetch waits: longer than any fetch takes.
const PATIENCE: Duration = Duration::from_secs(25);

/// The seconds after which a file that is changed again has another time.
const SETTLED: i64 = 2;

/// Whose lease, of which cloud, for what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The profile.
    pub profile: String,
    /// The cloud.
    pub provider: Provider,
    /// What a token is for; empty is the usual.
    pub resource: String,
}

/// Codes of MFA devices, by device.
pub type Codes = BTreeMap<String, Secret<String>>;

/// The desk.
pub struct Desk {
    dirs: Dirs,
    /// The program that tools call for credentials, and the arguments that lead it to this home.
    program: Vec<String>,
    known: Mutex<Book>,
    changed: Condvar,
    log: Arc<audit::Log>,
    /// Told whether there is something to be kept in memory, whenever that changes.
    holds: Box<dyn Fn(bool) + Send + Sync>,
}

/// What is known.
#[derive(Default)]
struct Book {
    shelf: Shelf<Key, Lease, Miss>,
    /// Who one is by a lease, with when that lease was got.
    known: BTreeMap<Key, (Timestamp, Known)>,
    /// When a lease was asked for last.
    used: BTreeMap<Key, Timestamp>,
    /// Sessions of users with the proof of an MFA device, by access key and device.
    sessions: BTreeMap<(String, String), AwsLease>,
    /// The step of the last code that was made for an MFA device: a server takes each once.
    steps: BTreeMap<String, i64>,
    /// Until when a guarded profile is open, or was.
    grants: BTreeMap<String, Timestamp>,
    vault: Option<Open>,
    doors: BTreeMap<String, Door>,
    /// The profiles, with the file's stamp before they were read.
    profiles: Option<(Stamp, Arc<Profiles>)>,
    recorder: Option<Recorder>,
    away: Away,
    /// Records are waited for from now on.
    ended: bool,
    tended: bool,
    /// When it is looked at next.
    looks_at: Option<Timestamp>,
    held: bool,
}

impl Desk {
    /// For a home. `program` is what tools call for credentials, with what leads it to this home; `noted` is given what a person
    /// should find in the service's log, without a wait, and says whether it took it.
    pub fn new(
        dirs: Dirs,
        program: Vec<String>,
        holds: Box<dyn Fn(bool) + Send + Sync>,
        noted: Box<dyn Fn(String) -> bool + Send + Sync>,
    ) -> Arc<Self> {
        let log = Arc::new(audit::Log::of(&dirs, noted));
        Arc::new(Self { dirs, program, known: Mutex::default(), changed: Condvar::new(), log, holds })
    }

    /// Answers a request of a process. It may take as long as clouds take to answer.
    ///
    /// # Errors
    /// Why there are no credentials, and what to do.
    pub fn answer(
        self: &Arc<Self>,
        who: Option<u32>,
        request: &CloudRequest,
    ) -> Result<CloudResponse, Fault> {
        let answered = match request {
            CloudRequest::Use(wanted) => self.switch(wanted).map(CloudResponse::Switch),
            CloudRequest::Lease(of) => self.hand_out(of).map(CloudResponse::Lease),
            CloudRequest::Unlock(unlock) => self.unlock(unlock).map(CloudResponse::Vault),
            CloudRequest::Lock => Ok(CloudResponse::Vault(self.lock_vault())),
            CloudRequest::Vault => self.vault_status().map(CloudResponse::Vault),
            CloudRequest::Seal(seal) => self.seal(seal).map(CloudResponse::Vault),
            CloudRequest::Unseal(names) => self.unseal(&names.names).map(CloudResponse::Vault),
            CloudRequest::Forget(forget) => {
                let mut book = self.book();
                let gone = |name: &str| forget.profile.as_deref().is_none_or(|one| one == name);
                book.shelf.forget(|key| gone(&key.profile));
                book.known.retain(|key, _| !gone(&key.profile));
                book.sessions.clear();
                drop(book);
                self.vault_status().map(CloudResponse::Vault)
            }
        };
        self.asked(who, request, &answered);
        self.tend();
        match answered {
            Err(Miss::Code(device)) => Ok(CloudResponse::Code(device)),
            other => other.map_err(Fault::from),
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The profile of a name.
    fn profile(&self, name: &str) -> Result<CredentialProfile, Miss> {
        profiles::check_name(name).map_err(Fault::from)?;
        let all = self.profiles()?;
        match all.get(name) {
            Some(profile) => Ok(profile.clone()),
            None => Err(unknown(name, all.keys().map(String::as_str)).into()),
        }
    }

    /// All profiles, read again when the file is another one.
    fn profiles(&self) -> Result<Arc<Profiles>, Miss> {
        let stamp = match content::look(&self.dirs.config.join(profiles::FILE)) {
            // What was changed just now may change again without another time.
            Ok(Look::File(stamp)) if stamp.changed.0 + SETTLED < clock::now().0 => Some(stamp),
            _ => None,
        };
        let mut book = self.book();
        if let Some((read_at, profiles)) = &book.profiles
            && stamp == Some(*read_at)
        {
            return Ok(Arc::clone(profiles));
        }
        let all = Arc::new(profiles::read(&RealSystem, &self.dirs.config).map_err(Fault::from)?);
        book.profiles = stamp.map(|stamp| (stamp, Arc::clone(&all)));
        Ok(all)
    }

    /// A lease to hand over. That of a guarded profile ends with the confirmation at the latest: tools keep what they have until
    /// its end, and come back to be refused.
    fn lease(self: &Arc<Self>, key: &Key, profile: &CredentialProfile, codes: &Codes) -> Result<Lease, Miss> {
        let lease = self.whole_lease(key, profile, codes)?;
        let book = self.book();
        // It may be over by now: clouds take their time.
        self.check_guard(&book, key, profile, clock::now())?;
        let until = book.grants.get(&key.profile).filter(|_| profile.guard.is_some());
        Ok(match until {
            Some(until) => lease.ended_by(*until),
            None => lease,
        })
    }

    /// A lease as the cloud gave it: one that is held, or a new one that is got for all who ask just now.
    fn whole_lease(
        self: &Arc<Self>,
        key: &Key,
        profile: &CredentialProfile,
        codes: &Codes,
    ) -> Result<Lease, Miss> {
        let begun = std::time::Instant::now();
        let mut forgiven = codes.is_empty();
        loop {
            let now = clock::now();
            let mut book = self.book();
            self.check_guard(&book, key, profile, now)?;
            book.used.insert(key.clone(), now);
            match book.shelf.ask(key, now) {
                Turn::Serve(lease) => return book.meant(key, profile, &lease).map(|()| lease),
                Turn::ServeAndFetch(lease) => {
                    let meant = book.meant(key, profile, &lease);
                    drop(book);
                    let (desk, key, profile) = (Arc::clone(self), key.clone(), profile.clone());
                    let thread = std::thread::Builder::new().name("lease".into());
                    let spawned = thread.spawn(move || desk.fetch(&key, &profile, &Codes::new()));
                    drop(spawned);
                    return meant.map(|()| lease);
                }
                Turn::Fetch => {
                    drop(book);
                    return self.fetch(key, profile, codes);
                }
                Turn::Wait => {
                    let left = PATIENCE.saturating_sub(begun.elapsed());
                    if left.is_zero() {
                        let words = "another request for the same credentials takes too long";
                        return Err(Fault::new(ErrorKind::Failed, words).hint("try again").into());
                    }
                    drop(self.changed.wait_timeout(book, left).unwrap_or_else(PoisonError::into_inner));
                }
                Turn::Refused(_) if !forgiven => {
                    forgiven = true;
                    book.shelf.forgive(key);
                }
                Turn::Refused(miss) => return Err(miss),
            }
        }
    }

    fn fetch(&self, key: &Key, profile: &CredentialProfile, codes: &Codes) -> Result<Lease, Miss> {
        let result = match key.provider {
            Provider::Aws => self.fetch_aws(key, profile, codes).map(Lease::Aws),
            Provider::Gcp | Provider::Azure => self.fetch_token(key, profile).map(Lease::Token),
        };
        self.book().shelf.fetched(key, result.clone(), clock::now());
        self.changed.notify_all();
        result
    }

    /// A guarded profile is open only after a person has said so, and for a while.
    fn check_guard(
        &self,
        book: &Book,
        key: &Key,
        profile: &CredentialProfile,
        now: Timestamp,
    ) -> Result<(), Miss> {
        let open = book.grants.get(&key.profile).is_some_and(|until| now < *until);
        if profile.guard.is_none() || open {
            return Ok(());
        }
        let name = &key.profile;
        Err(Fault::new(ErrorKind::Refused, format!("'{name}' is guarded and not open"))
            .hint(format!("a person opens it at a terminal: devboot use {name}"))
            .into())
    }

    /// Credentials for a tool that was pointed here.
    fn hand_out(self: &Arc<Self>, of: &wire::OfLease) -> Result<wire::Lease, Miss> {
        let profile = self.profile(&of.profile)?;
        let provider = Provider::of(&of.provider)
            .filter(|provider| profile.providers().contains(provider))
            .ok_or_else(|| {
            let words = format!("the profile '{}' has no part for '{}'", of.profile, of.provider);
            Fault::new(ErrorKind::Usage, crate::base::text::printable(&words))
        })?;
        let key = Key { profile: of.profile.clone(), provider, resource: of.resource.clone() };
        let lease = self.lease(&key, &profile, &codes(&of.codes))?;
        Ok(lease.wire())
    }

    /// The directory for a profile's pointers, which only we can enter. Its name is a digest: a name is never a path.
    fn place(&self, profile: &str) -> Result<PathBuf, Miss> {
        let dir = self.dirs.state.join("cloud");
        let own = dir.join(Digest::of(profile.as_bytes()).short());
        for dir in [&dir, &own] {
            socket::private_dir(dir).map_err(|unfit| {
                Fault::new(ErrorKind::Failed, format!("cannot use the directory {}", dir.display()))
                    .cause(unfit)
            })?;
        }
        Ok(own)
    }
}

fn codes(given: &BTreeMap<String, wire::Hidden>) -> Codes {
    given.iter().map(|(device, code)| (device.clone(), code.secret())).collect()
}

/// Nothing takes the place of a name that is not known.
fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Fault {
    let fault = Fault::new(ErrorKind::Usage, format!("there is no credential profile '{name}'"));
    match nearest(name, known) {
        Some(near) => fault.hint(format!("did you mean '{near}'?")),
        None => fault.hint("devboot cloud list shows those there are; devboot cloud add makes one"),
    }
}
