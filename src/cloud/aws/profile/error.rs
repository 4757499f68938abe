//! What can be wrong with a profile.

use std::fmt;

use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::{nearest, printable};
use crate::cloud::aws::config::Ignored;

/// A profile that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// The profile with the trouble: the one asked for, or one that it leads to.
    pub profile: String,
    /// What is wrong.
    pub trouble: Trouble,
}

/// What is wrong with a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is none of this name. The names there are, and the sections of this name that do not count.
    Unknown(Vec<String>, Vec<Ignored>),
    /// It names a source_profile that is not there, with the names there are.
    UnknownSource(String, Vec<String>),
    /// It names an sso-session that is not there.
    UnknownSession(String),
    /// The chain of source_profiles comes back to where it was: the names, the first again at the end.
    Loop(Vec<String>),
    /// It has a role_arn and both source_profile and credential_source.
    TwoSources,
    /// It has a role_arn and neither source_profile nor credential_source.
    NoSource,
    /// A credential_source that is none of AWS's.
    UnknownHost(String),
    /// It has one of the two keys that belong together; the other is named.
    HalfKeys(&'static str),
    /// What it wants to do needs these properties.
    Missing(&'static str, Vec<&'static str>),
    /// The property has one value in the profile and another in its sso-session.
    Differs(&'static str),
    /// The value of a property has a control character.
    ControlCharacter(&'static str),
    /// Nothing in it says where credentials come from.
    Nothing,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = printable(&self.profile);
        match &self.trouble {
            Trouble::Unknown(..) => write!(f, "there is no AWS profile '{name}'"),
            Trouble::UnknownSource(source, _) => {
                write!(
                    f,
                    "the profile '{name}' names the source_profile '{}', which is not there",
                    printable(source)
                )
            }
            Trouble::UnknownSession(session) => {
                write!(
                    f,
                    "the profile '{name}' names the sso-session '{}', which is not there",
                    printable(session)
                )
            }
            Trouble::Loop(names) => {
                let names: Vec<_> = names.iter().map(|name| printable(name)).collect();
                write!(f, "the source_profiles of '{name}' lead in a circle: {}", names.join(" -> "))
            }
            Trouble::TwoSources => {
                write!(f, "the profile '{name}' has both source_profile and credential_source")
            }
            Trouble::NoSource => {
                write!(
                    f,
                    "the profile '{name}' has role_arn but neither source_profile nor credential_source"
                )
            }
            Trouble::UnknownHost(source) => {
                write!(f, "the profile '{name}' names the credential_source '{}'", printable(source))
            }
            Trouble::HalfKeys(missing) => write!(f, "the profile '{name}' has half a key pair: no {missing}"),
            Trouble::Missing(what, missing) => {
                write!(f, "the profile '{name}' has {what} but not {}", missing.join(", "))
            }
            Trouble::Differs(property) => {
                write!(f, "the profile '{name}' and its sso-session have different values of {property}")
            }
            Trouble::ControlCharacter(property) => {
                write!(f, "the profile '{name}' has a control character in {property}")
            }
            Trouble::Nothing => {
                write!(f, "the profile '{name}' does not say where its credentials come from")
            }
        }
    }
}

impl std::error::Error for ProfileError {}

impl Diagnose for ProfileError {
    fn kind(&self) -> ErrorKind {
        match self.trouble {
            Trouble::ControlCharacter(_) => ErrorKind::Refused,
            _ => ErrorKind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        let did_you_mean = |wanted: &str, known: &[String]| {
            nearest(wanted, known.iter().map(String::as_str)).map(|name| format!("did you mean '{name}'?"))
        };
        match &self.trouble {
            Trouble::Unknown(known, ignored) => {
                let passed_over = ignored.iter().map(|it| {
                    format!("{}: [{}] does not count: {}", it.place, printable(&it.section), it.why)
                });
                passed_over.chain(did_you_mean(&self.profile, known)).collect()
            }
            Trouble::UnknownSource(source, known) => did_you_mean(source, known).into_iter().collect(),
            Trouble::UnknownSession(session) => {
                vec![format!("add a section [sso-session {}], or correct sso_session", printable(session))]
            }
            Trouble::Loop(_) => vec!["a chain must end at a profile with credentials of its own".into()],
            Trouble::TwoSources => vec!["keep the one that is meant".into()],
            Trouble::NoSource => vec!["add source_profile, the profile that may assume the role".into()],
            Trouble::UnknownHost(_) => {
                vec!["it is one of Environment, Ec2InstanceMetadata and EcsContainer".into()]
            }
            _ => Vec::new(),
        }
    }
}
