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

/// The first line.
const HEADER: &str = r#"{"devboot-audit":1}"#;

/// How every other line begins, up to the hash.
const START: &str = r#"{"before":""#;

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

/// The events of the log in their order, given one by one; none where there is no log. Lines that cannot be read are left out;
/// [`verify`] tells of them.
///
/// # Errors
/// It cannot be read.
pub fn each(path: &Path, mut take: impl FnMut(Record)) -> Result<(), AuditError> {
    let read = append::lines(path, LINE as usize, |line, _| -> io::Result<()> {
        record(line).into_iter().for_each(&mut take);
        Ok(())
    });
    there(path, read)
}

/// Follows the chain of the log from the first line to the last, and tells where it breaks first, and how.
///
/// # Errors
/// It cannot be read.
pub fn check(path: &Path) -> Result<Result<Count, Broken>, AuditError> {
    let mut chain = Chain::default();
    let read = append::lines(path, LINE as usize, |line, whole| chain.add(line, whole).map_err(Stop::Broken));
    match read {
        Err(Stop::Broken(broken)) => Ok(Err(broken)),
        Err(Stop::Unread(error)) => there(path, Err(error)).map(|()| chain.end()),
        Ok(()) => Ok(chain.end()),
    }
}

enum Stop {
    Broken(Broken),
    Unread(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Unread(error)
    }
}

/// No log is one without events.
fn there(path: &Path, read: io::Result<()>) -> Result<(), AuditError> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        read => read.map_err(|cause| AuditError { path: path.into(), act: "read", cause }),
    }
}

fn record(line: &[u8]) -> Option<Record> {
    serde_json::from_slice::<Line>(line).ok()?.record
}

/// The events of a log, in order, as [`each`] gives them.
pub fn records(log: &[u8]) -> impl Iterator<Item = Record> + '_ {
    log.split(|byte| *byte == b'\n').filter_map(record)
}

/// As [`check`], of bytes.
///
/// # Errors
/// Where it breaks first, and how.
pub fn verify(log: &[u8]) -> Result<Count, Broken> {
    let mut chain = Chain::default();
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => chain.add(line, true)?,
            None => chain.add(line, false)?,
        }
    }
    chain.end()
}

/// The chain as far as it was followed.
#[derive(Default)]
struct Chain {
    /// How many lines there were.
    lines: usize,
    /// The hash of the last one.
    before: Option<blake3::Hash>,
    /// Whether the last one was none, and may have been cut off: then the next one says so.
    cut: bool,
    count: Count,
}

impl Chain {
    /// The next line; `whole`: it has its end.
    fn add(&mut self, line: &[u8], whole: bool) -> Result<(), Broken> {
        let broken = |line: usize, why: Why| Err(Broken { line, why });
        self.lines += 1;
        let Some(before) = self.before else { return self.begin(line, whole) };
        let read = serde_json::from_slice::<Line>(line);
        if self.cut {
            match &read {
                Ok(read) if read.torn && read.before == before.to_string() => self.cut = false,
                _ => return broken(self.lines - 1, Why::NoRecord),
            }
        }
        match read {
            // The last line without its end is a part of one, even where it could be read.
            _ if !whole => {
                if !is_part(line, &before) {
                    return broken(self.lines, Why::NoRecord);
                }
                self.count.torn += 1;
                return Ok(());
            }
            Ok(read) if read.before != before.to_string() => return broken(self.lines, Why::Chain),
            Ok(read) => self.count.records += usize::from(read.record.is_some()),
            Err(_) if is_part(line, &before) => {
                self.cut = true;
                self.count.torn += 1;
            }
            Err(_) => return broken(self.lines, Why::NoRecord),
        }
        self.before = Some(blake3::hash(line));
        Ok(())
    }

    fn begin(&mut self, line: &[u8], whole: bool) -> Result<(), Broken> {
        match (line, whole) {
            (line, true) if line == HEADER.as_bytes() => self.before = Some(blake3::hash(line)),
            (line, false) if HEADER.as_bytes().starts_with(line) => self.count.torn = 1,
            (line, true) if line.starts_with(br#"{"devboot-audit":"#) => {
                return Err(Broken { line: 1, why: Why::Newer });
            }
            _ => return Err(Broken { line: 1, why: Why::NoLog }),
        }
        Ok(())
    }

    fn end(self) -> Result<Count, Broken> {
        if self.cut { Err(Broken { line: self.lines, why: Why::NoRecord }) } else { Ok(self.count) }
    }
}

/// Whether these bytes can be the beginning of the line after the one of this hash.
fn is_part(bytes: &[u8], before: &blake3::Hash) -> bool {
    let start = format!("{START}{before}\"");
    start.as_bytes().iter().zip(bytes).all(|(wanted, found)| wanted == found)
}

#[cfg(test)]
mod tests;
