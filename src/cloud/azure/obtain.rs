//! From a credential of Azure to an access token for one resource, and to whose it is.

use std::fmt;

use super::token::{
    AUTHORITY, AzureIdentity, HostEndpoint, ServicePrincipal, claims, is_resource, is_tenant, of_host,
    read_host, with_secret,
};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::cloud::address::Address;
use crate::cloud::exchange::Waiting;
use crate::cloud::token::{TokenError, TokenLease, ask, ask_dated, read_token};

/// Where a virtual machine's account is asked for.
const MACHINE: &str = "http://169.254.169.254";

/// Where tokens come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A service principal.
    Principal(ServicePrincipal),
    /// The host's own account, found by the host's variables; the id of one of several.
    Host(Option<String>),
}

/// What obtaining needs from outside.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The server for signing in; [`AUTHORITY`] but for sovereign clouds and tests.
    pub authority: &'a str,
    /// The environment, for where the host gives tokens.
    pub var: &'a dyn Fn(&str) -> Option<String>,
    /// How long a call may take.
    pub waiting: Waiting,
    /// This machine's clock.
    pub clock: fn() -> Timestamp,
}

/// Why there is no token.
#[derive(Debug)]
pub enum AzureError {
    /// A server gave none.
    Token(TokenError),
    /// A text is no tenant.
    Tenant(String),
    /// A text is no resource.
    Resource(String),
}

impl fmt::Display for AzureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(error) => error.fmt(f),
            Self::Tenant(text) => write!(f, "'{}' is no tenant of Azure", printable(text)),
            Self::Resource(text) => write!(f, "'{}' is no resource of Azure", printable(text)),
        }
    }
}

impl std::error::Error for AzureError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Token(error) => error.source(),
            _ => None,
        }
    }
}

impl Diagnose for AzureError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Token(error) => error.kind(),
            Self::Tenant(_) | Self::Resource(_) => ErrorKind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Token(error) => error.hints(),
            Self::Tenant(_) => vec!["a tenant is an id, or a domain such as contoso.onmicrosoft.com".into()],
            Self::Resource(_) => vec!["a resource is an address such as https://vault.azure.net".into()],
        }
    }
}

impl From<TokenError> for AzureError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

/// An access token for one resource, such as [`MANAGEMENT`](super::token::MANAGEMENT).
///
/// # Errors
/// A name cannot be one; or a server is not reached, refuses, or answers with something that is no token.
pub fn obtain(source: &Source, resource: &str, means: &Means<'_>) -> Result<TokenLease, AzureError> {
    let Means { waiting, clock, .. } = *means;
    if !is_resource(resource) {
        return Err(AzureError::Resource(resource.to_owned()));
    }
    let given = match source {
        Source::Principal(principal) if !is_tenant(&principal.tenant) => {
            return Err(AzureError::Tenant(principal.tenant.clone()));
        }
        Source::Principal(principal) => {
            let authority = if means.authority.is_empty() { AUTHORITY } else { means.authority };
            let server = Address::guarded(authority)
                .ok_or_else(|| TokenError::Address("Azure's server for signing in", authority.to_owned()))?;
            ask(with_secret(&server, principal, resource), waiting, clock, read_token)?
        }
        Source::Host(client_id) => {
            let outgoing = of_host(&host_endpoint(means.var)?, resource, client_id.as_deref());
            ask_dated(outgoing, waiting, clock, read_host)?
        }
    };
    let obtained = clock();
    let expiration = Timestamp(obtained.0.saturating_add(given.life));
    Ok(TokenLease { token: given.token, audience: resource.to_owned(), obtained, expiration })
}

/// Whose a token is, by its own words, which are not verified. Empty when it says nothing that can be read.
pub fn identity(lease: &TokenLease) -> AzureIdentity {
    claims(&lease.token).unwrap_or_default()
}

/// How this host gives tokens of its own account, by its variables, in the order of Azure's SDKs.
///
/// # Errors
/// A variable names an address that is on another machine without TLS, or none.
pub fn host_endpoint(var: &dyn Fn(&str) -> Option<String>) -> Result<HostEndpoint, TokenError> {
    let var = |name: &str| var(name).filter(|value| !value.is_empty());
    let at = |who: &'static str, url: String| {
        Address::of_host(&url).ok_or_else(|| TokenError::Address(who, url.clone()))
    };
    if let (Some(url), Some(secret)) = (var("IDENTITY_ENDPOINT"), var("IDENTITY_HEADER")) {
        return Ok(HostEndpoint::AppService(at("IDENTITY_ENDPOINT", url)?, Secret::new(secret)));
    }
    match var("MSI_ENDPOINT") {
        Some(url) => Ok(HostEndpoint::CloudShell(at("MSI_ENDPOINT", url)?)),
        None => Ok(HostEndpoint::Machine(at("the host", MACHINE.to_owned())?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(vars: &[(&str, &str)]) -> Result<HostEndpoint, TokenError> {
        host_endpoint(&|name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_host_is_found_by_its_variables() {
        let identity =
            [("IDENTITY_ENDPOINT", "http://169.254.130.2:8081/msi/token/"), ("IDENTITY_HEADER", "s")];
        let shell = ("MSI_ENDPOINT", "http://localhost:50342/oauth2/token");
        assert!(matches!(endpoint(&[identity[0], identity[1], shell]), Ok(HostEndpoint::AppService(..))));
        assert!(matches!(endpoint(&[identity[0], shell]), Ok(HostEndpoint::CloudShell(_))));
        assert!(matches!(endpoint(&[("MSI_ENDPOINT", "")]), Ok(HostEndpoint::Machine(_))));
        let far = [("IDENTITY_ENDPOINT", "http://10.0.0.1/t"), identity[1]];
        assert!(matches!(endpoint(&far), Err(TokenError::Address("IDENTITY_ENDPOINT", _))));
    }
}
