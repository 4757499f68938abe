//! HTTP over rustls with the machine's certificate authorities; proxies as the environment says.

use std::fmt;
use std::io::{self, Read};
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::blocking::Client;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::redirect::{Attempt, Policy};

use super::stream::{self, Patience, Pump};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::redact;
use crate::base::text::printable;

/// Why a request got no answer.
#[derive(Debug)]
pub enum HttpError {
    /// No certificate authorities were found, so no https server can be checked.
    NoAuthorities,
    /// The client could not be set up, with the reason.
    Setup(String),
    /// The address is not an http or https one.
    NotHttp(String),
    /// The server's certificate was not accepted, with the reason.
    Certificate(String),
    /// A redirect led somewhere it must not, with the reason.
    Redirect(String),
    /// The connection failed, with the reason.
    Connection(String),
    /// Waiting took too long, or was interrupted.
    Waiting(io::Error),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAuthorities => f.write_str("no certificate authorities found on this machine"),
            Self::Setup(why) => write!(f, "cannot set up the HTTP client: {why}"),
            Self::NotHttp(url) => write!(f, "not an http address: {url}"),
            Self::Certificate(why) => write!(f, "the server's certificate is not accepted: {why}"),
            Self::Redirect(why) => write!(f, "the server's redirect is refused: {why}"),
            Self::Connection(why) => write!(f, "the connection failed: {why}"),
            Self::Waiting(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for HttpError {}

impl Diagnose for HttpError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Certificate(_) | Self::Redirect(_) => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoAuthorities => {
                vec!["install the package ca-certificates, or set SSL_CERT_FILE to a bundle".into()]
            }
            Self::Certificate(_) => vec![
                "behind an inspecting proxy, set SSL_CERT_FILE to a bundle that has its authority".into(),
            ],
            _ => Vec::new(),
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to; http or https, without user and password.
    pub url: String,
    /// The types of answer that are welcome.
    pub accept: &'static str,
    /// Type and bytes to send with POST; `None` is a GET.
    pub post: Option<(&'static str, Vec<u8>)>,
    /// User and password; withheld from any other host that a redirect names.
    pub login: Option<Login>,
}

/// A user name and a password, the latter never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password or token.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}, {})", self.user, redact::MASK)
    }
}

/// An answer whose body is still to be read.
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// Where the answer came from after redirects, without user and password.
    pub url: String,
    /// The type of the body, without parameters; empty when the server named none.
    pub content_type: String,
    /// The body.
    pub body: Pump,
}

const REDIRECTS: usize = 5;
const CONNECT: Duration = Duration::from_secs(10);
/// Longer than any [`Patience`] in use: ends what was given up, so that no thread waits for ever.
const ABANDONED: Duration = Duration::from_secs(180);

/// Sends a request and waits for the head of the answer.
pub fn send(request: Request, patience: Patience) -> Result<Response, HttpError> {
    let secure = request.url.starts_with("https://");
    if !secure && !request.url.starts_with("http://") {
        return Err(HttpError::NotHttp(printable(&redact::url(&request.url))));
    }
    let client = client(secure)?;
    let answer = stream::wait(patience, move || {
        let mut builder = match request.post {
            Some((kind, body)) => client.post(&request.url).header(CONTENT_TYPE, kind).body(body),
            None => client.get(&request.url),
        };
        if let Some(login) = &request.login {
            builder = builder.basic_auth(&login.user, Some(&login.password));
        }
        builder.header(ACCEPT, request.accept).send()
    });
    let answer = answer.map_err(HttpError::Waiting)?.map_err(classify)?;
    let kind = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(Response {
        status: answer.status().as_u16(),
        url: redact::url(answer.url().as_str()),
        content_type: kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
        body: Pump::new(answer, patience),
    })
}

impl Response {
    /// The whole body, at most `limit` bytes; a longer one is an error of kind `FileTooLarge`.
    pub fn bytes(self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.body.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        Ok(bytes)
    }
}

/// Two clients at most: one that can check certificates, and one for plain http on a machine without any.
fn client(secure: bool) -> Result<Client, HttpError> {
    static CHECKED: OnceLock<Result<Client, String>> = OnceLock::new();
    static PLAIN: OnceLock<Result<Client, String>> = OnceLock::new();
    match CHECKED.get_or_init(|| build(false)) {
        Ok(client) => Ok(client.clone()),
        Err(why) if secure && why.contains("No CA certificates") => Err(HttpError::NoAuthorities),
        Err(why) if secure => Err(HttpError::Setup(why.clone())),
        Err(_) => PLAIN.get_or_init(|| build(true)).clone().map_err(HttpError::Setup),
    }
}

