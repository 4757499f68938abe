//! The requests that make access tokens of Google Cloud, and their replies. Pure.

use std::fmt;

use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::json;

use super::credential::{Impersonated, ServiceAccount, User};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::address::Address;
use crate::cloud::exchange::Outgoing;
use crate::cloud::text::{base64url, encode, form};
use crate::cloud::token::{Given, is_token};
use crate::sys::http::Method;

/// What a token is asked for unless a profile says otherwise: all of Google Cloud, as far as the account may, and whose
/// it is.
pub const SCOPES: &str =
    "https://www.googleapis.com/auth/cloud-platform https://www.googleapis.com/auth/userinfo.email";

/// How long a token is asked for, in seconds: the longest that every organisation allows.
const LIFE: i64 = 3600;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// Google's servers, or those that stand for them.
#[derive(Clone, Debug)]
pub struct Servers {
    /// Where a sign-in is turned into a token.
    pub token: String,
    /// Where leave to act as a service account is asked.
    pub iam: String,
    /// Where it is asked whose a token is.
    pub token_info: String,
}

impl Default for Servers {
    fn default() -> Self {
        Self {
            token: super::credential::TOKEN_SERVER.to_owned(),
            iam: "https://iamcredentials.googleapis.com".to_owned(),
            token_info: "https://oauth2.googleapis.com/tokeninfo".to_owned(),
        }
    }
}

/// The key of a service account did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsigned;

impl fmt::Display for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key of the service account does not sign")
    }
}

impl std::error::Error for Unsigned {}

/// The signed statement by which a service account asks for a token; `now` is by the server's clock.
///
/// # Errors
/// The key cannot sign.
pub fn statement(account: &ServiceAccount, scopes: &str, now: Timestamp) -> Result<Secret<String>, Unsigned> {
    let mut header = json!({ "alg": "RS256", "typ": "JWT" });
    if let Some(id) = &account.key_id {
        header["kid"] = json!(id);
    }
    let claims = json!({
        "iss": account.email, "scope": scopes, "aud": account.token_uri,
        "iat": now.0, "exp": now.0.saturating_add(LIFE),
    });
    let signed =
        format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(claims.to_string().as_bytes()));
    let key = RsaKeyPair::from_pkcs8(account.key.expose()).map_err(|_| Unsigned)?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| Unsigned)?;
    Ok(Secret::new(format!("{signed}.{}", base64url(&signature))))
}

/// Asks for a token with a service account's statement.
pub(super) fn with_statement(server: &Address, statement: &Secret<String>) -> Outgoing {
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    post_form(server, &[("grant_type", grant), ("assertion", statement.expose())])
}

/// Asks for a token with a person's sign-in. The scopes are those that the person agreed to.
pub(super) fn with_sign_in(server: &Address, user: &User) -> Outgoing {
    let pairs = [
        ("grant_type", "refresh_token"),
        ("client_id", user.client_id.as_str()),
        ("client_secret", user.client_secret.expose()),
        ("refresh_token", user.refresh_token.expose()),
    ];
    post_form(server, &pairs)
}

/// Asks for a token of a service account that is acted as, with a token of the source.
pub(super) fn acting_as(
    server: &Address,
    it: &Impersonated,
    source: &Secret<String>,
    scopes: &str,
) -> Outgoing {
    let full = |name: &String| format!("projects/-/serviceAccounts/{name}");
    let body = json!({
        "scope": scopes.split(' ').collect::<Vec<_>>(), "lifetime": format!("{LIFE}s"),
        "delegates": it.delegates.iter().map(full).collect::<Vec<_>>(),
    });
    let path = format!("/v1/projects/-/serviceAccounts/{}:generateAccessToken", encode(&it.target));
    Outgoing {
        host: server.host.clone(),
        url: server.url(&path),
        method: Method::Post(JSON, body.to_string().into_bytes()),
        accept: JSON,
        headers: vec![bearer(source)],
    }
}

/// Asks whose a token is, without the token in the address.
pub(super) fn whose(server: &Address, token: &Secret<String>) -> Outgoing {
    Outgoing { headers: vec![bearer(token)], ..post_form(server, &[]) }
}

/// Asks a metadata server for what is at a path below `/computeMetadata/v1/`.
pub(super) fn metadata(server: &Address, path: &str) -> Outgoing {
    Outgoing {
        host: server.host.clone(),
        url: server.url(&format!("/computeMetadata/v1/{path}")),
        method: Method::Get,
        accept: "*/*",
        headers: vec![("metadata-flavor", "Google".to_owned())],
    }
}

fn bearer(token: &Secret<String>) -> (&'static str, String) {
    ("authorization", format!("Bearer {}", token.expose()))
}

fn post_form(server: &Address, pairs: &[(&str, &str)]) -> Outgoing {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Outgoing {
        host: server.host.clone(),
        url: server.url(""),
        method: Method::Post(FORM, form(&pairs).into_bytes()),
        accept: JSON,
        headers: Vec::new(),
    }
}

