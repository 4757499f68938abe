//! The vault on disk: a file of ours alone, replaced as a whole, by one writer at a time.

use std::path::Path;
use std::time::Duration;

use super::contents::Contents;
use super::error::VaultError;
use super::format::{LIMIT, Sealed};
use super::key::Wrap;
use super::unlocked::Unlocked;
use crate::sys::lock::{Lock, LockError};
use crate::sys::process;
use crate::sys::system::{FileKind, Meta, ReadSystem, WriteSystem, replace};

/// How many links are followed to the vault's directory.
const LINKS: usize = 16;

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes a vault where none is. The directory exists.
///
/// # Errors
/// Something is there already, the passphrase or recipient is none, or the file cannot be written.
pub fn create(system: &dyn WriteSystem, path: &Path, wrap: &Wrap) -> Result<Unlocked, VaultError> {
    let _lock = hold(path)?;
    create_held(system, path, wrap)
}

/// Reads the vault, still sealed.
///
/// # Errors
/// It is missing, no file of ours alone, or not readable as a vault.
pub fn read(system: &dyn ReadSystem, path: &Path) -> Result<Sealed, VaultError> {
    let error = |error| VaultError::Io(path.into(), "read", error);
    check_dir(system, path)?;
    let meta = system.meta(path).map_err(error)?.ok_or_else(|| VaultError::Missing(path.into()))?;
    check(path, &meta, process::owner().0)?;
    let bytes = system.read(path, LIMIT as u64).map_err(|e| match e.kind() {
        std::io::ErrorKind::FileTooLarge => VaultError::TooLarge,
        _ => error(e),
    })?;
    Sealed::read(&bytes)
}

/// Changes the entries of an open vault: reads what is on disk now, lets `edit` change it, and saves it. What `edit` gives
/// comes back; `vault` is what was saved.
///
/// # Errors
/// As [`read`]; or the vault has another key now, another process keeps it, or it cannot be written. Then nothing has
/// changed.
pub fn change<T>(
    system: &dyn WriteSystem,
    path: &Path,
    vault: &mut Unlocked,
    edit: impl FnOnce(&mut Contents) -> T,
) -> Result<T, VaultError> {
    let _lock = hold(path)?;
    change_held(system, path, vault, edit)
}

/// Has the vault opened with something else from now on. Its identity and entries stay.
///
/// # Errors
/// As [`change`]; or the passphrase or recipient is none.
pub fn passwd(
    system: &dyn WriteSystem,
    path: &Path,
    vault: &mut Unlocked,
    wrap: &Wrap,
) -> Result<(), VaultError> {
    let _lock = hold(path)?;
    let next = vault.renewed(read(system, path)?)?.rewrapped(wrap)?;
    save(system, path, next.sealed())?;
    *vault = next;
    Ok(())
}

/// Gives the vault a new identity and seals everything anew.
///
/// # Errors
/// As [`passwd`].
pub fn rotate(
    system: &dyn WriteSystem,
    path: &Path,
    vault: &mut Unlocked,
    wrap: &Wrap,
) -> Result<(), VaultError> {
    let _lock = hold(path)?;
    let next = vault.renewed(read(system, path)?)?.rotated(wrap)?;
    save(system, path, next.sealed())?;
    *vault = next;
    Ok(())
}

fn create_held(system: &dyn WriteSystem, path: &Path, wrap: &Wrap) -> Result<Unlocked, VaultError> {
    match system.meta(path) {
        Ok(None) => {}
        Ok(Some(_)) => return Err(VaultError::Exists(path.into())),
        Err(error) => return Err(VaultError::Io(path.into(), "look at", error)),
    }
    check_dir(system, path)?;
    let vault = Unlocked::new(wrap)?;
    save(system, path, vault.sealed())?;
    Ok(vault)
}

fn change_held<T>(
    system: &dyn WriteSystem,
    path: &Path,
    vault: &mut Unlocked,
    edit: impl FnOnce(&mut Contents) -> T,
) -> Result<T, VaultError> {
    let now = vault.renewed(read(system, path)?)?;
    let mut contents = now.contents()?;
    let given = edit(&mut contents);
    let next = now.with(&contents)?;
    save(system, path, next.sealed())?;
    *vault = next;
    Ok(given)
}

