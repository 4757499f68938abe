//! The parts whose credentials are access tokens: GCP and Azure.

use super::part::{Lease, Miss};
use super::{Desk, Key};
use crate::base::error::{ErrorKind, Fault};
use crate::cloud::profiles::CredentialProfile;

/// The names in the vault that hold credentials of Google begin so.
pub const GCP_SEALED: &str = "gcp/";

/// The names in the vault that hold service principals begin so.
pub const AZURE_SEALED: &str = "azure/";

impl Desk {
    /// Gets a new token.
    pub(super) fn fetch_token(&self, key: &Key, _: &CredentialProfile) -> Result<Lease, Miss> {
        Err(Fault::new(ErrorKind::Failed, format!("no tokens for {} yet", key.provider.title())).into())
    }
}
