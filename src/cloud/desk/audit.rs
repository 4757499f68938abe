//! What the desk does is written down: who asked, for what, and how it ended. No secret is in it.

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Desk;
use super::away::{Kind, More};
use super::part::Miss;
use crate::base::error::{ErrorKind, Fault};
use crate::base::text::counted;
use crate::cloud::audit::{Record, Who, append_all};
use crate::cloud::provider::Provider;
use crate::ipc::cloud::{CloudRequest, CloudResponse, Unrecorded};
use crate::sys::dirs::Dirs;
use crate::sys::{caller, clock, process};

/// The log in the state directory.
pub const AUDIT: &str = "audit.log";

/// How a switch ended whose identity nobody has proved.
pub const UNVERIFIED: &str = "ok, not verified";

/// How long a record waits for others.
const MOMENT: Duration = Duration::from_millis(10);

/// The most records that are written at once.
const TOGETHER: usize = 512;

/// Credentials on their way to a tool.
pub(super) struct Handing<'a> {
    pub(super) profile: &'a str,
    pub(super) provider: Provider,
    pub(super) way: &'a str,
    /// The process that asks, where it is known.
    pub(super) who: Option<u32>,
}

/// Writes records one after the other, so that nobody who waits for credentials waits for the disk.
pub(super) struct Recorder {
    records: Sender<Record>,
    thread: JoinHandle<()>,
}

/// The log of a home, and what it could not take since it took a record last.
pub(super) struct Log {
    path: PathBuf,
    lost: Mutex<Lost>,
    noted: Box<dyn Fn(String) -> bool + Send + Sync>,
}

/// Records that could not be written.
#[derive(Default)]
struct Lost {
    count: usize,
    why: String,
    /// Whether the service's log has it.
    noted: bool,
}

impl Log {
    pub(super) fn of(dirs: &Dirs, noted: Box<dyn Fn(String) -> bool + Send + Sync>) -> Self {
        Self { path: dirs.state.join(AUDIT), lost: Mutex::default(), noted }
    }

    /// What could not be written since it could be written last.
    pub(super) fn unrecorded(&self) -> Option<Unrecorded> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        (lost.count > 0).then(|| Unrecorded { count: lost.count as u64, why: lost.why.clone() })
    }

    /// Writes records. A log that cannot be written costs the records, not the credentials: whoever could fill the disk could stop
    /// all work. The service's log says so once, who asks is told, and how many it cost stands before the next ones.
    fn write(&self, mut records: Vec<Record>) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let count = lost.count + records.len();
        if lost.count > 0 {
            let words = format!("{} could not be written", counted(lost.count, "record"));
            let who = Who::new(None, Some(process::owner().0), caller::Caller::default());
            let (event, result) = ("lost".to_owned(), words);
            let at = clock::now();
            records.insert(0, Record { at, who, event, profile: None, provider: None, kind: None, result });
        }
        let Err(error) = append_all(&self.path, records) else {
            *lost = Lost::default();
            return;
        };
        let why = Fault::from(error).one_line();
        let noted =
            lost.noted || (self.noted)(format!("credentials are handed over without a record: {why}"));
        *lost = Lost { count, why, noted };
    }
}

impl Recorder {
    fn begin(log: Arc<Log>) -> Option<Self> {
        let (sender, records) = channel::<Record>();
        let write = move || {
            while let Ok(first) = records.recv() {
                // What comes at the same time goes together: each write waits for the disk, and to be woken by each record would
                // cost more than the record.
                thread::sleep(MOMENT);
                let together = std::iter::once(first).chain(records.try_iter()).take(TOGETHER).collect();
                log.write(together);
            }
        };
        let thread = thread::Builder::new().name("audit".into()).spawn(write).ok()?;
        Some(Self { records: sender, thread })
    }

    /// Returns when all is on the disk.
    fn end(self) {
        drop(self.records);
        let _ = self.thread.join();
    }
}

impl Desk {
    /// A request through the socket. What a person does is on the disk before it is answered.
    pub(super) fn asked(
        &self,
        who: Option<u32>,
        request: &CloudRequest,
        result: &Result<CloudResponse, Miss>,
    ) {
        let (event, profile, provider, kind) = match request {
            CloudRequest::Use(wanted) => {
                let event = if wanted.check { "check" } else { "use" };
                (event, Some(wanted.profile.clone()), None, wanted.via.clone())
            }
            CloudRequest::Lease(of) => {
                let provider = Provider::of(&of.provider);
                if let Some(provider) = provider {
                    let handing = Handing { profile: &of.profile, provider, way: "credential-process", who };
                    self.handed(&handing, result.as_ref().err());
                }
                return;
            }
            CloudRequest::Unlock(_) => ("unlock", None, None, None),
            CloudRequest::Lock => ("lock", None, None, None),
            CloudRequest::Seal(seal) => ("seal", None, None, Some(seal.name.clone())),
            CloudRequest::Unseal(names) => ("unseal", None, None, Some(names.names.join(" "))),
            CloudRequest::Vault | CloudRequest::Forget(_) => return,
        };
        let mut record = record(who, event, profile, provider, kind, result.as_ref().err());
        if let Ok(CloudResponse::Switch(switch)) = result
            && switch.parts.iter().any(|part| !part.verified)
        {
            record.result = UNVERIFIED.to_owned();
        }
        self.log.write(vec![record]);
    }

