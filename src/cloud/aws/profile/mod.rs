//! Where the credentials of a profile come from: the profile and the chain of profiles that it names, as a value.
//! Pure. The order in which a profile's ways are tried is botocore's.

mod error;
mod resolve;

pub use error::{ProfileError, Trouble};
pub use resolve::resolve;

use std::path::PathBuf;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;

/// A profile, ready to be carried out.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The region of its calls.
    pub region: Option<String>,
    /// The account that the file says it belongs to.
    pub account: Option<String>,
    /// Where its credentials come from.
    pub source: Source,
}

/// Where credentials come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Keys that stand in a file.
    Static(StaticKeys),
    /// A role, assumed with the credentials of another source.
    Role(Role, Box<Source>),
    /// A role, assumed with a token of another identity provider; unsigned.
    WebIdentity(WebIdentity),
    /// IAM Identity Center.
    Sso(SsoSource),
    /// A program that prints credentials: its command line, which may hold a secret.
    Program(Secret<String>),
    /// `aws login`: the session's name. Its keys are bound to the AWS CLI, so the profile is passed through by name.
    Login(String),
    /// What the host gives.
    Host(HostSource),
}

/// Keys that stand in a file.
#[derive(Clone, Debug)]
pub struct StaticKeys {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Secret<String>,
    /// The session token, for temporary keys.
    pub session_token: Option<Secret<String>>,
    /// When they end, where that is known.
    pub ends: Option<Timestamp>,
}

/// A role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The profile that names it.
    pub profile: String,
    /// Its ARN.
    pub arn: String,
    /// The name of the session, as CloudTrail shows it.
    pub session_name: Option<String>,
    /// The word that the account's owner wants to hear.
    pub external_id: Option<String>,
    /// The MFA device that has to be asked for a code.
    pub mfa_serial: Option<String>,
    /// How long the session is to last, in seconds. A role assumed from a role lasts an hour at most.
    pub duration: Option<u32>,
    /// The region of the profile that names it.
    pub region: Option<String>,
}

/// A role to assume with a token from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// The role's ARN.
    pub role_arn: String,
    /// The name of the session.
    pub session_name: Option<String>,
    /// The file that holds the token; read anew for each call.
    pub token_file: PathBuf,
    /// How long the session is to last, in seconds.
    pub duration: Option<u32>,
}

/// An account and a role in IAM Identity Center.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsoSource {
    /// The `[sso-session]` that is shared with other profiles; `None` for the older form without one.
    pub session: Option<String>,
    /// The address of the portal.
    pub start_url: String,
    /// The region of the portal.
    pub region: String,
    /// The account.
    pub account: String,
    /// The name of the role.
    pub role: String,
    /// What the token is asked to be good for.
    pub scopes: Vec<String>,
}

/// Which of the host's own credentials are meant, by AWS's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostSource {
    /// `Environment`: variables of the shell.
    Environment,
    /// `Ec2InstanceMetadata`: the instance's role.
    Ec2InstanceMetadata,
    /// `EcsContainer`: the endpoint that the shell's variables name.
    EcsContainer,
}

/// The shortest time for which STS gives a role, in seconds.
const SHORTEST: u32 = 900;

/// For how long it gives one that does not say, in seconds.
const USUAL: u32 = 3600;

impl Source {
    /// Has the role at its end last no longer than so many seconds, as far as STS goes along.
    pub fn last_at_most(&mut self, seconds: u32) {
        let (Self::Role(Role { duration, .. }, _) | Self::WebIdentity(WebIdentity { duration, .. })) = self
        else {
            return;
        };
        *duration = Some(duration.unwrap_or(USUAL).min(seconds.max(SHORTEST)));
    }

    /// Whether its credentials are a role's session already, so that a role assumed with them lasts an hour at most.
    pub fn is_role_session(&self) -> bool {
        match self {
            Self::Role(..) | Self::WebIdentity(_) | Self::Sso(_) => true,
            Self::Host(host) => *host != HostSource::Environment,
            Self::Static(_) | Self::Program(_) | Self::Login(_) => false,
        }
    }

    /// The sign-in that it needs, be it behind roles.
    pub fn sso(&self) -> Option<&SsoSource> {
        match self {
            Self::Role(_, from) => from.sso(),
            Self::Sso(sso) => Some(sso),
            _ => None,
        }
    }

    /// The MFA devices that must be asked before it can be used, the first to be asked first.
    pub fn mfa_devices(&self) -> Vec<&str> {
        match self {
            Self::Role(role, from) => {
                let mut devices = from.mfa_devices();
                devices.extend(role.mfa_serial.as_deref());
                devices
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