fn save(system: &dyn WriteSystem, path: &Path, sealed: &Sealed) -> Result<(), VaultError> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    replace(system, path, sealed.text().as_bytes(), 0o600)
        .and_then(|()| system.sync(parent))
        .map_err(|error| VaultError::Io(path.into(), "write", error))
}

fn hold(path: &Path) -> Result<Lock, VaultError> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    Lock::take_within(Path::new(&lock), PATIENCE).map_err(|error| match error {
        LockError::Held(pid) => VaultError::Busy(pid),
        LockError::Io(error) => VaultError::Io(path.into(), "lock", error),
    })
}

/// Refuses a directory in which others can put another file in the place of the vault. That they could not take ours away, as where
/// the sticky bit is set, does not help where there is none yet.
fn check_dir(system: &dyn ReadSystem, path: &Path) -> Result<(), VaultError> {
    let mut at = path.parent().unwrap_or(Path::new("/")).to_owned();
    for _ in 0..LINKS {
        let meta = system.meta(&at).map_err(|error| VaultError::Io(path.into(), "look at", error))?;
        match meta {
            Some(Meta { kind: FileKind::Symlink(to), .. }) => {
                at = at.parent().unwrap_or(Path::new("/")).join(to);
            }
            Some(meta) => return dir_is_ours(&at, &meta, process::owner().0),
            None => return Ok(()),
        }
    }
    Ok(())
}

fn dir_is_ours(path: &Path, meta: &Meta, us: u32) -> Result<(), VaultError> {
    match meta {
        // The administrator could do anything anyway.
        meta if meta.uid != us && meta.uid != 0 => Err(VaultError::DirOwner(path.into(), meta.uid)),
        meta if meta.mode & 0o022 != 0 => Err(VaultError::Dir(path.into(), meta.mode)),
        _ => Ok(()),
    }
}

