//! HTTP over rustls with the machine's certificate authorities; proxies as git's configuration or the environment
//! says; what is secret goes to one server and to no other that it names.

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{ACCEPT, AGE, CONTENT_LENGTH, CONTENT_TYPE, DATE, LOCATION};

use super::route::{self, Route};
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
    /// The proxy that git's configuration names is of a kind that is not spoken here, or no address.
    Proxy(String),
    /// The file or folder of authorities that git's configuration names cannot be used, with the reason.
    Authorities(PathBuf, String),
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
            Self::Proxy(proxy) => write!(f, "the proxy '{proxy}' of git's configuration cannot be used"),
            Self::Authorities(path, why) => {
                let path = printable(&path.to_string_lossy());
                write!(f, "the certificate authorities in {path} cannot be used: {why}")
            }
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
            Self::Proxy(_) => vec!["set http.proxy to an http, https, socks4 or socks5 address".into()],
            Self::Authorities(..) => vec![
                "correct http.sslCAInfo and http.sslCAPath, or GIT_SSL_CAINFO and GIT_SSL_CAPATH where these \
                 are set"
                    .into(),
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
    /// What is asked of it.
    pub method: Method,
    /// User and password; withheld from any other host that a redirect names.
    pub login: Option<Login>,
    /// Further lines of the head, withheld in the same way.
    pub headers: Vec<Header>,
    /// The way to the server.
    pub route: Route,
}

/// What is asked of a server, with what is sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// To send something.
    Get,
    /// To take bytes of a type.
    Post(&'static str, Vec<u8>),
    /// To make something; nothing is sent.
    Put,
}

/// A line of a request's head, its value never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({}, {})", self.name, redact::MASK)
    }
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
    /// When the server made it, by its own clock and in its own words; `None` when it does not say, or when the
    /// answer comes from a cache.
    pub date: Option<String>,
    /// The body.
    pub body: Pump,
}

const REDIRECTS: usize = 5;

/// Sends a request and waits for the head of the answer. Redirects of a GET are followed; any other is the
/// answer.
pub fn send(request: Request, patience: Patience) -> Result<Response, HttpError> {
    let bad = || HttpError::NotHttp(printable(&redact::url(&request.url)));
    let start = Url::parse(&request.url).map_err(|_| bad())?;
    if !matches!(start.scheme(), "http" | "https") {
        return Err(bad());
    }
    let answer = stream::wait(patience, move || exchange(&request, start));
    let answer = answer.map_err(HttpError::Waiting)??;
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE).unwrap_or_default();
    Ok(Response {
        status: answer.status().as_u16(),
        url: redact::url(answer.url().as_str()),
        content_type: kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
        date: header(DATE).filter(|_| header(AGE).is_none()).map(str::to_owned),
        body: Pump::new(answer, patience),
    })
}

fn exchange(request: &Request, start: Url) -> Result<reqwest::blocking::Response, HttpError> {
    let (mut url, mut secure) = (start.clone(), false);
    for redirects in 1..=REDIRECTS + 1 {
        secure |= url.scheme() == "https";
        let client = route::client(url.scheme() == "https", &request.route)?;
        let mut builder = match &request.method {
            Method::Post(kind, body) => {
                client.post(url.clone()).header(CONTENT_TYPE, *kind).body(body.clone())
            }
            Method::Get => client.get(url.clone()),
            Method::Put => client.put(url.clone()).header(CONTENT_LENGTH, 0),
        };
        if url.origin() == start.origin() {
            if let Some(login) = &request.login {
                builder = builder.basic_auth(&login.user, Some(&login.password));
            }
            for Header { name, value } in &request.headers {
                builder = builder.header(name, value);
            }
        }
        let answer = builder.header(ACCEPT, request.accept).send().map_err(classify)?;
        let to = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let (301 | 302 | 303 | 307 | 308, Some(to), Method::Get) =
            (answer.status().as_u16(), to, &request.method)
        else {
            return Ok(answer);
        };
        let refused = |why: &str| HttpError::Redirect(why.to_owned());
        let mut next = url.join(to).map_err(|_| refused("to something that is no address"))?;
        may_follow(next.scheme(), secure, redirects).map_err(refused)?;
        // The server's idea of who we are is not ours.
        let _ = next.set_username("").and_then(|()| next.set_password(None));
        url = next;
    }
    Err(HttpError::Redirect("too many redirects".into()))
}

/// Whether two addresses have the same scheme, host and port.
pub fn same_origin(a: &str, b: &str) -> bool {
    matches!((Url::parse(a), Url::parse(b)), (Ok(a), Ok(b)) if a.origin() == b.origin())
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

fn may_follow(scheme: &str, was_secure: bool, before: usize) -> Result<(), &'static str> {
    match scheme {
        _ if before > REDIRECTS => Err("too many redirects"),
        "https" => Ok(()),
        "http" if was_secure => Err("from https to http"),
        "http" => Ok(()),
        _ => Err("to something that is not http"),
    }
}

pub(super) fn chain(error: &dyn std::error::Error) -> String {
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
