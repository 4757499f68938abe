//! Fetching: from what a server has to the commits of it that are wanted, as far back as is wanted.

use std::cell::Cell;
use std::time::Instant;

use git2::{AutotagOption, Direction, FetchOptions, Oid, Remote, RemoteCallbacks, Repository};

use super::clone::{CloneError, git};
use super::link::Link;
use super::receive;
use super::reference::{self, Advertised, Attempt, Want};
use super::url::GitUrl;
use crate::base::time::Timestamp;
use crate::sys::real::RealSystem;
use crate::sys::signal;
use crate::sys::system::ReadSystem;

/// How much of a repository's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// All of it.
    Full,
    /// So many commits, at least one.
    Depth(u32),
    /// At least what was committed from then on.
    Since(Timestamp),
}

impl History {
    /// So many commits, 0 meaning all.
    pub fn of_depth(depth: u32) -> Self {
        if depth == 0 { Self::Full } else { Self::Depth(depth) }
    }
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Objects received.
    pub objects: usize,
    /// Objects to come in all.
    pub total: usize,
    /// Bytes received.
    pub bytes: u64,
}

/// The commits that are asked for first when the history is to reach back to a date; then [`DEEPER`] times as many.
const FIRST: u32 = 64;
const DEEPER: u32 = 4;
/// More than any history has: then all is fetched.
const DEEPEST: u32 = 1 << 22;

/// A way to a repository, and the one here that it fills.
pub(super) struct Fetch<'a> {
    repo: &'a Repository,
    url: &'a GitUrl,
    link: Option<&'a Link>,
    limit: u64,
    deadline: Instant,
    bytes: Cell<u64>,
    progress: &'a dyn Fn(Received),
}

impl<'a> Fetch<'a> {
    /// `link` is `None` for a local repository that libgit2 reads by itself; `limit` is in bytes, and what has come
    /// must have been made sense of by `deadline`.
    pub(super) fn new(
        repo: &'a Repository,
        url: &'a GitUrl,
        link: Option<&'a Link>,
        limit: u64,
        deadline: Instant,
        progress: &'a dyn Fn(Received),
    ) -> Self {
        Self { repo, url, link, limit, deadline, bytes: Cell::new(0), progress }
    }

    /// The bytes received so far.
    pub(super) fn received(&self) -> u64 {
        self.link.map_or(self.bytes.get(), Link::received)
    }

    /// Fetches what `reference` names, or the default branch.
    pub(super) fn bring(&self, reference: Option<&str>, history: History) -> Result<(Want, Oid), CloneError> {
        let plan = |offered: &[Advertised]| self.attempts(offered, reference, history);
        let received = match (self.link, history) {
            (Some(link), History::Full | History::Depth(_)) => {
                receive::receive(self.repo, link, self.deadline, &plan, self.progress)
            }
            _ => Ok(None),
        };
        let brought = received.and_then(|received| match received {
            Some(received) => Ok(received),
            None => self.attempt_all(reference, history),
        });
        brought.map_err(|error| self.named(error))
    }

    /// Fetches what the refspecs say; a shallow repository stays as shallow as it is.
    pub(super) fn follow(&self, refspecs: &[String]) -> Result<(), CloneError> {
        self.fetch(&mut self.remote()?, refspecs, None).map_err(|error| self.named(error))
    }

    /// Brings one more commit, and what is missing of its history, to a repository that has some.
    pub(super) fn more(&self, commit: &str, history: History) -> Result<(), CloneError> {
        self.attempt_all(Some(commit), history).map(drop).map_err(|error| self.named(error))
    }

    /// What broke in the link says more than what libgit2 made of it.
    fn named(&self, error: CloneError) -> CloneError {
        let is_vague = matches!(error, CloneError::Git(_) | CloneError::Pack(_));
        match self.link.and_then(Link::failure) {
            Some(failure) if is_vague => CloneError::Link(failure),
            _ if is_vague && Instant::now() >= self.deadline => CloneError::Time,
            _ => error,
        }
    }

