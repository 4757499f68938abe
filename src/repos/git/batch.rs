//! Many clones at once: none waits for a host that is not there, and none stops another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::clone::{self, CloneError, CloneSpec};
use super::config::{Place, Settings};
use super::failure::LinkError;
use super::fetch::Received;
use super::tree_check::Extent;
use super::url::GitUrl;
use crate::base::error::{ErrorKind, Fault};
use crate::base::redact;
use crate::base::text::printable;
use crate::sys::{env, http, proxy, signal, workers};

/// What happens to one repository while it is cloned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepoEvent {
    /// Work on it has begun.
    Started {
        /// Its name.
        name: String,
    },
    /// It is being received.
    Progress {
        /// Its name.
        name: String,
        /// Objects received.
        received: usize,
        /// Objects to come in all.
        total: usize,
        /// Bytes received.
        bytes: u64,
    },
    /// It is done, one way or another.
    Finished {
        /// Its name.
        name: String,
        /// Which way.
        outcome: CloneOutcome,
    },
}

/// What became of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloneOutcome {
    /// It was cloned.
    Cloned {
        /// The commit that was checked out.
        commit: String,
        /// The bytes received.
        bytes: u64,
        /// What was written.
        extent: Extent,
        /// The submodules that are not there: their path, and why.
        left_out: Vec<String>,
        /// How long it took.
        elapsed: Duration,
    },
    /// It was there already; nothing was touched.
    Present {
        /// The commit it stands at.
        commit: String,
    },
    /// Something else is in its place and stays.
    Kept {
        /// What it is.
        why: String,
    },
    /// It waits for the network.
    Postponed {
        /// What is missing.
        why: String,
    },
    /// It failed; nothing is left of it.
    Failed(Fault),
}

/// How a batch is run.
#[derive(Clone, Copy, Debug)]
pub struct BatchOptions {
    /// How many at a time, at least one.
    pub jobs: usize,
    /// Do not touch the network; local repositories are cloned all the same.
    pub offline: bool,
}

/// How long a host has to accept a connection before its repositories are postponed.
const REACH: Duration = Duration::from_secs(2);
/// How often progress is told.
const PACE: Duration = Duration::from_millis(50);

/// Clones what is not there yet and returns the outcomes in the order of `specs`. Events come from several
/// threads.
pub fn clone_all(
    specs: &[CloneSpec],
    options: BatchOptions,
    events: &(dyn Fn(RepoEvent) + Sync),
) -> Vec<CloneOutcome> {
    let settings = Settings::read(env::var);
    let first: Vec<Result<Place, CloneOutcome>> =
        specs.iter().enumerate().map(|(i, spec)| sort(specs, i, spec, &settings)).collect();
    let settings = settings.unwrap_or_default();
    let missing = if options.offline {
        BTreeMap::new()
    } else {
        let places = first.iter().filter_map(|item| item.as_ref().ok());
        unreachable_hosts(places.filter_map(|place| gate(&place.real, &settings)).collect())
    };
    let pairs: Vec<(&CloneSpec, &Result<Place, CloneOutcome>)> = specs.iter().zip(&first).collect();
    let outcomes = workers::each(&pairs, options.jobs, |(spec, first)| {
        events(RepoEvent::Started { name: spec.name.clone() });
        let outcome = match first {
            Err(outcome) => outcome.clone(),
            Ok(place) => match postponed(&place.real, options.offline, &missing, &settings) {
                Some(why) => CloneOutcome::Postponed { why },
                None => one(spec, place, &settings, events),
            },
        };
        events(RepoEvent::Finished { name: spec.name.clone(), outcome: outcome.clone() });
        Some(outcome)
    });
    let lost = || CloneOutcome::Failed(Fault::new(ErrorKind::Failed, "the clone was not begun"));
    outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect()
}

