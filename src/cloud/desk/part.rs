//! What the desk holds of one part of a profile, and why it holds nothing.

use serde_json::json;

use super::{AWS_SEALED, AZURE_SEALED, Book, GCP_SEALED, Key};
use crate::base::error::{ErrorKind, Fault};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::cloud::aws::credential_process;
use crate::cloud::aws::lease::AwsLease;
use crate::cloud::azure::obtain as azure;
use crate::cloud::profiles::{CredentialProfile, GcpPart, is_project};
use crate::cloud::provider::Provider;
use crate::cloud::shelf::Ends;
use crate::cloud::standing::Standing;
use crate::cloud::token::TokenLease;
use crate::ipc::cloud as wire;

/// Credentials of a cloud.
#[derive(Clone, Debug)]
pub enum Lease {
    /// Keys of AWS.
    Aws(AwsLease),
    /// An access token of another cloud.
    Token(TokenLease),
}

impl Lease {
    /// When it was got.
    pub fn obtained(&self) -> Timestamp {
        match self {
            Self::Aws(lease) => lease.obtained,
            Self::Token(lease) => lease.obtained,
        }
    }

    /// When it ends.
    pub fn ends(&self) -> Option<Timestamp> {
        match self {
            Self::Aws(lease) => lease.expiration,
            Self::Token(lease) => Some(lease.expiration),
        }
    }

    /// The same, that says an earlier end than its own where there is one.
    pub(super) fn ended_by(mut self, end: Timestamp) -> Self {
        match &mut self {
            Self::Aws(lease) => lease.expiration = Some(lease.expiration.map_or(end, |own| own.min(end))),
            Self::Token(lease) => lease.expiration = lease.expiration.min(end),
        }
        self
    }

    /// When a new one is to be got.
    pub fn refresh_at(&self) -> Option<Timestamp> {
        match self {
            Self::Aws(lease) => lease.refresh_at(),
            Self::Token(lease) => Some(lease.refresh_at()),
        }
    }

    /// As it is sent to a tool.
    pub fn wire(&self) -> wire::Lease {
        let text = match self {
            Self::Aws(lease) => credential_process::answer(lease),
            Self::Token(lease) => Secret::new(
                json!({ "access_token": lease.token.expose(), "expires": lease.expiration.to_string(), "token_type": "Bearer" })
                    .to_string(),
            ),
        };
        wire::Lease { text: wire::Hidden::new(text.expose().as_str()), ends: self.ends() }
    }
}

impl Ends for Lease {
    fn standing(&self, now: Timestamp) -> Standing {
        match self {
            Self::Aws(lease) => lease.standing(now),
            Self::Token(lease) => lease.standing(now),
        }
    }
}

/// Who one is by a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Account, project or tenant.
    pub account: Option<String>,
    /// The role, user or service account.
    pub who: Option<String>,
}

impl Book {
    /// That a lease is of whom the profile is for, as far as is known: it may have been got when nobody could be asked, or for
    /// what the profile said then.
    pub(super) fn meant(&self, key: &Key, profile: &CredentialProfile, lease: &Lease) -> Result<(), Miss> {
        let known = self.known.get(key).filter(|(got, _)| *got == lease.obtained()).map(|(_, known)| known);
        match (lease, &profile.aws, &profile.gcp, &profile.azure) {
            (Lease::Aws(lease), Some(part), ..) => {
                let found = known.and_then(|known| known.account.as_deref()).or(lease.account.as_deref());
                pinned("account", part.account.as_deref(), found)
            }
            (Lease::Token(_), _, Some(part), _) if key.provider == Provider::Gcp => {
                known.map_or(Ok(()), |known| gcp_pinned(&key.profile, part, known))
            }
            (Lease::Token(lease), .., Some(part)) if part.tenant.is_some() => {
                pinned("tenant", part.tenant.as_deref(), azure::identity(lease).tenant.as_deref())
            }
            _ => Ok(()),
        }
    }
}