    fn attempt_all(&self, reference: Option<&str>, history: History) -> Result<(Want, Oid), CloneError> {
        let mut last = CloneError::Empty;
        // One conversation for both, as long as the server does not refuse the first attempt.
        let mut remote = self.remote()?;
        for (want, refspecs, depth) in self.plan(&mut remote, reference, history)? {
            let fetched = self.fetch(&mut remote, &refspecs, depth).and_then(|()| match (history, depth) {
                (History::Since(since), Some(_)) => self.deepen(&refspecs, since),
                _ => Ok(()),
            });
            let found = fetched.and_then(|()| match reference::resolve(self.repo, &want) {
                Some(commit) => Ok(commit),
                None => Err(CloneError::NoReference(want.name().to_owned())),
            });
            match found {
                Ok(commit) => return Ok((want, commit)),
                Err(error) if signal::interrupted() => return Err(error),
                Err(error) => last = error,
            }
            // A server that went over a limit is not asked again.
            if self.link.is_some_and(Link::is_spent) {
                break;
            }
        }
        Err(last)
    }

    /// Asks the server what it has and turns that into attempts.
    fn plan(
        &self,
        remote: &mut Remote<'_>,
        wanted: Option<&str>,
        history: History,
    ) -> Result<Vec<Attempt>, CloneError> {
        remote.connect(Direction::Fetch).map_err(git)?;
        let advertised: Vec<Advertised> = remote
            .list()
            .map_err(git)?
            .iter()
            .map(|head| Advertised {
                name: head.name().to_owned(),
                oid: head.oid(),
                symref: head.symref_target().map(str::to_owned),
            })
            .collect();
        self.attempts(&advertised, wanted, history)
    }

    fn attempts(
        &self,
        advertised: &[Advertised],
        wanted: Option<&str>,
        history: History,
    ) -> Result<Vec<Attempt>, CloneError> {
        let depth = match history {
            // Only the smart way knows depths.
            _ if self.link.is_none() => None,
            History::Full => None,
            History::Depth(depth) => Some(depth.max(1)),
            History::Since(_) => Some(FIRST),
        };
        reference::attempts(advertised, wanted, depth).ok_or_else(|| match wanted {
            Some(name) if !advertised.is_empty() => CloneError::NoReference(name.to_owned()),
            _ => CloneError::Empty,
        })
    }

    /// Goes further back until every end of the history is older than the date. Servers can be asked for a date,
    /// libgit2 cannot ask.
    fn deepen(&self, refspecs: &[String], since: Timestamp) -> Result<(), CloneError> {
        let mut depth = FIRST;
        while depth < DEEPEST && !self.reaches(since)? {
            depth *= DEEPER;
            self.fetch(&mut self.remote()?, refspecs, Some(depth))?;
        }
        Ok(())
    }

    /// Whether the ends of the history are older than the date, or there are none because all of it is here.
    fn reaches(&self, since: Timestamp) -> Result<bool, CloneError> {
        if !self.repo.is_shallow() {
            return Ok(true);
        }
        let path = self.repo.path().join("shallow");
        let bytes =
            RealSystem.read(&path, 16 << 20).map_err(|error| CloneError::Io("read", path.clone(), error))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut ends = text.lines().filter_map(|line| Oid::from_str(line.trim()).ok());
        let is_older = |end| self.repo.find_commit(end).is_ok_and(|end| end.time().seconds() < since.0);
        Ok(ends.all(is_older))
    }

    fn remote(&self) -> Result<Remote<'_>, CloneError> {
        let url = self.link.map_or_else(|| self.url.shown(), Link::url);
        self.repo.remote_anonymous(&url).map_err(git)
    }

    fn fetch(
        &self,
        remote: &mut Remote<'_>,
        refspecs: &[String],
        depth: Option<u32>,
    ) -> Result<(), CloneError> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.transfer_progress(|stats| {
            let bytes = stats.received_bytes() as u64;
            self.bytes.set(bytes);
            let (objects, total) = (stats.received_objects(), stats.total_objects());
            (self.progress)(Received { objects, total, bytes });
            // Packed densely enough, a few bytes are work for hours.
            !signal::interrupted() && bytes <= self.limit && Instant::now() < self.deadline
        });
        let mut options = FetchOptions::new();
        options.remote_callbacks(callbacks).download_tags(AutotagOption::None).update_fetchhead(false);
        if let Some(depth) = depth {
            options.depth(i32::try_from(depth).unwrap_or(i32::MAX));
        }
        remote.fetch(refspecs, Some(&mut options), Some("clone")).map_err(git)
    }
}
