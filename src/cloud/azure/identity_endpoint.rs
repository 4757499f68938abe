//! The endpoint of a managed identity, as Azure's SDKs ask App Service and Cloud Shell: who may ask, for what, and what is
//! answered. Pure; the socket is the caller's.

use serde::Serialize;
use serde_json::json;

use super::token::is_resource;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::head::{Head, is_secret, value_of};
use crate::cloud::token::TokenLease;

/// What a client must know and send.
#[derive(Clone, Debug)]
pub struct Door {
    /// Host and port of the address that it was given, such as `127.0.0.1:40123`.
    pub host: String,
    /// The path of that address. For the way of Cloud Shell, which has no header for it, the path holds the secret.
    pub path: String,
    /// The secret that `X-IDENTITY-HEADER` must have; `None` is the way of Cloud Shell.
    pub secret: Option<Secret<String>>,
}

/// Why a request gets no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not the method of this way: GET with a header, POST without.
    Method,
    /// A web page asks.
    WebPage,
    /// The `Host` is not the address that was given out.
    Host,
    /// The secret, in the header or in the path, is missing, doubled or wrong.
    Secret,
    /// `Metadata: true` is missing, which a web page cannot send.
    Metadata,
    /// The resource is missing or none.
    Resource,
    /// Another account than the profile's is asked for.
    Account,
    /// No token can be had now, and nobody is asked while a request waits.
    NoToken,
}

impl Refusal {
    /// The status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::WebPage | Self::Host | Self::Secret | Self::Metadata => 403,
            Self::Resource | Self::Account => 400,
            Self::NoToken => 503,
        }
    }

    /// Why, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Method => "this method is not answered",
            Self::WebPage => "web pages are not answered",
            Self::Host => "the Host header is not this endpoint's",
            Self::Secret => "the secret is not this endpoint's",
            Self::Metadata => "the header Metadata: true is missing",
            Self::Resource => "the resource is missing or is none",
            Self::Account => "this shell's profile has one account; ask without client_id",
            Self::NoToken => "devboot has no token to give now; run: devboot cloud current",
        }
    }

    /// The body to answer with, in the form of App Service: what SDKs show.
    pub fn body(self) -> String {
        json!({ "statusCode": self.status(), "message": self.words() }).to_string()
    }
}

/// Judges a request: the resource that a token is asked for. `body` is the body of a POST; `client_id` is the profile's
/// own, by which it may be asked for.
///
/// # Errors
/// It gets none; why. The secret is looked at before all that a stranger could learn from.
pub fn admit(head: &Head<'_>, body: &str, door: &Door, client_id: Option<&str>) -> Result<String, Refusal> {
    let (path, query) = head.path_and_query();
    let (method, pairs) = if door.secret.is_some() { ("GET", query) } else { ("POST", body) };
    if head.method != method {
        return Err(Refusal::Method);
    }
    if head.is_of_web_page() {
        return Err(Refusal::WebPage);
    }
    if !head.is_for(&door.host) {
        return Err(Refusal::Host);
    }
    if let Some(secret) = &door.secret {
        // Terraform's name for it is the second.
        let sent = [head.values("x-identity-header"), head.values("x-ms-identity")].concat();
        let [sent] = sent[..] else { return Err(Refusal::Secret) };
        if !is_secret(sent, secret) {
            return Err(Refusal::Secret);
        }
    } else if head.values("metadata") != ["true"] {
        return Err(Refusal::Metadata);
    }
    if !is_secret(path, &Secret::new(door.path.clone())) {
        return Err(Refusal::Secret);
    }
    let names = |pair: &str| pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
    let is_account = |pair: &str| {
        matches!(
            names(pair).as_str(),
            "client_id" | "clientid" | "object_id" | "mi_res_id" | "principal_id" | "msi_res_id"
        )
    };
    let asks_by_name = pairs.split('&').any(is_account);
    if asks_by_name && (client_id.is_none() || value_of(pairs, "client_id").as_deref() != client_id) {
        return Err(Refusal::Account);
    }
    value_of(pairs, "resource").filter(|resource| is_resource(resource)).ok_or(Refusal::Resource)
}

