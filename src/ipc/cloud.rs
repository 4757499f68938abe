//! What is said about credentials. Types of their own, as in [`super::message`]; what may be a secret is [`Hidden`].

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::base::redact::MASK;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;

/// A text that may be a secret: shown as a mask, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// Takes a text in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The same as a secret.
    pub fn secret(&self) -> Secret<String> {
        Secret::new(self.0.clone())
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What can be asked about credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudRequest {
    /// Switch a shell to a profile: get its leases, prove whose they are, say which variables change. →
    /// [`CloudResponse::Switch`] or [`CloudResponse::Code`]
    Use(Use),
    /// The credentials of one part of a profile. → [`CloudResponse::Lease`] or [`CloudResponse::Code`]
    Lease(OfLease),
    /// Open the vault. → [`CloudResponse::Vault`]
    Unlock(Unlock),
    /// Forget the vault's key and everything that was got with it. → [`CloudResponse::Vault`]
    Lock,
    /// How the vault is. → [`CloudResponse::Vault`]
    Vault,
    /// Put a secret into the vault, in the place of one with that name. → [`CloudResponse::Vault`]
    Seal(Seal),
    /// Take secrets out of the vault. → [`CloudResponse::Vault`]
    Unseal(Names),
    /// Forget the leases of a profile, or of all: the next who asks gets new ones. → [`CloudResponse::Vault`]
    Forget(Forget),
}

/// Switch a shell to a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The profile.
    pub profile: String,
    /// `pointer`, `endpoint` or `value`; `None` is what the profile says.
    #[serde(default)]
    pub via: Option<String>,
    /// A person at a terminal has confirmed it.
    #[serde(default)]
    pub confirmed: bool,
    /// Say only who it is; no variables.
    #[serde(default)]
    pub check: bool,
    /// Codes of MFA devices, by device.
    #[serde(default)]
    pub codes: BTreeMap<String, Hidden>,
}

/// The credentials of one part of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfLease {
    /// The profile.
    pub profile: String,
    /// `aws`, `gcp` or `azure`.
    pub provider: String,
    /// What a token is for: a resource of Azure. Empty is the usual one.
    #[serde(default)]
    pub resource: String,
    /// Codes of MFA devices, by device.
    #[serde(default)]
    pub codes: BTreeMap<String, Hidden>,
}

/// Open the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlock {
    /// The key of its body, in age's form: the asking program has unwrapped it.
    pub identity: Hidden,
    /// For how many seconds it stays open at most.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// After how many seconds without use it is locked.
    #[serde(default)]
    pub idle: Option<u64>,
}

/// A secret for the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Its name.
    pub name: String,
    /// The secret.
    pub secret: Hidden,
}

/// Names of secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The names.
    pub names: Vec<String>,
}

/// Whose leases are forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forget {
    /// The profile; `None` is all.
    #[serde(default)]
    pub profile: Option<String>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudResponse {
    /// A switch.
    Switch(Switch),
    /// Credentials.
    Lease(Lease),
    /// The code of this MFA device is needed: ask again with it.
    Code(String),
    /// How the vault is now.
    Vault(VaultStatus),
}

/// A switch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The variables to set, and those to take away.
    pub changes: Vec<(String, Option<Hidden>)>,
    /// Who one is by it, a part each.
    pub parts: Vec<Part>,
    /// `prod` for a guarded profile.
    #[serde(default)]
    pub guard: Option<String>,
    /// When it ends for good: a person is needed to go on after that. `None`: it goes on as long as it is used.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// Who one is in one cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// `aws`, `gcp` or `azure`.
    pub provider: String,
    /// Account, project or tenant.
    #[serde(default)]
    pub account: Option<String>,
    /// The role, user or service account.
    #[serde(default)]
    pub who: Option<String>,
    /// Whether the cloud itself said so.
    pub verified: bool,
    /// A sentence where it did not, or about how it is handed over.
    #[serde(default)]
    pub note: Option<String>,
    /// What one should know before one relies on it.
    #[serde(default)]
    pub caution: Option<String>,
    /// When the credentials that are held now end.
    #[serde(default)]
    pub ends: Option<Timestamp>,
}

/// Credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The credentials in JSON, in the form of the cloud's own tools; for AWS that of `credential_process`.
    pub text: Hidden,
    /// When they end.
    #[serde(default)]
    pub ends: Option<Timestamp>,
}

/// How the vault is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultStatus {
    /// Whether there is one.
    pub exists: bool,
    /// Whether it is open.
    pub open: bool,
    /// When it is locked by itself, as it looks now.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The names of what is in it, while it is open.
    #[serde(default)]
    pub names: Vec<String>,
    /// What could not be written down since the audit log could be written last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrecorded: Option<Unrecorded>,
}

/// What does not stand in the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrecorded {
    /// How many records.
    pub count: u64,
    /// Why the last one could not be written.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let request = CloudRequest::Seal(Seal { name: "aws/dev".into(), secret: Hidden::new("wJalr") });
        assert_eq!(format!("{request:?}"), format!("Seal(Seal {{ name: \"aws/dev\", secret: {MASK} }})"));
    }
}
