//! The keys of a vault: its own identity, what that is sealed with, and what it seals. The cryptography is age's.

use std::io::{Read, Write};
use std::iter;
use std::str::FromStr;
use std::sync::Arc;

use age::secrecy::{ExposeSecret, SecretString};
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};

use super::error::VaultError;
use crate::base::secret::Secret;
use crate::sys::hardening::LockedBytes;

/// The work of a passphrase, as the power of two that scrypt takes: 64 MB and about a quarter of a second, on a small
/// machine as well. Fixed: age would measure the machine and take whatever a busy moment says.
#[cfg(not(test))]
const WORK: u8 = 16;
#[cfg(test)]
const WORK: u8 = 2;

/// The longest passphrase, in bytes.
const LONGEST: usize = 4096;

/// What the key of a seal is derived for; never to be used for anything else.
const SEAL_CONTEXT: &str = "devboot 2026-11-23 vault 1 seal";

/// What a vault is opened with.
#[derive(Clone, Debug)]
pub enum Key {
    /// The passphrase that it was made with.
    Passphrase(Secret<String>),
    /// The text of an age identity file.
    Identities(Secret<String>),
}

/// What the vault's own identity is sealed with.
#[derive(Clone, Debug)]
pub enum Wrap {
    /// A passphrase, not empty.
    Passphrase(Secret<String>),
    /// An age recipient, `age1…`, whose identity the user keeps.
    Recipient(String),
}

/// How a sealed vault is opened, as its header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlock {
    /// With the passphrase.
    Passphrase,
    /// With the identity of this recipient.
    Recipient(String),
}

/// The vault's own identity, held as text on pages of its own: the one secret that stays while a vault is open.
#[derive(Clone, Debug)]
pub struct VaultKey {
    text: Arc<LockedBytes>,
    recipient: x25519::Recipient,
}

impl VaultKey {
    /// A new one.
    ///
    /// # Errors
    /// There is no memory left.
    pub fn generate() -> Result<Self, VaultError> {
        Self::hold(&x25519::Identity::generate())
    }

    fn hold(identity: &x25519::Identity) -> Result<Self, VaultError> {
        let text = Secret::new(identity.to_string().expose_secret().as_bytes().to_vec());
        let text = LockedBytes::new(&text).map_err(|_| VaultError::Sealing)?;
        Ok(Self { text: Arc::new(text), recipient: identity.to_public() })
    }

    /// The text of an identity, as `age-keygen` writes it.
    fn read(text: &[u8]) -> Option<x25519::Identity> {
        x25519::Identity::from_str(std::str::from_utf8(text).ok()?).ok()
    }

    /// Its public form.
    pub fn recipient(&self) -> String {
        self.recipient.to_string()
    }

    /// Its text, as `age-keygen` writes it: for whoever holds it open after us.
    pub fn text(&self) -> Secret<String> {
        Secret::new(String::from_utf8_lossy(self.text.expose()).into_owned())
    }

    /// Reads that text.
    ///
    /// # Errors
    /// It is none, or there is no memory left.
    pub fn from_text(text: &Secret<String>) -> Result<Self, VaultError> {
        let identity = Self::read(text.expose().as_bytes());
        Self::hold(&identity.ok_or(VaultError::Identities("it is no identity"))?)
    }

