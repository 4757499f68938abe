//! The container credentials endpoint: who may ask, what is answered, and what another one's answer means. Pure; the
//! socket is the caller's.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::lease::AwsLease;
use super::sigv4::Keys;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
pub use crate::cloud::head::Head;
use crate::cloud::head::is_secret;

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

    /// Why, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Method => "only GET is answered",
            Self::WebPage => "web pages are not answered",
            Self::Host => "the Host header is not this endpoint's",
            Self::Token => "the Authorization header is not this endpoint's",
            Self::Path => "there is nothing at this path",
            Self::NoCredentials => "devboot has no credentials to give now; run: devboot cloud current",
        }
    }

    /// The body to answer with: what SDKs show.
    pub fn body(self) -> String {
        let code = match self {
            Self::Method => "MethodNotAllowed",
            Self::WebPage | Self::Host | Self::Token => "AccessDenied",
            Self::Path => "NotFound",
            Self::NoCredentials => "CredentialsUnavailable",
        };
        json!({ "code": code, "message": self.words() }).to_string()
    }
}

/// Whether a request may have credentials. The token is looked at before the path, so that a stranger learns nothing of
/// the paths.
///
/// # Errors
/// It may not; why.
pub fn admit(head: &Head<'_>, door: &Door) -> Result<(), Refusal> {
    if head.method != "GET" {
        return Err(Refusal::Method);
    }
    if head.is_of_web_page() {
        return Err(Refusal::WebPage);
    }
    if !head.is_for(&door.host) {
        return Err(Refusal::Host);
    }
    let [token] = head.values("authorization")[..] else { return Err(Refusal::Token) };
    if !is_secret(token, &door.token) {
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
    expiration: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

/// After how many seconds keys without an end are asked for again.
const AGAIN: i64 = 3600;

/// The body that hands a lease over. Keys without a token have an empty one, and those without an end one of ours: SDKs want
/// the fields (botocore's `ContainerMetadataFetcher` fails without them).
pub fn answer(lease: &AwsLease, now: Timestamp) -> Secret<String> {
    let answer = Answer {
        access_key_id: &lease.keys.access_key_id,
        secret_access_key: lease.keys.secret_access_key.expose(),
        token: lease.keys.session_token.as_ref().map_or("", |token| token.expose()),
        expiration: lease.expiration.unwrap_or(Timestamp(now.0 + AGAIN)).to_string(),
        account_id: lease.account.as_deref(),
    };
    Secret::new(serde_json::to_string(&answer).unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    token: String,
    expiration: Option<String>,
    account_id: Option<String>,
}

/// Reads the body of another such endpoint: that of ECS, EKS or a cloud shell. `None` when it is none.
pub fn read(body: &[u8], now: Timestamp) -> Option<AwsLease> {
    let reply: Reply = serde_json::from_slice(body).ok()?;
    let (secret_access_key, token) = (Secret::new(reply.secret_access_key), Secret::new(reply.token));
    let expiration = reply.expiration.map(|end| Timestamp::parse(&end)).transpose().ok()?;
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
    let (id, secret) = (&reply.access_key_id, secret_access_key.expose());
    if id.is_empty() || secret.is_empty() || ![id, secret, token.expose()].iter().all(|text| plain(text)) {
        return None;
    }
    Some(AwsLease {
        keys: Keys {
            access_key_id: reply.access_key_id,
            secret_access_key,
            session_token: Some(token).filter(|token| !token.expose().is_empty()),
        },
        account: reply.account_id.filter(|account| plain(account)),
        obtained: now,
        expiration,
    })
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
    fn another_endpoint_s_answer_is_read() {
        let given = lease(Some(3600));
        let found = read(answer(&given, Timestamp(0)).expose().as_bytes(), Timestamp(0)).unwrap();
        assert_eq!(found.keys.session_token.unwrap().expose(), "FwoG+/==");
        assert_eq!((&found.account, found.expiration), (&given.account, given.expiration));
        let split = answer(&given, Timestamp(0)).expose().replace("FwoG", "Fwo\\nG");
        assert!(read(split.as_bytes(), Timestamp(0)).is_none());
        assert!(read(br#"{"AccessKeyId":"A","SecretAccessKey":""}"#, Timestamp(0)).is_none());
    }

    #[test]
    fn the_body_has_token_and_every_refusal_is_json() {
        let body: serde_json::Value =
            serde_json::from_str(answer(&lease(Some(0)), Timestamp(0)).expose()).unwrap();
        assert_eq!(
            (&body["Token"], &body["Expiration"]),
            (&"FwoG+/==".into(), &"1970-01-01T00:00:00Z".into())
        );
        let without_end: serde_json::Value =
            serde_json::from_str(answer(&lease(None), Timestamp(0)).expose()).unwrap();
        assert_eq!(without_end["Expiration"], "1970-01-01T01:00:00Z", "SDKs want one");
        assert!(body.get("SessionToken").is_none());
        for refusal in [Refusal::Method, Refusal::Host, Refusal::Token, Refusal::NoCredentials] {
            let body: serde_json::Value = serde_json::from_str(&refusal.body()).unwrap();
            assert!(body["code"].is_string() && body["message"].is_string() && refusal.status() >= 400);
        }
    }
}