/// Whether a file may be a vault of `us`.
fn check(path: &Path, meta: &Meta, us: u32) -> Result<(), VaultError> {
    let what = match &meta.kind {
        FileKind::File if meta.uid != us => return Err(VaultError::Owner(path.into(), meta.uid)),
        FileKind::File if meta.mode & 0o077 != 0 => return Err(VaultError::Mode(path.into(), meta.mode)),
        FileKind::File => return Ok(()),
        FileKind::Dir => "directory",
        FileKind::Symlink(_) => "symbolic link",
        FileKind::Other(what) => what,
    };
    Err(VaultError::NoFile(path.into(), what))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::base::secret::Secret;
    use crate::base::time::Timestamp;
    use crate::cloud::vault::Key;
    use crate::sys::memory::MemorySystem;
    use crate::sys::real::RealSystem;

    const AT: &str = "/home/u/vault";

    fn passphrase(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    fn wrap(text: &str) -> Wrap {
        Wrap::Passphrase(passphrase(text))
    }

    fn put(contents: &mut Contents, name: &str) {
        contents.put(name, Secret::new(format!("secret of {name}")), Timestamp(0)).unwrap();
    }

    fn opened(system: &dyn ReadSystem, path: &Path, text: &str) -> Result<Contents, VaultError> {
        read(system, path)?.unlock(&Key::Passphrase(passphrase(text)))?.contents()
    }

    #[test]
    fn a_vault_on_disk_lives_through_all_its_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault");
        let system = RealSystem;
        assert!(matches!(read(&system, &path), Err(VaultError::Missing(_))));
        let mut vault = create(&system, &path, &wrap("one")).unwrap();
        assert!(matches!(create(&system, &path, &wrap("one")), Err(VaultError::Exists(_))));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        let mut second = read(&system, &path).unwrap().unlock(&Key::Passphrase(passphrase("one"))).unwrap();
        change(&system, &path, &mut vault, |contents| put(contents, "a")).unwrap();
        change(&system, &path, &mut second, |contents| put(contents, "b")).unwrap();
        assert_eq!(opened(&system, &path, "one").unwrap().len(), 2, "no change is lost between two writers");
        passwd(&system, &path, &mut vault, &wrap("two")).unwrap();
        assert!(matches!(opened(&system, &path, "one"), Err(VaultError::WrongPassphrase)));
        change(&system, &path, &mut second, |contents| put(contents, "c")).unwrap();
        assert_eq!(
            opened(&system, &path, "two").unwrap().len(),
            3,
            "who has the identity goes on after passwd"
        );
        rotate(&system, &path, &mut vault, &wrap("three")).unwrap();
        let after = change(&system, &path, &mut second, |contents| put(contents, "d"));
        assert!(matches!(after, Err(VaultError::Rekeyed)));
        assert_eq!(opened(&system, &path, "three").unwrap().len(), 3);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn what_others_could_have_touched_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault");
        let system = RealSystem;
        let mut vault = create(&system, &path, &wrap("one")).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o644] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(matches!(read(&system, &path), Err(VaultError::Mode(_, found)) if found == mode));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let real = dir.path().join("real");
        fs::rename(&path, &real).unwrap();
        symlink(&real, &path).unwrap();
        assert!(matches!(read(&system, &path), Err(VaultError::NoFile(_, "symbolic link"))));
        let bytes = fs::read(&real).unwrap();
        assert!(change(&system, &path, &mut vault, |contents| put(contents, "a")).is_err());
        assert!(create(&system, &path, &wrap("one")).is_err(), "nothing is written through a link");
        assert_eq!(fs::read(&real).unwrap(), bytes);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(read(&system, &path), Err(VaultError::NoFile(_, "directory"))));
        let meta = system.meta(&real).unwrap().unwrap();
        assert!(
            matches!(check(&real, &meta, meta.uid + 1), Err(VaultError::Owner(_, uid)) if uid == meta.uid)
        );
    }

    #[test]
    fn a_directory_in_which_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("own");
        fs::create_dir(&own).unwrap();
        let (path, system) = (own.join("vault"), RealSystem);
        let mode = |mode: u32| fs::set_permissions(&own, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o777);
        assert!(matches!(create(&system, &path, &wrap("one")), Err(VaultError::Dir(_, 0o777))));
        mode(0o755);
        let mut vault = create(&system, &path, &wrap("one")).unwrap();
        let link = dir.path().join("link");
        symlink("own", &link).unwrap();
        for open in [0o777, 0o1777, 0o775] {
            mode(open);
            for path in [&path, &link.join("vault")] {
                assert!(matches!(read(&system, path), Err(VaultError::Dir(_, found)) if found == open));
            }
            let changed = change(&system, &path, &mut vault, |contents| put(contents, "a"));
            assert!(matches!(changed, Err(VaultError::Dir(..))));
        }
        mode(0o700);
        assert!(read(&system, &path).is_ok() && read(&system, &link.join("vault")).is_ok());
        let meta = system.meta(&own).unwrap().unwrap();
        let others = Meta { uid: meta.uid + 1, ..meta };
        assert!(matches!(dir_is_ours(&own, &others, others.uid - 1), Err(VaultError::DirOwner(..))));
    }

    #[test]
    fn killed_at_any_act_or_out_of_space_the_vault_is_old_or_new() {
        let system = MemorySystem::with(&[("/home/u", crate::sys::memory::Node::Dir(0o700))]);
        let path = Path::new(AT);
        let mut vault = create_held(&system, path, &wrap("one")).unwrap();
        change_held(&system, path, &mut vault, |contents| put(contents, "old")).unwrap();
        let acts = system.acts.get();
        change_held(&system.healed(), path, &mut vault.clone(), |contents| put(contents, "new")).unwrap();
        let mut failures = 0;
        for kill_at in 1..=acts {
            let system = system.healed();
            system.kill_at.set(Some(kill_at));
            failures += usize::from(
                change_held(&system, path, &mut vault.clone(), |contents| put(contents, "new")).is_err(),
            );
            let found = opened(&system.healed(), path, "one").unwrap();
            assert!(found.get("old").is_some(), "killed at act {kill_at}");
            change_held(&system.healed(), path, &mut vault.clone(), |contents| put(contents, "next"))
                .unwrap();
        }
        assert!(failures >= 4, "{failures}");
        let large = |contents: &mut Contents| {
            contents.put("new", Secret::new("x".repeat(4000)), Timestamp(0)).map(drop)
        };
        for space in [0, 1, 100, 4000] {
            let system = system.healed();
            system.space.set(Some(space));
            let mut held = vault.clone();
            let error = change_held(&system, path, &mut held, large).unwrap_err();
            assert!(matches!(error, VaultError::Io(_, "write", _)));
            assert_eq!(opened(&system, path, "one").unwrap().len(), 1);
            assert_eq!(held.contents().unwrap().len(), 1, "what is held is what is on disk");
            assert_eq!(system.tree("/home/u").len(), 2, "nothing is left beside it");
        }
    }
}
