//! The address that signs a browser in to AWS's console with a lease. It holds what signs in, so it is for the browser
//! and no log.

use std::fmt;

use serde::Deserialize;
use serde_json::json;

use super::call::{CallError, Outgoing, Waiting, exchange, unreadable};
use super::endpoint::{Endpoint, is_region, suffix};
use super::lease::AwsLease;
use super::sigv4::{encode, form};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::sys::http::Method;

/// Who the console says the session comes from.
const ISSUER: &str = "devboot";

/// Where the console of a region signs in, and its pages' host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// The sign-in server.
    pub signin: Endpoint,
    /// The page that is shown.
    pub page: String,
    host: &'static str,
}

/// The console of a region; `None` when its partition has none that is open, or the region is none.
pub fn console(region: &str) -> Option<Console> {
    if !is_region(region) {
        return None;
    }
    let (signin, host) = match suffix(region) {
        "amazonaws.com" if region.starts_with("us-gov-") => {
            ("signin.amazonaws-us-gov.com".to_owned(), "console.amazonaws-us-gov.com")
        }
        "amazonaws.com" => (format!("{region}.signin.aws.amazon.com"), "console.aws.amazon.com"),
        "amazonaws.com.cn" => ("signin.amazonaws.cn".to_owned(), "console.amazonaws.cn"),
        "amazonaws.eu" => ("signin.amazonaws-eusc.eu".to_owned(), "console.amazonaws-eusc.eu"),
        _ => return None,
    };
    let signin = Endpoint { scheme: "https", host: signin, base: String::new(), region: region.to_owned() };
    Some(Console { signin, page: format!("https://{host}/console/home?region={region}"), host })
}

/// Why a page is not one that the console's session is shown on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationError {
    /// Neither a service's name nor an https address.
    Odd,
    /// An address of another host: the console's host.
    Elsewhere(&'static str),
}

impl fmt::Display for DestinationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Odd => f.write_str("this is neither a service's name nor an address of the console"),
            Self::Elsewhere(host) => write!(f, "the address is not one of {host}"),
        }
    }
}

impl std::error::Error for DestinationError {}

impl Diagnose for DestinationError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Odd => ErrorKind::Usage,
            Self::Elsewhere(_) => ErrorKind::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        vec!["name a service, such as s3, or paste an https:// address of a page of the console".into()]
    }
}