/// Refuses an identity that is not the one that the profile is for.
pub(super) fn pinned(what: &str, wanted: Option<&str>, found: Option<&str>) -> Result<(), Miss> {
    match (wanted, found) {
        (Some(wanted), Some(found)) if wanted != found => Err(Fault::new(
            ErrorKind::Refused,
            format!(
                "these credentials are those of the {what} {}, and the profile is for {}",
                printable(found),
                printable(wanted)
            ),
        )
        .hint("nothing was handed over; correct the profile or its credentials")
        .into()),
        _ => Ok(()),
    }
}

/// Refuses an identity of Google Cloud that is not the one that the profile is for. An account may work in other projects than
/// its own, so that it is meant to is said by a key of its own.
pub(super) fn gcp_pinned(profile: &str, part: &GcpPart, known: &Known) -> Result<(), Miss> {
    pinned("account", part.account.as_deref(), known.who.as_deref())?;
    let wanted = part.account_project.as_deref().or(part.project.as_deref());
    pinned("project", wanted, known.account.as_deref()).map_err(|miss| match (miss, &known.account) {
        (Miss::Fault(fault), Some(found)) if is_project(found) => Miss::Fault(fault.hint(format!(
            "if an account of {found} is meant: devboot cloud add {profile} --account-project {found}"
        ))),
        (miss, _) => miss,
    })
}

/// Why there is no lease.
#[derive(Clone, Debug)]
pub enum Miss {
    /// The code of this MFA device is needed.
    Code(String),
    /// The cloud could not be asked; a switch need not fail for that.
    Offline(Fault),
    /// Anything else.
    Fault(Fault),
}

impl From<Fault> for Miss {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What is said where nobody can be asked for a code.
pub fn code_needed(device: &str, profile: &str) -> Fault {
    Fault::new(ErrorKind::NeedsUser, format!("the code of the MFA device {} is needed", printable(device)))
        .hint(format!("a person gives it: devboot use {profile}"))
        .hint("or it is made by itself once its seed is sealed: devboot cloud add NAME --mfa DEVICE")
}

/// The names in the vault that may hold the secrets of a profile.
pub fn sealed_names(profile: &CredentialProfile) -> Vec<String> {
    let named = |prefix: &str, name: Option<&String>| name.map(|name| format!("{prefix}{name}"));
    let aws = profile.aws.as_ref().and_then(|part| named(AWS_SEALED, part.profile.as_ref()));
    let gcp = profile.gcp.as_ref().and_then(|part| named(GCP_SEALED, part.sealed.as_ref()));
    let azure = profile.azure.as_ref().and_then(|part| named(AZURE_SEALED, part.sealed.as_ref()));
    [aws, gcp, azure].into_iter().flatten().collect()
}

impl From<Miss> for Fault {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Code(device) => code_needed(&device, "NAME"),
            Miss::Offline(fault) | Miss::Fault(fault) => fault,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_lives_in_the_project_that_is_pinned() {
        let pinned = |project: Option<&str>, account_project: Option<&str>, found: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let part = GcpPart {
                project: owned(project),
                account_project: owned(account_project),
                ..GcpPart::default()
            };
            let known = Known { account: owned(found), who: Some("a@b".into()) };
            gcp_pinned("dev", &part, &known).map_err(|miss| Fault::from(miss).hints.join("; "))
        };
        for (project, account_project, found) in [
            (Some("p"), None, Some("p")),
            (Some("p"), Some("q"), Some("q")),
            (None, None, Some("p")),
            // A person's account lives in none.
            (Some("p"), None, None),
        ] {
            assert_eq!(pinned(project, account_project, found), Ok(()));
        }
        assert!(pinned(Some("p"), None, Some("q")).unwrap_err().ends_with("--account-project q"));
        assert!(pinned(Some("p"), Some("q"), Some("p")).is_err());
        assert!(!pinned(Some("p"), None, Some("q; rm -rf ~")).unwrap_err().contains("rm"));
    }
}
