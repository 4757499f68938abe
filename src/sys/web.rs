//! Single web requests of a program that goes on meanwhile: giving one up is dropping it.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};

use super::http::{HttpError, chain};
use crate::base::redact;
use crate::base::text::printable;

/// How much of a body is read, in bytes.
pub const BODY: usize = 1 << 20;

/// A request.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// Where to; http or https.
    pub url: &'a str,
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Further lines of the head.
    pub headers: Vec<(&'a str, &'a str)>,
    /// What is sent; empty for nothing.
    pub body: &'a str,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// An answer. Redirects are answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status, such as 200.
    pub status: u16,
    /// What the status is called; empty where it has no name.
    pub reason: &'static str,
    /// The body, at most [`BODY`] bytes.
    pub body: Vec<u8>,
    /// Whether that is all of it.
    pub whole: bool,
}

/// Sends a request and waits for the answer. What is on this machine is asked without a proxy.
pub async fn ask(ask: &Ask<'_>) -> Result<Answer, HttpError> {
    let bad = || HttpError::NotHttp(printable(&redact::url(ask.url)));
    let url = Url::parse(ask.url).map_err(|_| bad())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad());
    }
    let method = Method::from_bytes(ask.method.as_bytes())
        .map_err(|_| HttpError::Connection(format!("no method: {}", printable(ask.method))))?;
    let client = client(url.scheme() == "https", is_local(&url))?;
    let mut request = client.request(method, url).timeout(ask.timeout);
    for (name, value) in &ask.headers {
        request = request.header(*name, *value);
    }
    if !ask.body.is_empty() {
        request = request.body(ask.body.to_owned());
    }
    let mut answer = request.send().await.map_err(|error| why(error, ask.timeout))?;
    let (mut body, mut whole) = (Vec::new(), true);
    while let Some(chunk) = answer.chunk().await.map_err(|error| why(error, ask.timeout))? {
        let room = BODY - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            whole = false;
            break;
        }
    }
    let reason = answer.status().canonical_reason().unwrap_or_default();
    Ok(Answer { status: answer.status().as_u16(), reason, body, whole })
}

/// The host and the port of an address on this machine; `None` for any other.
pub fn local_port(url: &str) -> Option<u16> {
    let url = Url::parse(url).ok().filter(is_local)?;
    url.port_or_known_default()
}

fn is_local(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Setting a client up for https reads all of the machine's certificates, so each is made once.
fn client(secure: bool, local: bool) -> Result<Client, HttpError> {
    static CLIENTS: Mutex<Vec<((bool, bool), Client)>> = Mutex::new(Vec::new());
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, client)) = clients.iter().find(|(kind, _)| *kind == (secure, local)) {
        return Ok(client.clone());
    }
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("devboot/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        // A service that is restarted closes its connections; each request makes its own.
        .pool_max_idle_per_host(0);
    if !secure {
        builder = builder.tls_certs_only([]);
    }
    if local {
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(|error| HttpError::Setup(chain(&error)))?;
    clients.push(((secure, local), client.clone()));
    Ok(client)
}

/// The innermost cause says it in the fewest words: `Connection refused`.
fn why(error: reqwest::Error, limit: Duration) -> HttpError {
    if error.is_timeout() {
        return HttpError::Connection(format!("no whole answer within {}", crate::base::time::span(limit)));
    }
    let whole = chain(&error);
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    match whole.contains("certificate") {
        true => HttpError::Certificate(printable(&cause.to_string())),
        false => HttpError::Connection(printable(&cause.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (url, port) in [
            ("http://127.0.0.1:8080/x", Some(8080)),
            ("http://localhost", Some(80)),
            ("https://[::1]/", Some(443)),
            ("http://localhost.example.com/", None),
            ("http://10.0.0.1/", None),
            ("nonsense", None),
        ] {
            assert_eq!(local_port(url), port, "{url}");
        }
    }
}
