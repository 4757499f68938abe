//! Credential profiles: what `devboot use NAME` switches a shell to. They say where credentials come from and whose they
//! must be; none of them is a secret, so that names can be completed while the vault is locked.

mod file;
mod name;
mod value;

pub use file::{FILE, ProfilesError, parse, read, render, write};
pub use name::{BadName, check_name};
pub use value::{BadValue, check_plain, check_values, is_plain, is_project, is_tenant};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::provider::Provider;

/// Every profile, by name.
pub type Profiles = BTreeMap<String, CredentialProfile>;

/// One profile: the parts are switched together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CredentialProfile {
    /// How careful to be with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
    /// For how many minutes a guarded profile stays open after it was confirmed; an hour unless it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<u32>,
    /// How tools are handed the credentials; by pointer unless it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<AwsPart>,
    /// Google Cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp: Option<GcpPart>,
    /// Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzurePart>,
}

/// How careful to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// Confirmed by a person at a terminal first, open for a limited time, red in the prompt.
    Prod,
}

/// How tools are handed credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// The environment names a program that is asked (AWS), or an endpoint of the service (GCP, Azure). No secret in it.
    Pointer,
    /// The environment names an endpoint of the service, for AWS too. No secret but an endpoint's token, in a file.
    Endpoint,
    /// The environment holds the credentials themselves.
    Value,
}

impl Via {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pointer => "pointer",
            Self::Endpoint => "endpoint",
            Self::Value => "value",
        }
    }
}

/// Where the credentials of the AWS part come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AwsPart {
    /// A profile of `~/.aws/config` and `~/.aws/credentials`, or one whose keys are sealed in the vault. Without one, the
    /// host's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The region, instead of the one that AWS's files say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The account that it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// Where the credentials of the GCP part come from: the first of these that it names; with none, the host's own identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct GcpPart {
    /// A service account's key or a user's credentials, sealed in the vault under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// A credential file: absolute, or below the home directory with `~/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// A configuration of gcloud. Its account and project count; credentials are those of `file`, or gcloud's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// The service account to act as, by means of the credentials above, or of the host's own identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonate: Option<String>,
    /// The project that it is for. The account must live in it, as far as that can be known, unless `account-project` says
    /// another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The account's e-mail that it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The project in which the account must live, where that is not the one that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_project: Option<String>,
}

/// Where the credentials of the Azure part come from: a service principal whose secret is sealed in the vault; without one,
/// the host's managed identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AzurePart {
    /// The service principal's secret, sealed in the vault under this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// The service principal, or the client id of a managed identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The server for signing in, for clouds other than the public one: `https://login.microsoftonline.us`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The tenant that it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The subscription that tools use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<String>,
}

impl CredentialProfile {
    /// The clouds that it has a part for.
    pub fn providers(&self) -> Vec<Provider> {
        let has = [
            (Provider::Aws, self.aws.is_some()),
            (Provider::Gcp, self.gcp.is_some()),
            (Provider::Azure, self.azure.is_some()),
        ];
        has.into_iter().filter(|(_, has)| *has).map(|(provider, _)| provider).collect()
    }

    /// How tools are handed its credentials.
    pub fn via(&self) -> Via {
        self.via.unwrap_or(Via::Pointer)
    }

    /// For how long it stays open once it was confirmed, in seconds; `None` when it is not guarded.
    pub fn open_for(&self) -> Option<u64> {
        self.guard.map(|Guard::Prod| u64::from(self.minutes.unwrap_or(60)) * 60)
    }
}
