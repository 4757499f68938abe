//! The requests that make access tokens of Azure, their replies, and what a token says of itself. Pure.

use serde::Deserialize;
use serde_json::Value;

use super::profile_file::is_id;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::address::Address;
use crate::cloud::exchange::Outgoing;
use crate::cloud::text::{decode64, form};
use crate::cloud::token::{Given, LONGEST, is_token, whole};
use crate::sys::http::Method;

/// Azure's own server for signing in.
pub const AUTHORITY: &str = "https://login.microsoftonline.com";

/// The resource that stands for Azure itself: what the CLI and Terraform ask for.
pub const MANAGEMENT: &str = "https://management.azure.com/";

/// A program's own account, with a secret.
#[derive(Clone, Debug)]
pub struct ServicePrincipal {
    /// The tenant: its id or one of its domains.
    pub tenant: String,
    /// The program.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret<String>,
}

/// The host's own account, and how the host gives tokens of it.
#[derive(Clone, Debug)]
pub enum HostEndpoint {
    /// App Service, Functions, Container Apps: an address and a secret that the caller sends.
    AppService(Address, Secret<String>),
    /// Cloud Shell: an address alone.
    CloudShell(Address),
    /// A virtual machine.
    Machine(Address),
}

/// Whose a token is, by its own words. The signature is not looked at: only the resource can do that. What is believed is
/// the server that gave the token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AzureIdentity {
    /// The tenant.
    pub tenant: Option<String>,
    /// The person's, program's or host's object.
    pub object: Option<String>,
    /// The program that asked.
    pub client: Option<String>,
    /// A person's name.
    pub user: Option<String>,
}

/// Whether a text names a tenant, by its id or a domain of it, and so is safe as a part of an address.
pub fn is_tenant(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    is_id(text)
        || (text.contains('.')
            && text.len() <= 253
            && text.chars().all(letters)
            && !text.starts_with('.')
            && !text.contains(".."))
}

/// Whether a text is a resource that a token can be for: an address, or a program's id.
pub fn is_resource(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || "-._~/:".contains(c);
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("api://"));
    is_id(text) || rest.is_some_and(|rest| (1..=500).contains(&rest.len()) && rest.chars().all(letters))
}

/// The scope that stands for all of a resource. A resource that ends with a slash keeps it, so there are two then: Azure
/// puts the resource as it is before `/.default`.
pub fn scope_of(resource: &str) -> String {
    format!("{resource}/.default")
}

/// The resource that a scope is of.
pub fn resource_of(scope: &str) -> &str {
    scope.strip_suffix("/.default").unwrap_or(scope)
}

/// Asks for a service principal's token.
pub(super) fn with_secret(authority: &Address, principal: &ServicePrincipal, resource: &str) -> Outgoing {
    let pairs = [
        ("grant_type", "client_credentials".to_owned()),
        ("client_id", principal.client_id.clone()),
        ("client_secret", principal.client_secret.expose().clone()),
        ("scope", scope_of(resource)),
    ];
    let path = format!("/{}/oauth2/v2.0/token", principal.tenant);
    Outgoing { method: body(&pairs), ..get(authority, &path, Vec::new()) }
}

/// Asks the host for a token; `client_id` names one of several accounts that it has.
pub(super) fn of_host(endpoint: &HostEndpoint, resource: &str, client_id: Option<&str>) -> Outgoing {
    let mut pairs = vec![("resource", resource.to_owned())];
    pairs.extend(client_id.map(|id| ("client_id", id.to_owned())));
    let metadata = ("metadata", "true".to_owned());
    let query = |version: &str, pairs: Vec<(&'static str, String)>| {
        let pairs: Vec<_> = std::iter::once(("api-version", version.to_owned())).chain(pairs).collect();
        format!("?{}", form(&owned(&pairs)))
    };
    match endpoint {
        HostEndpoint::AppService(server, secret) => {
            let headers = vec![("x-identity-header", secret.expose().clone()), metadata];
            get(server, &query("2019-08-01", pairs), headers)
        }
        HostEndpoint::CloudShell(server) => {
            Outgoing { method: body(&pairs), ..get(server, "", vec![metadata]) }
        }
        HostEndpoint::Machine(server) => {
            let path = format!("/metadata/identity/oauth2/token{}", query("2018-02-01", pairs));
            get(server, &path, vec![metadata])
        }
    }
}