    /// Credentials that went to a tool, or did not.
    pub(super) fn handed(&self, handing: &Handing<'_>, miss: Option<&Miss>) {
        let Handing { profile, provider, way, who } = handing;
        let provider = Some(provider.word().to_owned());
        let record =
            record(*who, "hand-over", Some((*profile).to_owned()), provider, Some((*way).to_owned()), miss);
        self.write_down(record);
    }

    /// Has a record written in its turn.
    fn write_down(&self, record: Record) {
        let mut book = self.book();
        if book.recorder.is_none() && !book.ended {
            book.recorder = Recorder::begin(Arc::clone(&self.log));
        }
        let unsent = match &book.recorder {
            Some(recorder) => recorder.records.send(record).err().map(|unsent| unsent.0),
            None => Some(record),
        };
        drop(book);
        if let Some(record) = unsent {
            self.log.write(vec![record]);
        }
    }

    /// Somebody whom a door did not let in. `more` finds the process, and a name that is the reason.
    pub(super) fn turned_away(
        self: &Arc<Self>,
        kind: Kind,
        more: impl FnOnce() -> (Option<u32>, Option<String>),
    ) {
        self.write_counted();
        let Some(kind) = self.book().away.came(kind, clock::now()) else { return self.tend() };
        let (pid, named) = more();
        let why = named.map_or_else(|| kind.why.to_owned(), |named| format!("{}: '{named}'", kind.why));
        self.write_down(not_let_in(kind, pid, why));
    }

    /// Writes down how many more were turned away than stand in the log, once their minute is over.
    pub(super) fn write_counted(&self) {
        let over = self.book().away.over(clock::now());
        over.into_iter().for_each(|more| self.write_down(counted_away(more)));
    }

    /// Closes the doors, and returns when all that was given stands in the log.
    pub fn end(&self) {
        let mut book = self.book();
        book.ended = true;
        let (doors, recorder) = (std::mem::take(&mut book.doors), book.recorder.take());
        let counted: Vec<Record> = book.away.end().into_iter().map(counted_away).collect();
        drop(book);
        drop(doors);
        if let Some(recorder) = recorder {
            recorder.end();
        }
        if !counted.is_empty() {
            self.log.write(counted);
        }
    }
}

fn not_let_in(kind: Kind, pid: Option<u32>, why: String) -> Record {
    let Kind { profile, provider, uid, .. } = kind;
    let provider = provider.map(|provider| provider.word().to_owned());
    let miss = Fault::new(ErrorKind::Refused, why).into();
    let profile = Some(profile).filter(|profile| !profile.is_empty());
    let mut record = record(pid, "hand-over", profile, provider, Some("endpoint".to_owned()), Some(&miss));
    record.who.uid = uid;
    record
}

fn counted_away(more: More) -> Record {
    let why = format!("{}: {} more since {}", more.kind.why, more.count, more.since);
    not_let_in(more.kind, None, why)
}

fn record(
    pid: Option<u32>,
    event: &str,
    profile: Option<String>,
    provider: Option<String>,
    kind: Option<String>,
    miss: Option<&Miss>,
) -> Record {
    // Our own program asks for another's sake: it is that one that is of interest.
    let asker = pid.map(|pid| {
        let (caller, us) = (caller::of(pid), process::id());
        let (exe, own) = (caller.exe.as_ref(), caller::of(us).exe);
        let parent = if is_ours((exe, process::name(pid)), (own.as_ref(), process::name(us))) {
            caller::parent(pid)
        } else {
            None
        };
        parent.map_or((pid, caller), |parent| (parent, caller::of(parent)))
    });
    let uid = Some(process::owner().0);
    let who = match asker {
        Some((pid, caller)) => Who::new(Some(pid), uid, caller),
        None => Who::new(None, uid, caller::Caller::default()),
    };
    let result = miss.map_or_else(|| "ok".to_owned(), |miss| Fault::from(miss.clone()).one_line());
    Record { at: clock::now(), who, event: event.to_owned(), profile, provider, kind, result }
}

/// Whether a process runs our program, by its file and its name. One that has read a secret is closed to its own user, and so
/// are its file and its directory to us, unless we are root; its name is not.
fn is_ours(of: (Option<&PathBuf>, Option<String>), own: (Option<&PathBuf>, Option<String>)) -> bool {
    match of.0 {
        Some(exe) => own.0 == Some(exe),
        None => of.1.is_some() && of.1 == own.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_is_closed_is_known_by_its_name() {
        let (here, there) = (PathBuf::from("/bin/devboot"), PathBuf::from("/tmp/devboot"));
        let name = |text: &str| Some(text.to_owned());
        let own = || (Some(&here), name("devboot"));
        assert!(is_ours((Some(&here), name("x")), own()) && is_ours((None, name("devboot")), own()));
        assert!(!is_ours((Some(&there), name("devboot")), own()) && !is_ours((None, name("bash")), own()));
        assert!(!is_ours((None, None), (None, None)));
    }
}