    /// Seals it.
    ///
    /// # Errors
    /// The passphrase is empty, or the recipient is none.
    pub fn wrap(&self, wrap: &Wrap) -> Result<(Unlock, Vec<u8>), VaultError> {
        let plain = self.text.expose();
        match wrap {
            Wrap::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(acceptable(passphrase)?);
                recipient.set_work_factor(WORK);
                Ok((Unlock::Passphrase, encrypt(&recipient, plain)?))
            }
            Wrap::Recipient(recipient) => {
                let recipient =
                    x25519::Recipient::from_str(recipient.trim()).map_err(|_| VaultError::Recipient)?;
                Ok((Unlock::Recipient(recipient.to_string()), encrypt(&recipient, plain)?))
            }
        }
    }

    /// Opens a sealed one.
    ///
    /// # Errors
    /// The key is the wrong one or of the wrong kind, or the bytes are damaged.
    pub fn unwrap(wrapped: &[u8], unlock: &Unlock, key: &Key) -> Result<Self, VaultError> {
        let damaged = || VaultError::Corrupt("its key cannot be read");
        let plain = match (unlock, key) {
            (Unlock::Passphrase, Key::Passphrase(passphrase)) => {
                let mut identity = scrypt::Identity::new(acceptable(passphrase)?);
                // A forged file could ask for hours of work.
                identity.set_max_work_factor(WORK);
                decrypt(&identity, wrapped).map_err(|error| match error {
                    DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
                        VaultError::WrongPassphrase
                    }
                    _ => damaged(),
                })?
            }
            (Unlock::Recipient(recipient), Key::Identities(text)) => {
                let wanted = |identity: &x25519::Identity| identity.to_public().to_string() == *recipient;
                let identity = identities(text)?
                    .into_iter()
                    .find(wanted)
                    .ok_or_else(|| VaultError::WrongIdentity(recipient.clone()))?;
                decrypt(&identity, wrapped).map_err(|_| damaged())?
            }
            (Unlock::Passphrase, Key::Identities(_)) => return Err(VaultError::WantsPassphrase),
            (Unlock::Recipient(recipient), Key::Passphrase(_)) => {
                return Err(VaultError::WantsIdentity(recipient.clone()));
            }
        };
        Self::hold(&Self::read(plain.expose()).ok_or_else(damaged)?)
    }

    /// Seals bytes so that only this identity opens them.
    ///
    /// # Errors
    /// age refuses, which it has no reason to.
    pub fn seal(&self, plain: &Secret<Vec<u8>>) -> Result<Vec<u8>, VaultError> {
        encrypt(&self.recipient, plain.expose())
    }

    /// Opens bytes that were sealed for this identity.
    ///
    /// # Errors
    /// They were not, or are damaged.
    pub fn open(&self, sealed: &[u8]) -> Result<Secret<Vec<u8>>, VaultError> {
        let identity = Self::read(self.text.expose()).ok_or(VaultError::Sealing)?;
        decrypt(&identity, sealed).map_err(|_| VaultError::Mixed)
    }

    /// A code over bytes that only this identity can make: anyone could seal something for it.
    pub fn code(&self, bytes: &[u8]) -> blake3::Hash {
        let key = Secret::new(blake3::derive_key(SEAL_CONTEXT, self.text.expose()));
        blake3::keyed_hash(key.expose(), bytes)
    }
}

fn acceptable(passphrase: &Secret<String>) -> Result<SecretString, VaultError> {
    let text = passphrase.expose();
    if text.trim().is_empty() {
        return Err(VaultError::Passphrase("is empty"));
    }
    if text.len() > LONGEST {
        return Err(VaultError::Passphrase("is longer than 4096 bytes"));
    }
    Ok(SecretString::from(text.clone()))
}

/// What seals for the first identity of a file's text.
///
/// # Errors
/// It has none.
pub fn wrap_for(text: &Secret<String>) -> Result<Wrap, VaultError> {
    let first = identities(text)?.into_iter().next().ok_or(VaultError::Identities("it holds no identity"))?;
    Ok(Wrap::Recipient(first.to_public().to_string()))
}

/// The identities of an identity file.
fn identities(text: &Secret<String>) -> Result<Vec<x25519::Identity>, VaultError> {
    let mut found = Vec::new();
    for line in text.expose().lines().map(str::trim) {
        let known = |start: &str| line.get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start));
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let identity = x25519::Identity::from_str(line).map_err(|_| {
            VaultError::Identities(if known("age-encryption.org/") || line.starts_with("-----BEGIN AGE") {
                "it is sealed itself; open it with age first"
            } else if known("AGE-PLUGIN-") {
                "it is for a plugin"
            } else if line.starts_with("-----BEGIN") {
                "it is an SSH key"
            } else {
                "a line of it is no identity"
            })
        })?;
        found.push(identity);
    }
    if found.is_empty() { Err(VaultError::Identities("it holds no identity")) } else { Ok(found) }
}

fn encrypt(recipient: &dyn age::Recipient, plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    let encryptor = Encryptor::with_recipients(iter::once(recipient)).map_err(|_| VaultError::Sealing)?;
    let mut out = Vec::new();
    let mut writer = encryptor.wrap_output(&mut out).map_err(|_| VaultError::Sealing)?;
    writer.write_all(plain).map_err(|_| VaultError::Sealing)?;
    writer.finish().map_err(|_| VaultError::Sealing)?;
    Ok(out)
}

fn decrypt(identity: &dyn age::Identity, sealed: &[u8]) -> Result<Secret<Vec<u8>>, DecryptError> {
    // As large as it can become: a buffer that grows would leave a copy behind.
    let mut plain = Vec::with_capacity(sealed.len());
    let mut reader = Decryptor::new_buffered(sealed)?.decrypt(iter::once(identity))?;
    let result = reader.read_to_end(&mut plain);
    let plain = Secret::new(plain);
    result?;
    Ok(plain)
}
