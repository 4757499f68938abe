//! A pack from a server: written to the disk as it comes, and indexed by gix-pack, which unpacks and hashes every
//! object. What would take gix-pack too much memory is indexed by libgit2.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use git2::Indexer;
use gix_error::{Error, ErrorExt, message};
use gix_hash::Kind::Sha1;
use gix_pack::data::input::{BytesToEntriesIter, EntryDataMode, Mode};
use gix_pack::data::{EntryRange, Version};
use gix_pack::index;
use gix_utils::progress::Discard;

use super::clone::{CloneError, git};
use super::memory::LARGEST;
use super::weigh::{Verdict, Weighed};
use crate::base::text::printable;
use crate::sys::signal;
use crate::sys::spool::{Mapped, Spool};

/// How many bytes are handed on at once.
const BUFFER: usize = 64 * 1024;

/// Receives a pack into `folder`, under the name that git gives it, and writes its index beside it. `tell` hears of
/// each object that came: how many there are now, and how many are to come in all.
pub(super) fn receive(
    from: impl Read,
    folder: &Path,
    deadline: Instant,
    tell: &dyn Fn(usize, usize),
) -> Result<(), CloneError> {
    let disk = |error| CloneError::Io("write into", folder.to_path_buf(), error);
    let mut pack = Spool::create(&folder.join("tmp_pack")).map_err(disk)?;
    let mut index = Spool::create(&folder.join("tmp_idx")).map_err(disk)?;
    let reader = pack.reader().map_err(disk)?;
    let mut bytes = BufReader::with_capacity(BUFFER, Tee { from, to: &mut pack });
    let failed = |error| failure(error, folder);
    let broken =
        |error: io::Error| failure(error.and_raise(message("what is behind it cannot be read")), folder);

    let entries =
        BytesToEntriesIter::new_from_header(&mut bytes, Mode::Verify, EntryDataMode::KeepAndCrc32, Sha1);
    let entries = entries.map_err(failed)?;
    let mut weighed = Weighed::new(entries, tell);
    let written = index::write_data_iter_to_stream(
        index::Version::V2,
        || Ok((bytes_of, Source { pack: reader.map()?, deadline })),
        &mut weighed,
        Some(1),
        &mut Discard,
        &mut index,
        &AtomicBool::new(false),
        Sha1,
        Some(LARGEST),
        Version::V2,
    );
    let verdict = weighed.verdict;
    drop(weighed);
    match (verdict, written) {
        (Some(Verdict::Large), _) => Err(CloneError::Object),
        (Some(Verdict::Heavy), _) => {
            io::copy(&mut bytes, &mut io::sink()).map_err(broken)?;
            index_by_libgit2(&reader.map().map_err(disk)?, folder, deadline)
        }
        (None, Err(error)) => Err(failed(error)),
        (None, Ok(written)) => {
            if !bytes.fill_buf().map_err(broken)?.is_empty() {
                return Err(CloneError::Pack("it goes on behind its end".into()));
            }
            let name = folder.join(format!("pack-{}", written.data_hash));
            pack.keep(&name.with_extension("pack")).map_err(disk)?;
            index.keep(&name.with_extension("idx")).map_err(disk)
        }
    }
}

/// Whether there is still time, and nobody wants us to stop.
fn goes_on(deadline: Instant) -> bool {
    !signal::interrupted() && Instant::now() < deadline
}

/// What gix-pack's error comes from: the disk, or the server.
fn failure(error: Error, folder: &Path) -> CloneError {
    let io = error.downcast_any_ref::<io::Error>();
    // The system's own errors have a number; what breaks in the link has none.
    if let Some(number) = io.and_then(io::Error::raw_os_error) {
        return CloneError::Io("write into", folder.to_path_buf(), io::Error::from_raw_os_error(number));
    }
    if io.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
        return CloneError::Pack("it ends in the middle".into());
    }
    let mut words: Vec<String> = error.iter_errors().map(ToString::to_string).collect();
    words.dedup();
    CloneError::Pack(printable(&words.join(": ")))
}

/// Indexes a pack that is here as a whole.
fn index_by_libgit2(pack: &[u8], folder: &Path, deadline: Instant) -> Result<(), CloneError> {
    let mut indexer = Indexer::new(None, folder, 0o444, false).map_err(git)?;
    indexer.progress(move |_| goes_on(deadline));
    for part in pack.chunks(BUFFER) {
        indexer.write_all(part).map_err(|error| match error.downcast() {
            Ok(error) => git(error),
            Err(error) => CloneError::Git(printable(&error.to_string())),
        })?;
    }
    indexer.commit().map(drop).map_err(git)
}

/// Writes down what is read.
struct Tee<'a, R> {
    from: R,
    to: &'a mut Spool,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.to.write_all(&into[..count])?;
        Ok(count)
    }
}

/// Where gix-pack reads entries again to unpack them.
struct Source {
    pack: Mapped,
    deadline: Instant,
}

