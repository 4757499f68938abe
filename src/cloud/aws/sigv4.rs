//! AWS's signature, version 4, for the requests of query APIs. Pure.
//!
//! It is held by AWS's own vectors (`tests/it/cloud_aws/published.rs`). Paths are signed as they are: dots and double
//! slashes are not resolved, for no request here has any.

use ring::{digest, hmac};

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
pub use crate::cloud::text::{encode, form};

/// The keys to sign with.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: Secret<String>,
    /// The session token, for temporary keys.
    pub session_token: Option<Secret<String>>,
}

/// A request before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct Unsigned<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The path, not percent-encoded.
    pub path: &'a str,
    /// The names and values of the query, not percent-encoded.
    pub query: &'a [(String, String)],
    /// The headers to sign; `Host` must be among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// What a signature is good for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The region.
    pub region: &'a str,
    /// The service, such as `sts`.
    pub service: &'a str,
}

/// The headers to add: the date, the session token where there is one, and the signature.
pub fn sign(
    request: &Unsigned<'_>,
    keys: &Keys,
    scope: Scope<'_>,
    at: Timestamp,
) -> Vec<(&'static str, String)> {
    let date = at.compact();
    let mut added = vec![("x-amz-date", date.clone())];
    if let Some(token) = &keys.session_token {
        added.push(("x-amz-security-token", token.expose().clone()));
    }
    let all =
        request.headers.iter().copied().chain(added.iter().map(|(name, value)| (*name, value.as_str())));
    let headers = canonical_headers(all);
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let canonical = canonical_request(request, &headers, &names);
    let Scope { region, service } = scope;
    let day = &date[..8.min(date.len())];
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let first = Secret::new(format!("AWS4{}", keys.secret_access_key.expose()).into_bytes());
    let key = [day, region, service, "aws4_request"]
        .iter()
        .fold(first, |key, part| Secret::new(hmac_sha256(&key, part.as_bytes())));
    let signature = hex(&hmac_sha256(&key, to_sign.as_bytes()));
    let id = &keys.access_key_id;
    added.push((
        "authorization",
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"),
    ));
    added
}

/// Names in lower case and in order; values of one name together, their blanks made single.
fn canonical_headers<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = headers
        .map(|(name, value)| {
            (name.to_ascii_lowercase(), value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect();
    // A stable sort: values of one name stay in their order.
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1.push(',');
            kept.1.push_str(&next.1);
        }
        same
    });
    found
}

fn canonical_request(request: &Unsigned<'_>, headers: &[(String, String)], names: &str) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let mut query: Vec<_> = request.query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    query.sort();
    let query = query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
    let path = request.path.split('/').map(encode).collect::<Vec<_>>().join("/");
    format!("{}\n{path}\n{query}\n{lines}\n{names}\n{}", request.method, sha256(request.body))
}

fn hmac_sha256(key: &Secret<Vec<u8>>, data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.expose()), data).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(token: Option<&str>) -> Keys {
        Keys {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into()),
            session_token: token.map(|token| Secret::new(token.to_owned())),
        }
    }

    const SCOPE: Scope<'_> = Scope { region: "us-east-1", service: "service" };

    #[test]
    fn the_plainest_published_vector_holds() {
        let headers = [("Host", "example.amazonaws.com")];
        let request = Unsigned { method: "GET", path: "/", query: &[], headers: &headers, body: b"" };
        let signed = sign(&request, &keys(None), SCOPE, Timestamp(1_440_938_160));
        assert_eq!(signed[0], ("x-amz-date", "20150830T123600Z".into()));
        assert_eq!(
            signed[1].1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }

    #[test]
    fn the_token_is_signed_and_changes_the_signature() {
        let headers = [("Host", "h")];
        let request = Unsigned { method: "POST", path: "/", query: &[], headers: &headers, body: b"a=b" };
        let signed = |token| sign(&request, &keys(token), SCOPE, Timestamp(0));
        assert_eq!(signed(Some("t")).len(), 3);
        assert!(signed(Some("t"))[2].1.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"));
        assert_ne!(signed(Some("t"))[2], signed(Some("u"))[2]);
    }
}
