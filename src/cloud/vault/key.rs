//! The keys of a vault: its own identity, what that is sealed with, and what it seals. The cryptography is age's.

use std::io::{Read, Write};
use std::iter;
use std::str::FromStr;

use age::secrecy::{ExposeSecret, SecretString};
use age::{DecryptError, Decryptor, Encryptor, scrypt, x25519};

use super::error::VaultError;
use crate::base::secret::Secret;

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

/// The vault's own identity. Its memory is overwritten on drop.
#[derive(Clone)]
pub struct VaultKey(x25519::Identity);

impl std::fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(crate::base::redact::MASK)
    }
}

impl VaultKey {
    /// A new one.
    pub fn generate() -> Self {
        Self(x25519::Identity::generate())
    }

    /// Its public form.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// Its text, as `age-keygen` writes it.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        self.0.to_string().expose_secret().to_owned()
    }

    /// Seals it.
    ///
    /// # Errors
    /// The passphrase is empty, or the recipient is none.
    pub fn wrap(&self, wrap: &Wrap) -> Result<(Unlock, Vec<u8>), VaultError> {
        let text = self.0.to_string();
        let plain = text.expose_secret().as_bytes();
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
        let text = std::str::from_utf8(plain.expose()).map_err(|_| damaged())?;
        x25519::Identity::from_str(text).map(Self).map_err(|_| damaged())
    }

    /// Seals bytes so that only this identity opens them.
    ///
    /// # Errors
    /// age refuses, which it has no reason to.
    pub fn seal(&self, plain: &Secret<Vec<u8>>) -> Result<Vec<u8>, VaultError> {
        encrypt(&self.0.to_public(), plain.expose())
    }

    /// Opens bytes that were sealed for this identity.
    ///
    /// # Errors
    /// They were not, or are damaged.
    pub fn open(&self, sealed: &[u8]) -> Result<Secret<Vec<u8>>, VaultError> {
        decrypt(&self.0, sealed).map_err(|_| VaultError::Mixed)
    }

    /// A code over bytes that only this identity can make: anyone could seal something for it.
    pub fn code(&self, bytes: &[u8]) -> blake3::Hash {
        let key = blake3::derive_key(SEAL_CONTEXT, self.0.to_string().expose_secret().as_bytes());
        let key = Secret::new(key);
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
