//! Who was given which credentials, and when: lines of JSON, each with the BLAKE3 hash of the line before it.
//!
//! The chain tells a line that was changed, moved or taken out of the middle. It has no key: who can write the file can
//! also write a new one from a line on, or leave the last lines out. A secret has no way in: [`Record`] holds plain text
//! alone, and [`Secret`](crate::base::secret::Secret) is neither text nor JSON.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::error::{Diagnose, ErrorKind};
use crate::base::redact;
use crate::base::text::{plain_json, printable};
use crate::base::time::Timestamp;
use crate::sys::append;
use crate::sys::caller::Caller;
use crate::sys::system::ReadSystem;

/// The first line.
const HEADER: &str = r#"{"devboot-audit":1}"#;

/// How every other line begins, up to the hash.
const START: &str = r#"{"before":""#;

/// The largest log that is read, in bytes: some 200,000 lines.
const LIMIT: u64 = 64 << 20;

/// The longest text in a record, in bytes.
const LONGEST: usize = 1024;

/// More than the longest line: eight texts in which each byte was escaped as six.
const LINE: u64 = 64 << 10;

/// Why the log could not be read or written.
#[derive(Debug)]
pub struct AuditError {
    path: PathBuf,
    act: &'static str,
    cause: io::Error,
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} the audit log {}", self.act, printable(&self.path.to_string_lossy()))
    }
}

impl std::error::Error for AuditError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl Diagnose for AuditError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Failed
    }

    fn hints(&self) -> Vec<String> {
        match self.cause.kind() {
            io::ErrorKind::FileTooLarge => vec!["move it away; devboot begins a new one".into()],
            _ => Vec::new(),
        }
    }
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// The process, where it is known.
    pub pid: Option<u32>,
    /// The user, where it is known.
    pub uid: Option<u32>,
    /// The program.
    pub exe: Option<String>,
    /// Its directory.
    pub cwd: Option<String>,
    /// Its terminal.
    pub tty: Option<String>,
}

impl Who {
    /// A process of this user, and what is known of it.
    pub fn new(pid: Option<u32>, uid: Option<u32>, caller: Caller) -> Self {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        Self { pid, uid, exe: caller.exe.map(text), cwd: caller.cwd.map(text), tty: caller.tty }
    }
}

/// One event. No text in it may hold a secret; what looks like one in `result` is masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub who: Who,
    /// What happened, in one word: `unlock`, `use`, `hand-over`.
    pub event: String,
    /// The profile.
    pub profile: Option<String>,
    /// The cloud.
    pub provider: Option<String>,
    /// The way credentials were handed over, or the kind of what was put in.
    pub kind: Option<String>,
    /// How it ended: `ok`, or why not.
    pub result: String,
}

impl Record {
    fn bounded(mut self) -> Self {
        self.result = redact::line(&self.result);
        let texts = [&mut self.event, &mut self.result].into_iter().chain(
            [
                &mut self.profile,
                &mut self.provider,
                &mut self.kind,
                &mut self.who.exe,
                &mut self.who.cwd,
                &mut self.who.tty,
            ]
            .into_iter()
            .flatten(),
        );
        for text in texts {
            let end = (0..=LONGEST.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or(0));
        }
        self
    }
}

/// One line after the first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    before: String,
    /// The line before was cut off by a crash or a full disk, and this one says so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    torn: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Record>,
}

/// What a whole log holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Events.
    pub records: usize,
    /// Lines that were cut off by a crash or a full disk, the last one included.
    pub torn: usize,
}

/// Where the chain breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The first line is not that of a log.
    NoLog,
    /// A later devboot wrote the log.
    Newer,
    /// It is no record, and nothing says that it was cut off.
    NoRecord,
    /// The line before it was changed, or lines are missing between the two.
    Chain,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.why {
            Why::NoLog => "this is no audit log",
            Why::Newer => "a later devboot wrote this log",
            Why::NoRecord => "not a record",
            Why::Chain => "the line before it was changed, or lines are missing between the two",
        };
        write!(f, "line {}: {what}", self.line)
    }
}

/// Adds an event. It is on the disk when this returns.
///
/// # Errors
/// The log cannot be written. The next event repairs a line that was written in part.
pub fn append(path: &Path, record: Record) -> Result<(), AuditError> {
    append_all(path, vec![record])
}

