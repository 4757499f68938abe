//! A credentials file that leads to this machine's service: for the libraries that would take another file before any
//! metadata server. Pure; the socket is the caller's.
//!
//! Go's libraries, and with them Terraform, look for the user's default credentials below the home directory whatever
//! `CLOUDSDK_CONFIG` says, as Node's did for long; only a file in `GOOGLE_APPLICATION_CREDENTIALS` comes before that. Such a file may
//! describe an external account: a statement of another system, and the server that exchanges it for a token. Ours states a
//! secret that only this endpoint knows, and names this endpoint as the server. Unlike the metadata server's, its protocol
//! has a secret.

use serde::Serialize;
use serde_json::json;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::head::{Head, is_secret, value_of};
use crate::cloud::token::TokenLease;

/// What a client must know and send.
#[derive(Clone, Debug)]
pub struct Door {
    /// Host and port of the address that it was given, such as `127.0.0.1:40123`.
    pub host: String,
    /// The path of that address.
    pub path: String,
    /// The secret that stands for a statement.
    pub secret: Secret<String>,
}

/// Why a request gets no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a POST.
    Method,
    /// A web page asks.
    WebPage,
    /// The `Host` is not the address that was given out.
    Host,
    /// The secret is missing, doubled or wrong.
    Secret,
    /// Another path.
    Path,
    /// No token can be had now, and nobody is asked while a request waits.
    NoToken,
}

impl Refusal {
    /// The status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Self::Method => 405,
            Self::WebPage | Self::Host | Self::Secret => 403,
            Self::Path => 404,
            Self::NoToken => 503,
        }
    }

    /// Why, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Method => "only POST is answered",
            Self::WebPage => "web pages are not answered",
            Self::Host => "the Host header is not this endpoint's",
            Self::Secret => "the statement is not this endpoint's",
            Self::Path => "there is nothing at this path",
            Self::NoToken => "devboot has no token to give now; run: devboot cloud current",
        }
    }

    /// The body to answer with, in the form of OAuth: what libraries show.
    pub fn body(self) -> String {
        let code = match self {
            Self::Method | Self::Path => "invalid_request",
            Self::WebPage | Self::Host => "access_denied",
            Self::Secret => "invalid_grant",
            Self::NoToken => "temporarily_unavailable",
        };
        json!({ "error": code, "error_description": self.words() }).to_string()
    }
}

/// The credentials file, whose own path it names: the statement is in it. To be written with mode 0600.
pub fn credentials_file(door: &Door, path: &str) -> Secret<String> {
    let file = json!({
        "type": "external_account",
        "audience": "devboot",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("http://{}{}", door.host, door.path),
        "credential_source": {
            "file": path,
            "format": { "type": "json", "subject_token_field_name": "statement" },
        },
        "statement": door.secret.expose(),
    });
    Secret::new(format!("{file:#}\n"))
}

/// Whether a request may have a token. The secret is looked at before the path, so that a stranger learns nothing of the
/// paths.
///
/// # Errors
/// It may not; why.
pub fn admit(head: &Head<'_>, body: &str, door: &Door) -> Result<(), Refusal> {
    if head.method != "POST" {
        return Err(Refusal::Method);
    }
    if head.is_of_web_page() {
        return Err(Refusal::WebPage);
    }
    if !head.is_for(&door.host) {
        return Err(Refusal::Host);
    }
    let sent = Secret::new(value_of(body, "subject_token").ok_or(Refusal::Secret)?);
    if !is_secret(sent.expose(), &door.secret) {
        return Err(Refusal::Secret);
    }
    if head.target != door.path { Err(Refusal::Path) } else { Ok(()) }
}

/// The body that hands a lease over.
pub fn answer(lease: &TokenLease, now: Timestamp) -> Secret<String> {
    #[derive(Serialize)]
    struct Answer<'a> {
        access_token: &'a str,
        issued_token_type: &'static str,
        token_type: &'static str,
        expires_in: i64,
    }
    let answer = Answer {
        access_token: lease.token.expose(),
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
        token_type: "Bearer",
        expires_in: lease.left(now),
    };
    Secret::new(serde_json::to_string(&answer).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::token::tests::lease;

    fn door() -> Door {
        Door { host: "127.0.0.1:4000".into(), path: "/gcp/token".into(), secret: Secret::new("a+b".into()) }
    }

    const BODY: &str = "grant_type=x&subject_token=a%2Bb";

    fn asked(method: &str, target: &str, body: &str, more: &[(&str, &str)]) -> Result<(), Refusal> {
        let headers: Vec<_> =
            std::iter::once(("Host", "127.0.0.1:4000")).chain(more.iter().copied()).collect();
        admit(&Head { method, target, headers: &headers }, body, &door())
    }

    #[test]
    fn only_who_has_the_file_is_admitted() {
        assert_eq!(asked("POST", "/gcp/token", BODY, &[]), Ok(()));
        assert_eq!(asked("GET", "/gcp/token", BODY, &[]), Err(Refusal::Method));
        assert_eq!(asked("POST", "/gcp/token", BODY, &[("Origin", "null")]), Err(Refusal::WebPage));
        assert_eq!(asked("POST", "/gcp/token", BODY, &[("host", "evil.example")]), Err(Refusal::Host));
        assert_eq!(asked("POST", "/x", BODY, &[]), Err(Refusal::Path));
        for body in ["", "subject_token=", "subject_token=a+b", "subject_token=a%2Bb&subject_token=a%2Bb"] {
            assert_eq!(asked("POST", "/gcp/token", body, &[]), Err(Refusal::Secret), "{body}");
            assert_eq!(asked("POST", "/x", body, &[]), Err(Refusal::Secret), "a stranger learns no path");
        }
    }

    #[test]
    fn file_and_answers_are_json() {
        let path = "/run/a \"b\"/gcp.json";
        let text = credentials_file(&door(), path);
        let file: serde_json::Value = serde_json::from_str(text.expose()).unwrap();
        assert_eq!((&file["credential_source"]["file"], &file["statement"]), (&path.into(), &"a+b".into()));
        let body: serde_json::Value =
            serde_json::from_str(answer(&lease(3600), Timestamp(600)).expose()).unwrap();
        assert_eq!(body["expires_in"], 3000);
        for refusal in [Refusal::Method, Refusal::Secret, Refusal::NoToken] {
            assert!(serde_json::from_str::<serde_json::Value>(&refusal.body()).unwrap()["error"].is_string());
        }
    }
}
