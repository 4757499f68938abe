//! What the parts have in common whose credentials are access tokens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::aws::Changes;
use super::part::{Lease, Miss};
use super::{Desk, Key};
use crate::base::error::{ErrorKind, Fault};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::cloud::change::Change;
use crate::cloud::exchange::Waiting;
use crate::cloud::profiles::{CredentialProfile, Via};
use crate::cloud::provider::Provider;
use crate::cloud::token::{TokenError, TokenLease};
use crate::ipc::cloud as wire;
use crate::sys::socket;

/// A switch answers within the time that a person waits.
pub(super) const WAITING: Waiting = Waiting { stall: Duration::from_secs(8), total: Duration::from_secs(12) };

impl Desk {
    /// Gets a new token, and proves that it is that of the account or the tenant that the profile is for: nobody is handed
    /// another's.
    pub(super) fn fetch_token(&self, key: &Key, profile: &CredentialProfile) -> Result<TokenLease, Miss> {
        match (key.provider, &profile.gcp, &profile.azure) {
            (Provider::Gcp, Some(part), _) => self.fetch_gcp(key, part),
            (Provider::Azure, _, Some(part)) => self.fetch_azure(key, part),
            _ => {
                let words = format!("the profile '{}' has no part for {}", key.profile, key.provider.title());
                Err(Fault::new(ErrorKind::Usage, words).into())
            }
        }
    }

    /// A secret of the vault that must be there.
    pub(super) fn sealed_one(&self, prefix: &str, name: &str) -> Result<Secret<String>, Miss> {
        if self.is_locked() {
            return Err(self.locked().into());
        }
        let found = self.sealed(prefix)?.into_iter().find(|(own, _)| own == name);
        found.map(|(_, secret)| secret).ok_or_else(|| {
            let words = format!("nothing is sealed under '{}'", printable(&format!("{prefix}{name}")));
            Fault::new(ErrorKind::Failed, words).hint("devboot cloud add NAME --stdin seals it").into()
        })
    }

    pub(super) fn token_of(
        self: &Arc<Self>,
        key: &Key,
        profile: &CredentialProfile,
        via: Via,
        told: &mut wire::Part,
    ) -> Result<Option<TokenLease>, Miss> {
        match self.lease(key, profile, &super::Codes::new()) {
            Ok(Lease::Token(lease)) => Ok(Some(lease)),
            Ok(Lease::Aws(_)) => Ok(None),
            Err(Miss::Offline(fault)) if via != Via::Value => {
                told.note = Some(format!("not verified: {}", fault.one_line()));
                Ok(None)
            }
            Err(miss) => Err(miss),
        }
    }
}

pub(super) fn private(dir: &Path) -> Result<(), Miss> {
    Ok(socket::private_dir(dir).map_err(|unfit| {
        Fault::new(ErrorKind::Failed, format!("cannot use the directory {}", dir.display())).cause(unfit)
    })?)
}

pub(super) fn wired(changes: Vec<Change>) -> Changes {
    let wired = |value: Secret<String>| wire::Hidden::new(value.expose().as_str());
    changes.into_iter().map(|change| (change.name.to_owned(), change.value.map(wired))).collect()
}

pub(super) fn is_offline(error: &TokenError) -> bool {
    matches!(error, TokenError::Unanswered(_) | TokenError::Unavailable(..) | TokenError::NotAnAnswer(..))
}
