//! Signing in by a code that a person confirms in any browser. Pure: what to show, and what to do after each answer.

use std::time::Duration;

use serde::Deserialize;

use super::SignInError;
use super::oidc::{Token, TokenTrouble};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;

/// By how much the server wants to be asked less often, in seconds.
const SLOWER: u64 = 5;

/// A code that waits to be confirmed.
#[derive(Debug)]
pub struct DeviceFlow {
    /// What the person compares, fit to be shown.
    pub user_code: String,
    /// The page that confirms it.
    pub page: String,
    /// The same page with the code filled in.
    pub page_with_code: String,
    /// What the token is asked for with.
    pub device_code: Secret<String>,
    interval: u64,
    ends: Timestamp,
}

/// What to do after an answer.
#[derive(Debug)]
pub enum Step {
    /// Ask again after this time.
    Wait(Duration),
    /// Signed in.
    Done(Token),
    /// Over.
    Over(SignInError),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: i64,
    interval: Option<u64>,
}

impl DeviceFlow {
    /// Reads the reply of `POST /device_authorization`; `None` when it is none.
    ///
    /// # Errors
    /// A page that is no web address is not shown to anybody.
    pub fn read(body: &[u8], now: Timestamp) -> Option<Result<Self, SignInError>> {
        let reply: Reply = serde_json::from_slice(body).ok()?;
        let page = reply.verification_uri;
        let page_with_code = reply.verification_uri_complete.unwrap_or_else(|| page.clone());
        if !is_web(&page) || !is_web(&page_with_code) {
            return Some(Err(SignInError::OddAddress));
        }
        Some(Ok(Self {
            user_code: printable(&reply.user_code.chars().take(40).collect::<String>()),
            page,
            page_with_code,
            device_code: Secret::new(reply.device_code),
            interval: reply.interval.unwrap_or(SLOWER).clamp(1, 60),
            ends: Timestamp(now.0.saturating_add(reply.expires_in.clamp(0, 3600))),
        }))
    }

    /// How long to wait before the first question.
    pub fn first_wait(&self) -> Duration {
        Duration::from_secs(self.interval)
    }

    /// What to do after the server answered.
    pub fn after(&mut self, answer: Result<Token, TokenTrouble>, now: Timestamp) -> Step {
        match answer {
            Ok(token) => return Step::Done(token),
            Err(TokenTrouble::Denied) => return Step::Over(SignInError::Denied),
            Err(TokenTrouble::Expired) => return Step::Over(SignInError::CodeExpired),
            Err(TokenTrouble::SlowDown) => self.interval += SLOWER,
            Err(TokenTrouble::Pending) => {}
        }
        match self.ends.0.saturating_sub(now.0) {
            ..=0 => Step::Over(SignInError::CodeExpired),
            left => Step::Wait(Duration::from_secs(self.interval.min(left.unsigned_abs()))),
        }
    }
}

/// Whether a text is a web address and nothing that a terminal or a browser's command line reads otherwise.
fn is_web(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let plain = text.len() <= 2048 && text.chars().all(|c| c.is_ascii_graphic() && !"\"'`<>\\".contains(c));
    plain && host.is_some_and(|host| host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(page: &str) -> Option<Result<DeviceFlow, SignInError>> {
        let body = serde_json::json!({
            "deviceCode": "dc", "userCode": "ABCD-\u{1b}[2J", "verificationUri": page, "expiresIn": 600, "interval": 1
        });
        DeviceFlow::read(body.to_string().as_bytes(), Timestamp(0))
    }

    fn started() -> DeviceFlow {
        flow("https://d.awsapps.com/start").unwrap().unwrap()
    }

    fn seconds(step: Step) -> u64 {
        match step {
            Step::Wait(time) => time.as_secs(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_waits_slows_down_and_ends() {
        let mut flow = started();
        assert_eq!(flow.first_wait().as_secs(), 1);
        assert_eq!(seconds(flow.after(Err(TokenTrouble::Pending), Timestamp(1))), 1);
        assert_eq!(seconds(flow.after(Err(TokenTrouble::SlowDown), Timestamp(2))), 6);
        assert_eq!(seconds(flow.after(Err(TokenTrouble::Pending), Timestamp(598))), 2);
        let over = flow.after(Err(TokenTrouble::Pending), Timestamp(600));
        assert!(matches!(over, Step::Over(SignInError::CodeExpired)));
        let denied = started().after(Err(TokenTrouble::Denied), Timestamp(1));
        assert!(matches!(denied, Step::Over(SignInError::Denied)));
    }

    #[test]
    fn only_web_addresses_and_harmless_codes_are_shown() {
        assert_eq!(started().user_code, "ABCD-\\u{1b}[2J");
        for page in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://a\u{1b}[2J",
            "https://a b",
            "https://",
            "-x",
        ] {
            assert!(matches!(flow(page), Some(Err(SignInError::OddAddress))), "{page}");
        }
        assert!(DeviceFlow::read(b"{}", Timestamp(0)).is_none());
    }

    #[test]
    fn the_device_code_is_not_shown() {
        let body = r#"{"deviceCode":"hidden1","userCode":"U","verificationUri":"https://a","expiresIn":1}"#;
        let flow = DeviceFlow::read(body.as_bytes(), Timestamp(0)).unwrap().unwrap();
        assert!(!format!("{flow:?}").contains("hidden1"));
    }
}
