//! The HTTP clients, one for each way to a server: with the machine's proxy and authorities, or with others.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use reqwest::{Certificate, NoProxy, Proxy};

use super::http::{HttpError, chain};
use super::real::RealSystem;
use super::system::ReadSystem;
use crate::base::redact;
use crate::base::text::printable;

const CONNECT: Duration = Duration::from_secs(10);
/// Longer than any [`Patience`](super::stream::Patience) in use: ends what was given up, so that no thread waits for
/// ever.
const ABANDONED: Duration = Duration::from_secs(180);
/// The largest file of authorities, in bytes.
const AUTHORITIES: u64 = 16 << 20;
/// The largest file in a folder of authorities, in bytes, and how many are read.
const LARGEST: u64 = 1 << 20;
const MOST: usize = 2000;
/// The kinds of proxy that are spoken; those with an h let the proxy look the name up.
const PROXIES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// What is set for the way to a server besides the environment.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// The proxy, before the environment's; empty means none at all. Hosts of `NO_PROXY` are reached without.
    pub proxy: Option<String>,
    /// A file of certificate authorities that replaces the machine's.
    pub authorities: Option<PathBuf>,
    /// A folder of authorities, each in a file named by a hash as OpenSSL names them; they come besides the others.
    pub more_authorities: Option<PathBuf>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = self.proxy.as_deref().map(redact::url);
        f.debug_struct("Route")
            .field("proxy", &proxy)
            .field("authorities", &self.authorities)
            .field("more_authorities", &self.more_authorities)
            .finish()
    }
}

/// The clients in use, one for each route, and one more for plain http on a machine without authorities: setting
/// one up reads all of the machine's certificates.
pub(super) fn client(secure: bool, route: &Route) -> Result<Client, HttpError> {
    type Built = (Route, bool, Result<Client, HttpSetup>);
    static CLIENTS: Mutex<Vec<Built>> = Mutex::new(Vec::new());
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut get = |plain: bool| {
        let known = clients.iter().find(|(known, is_plain, _)| known == route && *is_plain == plain);
        match known {
            Some((_, _, built)) => built.clone(),
            None => {
                let built = build(plain, route);
                clients.push((route.clone(), plain, built.clone()));
                built
            }
        }
    };
    match get(false) {
        Ok(client) => Ok(client),
        Err(HttpSetup::Client(why)) if secure && why.contains("No CA certificates") => {
            Err(HttpError::NoAuthorities)
        }
        Err(HttpSetup::Client(why)) if secure => Err(HttpError::Setup(why)),
        Err(HttpSetup::Client(_)) => get(true).map_err(HttpError::from),
        Err(other) => Err(other.into()),
    }
}

/// Why a client could not be made.
#[derive(Clone)]
enum HttpSetup {
    Client(String),
    Proxy(String),
    Authorities(PathBuf, String),
}

impl From<HttpSetup> for HttpError {
    fn from(setup: HttpSetup) -> Self {
        match setup {
            HttpSetup::Client(why) => Self::Setup(why),
            HttpSetup::Proxy(proxy) => Self::Proxy(proxy),
            HttpSetup::Authorities(path, why) => Self::Authorities(path, why),
        }
    }
}

fn build(plain: bool, route: &Route) -> Result<Client, HttpSetup> {
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("git/2 (devboot ", env!("CARGO_PKG_VERSION"), ")"))
        .connect_timeout(CONNECT)
        .timeout(ABANDONED)
        .redirect(Policy::none());
    builder = match route.proxy.as_deref() {
        None => builder,
        Some("") => builder.no_proxy(),
        Some(named) => {
            let bad = || HttpSetup::Proxy(printable(&redact::url(named)));
            if named.split_once("://").is_some_and(|(scheme, _)| !PROXIES.contains(&scheme)) {
                return Err(bad());
            }
            builder.proxy(Proxy::all(named).map_err(|_| bad())?.no_proxy(NoProxy::from_env()))
        }
    };
    let more = route.more_authorities.as_deref().filter(|_| !plain).map(in_folder).transpose()?;
    if plain {
        builder = builder.tls_certs_only([]);
    } else if let Some(path) = &route.authorities {
        let bad = |why: String| HttpSetup::Authorities(path.clone(), why);
        let bytes = RealSystem.read(path, AUTHORITIES).map_err(|error| bad(error.to_string()))?;
        let certificates = Certificate::from_pem_bundle(&bytes).map_err(|error| bad(chain(&error)))?;
        if certificates.is_empty() {
            return Err(bad("it has no certificate".into()));
        }
        builder = builder.tls_certs_only(certificates.into_iter().chain(more.into_iter().flatten()));
    } else if let Some(more) = more {
        builder = builder.tls_certs_merge(more);
    }
    builder.build().map_err(|error| HttpSetup::Client(chain(&error)))
}

/// The certificates of a folder. As with OpenSSL, only names such as `9d66eef0.0` count, and a file that is none is
/// passed over.
fn in_folder(folder: &Path) -> Result<Vec<Certificate>, HttpSetup> {
    let names = RealSystem.list(folder);
    let names = names.map_err(|error| HttpSetup::Authorities(folder.to_path_buf(), error.to_string()))?;
    let is_hashed = |name: &str| {
        name.split_once('.').is_some_and(|(hash, number)| {
            hash.len() == 8
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let hashed = names.iter().filter(|name| name.to_str().is_some_and(is_hashed)).take(MOST);
    let read = |name| {
        let bytes = RealSystem.read(&folder.join(name), LARGEST).ok()?;
        Certificate::from_pem_bundle(&bytes).ok()
    };
    Ok(hashed.filter_map(read).flatten().collect())
}