/// What can be said before the network is touched: `Ok` is "to be cloned".
fn sort(
    specs: &[CloneSpec],
    index: usize,
    spec: &CloneSpec,
    settings: &Result<Settings, String>,
) -> Result<Place, CloneOutcome> {
    let fault = |error| CloneOutcome::Failed(named("clone", spec, error));
    if specs[..index].iter().any(|other| other.dest == spec.dest) {
        let fault = Fault::new(ErrorKind::Usage, format!("two repositories want {}", shown_dest(spec)));
        return Err(CloneOutcome::Failed(fault.hint("give one of them another folder")));
    }
    let url = GitUrl::parse(&spec.url).map_err(|error| fault(CloneError::Url(error)))?;
    match clone::present(spec, &url).map_err(fault)? {
        None => match settings {
            Ok(settings) => settings.place(&spec.url).map_err(|error| fault(CloneError::Url(error))),
            Err(words) => Err(fault(CloneError::Settings(words.clone()))),
        },
        Some(Ok(commit)) => Err(CloneOutcome::Present { commit }),
        Some(Err(why)) => Err(CloneOutcome::Kept { why }),
    }
}

fn shown_dest(spec: &CloneSpec) -> String {
    printable(&spec.dest.to_string_lossy())
}

/// A failure with what was tried: `act` is "clone" or the like.
pub(super) fn named(act: &str, spec: &CloneSpec, error: CloneError) -> Fault {
    let mut fault = Fault::from(error);
    let what = format!("cannot {act} {} from {}", printable(&spec.name), printable(&redact::url(&spec.url)));
    fault.causes.insert(0, std::mem::replace(&mut fault.message, what));
    fault
}

/// Where a connection must be possible. ssh has names and jumps of its own, so nothing is known of it.
fn gate(url: &GitUrl, settings: &Settings) -> Option<(String, u16)> {
    match url {
        GitUrl::Http { https, host, port, bare, .. } => {
            let named = settings.http(bare, env::var).route.proxy;
            let proxy = proxy::place(named.as_deref(), *https, host, env::var);
            Some(proxy.unwrap_or_else(|| (host.clone(), *port)))
        }
        GitUrl::Git { host, port, .. } => Some((host.clone(), *port)),
        GitUrl::Ssh { .. } | GitUrl::Local(_) => None,
    }
}

/// Why the host of an address cannot be reached now, if it is known to be one that cannot.
pub(super) fn closed(url: &GitUrl, settings: &Settings) -> Option<String> {
    let missing = unreachable_hosts(gate(url, settings).into_iter().collect());
    missing.into_values().next()
}

fn unreachable_hosts(gates: BTreeSet<(String, u16)>) -> BTreeMap<(String, u16), String> {
    let missing = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for gate in &gates {
            let missing = &missing;
            scope.spawn(move || {
                if !http::reachable(&gate.0, gate.1, REACH) {
                    let why = format!("no connection to {}:{}", gate.0, gate.1);
                    missing.lock().unwrap_or_else(PoisonError::into_inner).insert(gate.clone(), why);
                }
            });
        }
    });
    missing.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn postponed(
    url: &GitUrl,
    offline: bool,
    missing: &BTreeMap<(String, u16), String>,
    settings: &Settings,
) -> Option<String> {
    match url {
        GitUrl::Local(_) => None,
        _ if offline => Some("offline".into()),
        url => gate(url, settings).and_then(|gate| missing.get(&gate).cloned()),
    }
}

fn one(
    spec: &CloneSpec,
    place: &Place,
    settings: &Settings,
    events: &(dyn Fn(RepoEvent) + Sync),
) -> CloneOutcome {
    if signal::interrupted() {
        return CloneOutcome::Failed(named("clone", spec, CloneError::Interrupted));
    }
    let started = Instant::now();
    let told = std::cell::Cell::new(None::<Instant>);
    let progress = |Received { objects, total, bytes }: Received| {
        let now = Instant::now();
        if objects < total && told.get().is_some_and(|last| now - last < PACE) {
            return;
        }
        told.set(Some(now));
        events(RepoEvent::Progress { name: spec.name.clone(), received: objects, total, bytes });
    };
    match clone::clone(spec, place, settings, &progress) {
        Ok(cloned) => CloneOutcome::Cloned {
            commit: cloned.commit,
            bytes: cloned.bytes,
            extent: cloned.extent,
            left_out: cloned.left_out,
            elapsed: started.elapsed(),
        },
        Err(CloneError::Link(LinkError::Unreachable(why))) => CloneOutcome::Postponed { why },
        // Another process may have been faster.
        Err(error) => match GitUrl::parse(&spec.url).map(|url| clone::present(spec, &url)) {
            Ok(Ok(Some(Ok(commit)))) => CloneOutcome::Present { commit },
            _ => CloneOutcome::Failed(named("clone", spec, error)),
        },
    }
}
