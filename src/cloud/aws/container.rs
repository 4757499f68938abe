//! The container credentials endpoint: who may ask, and what is answered. Pure; the socket is the caller's.

use serde::Serialize;
use subtle::ConstantTimeEq;

use super::lease::AwsLease;
use crate::base::secret::Secret;

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a str,
    /// The target, as it was sent.
    pub target: &'a str,
    /// Names and values of the headers.
    pub headers: &'a [(&'a str, &'a str)],
}

/// What a client must know and send.
#[derive(Clone, Debug)]
pub struct Door {
    /// Host and port of the address that it was given, such as `127.0.0.1:40123`.
    pub host: String,
    /// The path of that address.
    pub path: String,
    /// The token.
    pub token: Secret<String>,
}

/// Why a request is not answered with credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a GET.
    Method,
    /// A web page asks: it has an `Origin` or a `Sec-Fetch-` header.
    WebPage,
    /// The `Host` is not the address that was given out: another name was made to lead here.
    Host,
    /// The token is missing, doubled or wrong.
    Token,
    /// Another path.
    Path,
    /// The credentials cannot be had now, and nobody is asked while a request waits.
    NoCredentials,
}

impl Refusal {
    /// The status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::WebPage | Self::Host | Self::Token => 403,
            Self::Path => 404,
            Self::NoCredentials => 503,
        }
    }

    /// The body to answer with: what SDKs show.
    pub fn body(self) -> &'static str {
        match self {
            Self::Method => r#"{"code":"MethodNotAllowed","message":"only GET is answered"}"#,
            Self::WebPage => r#"{"code":"AccessDenied","message":"web pages are not answered"}"#,
            Self::Host => r#"{"code":"AccessDenied","message":"the Host header is not this endpoint's"}"#,
            Self::Token => {
                r#"{"code":"AccessDenied","message":"the Authorization header is not this endpoint's"}"#
            }
            Self::Path => r#"{"code":"NotFound","message":"there is nothing at this path"}"#,
            Self::NoCredentials => {
                r#"{"code":"CredentialsUnavailable","message":"devboot has no credentials to give now; run: devboot cloud current"}"#
            }
        }
    }
}

/// Whether a request may have credentials. The token is looked at before the path, so that a stranger learns nothing of
/// the paths.
///
/// # Errors
/// It may not; why.
pub fn admit(head: &Head<'_>, door: &Door) -> Result<(), Refusal> {
    let values = |name: &str| -> Vec<&str> {
        head.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value).collect()
    };
    let is_page = |name: &str| {
        name.eq_ignore_ascii_case("origin")
            || name.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("sec-fetch-"))
    };
    if head.method != "GET" {
        return Err(Refusal::Method);
    }
    if head.headers.iter().any(|(name, _)| is_page(name)) {
        return Err(Refusal::WebPage);
    }
    if values("host") != [door.host.as_str()] {
        return Err(Refusal::Host);
    }
    let [token] = values("authorization")[..] else { return Err(Refusal::Token) };
    if door.token.expose().is_empty() || !bool::from(token.as_bytes().ct_eq(door.token.expose().as_bytes())) {
        return Err(Refusal::Token);
    }
    if head.target != door.path { Err(Refusal::Path) } else { Ok(()) }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

/// The body that hands a lease over. Keys without a token have an empty one: SDKs want the field.
pub fn answer(lease: &AwsLease) -> Secret<String> {
    let answer = Answer {
        access_key_id: &lease.keys.access_key_id,
        secret_access_key: lease.keys.secret_access_key.expose(),
        token: lease.keys.session_token.as_ref().map_or("", |token| token.expose()),
        expiration: lease.expiration.map(|end| end.to_string()),
        account_id: lease.account.as_deref(),
    };
    Secret::new(serde_json::to_string(&answer).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::aws::lease::tests::lease;

    fn door() -> Door {
        Door {
            host: "127.0.0.1:4000".into(),
            path: "/v1/credentials".into(),
            token: Secret::new("right".into()),
        }
    }

    const GOOD: [(&str, &str); 2] = [("Host", "127.0.0.1:4000"), ("authorization", "right")];

    fn verdict(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        admit(&Head { method, target, headers }, &door())
    }

    fn with(more: (&'static str, &'static str)) -> Result<(), Refusal> {
        verdict("GET", "/v1/credentials", &[GOOD[0], GOOD[1], more])
    }

    #[test]
    fn the_right_request_is_admitted() {
        assert_eq!(verdict("GET", "/v1/credentials", &GOOD), Ok(()));
        assert_eq!(with(("User-Agent", "aws-cli")), Ok(()));
    }

    #[test]
    fn everything_else_is_refused() {
        let headers = |host, token| [("Host", host), ("Authorization", token)];
        let path = "/v1/credentials";
        assert_eq!(verdict("POST", path, &GOOD), Err(Refusal::Method));
        assert_eq!(verdict("get", path, &GOOD), Err(Refusal::Method));
        assert_eq!(with(("origin", "http://evil.example")), Err(Refusal::WebPage));
        assert_eq!(with(("SEC-FETCH-Mode", "cors")), Err(Refusal::WebPage));
        assert_eq!(with(("host", "127.0.0.1:4000")), Err(Refusal::Host));
        assert_eq!(verdict("GET", path, &headers("evil.example:4000", "right")), Err(Refusal::Host));
        assert_eq!(verdict("GET", path, &GOOD[1..]), Err(Refusal::Host));
        assert_eq!(verdict("GET", path, &GOOD[..1]), Err(Refusal::Token));
        assert_eq!(with(("Authorization", "right")), Err(Refusal::Token));
        for wrong in ["", "righ", "right ", "Right", "rightx"] {
            assert_eq!(verdict("GET", path, &headers("127.0.0.1:4000", wrong)), Err(Refusal::Token));
        }
        assert_eq!(verdict("GET", "/", &GOOD), Err(Refusal::Path));
        assert_eq!(verdict("GET", "/", &GOOD[..1]), Err(Refusal::Token), "a stranger learns no path");
        let open = Door { token: Secret::new(String::new()), ..door() };
        let head = Head { method: "GET", target: path, headers: &headers("127.0.0.1:4000", "") };
        assert_eq!(admit(&head, &open), Err(Refusal::Token), "an empty token opens nothing");
    }

    #[test]
    fn the_body_has_token_and_every_refusal_is_json() {
        let body: serde_json::Value = serde_json::from_str(answer(&lease(Some(0))).expose()).unwrap();
        assert_eq!(
            (&body["Token"], &body["Expiration"]),
            (&"FwoG+/==".into(), &"1970-01-01T00:00:00Z".into())
        );
        assert!(body.get("SessionToken").is_none());
        for refusal in [Refusal::Method, Refusal::Host, Refusal::Token, Refusal::NoCredentials] {
            let body: serde_json::Value = serde_json::from_str(refusal.body()).unwrap();
            assert!(body["code"].is_string() && body["message"].is_string() && refusal.status() >= 400);
        }
    }
}