fn get(server: &Address, path: &str, headers: Vec<(&'static str, String)>) -> Outgoing {
    Outgoing {
        host: server.host.clone(),
        url: server.url(path),
        method: Method::Get,
        accept: "application/json",
        headers,
    }
}

fn owned(pairs: &[(&'static str, String)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

fn body(pairs: &[(&'static str, String)]) -> Method {
    Method::Post("application/x-www-form-urlencoded", form(&owned(pairs)).into_bytes())
}

/// Reads the answer of a host: the end is a point in time, in seconds since 1970 by the host's clock, which is ours.
pub(super) fn read_host(bytes: &[u8], now: Timestamp) -> Option<Given> {
    #[derive(Deserialize)]
    struct Reply {
        access_token: String,
        expires_on: Value,
    }
    let reply: Reply = serde_json::from_slice(bytes).ok()?;
    let token = Secret::new(reply.access_token);
    let life = whole(&reply.expires_on)?.checked_sub(now.0)?;
    (is_token(token.expose()) && (1..=LONGEST).contains(&life)).then_some(Given { token, life })
}

/// What a token says of itself. `None` when it is none that can be read: some of Azure's resources have others.
pub fn claims(token: &Secret<String>) -> Option<AzureIdentity> {
    let mut parts = token.expose().split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let payload = Secret::new(decode64(payload)?);
    let claims: Value = serde_json::from_slice(payload.expose()).ok()?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let id = |name: &str| text(name).filter(|text| is_id(text)).map(str::to_owned);
    let name = |text: &str| (1..=254).contains(&text.len()) && !text.chars().any(char::is_control);
    Some(AzureIdentity {
        tenant: id("tid"),
        object: id("oid"),
        client: id("appid").or_else(|| id("azp")),
        user: text("upn").or_else(|| text("unique_name")).filter(|text| name(text)).map(str::to_owned),
    })
}

#[cfg(test)]
pub(in crate::cloud::azure) mod tests {
    use super::*;
    use crate::cloud::text::base64url;

    pub const ID: &str = "11111111-2222-3333-4444-555555555555";

    fn text(outgoing: &Outgoing) -> String {
        let body = match &outgoing.method {
            Method::Post(_, body) => String::from_utf8(body.clone()).unwrap(),
            _ => String::new(),
        };
        format!("{} {body}", outgoing.url)
    }

    #[test]
    fn requests_are_those_of_azure_s_documents() {
        let server = Address::parse("https://login.example").unwrap();
        let principal = ServicePrincipal {
            tenant: "x.onmicrosoft.com".into(),
            client_id: ID.into(),
            client_secret: Secret::new("a~b&c".into()),
        };
        let asked = text(&with_secret(&server, &principal, "https://vault.azure.net"));
        assert!(asked.starts_with(
            "https://login.example/x.onmicrosoft.com/oauth2/v2.0/token grant_type=client_credentials&"
        ));
        assert!(
            asked.ends_with("&client_secret=a~b%26c&scope=https%3A%2F%2Fvault.azure.net%2F.default"),
            "{asked}"
        );
        let near = Address::parse("http://127.0.0.1:1/msi/token").unwrap();
        let app =
            of_host(&HostEndpoint::AppService(near.clone(), Secret::new("s".into())), MANAGEMENT, Some(ID));
        assert_eq!(
            text(&app).trim_end(),
            format!(
                "http://127.0.0.1:1/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com%2F&client_id={ID}"
            )
        );
        assert_eq!(app.headers[0], ("x-identity-header", "s".to_owned()));
        let shell = text(&of_host(&HostEndpoint::CloudShell(near), MANAGEMENT, None));
        assert_eq!(shell, "http://127.0.0.1:1/msi/token resource=https%3A%2F%2Fmanagement.azure.com%2F");
    }

    #[test]
    fn names_cannot_lead_elsewhere() {
        assert!(is_tenant(ID) && is_tenant("contoso.onmicrosoft.com"));
        for odd in ["", "common", "../x.y", "a/b.c", "a.b?c", ".a", "a..b", "a b.c", "x.y#"] {
            assert!(!is_tenant(odd), "{odd}");
        }
        assert!(is_resource(MANAGEMENT) && is_resource("https://vault.azure.net") && is_resource(ID));
        assert!(is_resource("api://11111111-2222-3333-4444-555555555555"));
        for odd in ["", "https://", "http://x", "https://a b", "https://a?b", "https://a\n", "urn:x"] {
            assert!(!is_resource(odd), "{odd}");
        }
        assert_eq!(resource_of(&scope_of(MANAGEMENT)), MANAGEMENT);
    }

    #[test]
    fn replies_of_hosts_are_read_and_oddities_are_not() {
        let read = |text: &str| read_host(text.as_bytes(), Timestamp(1000)).map(|given| given.life);
        assert_eq!(read(r#"{"access_token":"a","expires_on":"4600"}"#), Some(3600));
        assert_eq!(read(r#"{"access_token":"a","expires_on":4600}"#), Some(3600));
        for odd in [
            r#"{"access_token":"a","expires_on":"1000"}"#,
            r#"{"access_token":"a","expires_on":"-9223372036854775808"}"#,
            r#"{"access_token":"a","expires_on":"2020-01-01"}"#,
            r#"{"access_token":"","expires_on":4600}"#,
            r#"{"access_token":"a"}"#,
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    /// A token that says this of itself.
    pub fn jwt(claims: &Value) -> Secret<String> {
        Secret::new(format!("e30.{}.c2ln", base64url(claims.to_string().as_bytes())))
    }

    #[test]
    fn a_token_says_whose_it_is() {
        let said =
            claims(&jwt(&serde_json::json!({"tid": ID, "oid": "$(id)", "appid": ID, "upn": "a\u{1b}"})));
        let only =
            AzureIdentity { tenant: Some(ID.into()), client: Some(ID.into()), ..AzureIdentity::default() };
        assert_eq!(said, Some(only));
        for odd in ["", "opaque", "a.b", "e30.!!.x", "e30.e30.x.y", "e30.bm8.x"] {
            assert_eq!(claims(&Secret::new(odd.into())), None, "{odd}");
        }
    }
}
