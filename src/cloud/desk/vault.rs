//! The vault as the desk holds it: open for a while, locked by itself when nobody uses it.

use super::part::Miss;
use super::{Book, Desk};
use crate::base::error::{ErrorKind, Fault};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::totp::{self, Seed};
use crate::cloud::vault::key::VaultKey;
use crate::cloud::vault::{self, Contents, Unlocked, VaultError};
use crate::ipc::cloud as wire;
use crate::sys::clock;
use crate::sys::real::RealSystem;

/// Its name in the directory of devboot's data.
pub const FILE: &str = "vault";

/// For how long it stays open at most, in seconds, unless something else is asked for.
const LONGEST: u64 = 12 * 3600;

/// After how long without use it is locked, in seconds.
const IDLE: u64 = 4 * 3600;

/// An open vault.
pub(super) struct Open {
    vault: Unlocked,
    opened: Timestamp,
    used: Timestamp,
    longest: u64,
    idle: u64,
}

impl Open {
    /// When it is locked by itself, as it looks now.
    pub(super) fn until(&self) -> Timestamp {
        let after = |since: Timestamp, seconds: u64| since.0.saturating_add_unsigned(seconds);
        Timestamp(after(self.opened, self.longest).min(after(self.used, self.idle)))
    }
}

impl Desk {
    fn vault_path(&self) -> std::path::PathBuf {
        self.dirs.data.join(FILE)
    }

    fn vault_exists(&self) -> bool {
        !matches!(vault::file::read(&RealSystem, &self.vault_path()), Err(VaultError::Missing(_)))
    }

    /// Whether there is a vault that has to be opened first.
    pub(super) fn is_locked(&self) -> bool {
        self.book().vault.is_none() && self.vault_exists()
    }

    /// What is said to who needs it open.
    pub(super) fn locked(&self) -> Fault {
        Fault::new(ErrorKind::NeedsUser, "the vault is locked").hint("devboot cloud unlock")
    }

    /// What is sealed under names that begin with `prefix`, without it; nothing while the vault is locked.
    pub(super) fn sealed(&self, prefix: &str) -> Result<Vec<(String, Secret<String>)>, Miss> {
        let Some(contents) = self.contents()? else { return Ok(Vec::new()) };
        let named = contents.iter().filter_map(|(name, entry)| Some((name.strip_prefix(prefix)?, entry)));
        Ok(named.map(|(name, entry)| (name.to_owned(), entry.secret.clone())).collect())
    }

    fn contents(&self) -> Result<Option<Contents>, Miss> {
        let path = self.vault_path();
        let mut book = self.book();
        let Some(open) = &mut book.vault else { return Ok(None) };
        // Another program may have changed it since.
        let sealed = vault::file::read(&RealSystem, &path).map_err(Fault::from)?;
        open.vault = open.vault.renewed(sealed).map_err(Fault::from)?;
        open.used = clock::now();
        Ok(Some(open.vault.contents().map_err(Fault::from)?))
    }

    /// The code of a device whose seed is sealed.
    pub(super) fn totp(&self, device: &str, seed: &Secret<String>) -> Result<Secret<String>, Fault> {
        let seed = Seed::read(seed).map_err(|error| {
            let device = crate::base::text::printable(device);
            Fault::new(ErrorKind::Failed, format!("the sealed seed of {device} gives no code")).cause(error)
        })?;
        let now = clock::now();
        if self.book().steps.insert(device.to_owned(), totp::step(now)) == Some(totp::step(now)) {
            let words = "the code of this moment was used already, and each is taken once";
            return Err(Fault::new(ErrorKind::Failed, words).hint(format!("again in {} s", totp::left(now))));
        }
        Ok(seed.code(now))
    }

    pub(super) fn unlock(&self, unlock: &wire::Unlock) -> Result<wire::VaultStatus, Miss> {
        let sealed = vault::file::read(&RealSystem, &self.vault_path()).map_err(Fault::from)?;
        let key = VaultKey::from_text(&unlock.identity.secret()).map_err(Fault::from)?;
        let vault = Unlocked::of(key, sealed).map_err(Fault::from)?;
        let now = clock::now();
        let open = Open {
            vault,
            opened: now,
            used: now,
            longest: unlock.seconds.unwrap_or(LONGEST),
            idle: unlock.idle.unwrap_or(IDLE),
        };
        self.book().vault = Some(open);
        self.vault_status()
    }

    /// Forgets the key, the leases, and that guarded profiles were opened.
    pub(super) fn lock_vault(&self) -> wire::VaultStatus {
        let mut book = self.book();
        let doors = std::mem::take(&mut book.doors);
        let steps = std::mem::take(&mut book.steps);
        let (recorder, away) = (book.recorder.take(), std::mem::take(&mut book.away));
        *book =
            Book { tended: book.tended, held: book.held, doors, recorder, away, steps, ..Book::default() };
        drop(book);
        self.changed.notify_all();
        let (exists, unrecorded) = (self.vault_exists(), self.log.unrecorded());
        wire::VaultStatus { exists, unrecorded, ..wire::VaultStatus::default() }
    }

    /// How it is. To look at it is not to use it.
    pub(super) fn vault_status(&self) -> Result<wire::VaultStatus, Miss> {
        let used = self.book().vault.as_ref().map(|open| open.used);
        let names =
            self.contents()?.map(|contents| contents.iter().map(|(name, _)| name.to_owned()).collect());
        let until = self.book().vault.as_mut().map(|open| {
            open.used = used.unwrap_or(open.used);
            open.until()
        });
        Ok(wire::VaultStatus {
            exists: self.vault_exists(),
            open: names.is_some(),
            until,
            names: names.unwrap_or_default(),
            unrecorded: self.log.unrecorded(),
        })
    }

    pub(super) fn seal(&self, seal: &wire::Seal) -> Result<wire::VaultStatus, Miss> {
        if seal.name.starts_with(super::MFA_SEEDS) {
            Seed::read(&seal.secret.secret()).map_err(Fault::from)?;
        }
        self.edit(|contents| contents.put(&seal.name, seal.secret.secret(), clock::now()).map(drop))?
            .map_err(|error| {
                Fault::new(ErrorKind::Usage, "the name cannot stand in the vault").cause(error)
            })?;
        self.after_edit()
    }

    pub(super) fn unseal(&self, names: &[String]) -> Result<wire::VaultStatus, Miss> {
        self.edit(|contents| names.iter().for_each(|name| drop(contents.remove(name))))?;
        self.after_edit()
    }

    fn edit<T>(&self, edit: impl FnOnce(&mut Contents) -> T) -> Result<T, Miss> {
        if !self.vault_exists() {
            let words = "there is no vault yet";
            return Err(Fault::new(ErrorKind::NeedsUser, words).hint("devboot cloud init makes one").into());
        }
        let path = self.vault_path();
        let mut book = self.book();
        let Some(open) = &mut book.vault else {
            drop(book);
            return Err(self.locked().into());
        };
        open.used = clock::now();
        Ok(vault::file::change(&RealSystem, &path, &mut open.vault, edit).map_err(Fault::from)?)
    }

    /// Leases that were got with what has changed are got anew.
    fn after_edit(&self) -> Result<wire::VaultStatus, Miss> {
        let mut book = self.book();
        book.shelf.forget(|_| true);
        book.known.clear();
        drop(book);
        self.vault_status()
    }
}
