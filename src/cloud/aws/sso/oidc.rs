//! The OIDC server's requests and replies: registering, starting a device code, getting a token. Pure.

use serde::Deserialize;
use serde_json::json;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;

/// A client, registered with the server.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret<String>,
    /// When it ends.
    pub expires: Timestamp,
}

/// A token that opens accounts.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself.
    pub access: Secret<String>,
    /// When it ends.
    pub expires: Timestamp,
    /// What brings the next one without a person.
    pub refresh: Option<Secret<String>>,
}

/// Which way of signing in a client is registered for. One registration is for one way.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// A code that is confirmed in any browser.
    Device,
    /// A browser on this machine, which is sent back to this address.
    Browser(&'a str),
}

/// What a token is asked for with.
#[derive(Clone, Copy, Debug)]
pub enum Grant<'a> {
    /// A device code that a person may have confirmed.
    Device(&'a Secret<String>),
    /// A code that the browser brought, the address it was sent back to, and the verifier of what was sent first.
    Code(&'a Secret<String>, &'a str, &'a Secret<String>),
    /// A refresh token.
    Refresh(&'a Secret<String>),
}

/// How the server names its errors: by RFC 8628 or by its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTrouble {
    /// Nobody has confirmed it yet.
    Pending,
    /// As [`TokenTrouble::Pending`], and it was asked for too often.
    SlowDown,
    /// The code is over.
    Expired,
    /// Somebody said no.
    Denied,
}

impl TokenTrouble {
    /// What an error's code means; `None` for a refusal of another kind.
    pub fn of(code: &str) -> Option<Self> {
        match code {
            "authorization_pending" | "AuthorizationPendingException" => Some(Self::Pending),
            "slow_down" | "SlowDownException" => Some(Self::SlowDown),
            "expired_token" | "ExpiredTokenException" => Some(Self::Expired),
            "access_denied" | "AccessDeniedException" => Some(Self::Denied),
            _ => None,
        }
    }
}

/// The body of `POST /client/register`.
pub fn register(scopes: &[String], start_url: &str, way: Way<'_>) -> Secret<String> {
    let mut body = json!({ "clientName": "devboot", "clientType": "public", "scopes": scopes });
    let (grants, redirect) = match way {
        Way::Device => (["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"], None),
        Way::Browser(redirect) => (["authorization_code", "refresh_token"], Some(redirect)),
    };
    body["grantTypes"] = json!(grants);
    if let Some(redirect) = redirect {
        body["redirectUris"] = json!([redirect]);
        body["issuerUrl"] = json!(start_url);
    }
    Secret::new(body.to_string())
}

/// The body of `POST /device_authorization`.
pub fn start_device(client: &Registration, start_url: &str) -> Secret<String> {
    let (id, secret) = (&client.client_id, client.client_secret.expose());
    Secret::new(json!({ "clientId": id, "clientSecret": secret, "startUrl": start_url }).to_string())
}

/// The body of `POST /token`.
pub fn token(client: &Registration, grant: Grant<'_>) -> Secret<String> {
    let mut body = json!({ "clientId": client.client_id, "clientSecret": client.client_secret.expose() });
    match grant {
        Grant::Device(code) => {
            body["grantType"] = json!("urn:ietf:params:oauth:grant-type:device_code");
            body["deviceCode"] = json!(code.expose());
        }
        Grant::Code(code, redirect, verifier) => {
            body["grantType"] = json!("authorization_code");
            body["code"] = json!(code.expose());
            body["redirectUri"] = json!(redirect);
            body["codeVerifier"] = json!(verifier.expose());
        }
        Grant::Refresh(token) => {
            body["grantType"] = json!("refresh_token");
            body["refreshToken"] = json!(token.expose());
        }
    }
    Secret::new(body.to_string())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegistrationReply {
    client_id: String,
    client_secret: String,
    client_secret_expires_at: i64,
}

/// Reads the reply of `POST /client/register`.
pub fn read_registration(body: &[u8]) -> Option<Registration> {
    let reply: RegistrationReply = serde_json::from_slice(body).ok()?;
    Some(Registration {
        client_id: reply.client_id,
        client_secret: Secret::new(reply.client_secret),
        expires: Timestamp(reply.client_secret_expires_at),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenReply {
    access_token: String,
    expires_in: i64,
    refresh_token: Option<String>,
}

/// Reads the reply of `POST /token`; the token must fit into a header.
pub fn read_token(body: &[u8], now: Timestamp) -> Option<Token> {
    let reply: TokenReply = serde_json::from_slice(body).ok()?;
    let access = Secret::new(reply.access_token);
    let refresh = reply.refresh_token.map(Secret::new);
    let fits = !access.expose().is_empty() && access.expose().chars().all(|c| c.is_ascii_graphic());
    let expires = Timestamp(now.0.checked_add(reply.expires_in)?);
    fits.then_some(Token { access, expires, refresh })
}

/// The code and the words of an error, as the OIDC server and the portal name them.
pub fn read_error(body: &[u8]) -> Option<(String, String)> {
    let whole: serde_json::Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| whole[name].as_str().filter(|text| !text.is_empty());
    // `com.amazonaws.switchboard.portal#UnauthorizedException`, `SlowDownException:http://…`
    let bare = |name: &str| -> String {
        let name = name.rsplit('#').next().unwrap_or_default();
        name.split(':').next().unwrap_or_default().to_owned()
    };
    let code = bare(text("error").or_else(|| text("__type")).or_else(|| text("code"))?);
    let words = text("error_description").or_else(|| text("message")).or_else(|| text("Message"));
    Some((code, words.unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Registration {
        Registration {
            client_id: "id".into(),
            client_secret: Secret::new("cs".into()),
            expires: Timestamp(0),
        }
    }

    fn value(body: &Secret<String>) -> serde_json::Value {
        serde_json::from_str(body.expose()).unwrap()
    }

    #[test]
    fn a_registration_is_for_one_way() {
        let scopes = ["sso:account:access".to_owned()];
        let device = value(&register(&scopes, "https://s", Way::Device));
        assert_eq!(device["grantTypes"][0], "urn:ietf:params:oauth:grant-type:device_code");
        assert!(device.get("redirectUris").is_none());
        let browser = value(&register(&scopes, "https://s", Way::Browser("http://127.0.0.1/oauth/callback")));
        assert_eq!(browser["grantTypes"], json!(["authorization_code", "refresh_token"]));
        assert_eq!(browser["issuerUrl"], "https://s");
    }

    #[test]
    fn each_grant_has_its_parts() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let device = value(&token(&client(), Grant::Device(&secret("dc"))));
        assert_eq!((&device["deviceCode"], &device["clientSecret"]), (&json!("dc"), &json!("cs")));
        let code = value(&token(&client(), Grant::Code(&secret("c"), "r", &secret("v"))));
        assert_eq!((&code["code"], &code["codeVerifier"]), (&json!("c"), &json!("v")));
        let refresh = value(&token(&client(), Grant::Refresh(&secret("rt"))));
        assert_eq!(
            (&refresh["grantType"], &refresh["refreshToken"]),
            (&json!("refresh_token"), &json!("rt"))
        );
    }

    #[test]
    fn replies_are_read_and_odd_ones_are_none() {
        let token =
            read_token(br#"{"accessToken":"aoa","expiresIn":28800,"tokenType":"Bearer"}"#, Timestamp(10));
        assert_eq!(token.unwrap().expires, Timestamp(28_810));
        for odd in [
            "",
            "[]",
            r#"{"accessToken":"a\r\nb","expiresIn":1}"#,
            r#"{"accessToken":"","expiresIn":1}"#,
            r#"{"accessToken":"a","expiresIn":9223372036854775807}"#,
            r#"{"expiresIn":1}"#,
        ] {
            assert!(read_token(odd.as_bytes(), Timestamp(10)).is_none(), "{odd}");
        }
    }

    #[test]
    fn errors_have_their_names_from_either_world() {
        let trouble = |body: &str| TokenTrouble::of(&read_error(body.as_bytes()).unwrap().0);
        assert_eq!(trouble(r#"{"error":"authorization_pending"}"#), Some(TokenTrouble::Pending));
        assert_eq!(trouble(r#"{"__type":"x.y#SlowDownException"}"#), Some(TokenTrouble::SlowDown));
        assert_eq!(trouble(r#"{"error":"invalid_grant","error_description":"no"}"#), None);
        assert!(read_error(b"<html>").is_none());
    }
}