/// Reads the answer to [`acting_as`], whose end is a point in time by Google's clock.
pub(super) fn read_acting(body: &[u8], theirs: Timestamp) -> Option<Given> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply {
        access_token: String,
        expire_time: String,
    }
    let reply: Reply = serde_json::from_slice(body).ok()?;
    let token = Secret::new(reply.access_token);
    let life = Timestamp::parse(&reply.expire_time).ok()?.0.checked_sub(theirs.0)?;
    // Half a day is the longest that Google gives.
    (is_token(token.expose()) && (1..=13 * 3600).contains(&life)).then_some(Given { token, life })
}

/// Reads the answer to [`whose`]: the account, when it is known there and confirmed.
pub(super) fn read_whose(body: &[u8]) -> Option<Option<String>> {
    let reply: serde_json::Value = serde_json::from_slice(body).ok()?;
    reply.get("scope").or_else(|| reply.get("aud"))?;
    let confirmed = match reply.get("email_verified") {
        Some(serde_json::Value::String(text)) => text == "true",
        Some(value) => value.as_bool().unwrap_or_default(),
        None => false,
    };
    let email = reply.get("email").and_then(serde_json::Value::as_str);
    Some(email.filter(|email| confirmed && super::credential::is_email(email)).map(str::to_owned))
}

/// Reads a short plain answer of a metadata server, such as a project's name.
pub(super) fn read_word(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let fits = (1..=254).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic() && c != '<');
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::credential::tests::service_account;
    use super::super::credential::{Credential, TOKEN_SERVER, parse};
    use super::*;
    use crate::cloud::text::decode64;

    fn robot() -> ServiceAccount {
        match parse(service_account(TOKEN_SERVER).as_bytes()) {
            Ok(Credential::ServiceAccount(account)) => account,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_statement_says_who_for_what_where_and_how_long() {
        let text = statement(&robot(), "a b", Timestamp(1000)).unwrap();
        let parts: Vec<_> = text.expose().split('.').map(|part| decode64(part).unwrap()).collect();
        let json = |at: usize| serde_json::from_slice::<serde_json::Value>(&parts[at]).unwrap();
        assert_eq!(json(0), json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        let claims = json!({
            "iss": "robot@p-1.iam.gserviceaccount.com", "scope": "a b", "aud": TOKEN_SERVER, "iat": 1000, "exp": 4600
        });
        assert_eq!((json(1), parts[2].len()), (claims, 256));
    }

    #[test]
    fn no_token_is_in_an_address() {
        let server = Address::parse("https://h/x").unwrap();
        let token = Secret::new("ya29.secret".to_owned());
        let it = Impersonated {
            source: Box::new(Credential::ServiceAccount(robot())),
            target: "t@x.iam".into(),
            delegates: vec!["d@x.iam".into()],
        };
        let acting = acting_as(&server, &it, &token, "a b");
        assert_eq!(acting.url, "https://h/x/v1/projects/-/serviceAccounts/t%40x.iam:generateAccessToken");
        let Method::Post(_, body) = &acting.method else { panic!("{:?}", acting.method) };
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(body).unwrap(),
            json!({"scope": ["a", "b"], "lifetime": "3600s", "delegates": ["projects/-/serviceAccounts/d@x.iam"]})
        );
        assert_eq!(whose(&server, &token).url, "https://h/x");
    }

    #[test]
    fn replies_are_read_and_oddities_are_not() {
        let acting = |text: &str| read_acting(text.as_bytes(), Timestamp(0)).map(|given| given.life);
        assert_eq!(acting(r#"{"accessToken":"a","expireTime":"1970-01-01T01:00:00Z"}"#), Some(3600));
        for odd in [
            r#"{"accessToken":"a","expireTime":"1969-01-01T01:00:00Z"}"#,
            r#"{"accessToken":"a","expireTime":"2999-01-01T01:00:00Z"}"#,
            r#"{"accessToken":"a","expireTime":3600}"#,
            r#"{"accessToken":"a b","expireTime":"1970-01-01T01:00:00Z"}"#,
        ] {
            assert_eq!(acting(odd), None, "{odd}");
        }
        let whose = |text: &str| read_whose(text.as_bytes());
        let me = Some(Some("me@x.org".to_owned()));
        assert_eq!(whose(r#"{"scope":"s","email":"me@x.org","email_verified":"true"}"#), me);
        assert_eq!(whose(r#"{"scope":"s","email":"me@x.org","email_verified":true}"#), me);
        assert_eq!(whose(r#"{"scope":"s","email":"me@x.org"}"#), Some(None));
        assert_eq!(whose(r#"{"scope":"s","email":"me\u001b@x.org","email_verified":true}"#), Some(None));
        assert_eq!(whose("[]"), None);
        assert_eq!(read_word(b" p-1\n").as_deref(), Some("p-1"));
        assert_eq!((read_word(b"<html>"), read_word(b"a b"), read_word(b"")), (None, None, None));
    }
}
