//! The role of an EC2 instance, by the second version of its metadata service: a token first, which a request that was led
//! astray cannot get, then the role's name and its keys. The first version is not asked.
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>

use std::time::Duration;

use serde::Deserialize;

use super::{Means, ObtainError};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::cloud::address::Address;
use crate::cloud::aws::call::{Answer, CallError, Outgoing, Waiting, exchange, unreadable};
use crate::cloud::aws::container;
use crate::cloud::aws::lease::AwsLease;
use crate::sys::http::Method;

const V4: &str = "http://169.254.169.254";
const V6: &str = "http://[fd00:ec2::254]";

/// It is on the same machine: what does not answer soon is not there.
const WAITING: Waiting = Waiting { stall: Duration::from_secs(2), total: Duration::from_secs(6) };

/// For how long the token is to be good, in seconds: it is used at once.
const SECONDS: &str = "300";

/// The longest name of a role that is taken; IAM's own limit is 64.
const NAME: usize = 128;

/// The instance's keys.
pub(super) fn obtain(means: &Means<'_>) -> Result<AwsLease, ObtainError> {
    let var = |name: &str| (means.var)(name).filter(|value| !value.is_empty());
    let is_v6 =
        var("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").is_some_and(|it| it.eq_ignore_ascii_case("ipv6"));
    let usual = if is_v6 { V6 } else { V4 };
    let place = var("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| usual.to_owned());
    let elsewhere =
        ObtainError::Host("AWS_EC2_METADATA_SERVICE_ENDPOINT does not name this machine's metadata");
    let server = Address::of_host(&place).ok_or(elsewhere)?;
    let ask = |method, path: &str, headers| -> Result<Answer, ObtainError> {
        let host = server.host.clone();
        let outgoing = Outgoing { host, url: server.url(path), method, accept: "*/*", headers };
        Ok(exchange(outgoing, WAITING, means.clock).map_err(CallError::from)?)
    };
    let lifetime = vec![("x-aws-ec2-metadata-token-ttl-seconds", SECONDS.to_owned())];
    let answer = ask(Method::Put, "/latest/api/token", lifetime)?;
    let token = text(&answer, 1024).ok_or_else(|| unreadable(&answer)).map(Secret::new)?;
    let with_token = || vec![("x-aws-ec2-metadata-token", token.expose().clone())];

    const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
    let answer = ask(Method::Get, ROLES, with_token())?;
    if answer.status == 404 {
        return Err(ObtainError::Host("this instance has no role"));
    }
    let role = text(&answer, NAME).filter(|role| role.chars().all(is_of_name));
    let role = role.ok_or_else(|| unreadable(&answer))?;
    let answer = ask(Method::Get, &format!("{ROLES}{role}"), with_token())?;
    if let Some(code) = trouble(answer.body.expose()) {
        return Err(ObtainError::Instance(code));
    }
    let lease = container::read(answer.body.expose(), (means.clock)()).filter(|_| answer.status == 200);
    Ok(lease.ok_or_else(|| unreadable(&answer))?)
}

/// The one line of a good answer.
fn text(answer: &Answer, most: usize) -> Option<String> {
    let text = std::str::from_utf8(answer.body.expose()).ok()?.trim();
    let fits = answer.status == 200 && (1..=most).contains(&text.len());
    (fits && text.chars().all(|c| c.is_ascii_graphic())).then(|| text.to_owned())
}

/// What IAM allows in a role's name; nothing else becomes a part of an address.
fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)
}

/// The code of an answer that says there are no keys; AWS sends it with the status of a good one.
fn trouble(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Reply {
        code: String,
    }
    let reply: Reply = serde_json::from_slice(body).ok()?;
    (reply.code != "Success").then(|| printable(&reply.code.chars().take(80).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_never_becomes_a_part_of_an_address() {
        assert!("a-b_c+=,.@9".chars().all(is_of_name));
        for name in ["a/b", "a?b", "a b", "a%2e", "a\n"] {
            assert!(!name.chars().all(is_of_name), "{name}");
        }
    }

    #[test]
    fn trouble_is_told_from_keys() {
        assert_eq!(trouble(br#"{"Code":"Success","AccessKeyId":"A"}"#), None);
        assert_eq!(
            trouble(br#"{"Code":"AssumeRoleUnauthorizedAccess"}"#).unwrap(),
            "AssumeRoleUnauthorizedAccess"
        );
        assert_eq!(trouble(b"<html>"), None);
    }
}