fn build(plain: bool) -> Result<Client, String> {
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("git/2 (devboot ", env!("CARGO_PKG_VERSION"), ")"))
        .connect_timeout(CONNECT)
        .timeout(ABANDONED)
        .redirect(Policy::custom(follow));
    if plain {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| chain(&error))
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_secure = attempt.previous().iter().any(|url| url.scheme() == "https");
    match may_follow(attempt.url().scheme(), was_secure, attempt.previous().len()) {
        Ok(()) => attempt.follow(),
        Err(why) => attempt.error(why),
    }
}

fn may_follow(scheme: &str, was_secure: bool, before: usize) -> Result<(), &'static str> {
    match scheme {
        _ if before > REDIRECTS => Err("too many redirects"),
        "https" => Ok(()),
        "http" if was_secure => Err("from https to http"),
        "http" => Ok(()),
        _ => Err("to something that is not http"),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    printable(&text)
}

fn classify(error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let why = chain(&error);
    if error.is_redirect() || why.contains("URL scheme is not allowed") {
        HttpError::Redirect(why)
    } else if why.contains("certificate") {
        HttpError::Certificate(why)
    } else {
        HttpError::Connection(why)
    }
}

/// Whether a TCP connection to a host comes about within `timeout`, name resolution included.
pub fn reachable(host: &str, port: u16, timeout: Duration) -> bool {
    let target = (host.to_owned(), port);
    let patience = Patience { stall: timeout, deadline: None };
    matches!(stream::wait(patience, move || stream::connect(&target, timeout)), Ok(Ok(_)))
}

/// The host and port that a request for `host` really connects to when the environment names a proxy for it;
/// `None` without one. `var` looks a variable up.
pub fn proxy_for(https: bool, host: &str, var: impl Fn(&str) -> Option<String>) -> Option<(String, u16)> {
    let either = |upper: &str| var(&upper.to_ascii_lowercase()).or_else(|| var(upper));
    let excepted = either("NO_PROXY").unwrap_or_default();
    let matches = |pattern: &str| {
        let pattern = pattern.trim().trim_start_matches("*.").trim_start_matches('.');
        let inner = host.strip_suffix(pattern);
        pattern == "*"
            || !pattern.is_empty() && inner.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if excepted.split(',').any(matches) {
        return None;
    }
    let named = either(if https { "HTTPS_PROXY" } else { "HTTP_PROXY" }).or_else(|| either("ALL_PROXY"))?;
    let (scheme, rest) = named.split_once("://").unwrap_or(("http", &named));
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        _ => 1080,
    };
    match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => Some((bare(host), port.parse().ok()?)),
        _ => Some((bare(place), default)),
    }
}

fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_http_and_never_lose_encryption() {
        assert!(may_follow("https", false, 1).is_ok());
        assert!(may_follow("http", false, 1).is_ok());
        assert!(may_follow("http", true, 1).is_err());
        assert!(may_follow("file", false, 1).is_err());
        assert!(may_follow("https", true, REDIRECTS + 1).is_err());
    }

    #[test]
    fn the_proxy_is_what_the_environment_names() {
        let env = |name: &str| match name {
            "https_proxy" => Some("http://me:pw@proxy.corp:3128/".into()),
            "NO_PROXY" => Some("localhost, .inner.corp".into()),
            _ => None,
        };
        assert_eq!(proxy_for(true, "github.com", env), Some(("proxy.corp".into(), 3128)));
        assert_eq!(proxy_for(false, "github.com", env), None);
        assert_eq!(proxy_for(true, "git.inner.corp", env), None);
        assert_eq!(proxy_for(true, "notlocalhost", env), Some(("proxy.corp".into(), 3128)));
        assert_eq!(
            proxy_for(true, "x", |name| (name == "ALL_PROXY").then(|| "[::1]:8".into())),
            Some(("::1".into(), 8))
        );
    }

    #[test]
    fn a_closed_port_is_not_reachable_and_an_open_one_is() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(reachable("127.0.0.1", port, Duration::from_secs(30)));
        drop(listener);
        assert!(!reachable("127.0.0.1", port, Duration::from_secs(30)));
    }

    #[test]
    fn passwords_are_not_shown() {
        let login = Login { user: "me".into(), password: "pw1".into() };
        assert!(!format!("{login:?}").contains("pw1"));
    }
}