/// The body that hands a lease over, which is the answer for its resource.
pub fn answer(lease: &TokenLease, now: Timestamp, client_id: Option<&str>) -> Secret<String> {
    #[derive(Serialize)]
    struct Answer<'a> {
        access_token: &'a str,
        // App Service's clients read the point in time, others the span; all take text.
        expires_on: String,
        expires_in: String,
        resource: &'a str,
        token_type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
    }
    let answer = Answer {
        access_token: lease.token.expose(),
        expires_on: lease.expiration.0.to_string(),
        expires_in: lease.left(now).to_string(),
        resource: &lease.audience,
        token_type: "Bearer",
        client_id,
    };
    Secret::new(serde_json::to_string(&answer).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::token::tests::ID;
    use super::*;
    use crate::cloud::token::tests::lease;

    const TARGET: &str = "/azure/token?api-version=2019-08-01&resource=https%3A%2F%2Fmanagement.azure.com%2F";

    fn door(secret: Option<&str>) -> Door {
        Door {
            host: "127.0.0.1:4000".into(),
            path: "/azure/token".into(),
            secret: secret.map(|secret| Secret::new(secret.into())),
        }
    }

    const GOOD: [(&str, &str); 2] = [("Host", "127.0.0.1:4000"), ("X-IDENTITY-HEADER", "right")];

    fn get(target: &str, headers: &[(&str, &str)]) -> Result<String, Refusal> {
        admit(&Head { method: "GET", target, headers }, "", &door(Some("right")), Some(ID))
    }

    #[test]
    fn the_right_request_is_admitted() {
        assert_eq!(get(TARGET, &GOOD).as_deref(), Ok("https://management.azure.com/"));
        assert_eq!(
            get(&format!("{TARGET}&client_id={ID}"), &GOOD).as_deref(),
            Ok("https://management.azure.com/")
        );
        let terraform = [GOOD[0], ("x-ms-identity", "right"), ("Metadata", "true")];
        assert_eq!(get(TARGET, &terraform).as_deref(), Ok("https://management.azure.com/"));
        let shell =
            Head { method: "POST", target: "/azure/token", headers: &[GOOD[0], ("Metadata", "true")] };
        let body = "resource=https%3A%2F%2Fvault.azure.net";
        assert_eq!(admit(&shell, body, &door(None), None).as_deref(), Ok("https://vault.azure.net"));
    }

    #[test]
    fn everything_else_is_refused() {
        let with = |more: (&'static str, &'static str)| get(TARGET, &[GOOD[0], GOOD[1], more]);
        assert_eq!(with(("Origin", "http://evil.example")), Err(Refusal::WebPage));
        assert_eq!(with(("host", "127.0.0.1:4000")), Err(Refusal::Host));
        assert_eq!(with(GOOD[1]), Err(Refusal::Secret), "doubled");
        assert_eq!(with(("x-ms-identity", "right")), Err(Refusal::Secret), "doubled");
        assert_eq!(get(TARGET, &[("Host", "evil.example:4000"), GOOD[1]]), Err(Refusal::Host));
        assert_eq!(get(TARGET, &GOOD[..1]), Err(Refusal::Secret));
        for wrong in ["", "righ", "rightx", "Right"] {
            assert_eq!(
                get(TARGET, &[GOOD[0], ("x-identity-header", wrong)]),
                Err(Refusal::Secret),
                "{wrong}"
            );
        }
        assert_eq!(get("/azure/tokens?resource=https://x", &GOOD), Err(Refusal::Secret));
        for odd in [
            "",
            "?resource=",
            "?resource=x%0ay",
            "?resource=https://a&resource=https://b",
            "?Resource=https://a",
        ] {
            assert_eq!(get(&format!("/azure/token{odd}"), &GOOD), Err(Refusal::Resource), "{odd}");
        }
        for other in ["client_id=x", "mi_res_id=/x", "object_id=x", &format!("client_id={ID}&client_id={ID}")]
        {
            assert_eq!(get(&format!("{TARGET}&{other}"), &GOOD), Err(Refusal::Account), "{other}");
        }
        let post = Head { method: "POST", target: TARGET, headers: &GOOD };
        assert_eq!(admit(&post, "", &door(Some("right")), None), Err(Refusal::Method));
        assert_eq!(admit(&Head { method: "GET", ..post }, "", &door(Some("")), None), Err(Refusal::Secret));
        let shell = Head { method: "POST", target: "/azure/token", headers: &GOOD };
        assert_eq!(admit(&shell, "resource=https://x", &door(None), None), Err(Refusal::Metadata));
    }

    #[test]
    fn the_body_is_what_sdks_read_and_every_refusal_is_json() {
        let body: serde_json::Value =
            serde_json::from_str(answer(&lease(3600), Timestamp(600), Some(ID)).expose()).unwrap();
        assert_eq!((&body["expires_on"], &body["expires_in"]), (&"3600".into(), &"3000".into()));
        assert_eq!(body["client_id"], ID);
        for refusal in [Refusal::Method, Refusal::Secret, Refusal::Resource, Refusal::NoToken] {
            let body: serde_json::Value = serde_json::from_str(&refusal.body()).unwrap();
            assert_eq!(body["statusCode"], refusal.status());
        }
    }
}