/// Adds events in their order, with one write and one wait for the disk.
///
/// # Errors
/// As [`append()`].
pub fn append_all(path: &Path, records: Vec<Record>) -> Result<(), AuditError> {
    let records = records.into_iter().map(Record::bounded).collect();
    append::append(path, LINE, |end, whole| piece(end, whole, records)).map_err(|cause| AuditError {
        path: path.into(),
        act: "write",
        cause,
    })
}

/// What is to be written behind the last bytes of a log. `whole`: they are all of it.
fn piece(end: &[u8], whole: bool, records: Vec<Record>) -> Vec<u8> {
    let mut piece = String::new();
    let mut last = if whole && !end.contains(&b'\n') && HEADER.as_bytes().starts_with(end) {
        piece.push_str(&HEADER[end.len()..]);
        piece.push('\n');
        blake3::hash(HEADER.as_bytes())
    } else if let Some(lines) = end.strip_suffix(b"\n") {
        blake3::hash(last_line(lines))
    } else {
        let torn = Line { before: blake3::hash(last_line(end)).to_string(), torn: true, record: None };
        let torn = text(&torn);
        piece.push_str(&format!("\n{torn}\n"));
        blake3::hash(torn.as_bytes())
    };
    for record in records {
        let line = text(&Line { before: last.to_string(), torn: false, record: Some(record) });
        last = blake3::hash(line.as_bytes());
        piece.push_str(&line);
        piece.push('\n');
    }
    piece.into_bytes()
}

fn last_line(bytes: &[u8]) -> &[u8] {
    bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default()
}

fn text(line: &Line) -> String {
    plain_json(&serde_json::to_string(line).unwrap_or_default())
}

/// The bytes of the log; none where there is no log.
///
/// # Errors
/// It cannot be read, or is too large.
pub fn read(system: &dyn ReadSystem, path: &Path) -> Result<Vec<u8>, AuditError> {
    match system.read(path, LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        result => result.map_err(|cause| AuditError { path: path.into(), act: "read", cause }),
    }
}

/// The events of a log, in order. Lines that cannot be read are left out; [`verify`] tells of them.
pub fn records(log: &[u8]) -> impl Iterator<Item = Record> + '_ {
    log.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok()?.record)
}

/// Follows the chain from the first line to the last.
///
/// # Errors
/// Where it breaks first, and how.
pub fn verify(log: &[u8]) -> Result<Count, Broken> {
    let mut count = Count::default();
    let (lines, rest) = match log.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => (&log[..end], &log[end + 1..]),
        None if HEADER.as_bytes().starts_with(log) => {
            return Ok(Count { torn: usize::from(!log.is_empty()), ..count });
        }
        None => return Err(Broken { line: 1, why: Why::NoLog }),
    };
    let mut lines = lines.split(|byte| *byte == b'\n').zip(1..).peekable();
    let mut before = match lines.next() {
        Some((line, _)) if line == HEADER.as_bytes() => blake3::hash(line),
        Some((line, _)) if line.starts_with(br#"{"devboot-audit":"#) => {
            return Err(Broken { line: 1, why: Why::Newer });
        }
        _ => return Err(Broken { line: 1, why: Why::NoLog }),
    };
    let mut last = 1;
    while let Some((line, number)) = lines.next() {
        let own = blake3::hash(line);
        let said_torn = |next: &[u8]| {
            serde_json::from_slice::<Line>(next).is_ok_and(|next| next.torn && next.before == own.to_string())
        };
        match serde_json::from_slice::<Line>(line) {
            Ok(read) if read.before != before.to_string() => {
                return Err(Broken { line: number, why: Why::Chain });
            }
            Ok(read) => count.records += usize::from(read.record.is_some()),
            Err(_) if is_part(line, &before) && lines.peek().is_some_and(|(next, _)| said_torn(next)) => {
                count.torn += 1;
            }
            Err(_) => return Err(Broken { line: number, why: Why::NoRecord }),
        }
        before = own;
        last = number;
    }
    if !rest.is_empty() {
        if !is_part(rest, &before) {
            return Err(Broken { line: last + 1, why: Why::NoRecord });
        }
        count.torn += 1;
    }
    Ok(count)
}

/// Whether these bytes can be the beginning of the line after the one of this hash.
fn is_part(bytes: &[u8], before: &blake3::Hash) -> bool {
    let start = format!("{START}{before}\"");
    start.as_bytes().iter().zip(bytes).all(|(wanted, found)| wanted == found)
}

#[cfg(test)]
mod tests;
