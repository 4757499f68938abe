//! Why a profile gives no credentials.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::base::error::{Diagnose, ErrorKind, Fault};
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::cloud::aws::call::CallError;
use crate::cloud::aws::credential_process::ProgramError;
use crate::cloud::aws::endpoint::EndpointError;

/// Why a profile gives no credentials.
#[derive(Debug)]
pub enum ObtainError {
    /// A call failed.
    Call(CallError),
    /// A program failed.
    Program(ProgramError),
    /// A person has to sign in first; to this session or portal.
    SignIn(String),
    /// The code of an MFA device was not given, with the reason.
    NoCode(Fault),
    /// A file with a token cannot be used.
    TokenFile(PathBuf, io::Error),
    /// The profile is one of `aws login`, whose keys only the AWS CLI can use; the profile's name.
    PassedThrough(String),
    /// The sealed keys are temporary ones, and ended then.
    Ended(Timestamp),
    /// What the profile's source gave had ended already.
    Over(Timestamp),
    /// The host has no credentials in this place, with the reason.
    Host(&'static str),
    /// The instance has a role and gives no keys for it, with AWS's code.
    Instance(String),
}

impl fmt::Display for ObtainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Program(error) => error.fmt(f),
            Self::SignIn(session) => write!(f, "nobody is signed in to '{}'", printable(session)),
            Self::NoCode(fault) => fault.fmt(f),
            Self::TokenFile(path, _) => {
                write!(f, "the token in {} cannot be used", printable(&path.to_string_lossy()))
            }
            Self::PassedThrough(profile) => {
                write!(
                    f,
                    "the profile '{}' is one of 'aws login' and gives its keys to AWS's tools only",
                    printable(profile)
                )
            }
            Self::Instance(code) => write!(f, "this instance's role gives no credentials ({code})"),
            Self::Ended(end) => write!(f, "the sealed keys were good until {end}"),
            Self::Over(end) => write!(f, "the credentials that its source gives ended at {end}"),
            Self::Host(why) => write!(f, "the host has no credentials to give: {why}"),
        }
    }
}

impl std::error::Error for ObtainError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Call(error) => error.source(),
            Self::Program(error) => error.source(),
            Self::TokenFile(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Diagnose for ObtainError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Call(error) => error.kind(),
            Self::Program(error) => error.kind(),
            Self::SignIn(_) | Self::Ended(_) | Self::Over(_) => ErrorKind::NeedsUser,
            Self::NoCode(fault) => fault.kind,
            Self::TokenFile(..) | Self::PassedThrough(_) | Self::Host(_) | Self::Instance(_) => {
                ErrorKind::Failed
            }
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Call(error) => error.hints(),
            Self::Program(error) => error.hints(),
            Self::SignIn(_) => {
                vec!["devboot cloud login NAME, with the name of the credential profile".into()]
            }
            Self::NoCode(fault) => fault.hints.clone(),
            Self::Ended(_) => {
                vec!["they cannot be renewed; seal new ones: devboot cloud add NAME --stdin".into()]
            }
            Self::Over(_) => {
                vec!["have the program or host that they come from give new ones, then try again".into()]
            }
            Self::PassedThrough(_) => {
                vec!["as the source of a role it cannot serve; name another source_profile".into()]
            }
            Self::Instance(_) => {
                vec![
                    "the role's trust policy must let ec2.amazonaws.com assume it; a new role takes minutes"
                        .into(),
                ]
            }
            Self::TokenFile(..) | Self::Host(_) => Vec::new(),
        }
    }
}

impl From<CallError> for ObtainError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<EndpointError> for ObtainError {
    fn from(error: EndpointError) -> Self {
        Self::Call(error.into())
    }
}

impl From<ProgramError> for ObtainError {
    fn from(error: ProgramError) -> Self {
        Self::Program(error)
    }
}