impl Console {
    /// Shows this page: that of a service, such as `s3`, or the one of an address.
    ///
    /// # Errors
    /// It is neither, or an address that is not the console's own.
    pub fn showing(mut self, to: &str) -> Result<Self, DestinationError> {
        self.page = if to.len() <= 40 && is_label(to) {
            format!("https://{}/{to}/home?region={}", self.host, self.signin.region)
        } else {
            let rest = to.strip_prefix("https://").ok_or(DestinationError::Odd)?;
            if to.len() > 2048 || !to.chars().all(|c| c.is_ascii_graphic()) {
                return Err(DestinationError::Odd);
            }
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let before = host.strip_suffix(self.host);
            // Another reader must not find another host in it: no user, no port, no backslash.
            let below =
                |before: &str| before.strip_suffix('.').is_some_and(|labels| labels.split('.').all(is_label));
            if !before.is_some_and(|before| before.is_empty() || below(before)) {
                return Err(DestinationError::Elsewhere(self.host));
            }
            to.to_owned()
        };
        Ok(self)
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// The path and query that ask for a sign-in token. `None` for keys without a session token: the console takes only a
/// role's session. `duration` in seconds, 900 to 43200, may be named only when the role was assumed with a user's own
/// keys.
pub fn token_path(lease: &AwsLease, duration: Option<u32>) -> Option<Secret<String>> {
    let session = Secret::new(
        json!({
            "sessionId": lease.keys.access_key_id,
            "sessionKey": lease.keys.secret_access_key.expose(),
            "sessionToken": lease.keys.session_token.as_ref()?.expose(),
        })
        .to_string(),
    );
    let duration = match duration {
        Some(seconds) if (900..=43_200).contains(&seconds) => format!("&SessionDuration={seconds}"),
        Some(_) => return None,
        None => String::new(),
    };
    let session = encode(session.expose());
    Some(Secret::new(format!("/federation?Action=getSigninToken{duration}&Session={session}")))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    signin_token: String,
}

/// The address that signs the browser in and shows `destination`.
pub fn sign_in_address(signin: &Endpoint, token: &Secret<String>, destination: &str) -> Secret<String> {
    let pairs = [
        ("Action", "login"),
        ("Issuer", ISSUER),
        ("Destination", destination),
        ("SigninToken", token.expose().as_str()),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Secret::new(format!("{}?{}", signin.url("/federation"), form(&pairs)))
}

/// Asks for a sign-in token and makes the address; `path` is that of [`token_path`].
///
/// # Errors
/// The sign-in server is not reached or does not give a token. No error holds the path.
pub fn sign_in(
    console: &Console,
    path: &Secret<String>,
    waiting: Waiting,
    clock: fn() -> Timestamp,
) -> Result<Secret<String>, CallError> {
    let outgoing = Outgoing {
        host: console.signin.host.clone(),
        url: console.signin.url(path.expose()),
        method: Method::Get,
        accept: "application/json",
        headers: Vec::new(),
    };
    let answer = exchange(outgoing, waiting, clock)?;
    let reply = serde_json::from_slice::<Reply>(answer.body.expose()).ok();
    let token = reply.filter(|_| answer.status == 200).map(|reply| Secret::new(reply.signin_token));
    let token = token.ok_or_else(|| unreadable(&answer))?;
    Ok(sign_in_address(&console.signin, &token, &console.page))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::aws::lease::tests::lease;

    #[test]
    fn each_partition_has_its_console() {
        let hosts = |region| console(region).map(|console| console.signin.host);
        assert_eq!(hosts("eu-west-1").as_deref(), Some("eu-west-1.signin.aws.amazon.com"));
        assert_eq!(hosts("cn-north-1").as_deref(), Some("signin.amazonaws.cn"));
        assert_eq!(hosts("us-gov-east-1").as_deref(), Some("signin.amazonaws-us-gov.com"));
        assert_eq!(hosts("eusc-de-east-1").as_deref(), Some("signin.amazonaws-eusc.eu"));
        assert_eq!(hosts("us-iso-east-1"), None);
        assert_eq!(hosts("evil.example/#"), None);
    }

    #[test]
    fn the_session_is_encoded_and_only_sessions_sign_in() {
        let path = token_path(&lease(Some(1)), Some(3600)).unwrap();
        assert!(
            path.expose()
                .starts_with("/federation?Action=getSigninToken&SessionDuration=3600&Session=%7B%22")
        );
        assert!(path.expose().contains("wJalr%2B%2F%3D"), "{}", path.expose());
        assert!(token_path(&lease(Some(1)), Some(899)).is_none());
        let mut lasting = lease(None);
        lasting.keys.session_token = None;
        assert!(token_path(&lasting, None).is_none());
    }

    #[test]
    fn only_pages_of_the_console_are_shown() {
        let page = |to: &str| console("eu-west-1").unwrap().showing(to).map(|console| console.page);
        assert_eq!(page("s3").unwrap(), "https://console.aws.amazon.com/s3/home?region=eu-west-1");
        for good in [
            "https://console.aws.amazon.com/ec2/home?region=us-east-1#Instances:",
            "https://eu-west-1.console.aws.amazon.com/lambda",
        ] {
            assert_eq!(page(good).unwrap(), good);
        }
        for elsewhere in [
            "https://evil.example/console.aws.amazon.com",
            "https://evilconsole.aws.amazon.com/",
            "https://me@console.aws.amazon.com/",
            "https://evil.example\\.console.aws.amazon.com/",
            "https://evil.example:1.console.aws.amazon.com/",
            "https://console.aws.amazon.com:443/",
            "https://.console.aws.amazon.com/",
            "https://console.amazonaws.cn/",
            "https://",
        ] {
            assert!(matches!(page(elsewhere), Err(DestinationError::Elsewhere(_))), "{elsewhere}");
        }
        for odd in [
            "",
            "S3",
            "http://console.aws.amazon.com/",
            "../x",
            "https://console.aws.amazon.com/ x",
            "a\u{1b}",
        ] {
            assert_eq!(page(odd), Err(DestinationError::Odd), "{odd}");
        }
    }

    #[test]
    fn the_address_leads_to_the_page() {
        let console = console("eu-west-1").unwrap();
        let address = sign_in_address(&console.signin, &Secret::new("to+ken".into()), &console.page);
        assert_eq!(
            address.expose(),
            "https://eu-west-1.signin.aws.amazon.com/federation?Action=login&Issuer=devboot&Destination=\
             https%3A%2F%2Fconsole.aws.amazon.com%2Fconsole%2Fhome%3Fregion%3Deu-west-1&SigninToken=to%2Bken"
        );
    }
}
