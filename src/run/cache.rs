//! Results of stages by the digest of all that they depend on: an unchanged stage is answered with what it printed, and
//! its outputs are put back.
//!
//! Nothing in the store is believed: every byte is compared with its digest when it is taken out, and what does not fit
//! is removed. So a kill, a full disk or a second writer costs at most an entry.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::event::{RunId, StageEnd};
use super::outputs::{self, Content, Output, Problem};
use crate::base::digest::Digest;
use crate::base::text::size;
use crate::project::contents::{self, Contents};
use crate::project::model::Stage;
use crate::sys::real::RealSystem;
use crate::sys::system::{Attributes, ReadSystem, WriteSystem};
use crate::sys::{blob, process, tree};

/// A store of results.
pub struct Cache {
    pub(super) dir: PathBuf,
    /// Bytes that were written since the last time it was made smaller.
    pub(super) written: AtomicU64,
    names: AtomicU64,
}

/// One result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    version: u32,
    end: StageEnd,
    /// The digest of what it printed.
    text: Digest,
    outputs: Vec<Output>,
    /// In which project, and in which run of it.
    #[serde(default)]
    from: Option<(String, RunId)>,
}

/// A result that was taken out.
#[derive(Debug)]
pub struct Replay {
    /// How it ended then.
    pub end: StageEnd,
    /// What it printed.
    pub text: String,
    /// The files that were put back, relative to the root.
    pub restored: Vec<String>,
    /// The run that it is of, when that was one of this project.
    pub from: Option<RunId>,
}

/// What the store knows.
#[derive(Debug)]
pub enum Answer {
    /// The result; the outputs are as they were.
    Hit(Replay),
    /// Nothing, or nothing that can be used, for this reason.
    Miss(Option<String>),
}

const VERSION: u32 = 1;
/// How large an entry may be: one of twenty thousand outputs.
pub(super) const ENTRY: u64 = 16 << 20;
/// How large a result may be in all, in bytes.
const LARGEST: u64 = 512 << 20;

impl Cache {
    /// The store in a directory, which is made when something is kept.
    pub fn new(dir: &Path) -> Self {
        // The first that is kept looks at the size of the whole.
        Self { dir: dir.to_owned(), written: AtomicU64::new(u64::MAX / 2), names: AtomicU64::new(0) }
    }

    /// The result of a stage at this fingerprint, its outputs put back where they are missing or different.
    pub fn replay(
        &self,
        key: &Digest,
        stage: &Stage,
        root: &Path,
        contents: &Arc<Mutex<Contents>>,
    ) -> Answer {
        let path = self.entry(key);
        let Ok(bytes) = RealSystem.read(&path, ENTRY) else { return Answer::Miss(None) };
        let found = serde_json::from_slice(&bytes).ok().filter(|entry: &Entry| entry.fits(stage));
        let text = found.as_ref().and_then(|entry| self.text(&entry.text));
        let (Some(entry), Some(text)) = (found, text) else {
            let _ = RealSystem.remove_file(&path);
            return Answer::Miss(None);
        };
        match self.restore(&entry, stage, root, contents) {
            Ok(restored) => {
                let _ = blob::touch(&path);
                let here =
                    |(project, run): (String, RunId)| (root.to_str() == Some(&*project)).then_some(run);
                Answer::Hit(Replay { end: entry.end, text, restored, from: entry.from.and_then(here) })
            }
            Err(Trouble::Damaged) => {
                let _ = RealSystem.remove_file(&path);
                Answer::Miss(Some("its kept result was damaged".into()))
            }
            Err(Trouble::Stands(why)) => Answer::Miss(Some(why)),
        }
    }

    /// Keeps a result, of this run.
    ///
    /// # Errors
    /// It is not kept; the sentence says why.
    pub fn keep(
        &self,
        key: &Digest,
        (run, end, text): (RunId, &StageEnd, &str),
        stage: &Stage,
        root: &Path,
        contents: &Arc<Mutex<Contents>>,
    ) -> Result<(), String> {
        let mut outputs = outputs::list(stage, root).map_err(|problem| match problem {
            Problem::Missing(names) => format!("its outputs are missing: {}", names.join(", ")),
            Problem::Unfit(why) => why,
        })?;
        let bytes: u64 = outputs.iter().map(Output::size).sum();
        if bytes > LARGEST {
            return Err(format!("its outputs are {}, more than {}", size(bytes), size(LARGEST)));
        }
        digest_all(&mut outputs, contents)?;
        let stored = self.store(key, (run, end, text), outputs, root).map_err(|error| error.to_string());
        self.written.fetch_add(bytes + text.len() as u64, Ordering::Relaxed);
        self.prune_when_due();
        stored
    }

