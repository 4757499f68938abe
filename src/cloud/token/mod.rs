//! Access tokens of clouds other than AWS: how long they are good, and what token servers answer. Pure, but for
//! what sends.

mod error;

pub use error::{Refusal, TokenError};

use serde::Deserialize;
use serde_json::Value;

use self::error::read_refusal;
use super::exchange::{Answer, Outgoing, Waiting, code_of, exchange, words_of};
use super::standing::{Standing, refresh_at, standing};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;

/// The longest life that is believed of a token, in seconds: a day and an hour, as Azure gives to managed identities.
pub(in crate::cloud) const LONGEST: i64 = 25 * 3600;

/// An access token, from the moment it was got to its end.
#[derive(Clone, Debug)]
pub struct TokenLease {
    /// The token.
    pub token: Secret<String>,
    /// What it is for: the scopes of a token of GCP, parted by blanks; the resource of one of Azure.
    pub audience: String,
    /// When it was got.
    pub obtained: Timestamp,
    /// When it ends, by this machine's clock.
    pub expiration: Timestamp,
}

impl TokenLease {
    /// When a new one is to be got.
    pub fn refresh_at(&self) -> Timestamp {
        refresh_at(self.obtained, self.expiration)
    }

    /// How it stands now.
    pub fn standing(&self, now: Timestamp) -> Standing {
        standing(self.obtained, self.expiration, now)
    }

    /// The seconds left.
    pub fn left(&self, now: Timestamp) -> i64 {
        (self.expiration.0 - now.0).max(0)
    }
}

/// A token as a server gave it.
#[derive(Debug)]
pub(in crate::cloud) struct Given {
    pub token: Secret<String>,
    /// The seconds it is good for.
    pub life: i64,
}

/// Reads the answer of an OAuth 2.0 token endpoint. Google and Azure's managed identities give the seconds as a
/// number or as text.
pub(in crate::cloud) fn read_token(body: &[u8]) -> Option<Given> {
    #[derive(Deserialize)]
    struct Reply {
        access_token: String,
        expires_in: Value,
        token_type: Option<String>,
    }
    let reply: Reply = serde_json::from_slice(body).ok()?;
    let token = Secret::new(reply.access_token);
    let bearer = reply.token_type.is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    let life = whole(&reply.expires_in)?;
    (bearer && is_token(token.expose()) && (1..=LONGEST).contains(&life)).then_some(Given { token, life })
}

/// Whether a text can stand in a header as a bearer token (RFC 6750).
pub(in crate::cloud) fn is_token(text: &str) -> bool {
    (1..=16 << 10).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

/// A number of seconds, given as a number or as text.
pub(in crate::cloud) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// Sends, and reads the answer with `read`.
///
/// # Errors
/// No answer, a refusal, or something that `read` does not know.
pub(in crate::cloud) fn ask<T>(
    outgoing: Outgoing,
    waiting: Waiting,
    clock: fn() -> Timestamp,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, TokenError> {
    let answer = exchange(outgoing, waiting, clock)?;
    judge(&answer, read)
}

/// As [`ask`], for an answer that names a point in time: `read` is given the moment by the server's clock.
pub(in crate::cloud) fn ask_dated<T>(
    outgoing: Outgoing,
    waiting: Waiting,
    clock: fn() -> Timestamp,
    read: impl FnOnce(&[u8], Timestamp) -> Option<T>,
) -> Result<T, TokenError> {
    let answer = exchange(outgoing, waiting, clock)?;
    let theirs = answer.skew.unwrap_or_default().theirs(clock());
    judge(&answer, |body| read(body, theirs))
}

fn judge<T>(answer: &Answer, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<T, TokenError> {
    let body = answer.body.expose();
    let host = || answer.host.clone();
    let refusal = || {
        let (code, message) = read_refusal(body).filter(|_| (400..500).contains(&answer.status))?;
        let skew = answer.skew.unwrap_or_default();
        Some(Refusal {
            host: host(),
            status: answer.status,
            code: code_of(&code),
            message: words_of(&message),
            skew,
        })
    };
    if answer.status == 200
        && let Some(found) = read(body)
    {
        return Ok(found);
    }
    Err(match (answer.found(), refusal()) {
        (None, _) => TokenError::Unavailable(host(), answer.status),
        (_, Some(refusal)) => TokenError::Refused(refusal),
        (Some(found), None) => TokenError::NotAnAnswer(host(), answer.status, found),
    })
}

#[cfg(test)]
pub(in crate::cloud) mod tests {
    use super::*;

    /// A lease of so many seconds, got at second 0.
    pub fn lease(life: i64) -> TokenLease {
        TokenLease {
            token: Secret::new("ya29.secret".into()),
            audience: "https://www.googleapis.com/auth/cloud-platform".into(),
            obtained: Timestamp(0),
            expiration: Timestamp(life),
        }
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end() {
        let hour = lease(3600);
        let at = |second| hour.standing(Timestamp(second));
        assert_eq!([at(0), at(2400), at(2700)], [Standing::Fresh, Standing::Due, Standing::Short]);
        assert_eq!((at(3600), hour.left(Timestamp(4000))), (Standing::Expired, 0));
        assert!(!format!("{hour:?}").contains("ya29"));
    }

    #[test]
    fn tokens_are_read_and_oddities_are_not() {
        let read = |text: &str| read_token(text.as_bytes()).map(|given| given.life);
        assert_eq!(read(r#"{"access_token":"a","expires_in":3599,"token_type":"Bearer"}"#), Some(3599));
        assert_eq!(read(r#"{"access_token":"a","expires_in":"86399"}"#), Some(86_399));
        for odd in [
            r#"{"access_token":"","expires_in":1}"#,
            r#"{"access_token":"a b","expires_in":1}"#,
            r#"{"access_token":"a\nb","expires_in":1}"#,
            r#"{"access_token":7,"expires_in":1}"#,
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","expires_in":0}"#,
            r#"{"access_token":"a","expires_in":-5}"#,
            r#"{"access_token":"a","expires_in":1e99}"#,
            r#"{"access_token":"a","expires_in":true}"#,
            r#"{"access_token":"a","expires_in":1,"token_type":"mac"}"#,
            "[]",
            "",
        ] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }
}
