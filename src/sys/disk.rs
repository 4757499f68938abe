//! File systems: space, type, flags.

use std::io;
use std::path::Path;

/// What holds a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that we may still write.
    pub free: u64,
    /// Bytes in all.
    pub size: u64,
    /// No program on it may be run.
    pub noexec: bool,
    /// Nothing on it may be changed.
    pub read_only: bool,
    /// The type as the mount table has it, such as `ext4`, `nfs4`, `9p`; empty when it is not known.
    pub kind: String,
}

/// The file system that holds `path`.
pub fn disk(path: &Path) -> io::Result<Disk> {
    let found = rustix::fs::statvfs(path)?;
    let flags = found.f_flag;
    // The mount table knows nothing of the links that lead to a path.
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    Ok(Disk {
        free: found.f_bavail.saturating_mul(found.f_frsize),
        size: found.f_blocks.saturating_mul(found.f_frsize),
        noexec: noexec(flags),
        read_only: flags.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        kind: mount_type(&real).unwrap_or_default(),
    })
}

/// Only Linux has the flag in statvfs(3).
#[cfg(target_os = "linux")]
fn noexec(flags: rustix::fs::StatVfsMountFlags) -> bool {
    flags.contains(rustix::fs::StatVfsMountFlags::NOEXEC)
}

#[cfg(not(target_os = "linux"))]
fn noexec(_: rustix::fs::StatVfsMountFlags) -> bool {
    false
}

/// The type in the line of `/proc/self/mounts` whose mount point is the longest above `path`; of two equal ones
/// the later line, which covers the earlier.
fn mount_type(path: &Path) -> Option<String> {
    let table = table()?;
    let above = points(&table).filter(|(point, _)| path.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned())
}

fn table() -> Option<String> {
    std::fs::read_to_string("/proc/self/mounts").ok()
}

/// The mount points of a table, with their types.
fn points(table: &str) -> impl Iterator<Item = (String, &str)> {
    table.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (point, kind) = (words.nth(1)?, words.next()?);
        // Blanks stand as octal escapes: proc(5), and getmntent(3) for the escapes.
        Some((point.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"), kind))
    })
}

/// The file systems that are mounted below a directory: where, as a path from there, and of which type.
pub fn mounts_below(dir: &Path) -> Vec<(String, String)> {
    let real = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    table().map_or_else(Vec::new, |table| below(&table, &real))
}

fn below(table: &str, dir: &Path) -> Vec<(String, String)> {
    let inside = points(table).filter_map(|(point, kind)| {
        let path = Path::new(&point).strip_prefix(dir).ok()?.to_str()?.to_owned();
        (!path.is_empty()).then(|| (path, kind.to_owned()))
    });
    // Of two at one place the later covers the earlier.
    inside.collect::<std::collections::BTreeMap<_, _>>().into_iter().collect()
}

/// The type of the file system that holds `path`, when nobody here is told of what is written on it.
pub fn without_events(path: &Path) -> Option<String> {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    mount_type(&real).filter(|kind| tells_nothing(kind))
}

/// Whether a file system of this type is one on which others may write and nobody here is told: networks, and programs
/// that stand in for a disk.
pub fn tells_nothing(kind: &str) -> bool {
    const KINDS: [&str; 14] = [
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "virtiofs", "vboxsf", "afs", "ceph", "lustre", "gpfs",
        "fuse", "fuseblk",
    ];
    KINDS.contains(&kind) || kind.starts_with("fuse.")
}

/// Whether we may create files in a directory, by access(2): as root on a writable mount always true.
pub fn writable(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]
    use super::*;

    #[test]
    fn what_is_mounted_below_a_directory() {
        let table = "/dev/sda1 / ext4 rw 0 0\nsystemd-1 /p/far\\040data autofs rw 0 0\n\
                     host:/x /p/far\\040data nfs4 rw 0 0\ntmpfs /p tmpfs rw 0 0\nproc /proc proc rw 0 0\n\
                     host:/y /p2 nfs4 rw 0 0\ntmpfs /p/far\\040data/near tmpfs rw 0 0\n";
        let pair = |path: &str, kind: &str| (path.to_owned(), kind.to_owned());
        let expected = [pair("far data", "nfs4"), pair("far data/near", "tmpfs")];
        assert_eq!(below(table, Path::new("/p")), expected);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_link_has_the_type_of_what_it_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/proc/self", &link).unwrap();
        assert_eq!(disk(&link).unwrap().kind, "proc");
    }
}