    fn store(
        &self,
        key: &Digest,
        (run, end, text): (RunId, &StageEnd, &str),
        outputs: Vec<Output>,
        root: &Path,
    ) -> io::Result<()> {
        tree::create_private(&self.dir.join("new"))?;
        for output in &outputs {
            if let Content::File { digest: Some(digest), .. } = output.content {
                self.take_in(&root.join(&output.path), &digest)?;
            }
        }
        let from = root.to_str().map(|root| (root.to_owned(), run));
        let text_digest = Digest::of(text.as_bytes());
        let entry = Entry { version: VERSION, end: end.clone(), text: text_digest, outputs, from };
        self.put(&self.blob(&entry.text), text.as_bytes())?;
        self.put(&self.entry(key), &serde_json::to_vec(&entry).map_err(io::Error::other)?)
    }

    /// Copies a file into the store, unless its bytes are there already.
    fn take_in(&self, from: &Path, digest: &Digest) -> io::Result<()> {
        let to = self.blob(digest);
        if RealSystem.meta(&to)?.is_some() {
            return Ok(());
        }
        let new = self.new_name();
        if blob::copy(from, &new, 0o600)? != *digest {
            let _ = RealSystem.remove_file(&new);
            return Err(io::Error::other("an output changed while it was kept"));
        }
        self.place(&new, &to)
    }

    fn put(&self, to: &Path, bytes: &[u8]) -> io::Result<()> {
        let new = self.new_name();
        let attributes = Attributes { mode: 0o600, ..Attributes::default() };
        let written = RealSystem.write_new(&new, bytes, &attributes);
        written.and_then(|()| self.place(&new, to)).inspect_err(|_| drop(RealSystem.remove_file(&new)))
    }

    fn place(&self, new: &Path, to: &Path) -> io::Result<()> {
        tree::create_private(to.parent().unwrap_or(&self.dir))?;
        RealSystem.rename(new, to).inspect_err(|_| drop(RealSystem.remove_file(new)))
    }

    fn text(&self, digest: &Digest) -> Option<String> {
        let bytes = RealSystem.read(&self.blob(digest), ENTRY).ok()?;
        (Digest::of(&bytes) == *digest).then(|| String::from_utf8(bytes).ok())?
    }

    /// Makes the outputs what the entry says; returns what had to be written or removed.
    fn restore(
        &self,
        entry: &Entry,
        stage: &Stage,
        root: &Path,
        contents: &Arc<Mutex<Contents>>,
    ) -> Result<Vec<String>, Trouble> {
        let stands = |problem| match problem {
            Problem::Missing(names) => Trouble::Stands(names.join(", ")),
            Problem::Unfit(why) => Trouble::Stands(why),
        };
        let mut present = outputs::below(stage, root).map_err(stands)?;
        digest_all(&mut present, contents).map_err(Trouble::Stands)?;
        let wanted: HashMap<&str, &Output> =
            entry.outputs.iter().map(|output| (output.path.as_str(), output)).collect();
        let mut changed = Vec::new();
        // Deepest first, so that directories are empty when their turn comes.
        for output in present.iter().rev() {
            let other = wanted.get(output.path.as_str());
            let same_kind = other.is_some_and(|other| other.is_dir() == output.is_dir());
            if !same_kind {
                self.clear_away(output, root)?;
                changed.push(output.path.clone());
            }
        }
        let present: HashSet<&Output> = present.iter().collect();
        for output in &entry.outputs {
            if !present.contains(output) {
                self.put_back(output, root)?;
                changed.push(output.path.clone());
            }
        }
        Ok(changed)
    }