/// The bytes of an entry; `None` ends the whole.
fn bytes_of(range: EntryRange, source: &Source) -> Option<&[u8]> {
    let range = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
    // Packed densely enough, a few bytes are work for hours.
    source.pack.get(range).filter(|_| goes_on(source.deadline))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::disallowed_types)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;
    use std::process::{Command, Stdio};
    use std::sync::OnceLock;
    use std::time::Duration;

    fn run_git(folder: &Path, args: &[&str], stdin: &[u8]) -> Vec<u8> {
        let mut command = Command::new("git");
        command
            .args(["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgSign=false"])
            .args(args)
            .current_dir(folder);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "git {args:?}");
        done.stdout
    }

    /// Packs of one history: deltas by offset, deltas by name, no deltas.
    fn packs() -> &'static [Vec<u8>; 3] {
        static PACKS: OnceLock<[Vec<u8>; 3]> = OnceLock::new();
        PACKS.get_or_init(|| {
            let dir = tempfile::tempdir().unwrap();
            run_git(dir.path(), &["init", "-q"], b"");
            let mut lines: Vec<String> =
                (0..6_000_u64).map(|i| format!("{:x}\n", i * 104_729 * 7919)).collect();
            for number in 0..12 {
                lines[number * 400] = format!("changed {number}\n");
                fs::write(dir.path().join("large"), lines.concat()).unwrap();
                fs::write(dir.path().join("small"), lines[..100].concat()).unwrap();
                fs::write(dir.path().join(format!("empty{number}")), "").unwrap();
                run_git(dir.path(), &["add", "-A"], b"");
                run_git(dir.path(), &["commit", "-q", "-m", &format!("number {number}")], b"");
            }
            run_git(dir.path(), &["tag", "-a", "v1", "-m", "one"], b"");
            let pack = |options: &[&str]| {
                let args = [&["pack-objects", "--all", "--stdout", "-q"], options].concat();
                run_git(dir.path(), &args, b"")
            };
            [pack(&["--delta-base-offset"]), pack(&[]), pack(&["--window=0"])]
        })
    }

    fn in_folder(pack: impl Read) -> (Result<(), CloneError>, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (receive(pack, dir.path(), Instant::now() + Duration::from_secs(600), &|_, _| {}), dir)
    }

    fn summed(mut pack: Vec<u8>) -> Vec<u8> {
        let mut hasher = gix_hash::hasher(Sha1);
        hasher.update(&pack);
        pack.extend(hasher.try_finalize().unwrap().as_slice());
        pack
    }

    /// One byte at a time.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let most = into.len().min(1);
            self.0.read(&mut into[..most])
        }
    }

    #[test]
    fn the_index_is_gits_own_byte_for_byte() {
        for pack in packs() {
            let theirs = tempfile::tempdir().unwrap();
            fs::write(theirs.path().join("x.pack"), pack).unwrap();
            let sum = run_git(theirs.path(), &["index-pack", "x.pack"], b"");
            let name = format!("pack-{}", String::from_utf8(sum).unwrap().trim());
            for (received, dir) in [in_folder(&pack[..]), in_folder(Trickle(pack))] {
                received.unwrap();
                assert_eq!(&fs::read(dir.path().join(format!("{name}.pack"))).unwrap(), pack);
                let index = fs::read(dir.path().join(format!("{name}.idx"))).unwrap();
                assert!(index == fs::read(theirs.path().join("x.idx")).unwrap());
                assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
            }
        }
    }

    #[test]
    fn a_pack_that_is_not_whole_or_claims_too_much_leaves_nothing() {
        let pack = &packs()[0];
        let cases = [
            (pack[..pack.len() / 2].to_vec(), ""),
            ([&pack[..], b"x"].concat(), "behind its end"),
            (b"<html>a page of some kind".to_vec(), "not recognized"),
            (summed(b"PACK\0\0\0\x02\0\0\0\0".to_vec()), ""),
            // Objects by the billion.
            (summed(b"PACK\0\0\0\x02\xff\xff\xff\xff".to_vec()), "too large to fit in memory"),
            // A blob that says it has 4 GB, and has none.
            (
                summed(b"PACK\0\0\0\x02\0\0\0\x01\xbf\xff\xff\xff\x7f\x78\x9c\x03\0\0\0\0\x01".to_vec()),
                "incomplete",
            ),
        ];
        for (bytes, reason) in cases {
            let (received, dir) = in_folder(&bytes[..]);
            let Err(CloneError::Pack(words)) = received else { panic!("{reason}: {received:?}") };
            assert!(words.contains(reason), "{words}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn time_has_an_end() {
        let dir = tempfile::tempdir().unwrap();
        assert!(receive(&packs()[0][..], dir.path(), Instant::now(), &|_, _| {}).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        /// Whatever a server makes of a pack, with its sum set right: refused, or a whole other pack; never a panic,
        /// never a file left from what was refused.
        #[test]
        fn changed_packs_are_refused_or_whole(which in 0..3_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in 0..40_usize) {
            let mut pack = packs()[which].clone();
            pack.truncate(pack.len() - 20);
            let at = at.index(pack.len());
            pack[at] ^= byte;
            pack.drain(at..(at + cut / 8).min(pack.len()));
            let (received, dir) = in_folder(&summed(pack)[..]);
            let files = fs::read_dir(dir.path()).unwrap().count();
            prop_assert_eq!(files, if received.is_ok() { 2 } else { 0 });
        }
    }
}
