//! Signing in with a browser on this machine: what it is sent to, and what it brings back. Pure.

use ring::digest;
use subtle::ConstantTimeEq;

use super::SignInError;
use crate::base::secret::Secret;
use crate::cloud::aws::endpoint::Endpoint;
use crate::cloud::head::decoded;
use crate::cloud::text::{base64url, form};

/// The path that the browser comes back to.
const PATH: &str = "/oauth/callback";

/// One sign-in: the secrets that tie the browser's way there and back together.
#[derive(Debug)]
pub struct Pkce {
    state: Secret<String>,
    /// What the token is asked for with, besides the code.
    pub verifier: Secret<String>,
    /// The address that the browser comes back to.
    pub redirect: String,
    host: String,
}

/// What a request to the callback's address is.
#[derive(Debug)]
pub enum Visit {
    /// The browser with the code.
    Code(Secret<String>),
    /// The browser with an error.
    Over(SignInError),
    /// Somebody else; the status to answer with. The wait goes on.
    Stranger(u16),
}

/// The address that a client is registered with. The port is left open: RFC 8252 has servers accept any of them.
pub const REGISTERED: &str = "http://127.0.0.1/oauth/callback";

impl Pkce {
    /// A sign-in over this port of 127.0.0.1, from 64 random bytes.
    pub fn new(random: &[u8; 64], port: u16) -> Self {
        let host = format!("127.0.0.1:{port}");
        Self {
            state: Secret::new(base64url(&random[..32])),
            verifier: Secret::new(base64url(&random[32..])),
            redirect: format!("http://{host}{PATH}"),
            host,
        }
    }

    /// Where the browser is sent. It holds the state, so it is for the browser and no log.
    pub fn page(&self, oidc: &Endpoint, client_id: &str, scopes: &[String]) -> Secret<String> {
        let challenge = digest::digest(&digest::SHA256, self.verifier.expose().as_bytes());
        let pairs = [
            ("response_type", "code".to_owned()),
            ("client_id", client_id.to_owned()),
            ("redirect_uri", self.redirect.clone()),
            ("state", self.state.expose().clone()),
            ("code_challenge_method", "S256".to_owned()),
            ("scopes", scopes.join(" ")),
            ("code_challenge", base64url(challenge.as_ref())),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value));
        Secret::new(format!("{}?{}", oidc.url("/authorize"), form(&pairs)))
    }

    /// Judges the head of a request to the callback.
    pub fn visit(&self, head: &str) -> Visit {
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some("GET"), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Visit::Stranger(405);
        };
        let hosts: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
            .map(|(_, value)| value.trim())
            .collect();
        if hosts != [self.host.as_str()] {
            return Visit::Stranger(421);
        }
        let Some((PATH, query)) = target.split_once('?') else { return Visit::Stranger(404) };
        let get = |wanted: &str| {
            let mut values = query.split('&').filter_map(|pair| pair.split_once('='));
            values.find(|(name, _)| *name == wanted).and_then(|(_, value)| decoded(value))
        };
        let state = get("state").unwrap_or_default();
        if !bool::from(state.as_bytes().ct_eq(self.state.expose().as_bytes())) {
            return Visit::Stranger(403);
        }
        match (get("code"), get("error")) {
            (_, Some(error)) if error == "access_denied" => Visit::Over(SignInError::Denied),
            (_, Some(error)) => {
                let code = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(60);
                Visit::Over(SignInError::Browser(code.collect()))
            }
            (Some(code), None) if !code.is_empty() => Visit::Code(Secret::new(code)),
            _ => Visit::Stranger(400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::aws::endpoint::address;

    fn pkce() -> Pkce {
        let mut random = [0; 64];
        random.iter_mut().zip(1..).for_each(|(byte, value)| *byte = value);
        Pkce::new(&random, 4000)
    }

    fn status(head: &str) -> u16 {
        match pkce().visit(head) {
            Visit::Stranger(status) => status,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        let mut known = pkce();
        known.verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into());
        let page = known.page(&address("https://o", "x").unwrap(), "id", &["a b".into()]);
        assert!(page.expose().ends_with("&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        assert!(page.expose().contains("&redirect_uri=http%3A%2F%2F127.0.0.1%3A4000%2Foauth%2Fcallback&"));
    }

    #[test]
    fn the_browser_brings_the_code() {
        let state = pkce().state.expose().clone();
        let head =
            format!("GET /oauth/callback?code=a%2Bb&state={state} HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n");
        let Visit::Code(code) = pkce().visit(&head) else { panic!() };
        assert_eq!(code.expose(), "a+b");
        let denied = head.replace("code=a%2Bb", "error=access_denied");
        assert!(matches!(pkce().visit(&denied), Visit::Over(SignInError::Denied)));
        let other = head.replace("code=a%2Bb", "error=server%1b%5Berror");
        assert!(
            matches!(pkce().visit(&other), Visit::Stranger(400)),
            "control characters are no error's name"
        );
    }

    #[test]
    fn strangers_are_sent_away_and_the_wait_goes_on() {
        let state = pkce().state.expose().clone();
        let good = format!("GET /oauth/callback?code=c&state={state} HTTP/1.1\r\nHost: 127.0.0.1:4000\r\n");
        assert_eq!(status(&good.replace("GET", "POST")), 405);
        assert_eq!(status(&good.replace("127.0.0.1:4000", "evil.example")), 421);
        assert_eq!(status(&format!("{good}Host: evil.example\r\n")), 421);
        assert_eq!(status(&good.replace("/oauth/callback", "/favicon.ico")), 404);
        assert_eq!(status(&good.replace(&state, "guess")), 403);
        assert_eq!(status(&good.replace("state=", "x=")), 403);
        assert_eq!(status(&good.replace("code=c&", "")), 400);
        assert_eq!(status(""), 405);
    }
}
