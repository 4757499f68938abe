//! Files that only grow: one writer at a time, each piece whole and durable before the next.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, Mode};

/// Adds a piece to the end of a file of ours alone, which is made where it is missing. `piece` is told the last `tail`
/// bytes that are there, and whether they are all, while no other process can add anything. What was written is on the
/// disk when this returns; after a crash or on a full disk a part of the piece may be there.
///
/// # Errors
/// A symbolic link, something that is no file, or a file of another user is there; or it cannot be written.
pub fn append(path: &Path, tail: u64, piece: impl FnOnce(&[u8], bool) -> Vec<u8>) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file belongs to another user"));
    }
    if meta.mode() & 0o077 != 0 {
        rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    }
    // Where there are no locks, the kernel still puts each piece behind the other.
    let _ = rustix::fs::flock(&file, FlockOperation::LockExclusive);
    let length = file.metadata()?.len();
    let mut end = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(tail)))?;
    Read::by_ref(&mut file).take(tail).read_to_end(&mut end)?;
    let is_new = length == 0;
    file.write_all(&piece(&end, length <= tail))?;
    file.sync_data()?;
    match path.parent() {
        Some(parent) if is_new => sync_dir(parent),
        _ => Ok(()),
    }
}

/// The lines of such a file in their order, one at a time: each without its newline, and whether it had one. Of a line longer than
/// `longest` bytes the beginning alone. Nothing is in memory but the line.
///
/// # Errors
/// It cannot be read; `line` gives up with an error of its own.
pub fn lines<E: From<io::Error>>(
    path: &Path,
    longest: usize,
    mut line: impl FnMut(&[u8], bool) -> Result<(), E>,
) -> Result<(), E> {
    let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file").into());
    }
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut found = Vec::new();
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return if found.is_empty() { Ok(()) } else { line(&found, false) };
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        found.extend_from_slice(&part[..part.len().min(longest.saturating_sub(found.len()))]);
        let taken = part.len() + usize::from(end.is_some());
        reader.consume(taken);
        if end.is_some() {
            line(&found, true)?;
            found.clear();
        }
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        // Some network file systems have no fsync for directories.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn lines_are_read_one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let long = "x".repeat(100_000);
        fs::write(&path, format!("a\n\n{long}\nend")).unwrap();
        let mut found = Vec::new();
        lines(&path, 70_000, |line, whole| -> io::Result<()> {
            found.push((line.len(), whole));
            Ok(())
        })
        .unwrap();
        assert_eq!(found, [(1, true), (0, true), (70_000, true), (3, false)]);
        fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", &path).unwrap();
        assert!(lines(&path, 9, |_, _| -> io::Result<()> { Ok(()) }).is_err());
    }

    #[test]
    fn pieces_of_many_writers_stand_whole_and_know_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        append(&path, 8, |end, _| {
                            let last = String::from_utf8_lossy(end).lines().last().map(str::to_owned);
                            let last: u32 = last.map_or(0, |line| line.parse().unwrap());
                            format!("\n{}", last + 1).into_bytes()
                        })
                        .unwrap();
                    }
                });
            }
        });
        let numbers: Vec<u32> =
            fs::read_to_string(&path).unwrap().lines().skip(1).map(|line| line.parse().unwrap()).collect();
        assert_eq!(numbers, (1..=160).collect::<Vec<_>>());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
    }

    #[test]
    fn only_a_file_of_ours_is_written_and_closed_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "a").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o666)).unwrap();
        symlink(&real, &link).unwrap();
        assert!(append(&link, 8, |_, _| b"b".to_vec()).is_err());
        assert!(append(dir.path(), 8, |_, _| b"b".to_vec()).is_err());
        assert_eq!(fs::read(&real).unwrap(), b"a");
        append(&real, 8, |end, whole| [end, &[u8::from(whole)]].concat()).unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"aa\x01");
        assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o600);
    }
}
