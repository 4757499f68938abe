//! From a credential of Google Cloud to an access token, and to whose it is.

use std::fmt;

use super::credential::{Credential, Impersonated, ServiceAccount, is_machine};
use super::token::{
    Servers, Unsigned, acting_as, metadata, read_acting, read_whose, read_word, statement, whose,
    with_sign_in, with_statement,
};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::address::Address;
use crate::cloud::exchange::Waiting;
use crate::cloud::skew::Skew;
use crate::cloud::token::{Given, TokenError, TokenLease, ask, ask_dated, read_token};

/// Where tokens come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A credential file, or one out of the vault.
    Credential(Credential),
    /// The metadata server of the host.
    Host,
}

/// What obtaining needs from outside.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Google's servers.
    pub servers: &'a Servers,
    /// The environment, for where the host's metadata server is.
    pub var: &'a dyn Fn(&str) -> Option<String>,
    /// How long a call may take.
    pub waiting: Waiting,
    /// This machine's clock.
    pub clock: fn() -> Timestamp,
}

/// Whose a token is, as far as Google said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcpIdentity {
    /// The account.
    pub email: Option<String>,
    /// The account's own project: of a service account its home, of a host where it runs. A person has none.
    pub project: Option<String>,
}

/// Why there is no token.
#[derive(Debug)]
pub enum GcpError {
    /// A token server gave none.
    Token(TokenError),
    /// The key of a service account does not sign.
    Unsigned(Unsigned),
}

impl fmt::Display for GcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::Unsigned(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for GcpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Token(error) => error.source(),
            Self::Unsigned(_) => None,
        }
    }
}

impl Diagnose for GcpError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Token(error) => error.kind(),
            Self::Unsigned(_) => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Token(error) => error.hints(),
            Self::Unsigned(_) => vec!["make a new key in the console and add it".into()],
        }
    }
}

impl From<TokenError> for GcpError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

/// An access token; `scopes` are parted by blanks. A person's token has the scopes that the person agreed to.
///
/// # Errors
/// A server is not reached, refuses, or answers with something that is no token; or a key does not sign.
pub fn obtain(source: &Source, scopes: &str, means: &Means<'_>) -> Result<TokenLease, GcpError> {
    let given = match source {
        Source::Credential(credential) => of_credential(credential, scopes, means)?,
        Source::Host => of_machine(means)?,
    };
    let obtained = (means.clock)();
    let expiration = Timestamp(obtained.0.saturating_add(given.life));
    Ok(TokenLease { token: given.token, audience: scopes.to_owned(), obtained, expiration })
}

/// Whose a token is. A service account is its own proof: the server gave the token for its signature. Others are asked.
///
/// # Errors
/// A server is not reached or gives no answer to that.
pub fn identity(source: &Source, lease: &TokenLease, means: &Means<'_>) -> Result<GcpIdentity, GcpError> {
    let Means { servers, waiting, clock, .. } = *means;
    match source {
        Source::Credential(credential) => {
            if let Some(told) = told(credential) {
                return Ok(told);
            }
            let server = guarded("the server that knows tokens", &servers.token_info)?;
            let email = ask(whose(&server, &lease.token), waiting, clock, read_whose)?;
            Ok(GcpIdentity { email, project: None })
        }
        Source::Host => of_host(means),
    }
}

/// Whose the tokens of a credential are, where it says so itself and nobody has to be asked.
pub fn told(credential: &Credential) -> Option<GcpIdentity> {
    let email = match credential {
        Credential::User(_) | Credential::Machine => return None,
        Credential::ServiceAccount(account) => &account.email,
        Credential::Impersonated(it) => &it.target,
    };
    Some(GcpIdentity { email: Some(email.clone()), project: credential.home() })
}

/// Whose the host's own tokens are.
///
/// # Errors
/// There is no metadata server, or it gives no answer to that.
pub fn of_host(means: &Means<'_>) -> Result<GcpIdentity, GcpError> {
    let server = host(means)?;
    let word = |path| ask(metadata(&server, path), means.waiting, means.clock, read_word);
    let email = word("instance/service-accounts/default/email")?;
    // A cloud shell's machine runs in a project of Google's own, with the person's account.
    let project = is_machine(&email).then(|| word("project/project-id")).transpose()?;
    Ok(GcpIdentity { email: Some(email), project })
}

fn of_credential(credential: &Credential, scopes: &str, means: &Means<'_>) -> Result<Given, GcpError> {
    match credential {
        Credential::User(user) => {
            let server = guarded("Google's token server", &means.servers.token)?;
            Ok(ask(with_sign_in(&server, user), means.waiting, means.clock, read_token)?)
        }
        Credential::ServiceAccount(account) => of_account(account, scopes, means),
        Credential::Impersonated(it) => acting(it, scopes, means),
        Credential::Machine => Ok(of_machine(means)?),
    }
}

fn of_machine(means: &Means<'_>) -> Result<Given, TokenError> {
    let path = "instance/service-accounts/default/token";
    ask(metadata(&host(means)?, path), means.waiting, means.clock, read_token)
}

fn of_account(account: &ServiceAccount, scopes: &str, means: &Means<'_>) -> Result<Given, GcpError> {
    let server = guarded("the service account", &account.token_uri)?;
    let with = |skew: Skew| {
        let statement =
            statement(account, scopes, skew.theirs((means.clock)())).map_err(GcpError::Unsigned)?;
        Ok(ask(with_statement(&server, &statement), means.waiting, means.clock, read_token)?)
    };
    match with(Skew(0)) {
        // The statement has a time; once, it is made again with the server's.
        Err(GcpError::Token(TokenError::Refused(refusal))) if refusal.may_be_clock() => with(refusal.skew),
        result => result,
    }
}

fn acting(it: &Impersonated, scopes: &str, means: &Means<'_>) -> Result<Given, GcpError> {
    let server = guarded("the server for service accounts", &means.servers.iam)?;
    let source: Secret<String> = of_credential(&it.source, super::token::SCOPES, means)?.token;
    let outgoing = acting_as(&server, it, &source, scopes);
    Ok(ask_dated(outgoing, means.waiting, means.clock, read_acting)?)
}

fn guarded(who: &'static str, url: &str) -> Result<Address, TokenError> {
    Address::guarded(url).ok_or_else(|| TokenError::Address(who, url.to_owned()))
}

/// The metadata server: the one that is named, or Google's name for it. No secret is sent to it.
fn host(means: &Means<'_>) -> Result<Address, TokenError> {
    let named = (means.var)("GCE_METADATA_HOST").filter(|host| !host.is_empty());
    let host = named.unwrap_or_else(|| "metadata.google.internal".to_owned());
    Address::parse(&format!("http://{host}"))
        .filter(|address| address.base.is_empty())
        .ok_or(TokenError::Address("GCE_METADATA_HOST", host))
}