    /// Removes what a replayed stage would not have left; only what the store could give back.
    fn clear_away(&self, output: &Output, root: &Path) -> Result<(), Trouble> {
        let path = root.join(&output.path);
        let done = match output.content {
            Content::Dir => RealSystem.remove_dir(&path),
            Content::File { digest: Some(digest), .. } if self.holds(&digest) => {
                RealSystem.remove_file(&path)
            }
            Content::File { .. } => {
                return Err(Trouble::Stands(format!("{} is no output of an earlier run", output.path)));
            }
        };
        done.map_err(|error| Trouble::Stands(format!("{} cannot be removed: {error}", output.path)))
    }

    fn put_back(&self, output: &Output, root: &Path) -> Result<(), Trouble> {
        let failed =
            |error: io::Error| Trouble::Stands(format!("{} cannot be put back: {error}", output.path));
        outputs::is_inside(&output.path, root).map_err(Trouble::Stands)?;
        let path = root.join(&output.path);
        let Content::File { digest: Some(digest), .. } = output.content else {
            if RealSystem.meta(&path).map_err(failed)?.is_none() {
                tree::create(&path).map_err(failed)?;
            }
            return RealSystem.set_mode(&path, output.mode).map_err(failed);
        };
        let dir = path.parent().unwrap_or(root);
        tree::create(dir).map_err(failed)?;
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        let new = dir.join(format!(".devboot-{}-{number}.new", process::id()));
        let blob = self.blob(&digest);
        match blob::copy(&blob, &new, output.mode) {
            Ok(found) if found == digest => RealSystem
                .rename(&new, &path)
                .inspect_err(|_| drop(RealSystem.remove_file(&new)))
                .map_err(failed),
            Ok(_) => {
                let _ = RealSystem.remove_file(&new);
                let _ = RealSystem.remove_file(&blob);
                Err(Trouble::Damaged)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Trouble::Damaged),
            Err(error) => Err(failed(error)),
        }
    }

    fn holds(&self, digest: &Digest) -> bool {
        blob_matches(&self.blob(digest), digest)
    }

    pub(super) fn blob(&self, digest: &Digest) -> PathBuf {
        named(&self.dir.join("blobs"), digest)
    }

    fn entry(&self, key: &Digest) -> PathBuf {
        named(&self.dir.join("entries"), key)
    }

    fn new_name(&self) -> PathBuf {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        self.dir.join("new").join(format!("{}-{number}", process::id()))
    }
}

/// Why an entry cannot be used.
enum Trouble {
    /// The store lacks something or has it wrong.
    Damaged,
    /// The work tree stands in the way, as the sentence says.
    Stands(String),
}

impl Entry {
    /// Whether it can be of this stage: nothing in it leads out of the declared outputs.
    fn fits(&self, stage: &Stage) -> bool {
        let declared = outputs::declared(stage);
        let below = |path: &str| {
            let rest = |name: &&str| {
                path.strip_prefix(*name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            declared.iter().any(rest)
        };
        self.version == VERSION && self.outputs.iter().all(|output| below(&output.path))
    }

    /// The blobs that it needs.
    pub(super) fn blobs(&self) -> impl Iterator<Item = Digest> + '_ {
        let of_output = |output: &Output| match output.content {
            Content::File { digest, .. } => digest,
            Content::Dir => None,
        };
        self.outputs.iter().filter_map(of_output).chain([self.text])
    }
}

/// Fills in the digests of files, read only where they have changed since they were last read.
fn digest_all(outputs: &mut [Output], contents: &Arc<Mutex<Contents>>) -> Result<(), String> {
    let paths: Vec<String> = outputs.iter().filter(|o| !o.is_dir()).map(|o| o.path.clone()).collect();
    let found = contents.lock().unwrap_or_else(PoisonError::into_inner).of_all(&paths);
    for (output, found) in outputs.iter_mut().filter(|output| !output.is_dir()).zip(found) {
        match (&mut output.content, found) {
            (Content::File { digest, .. }, contents::Content::File { digest: read, .. }) => {
                *digest = Some(read)
            }
            (_, contents::Content::Unreadable(why)) => {
                return Err(format!("the output {} cannot be read: {why}", output.path));
            }
            _ => return Err(format!("the output {} changes while it is read", output.path)),
        }
    }
    Ok(())
}

fn blob_matches(path: &Path, digest: &Digest) -> bool {
    matches!(crate::sys::content::digest(path), Ok((_, found)) if found == *digest)
}

fn named(dir: &Path, digest: &Digest) -> PathBuf {
    let name = digest.to_string();
    dir.join(&name[..2]).join(&name[2..])
}
