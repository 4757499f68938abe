//! An open vault as a value: read, change, seal again. Pure but for the randomness of keys.

use super::contents::Contents;
use super::error::VaultError;
use super::format::Sealed;
use super::key::{VaultKey, Wrap};
use crate::base::secret::Secret;

/// An open vault: its identity and the sealed bytes. The entries are opened when they are asked for and not kept.
#[derive(Clone, Debug)]
pub struct Unlocked {
    own: VaultKey,
    sealed: Sealed,
}

impl Unlocked {
    /// A new vault with nothing in it.
    ///
    /// # Errors
    /// The passphrase is empty, or the recipient is none.
    pub fn new(wrap: &Wrap) -> Result<Self, VaultError> {
        Self::made(VaultKey::generate()?, wrap, &Contents::default())
    }

    /// A vault with its identity, once it is sure that the one fits the other.
    ///
    /// # Errors
    /// It does not.
    pub fn of(own: VaultKey, sealed: Sealed) -> Result<Self, VaultError> {
        sealed.open(&own)?;
        Ok(Self { own, sealed })
    }

    fn made(own: VaultKey, wrap: &Wrap, contents: &Contents) -> Result<Self, VaultError> {
        let (unlock, wrapped) = own.wrap(wrap)?;
        let sealed = Sealed::seal(&own, unlock, wrapped, &contents.to_bytes()?)?;
        Ok(Self { own, sealed })
    }

    /// Its identity as text, for whoever holds it open after us.
    pub fn identity(&self) -> Secret<String> {
        self.own.text()
    }

    /// What is to be written.
    pub fn sealed(&self) -> &Sealed {
        &self.sealed
    }

    /// The entries.
    ///
    /// # Errors
    /// What is inside is not what this devboot writes.
    pub fn contents(&self) -> Result<Contents, VaultError> {
        Contents::from_bytes(&self.sealed.open(&self.own)?)
    }

    /// The same vault with other entries.
    ///
    /// # Errors
    /// They are too large.
    pub fn with(&self, contents: &Contents) -> Result<Self, VaultError> {
        let (unlock, wrapped) = self.sealed.wrapping();
        let sealed = Sealed::seal(&self.own, unlock, wrapped, &contents.to_bytes()?)?;
        Ok(Self { own: self.own.clone(), sealed })
    }

    /// The same vault as it is on disk now, opened with the identity that is known here.
    ///
    /// # Errors
    /// It was given another identity meanwhile, or its parts do not belong together.
    pub fn renewed(&self, sealed: Sealed) -> Result<Self, VaultError> {
        if !sealed.is_for(&self.own) {
            return Err(VaultError::Rekeyed);
        }
        Self::of(self.own.clone(), sealed)
    }

    /// The same vault and identity, opened from now on with something else.
    ///
    /// # Errors
    /// The passphrase is empty, or the recipient is none.
    pub fn rewrapped(&self, wrap: &Wrap) -> Result<Self, VaultError> {
        Self::made(self.own.clone(), wrap, &self.contents()?)
    }

    /// The same entries under a new identity: who knew the old one can open no later version.
    ///
    /// # Errors
    /// The passphrase is empty, or the recipient is none.
    pub fn rotated(&self, wrap: &Wrap) -> Result<Self, VaultError> {
        Self::made(VaultKey::generate()?, wrap, &self.contents()?)
    }
}

/// Entries as a vault of their own, sealed with something of its own, to be carried elsewhere.
///
/// # Errors
/// The passphrase is empty, or the recipient is none.
pub fn export(contents: &Contents, wrap: &Wrap) -> Result<String, VaultError> {
    let vault = Unlocked::made(VaultKey::generate()?, wrap, contents)?;
    Ok(vault.sealed.text())
}
