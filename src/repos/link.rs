//! How git's bytes travel: one transport for libgit2 that reaches http, git, ssh and local repositories over
//! `sys`, so that every wait has an end, every transfer a size, and every failure a name.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use git2::{ErrorClass, ErrorCode};

use super::url::GitUrl;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::{printable, size};
use crate::sys::http::{self, HttpError, Login, Request};
use crate::sys::process::{self, CommandSpec};
use crate::sys::stream::{Duplex, Patience, Said};

/// Why a repository could not be talked to.
#[derive(Debug)]
pub enum LinkError {
    /// The HTTP request failed.
    Http(HttpError),
    /// The server answered with this status.
    Status(u16),
    /// The server answered with something that is not git's protocol.
    NotGit,
    /// The server sent more than the limit in bytes.
    TooLarge(u64),
    /// The connection or the program failed, with what the program said.
    Broken(io::Error, String),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => write!(f, "{error}"),
            Self::Status(401 | 403 | 404) => f.write_str("the server has no such repository for us"),
            Self::Status(300..=399) => f.write_str("the server's redirect leads where it must not"),
            Self::Status(code) => write!(f, "the server answered with status {code}"),
            Self::NotGit => f.write_str("the server does not speak git's smart protocol there"),
            Self::TooLarge(limit) => write!(f, "the server sent more than {}", size(*limit)),
            Self::Broken(error, said) if said.is_empty() => write!(f, "the connection broke: {error}"),
            Self::Broken(_, said) => f.write_str(said),
        }
    }
}

impl std::error::Error for LinkError {}

impl Diagnose for LinkError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Http(error) => error.kind(),
            Self::TooLarge(_) => ErrorKind::Refused,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Http(error) => error.hints(),
            Self::Status(401 | 403 | 404) => {
                vec!["check the address; a private repository needs an ssh address".into()]
            }
            _ => Vec::new(),
        }
    }
}

enum Way {
    Http { base: String, login: Option<Login> },
    Git { host: String, port: u16, path: String },
    Child(CommandSpec),
}

struct Shared {
    way: Way,
    patience: Patience,
    limit: u64,
    received: AtomicU64,
    failure: Mutex<Option<LinkError>>,
    said: Mutex<Option<Said>>,
}

/// A way to one repository; libgit2 reaches it by [`Link::url`] until this is dropped.
pub struct Link {
    id: u64,
    shared: Arc<Shared>,
}

const SCHEME: &str = "devboot";
static OPEN: Mutex<BTreeMap<u64, Arc<Shared>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Whether local repositories can be reached the smart way, shallow clones included.
pub fn has_upload_pack() -> bool {
    process::find("git").is_some()
}

impl Link {
    /// Prepares the way to `url`; nothing is sent yet. `limit` bounds the bytes received in all. `None` when
    /// a local repository must be read without a `git` program. `var` looks an environment variable up.
    pub fn open(
        url: &GitUrl,
        patience: Patience,
        limit: u64,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, git2::Error> {
        register()?;
        let way = match url {
            GitUrl::Http { bare, login, .. } => Way::Http { base: bare.clone(), login: login.clone() },
            GitUrl::Git { host, port, path } => {
                Way::Git { host: host.clone(), port: *port, path: path.clone() }
            }
            GitUrl::Ssh { target, port, path } => {
                Way::Child(ssh(target, *port, path, var("GIT_SSH_COMMAND")))
            }
            GitUrl::Local(_) if !has_upload_pack() => return Ok(None),
            GitUrl::Local(path) => Way::Child(CommandSpec::new("git").args(["upload-pack", "--"]).arg(path)),
        };
        let way = match way {
            // What the caller's git is set to must not redirect this one.
            Way::Child(spec) => Way::Child(
                spec.env("GIT_TERMINAL_PROMPT", "0").without("GIT_DIR").without("GIT_PROTOCOL").cwd("/"),
            ),
            way => way,
        };
        let shared = Arc::new(Shared {
            way,
            patience,
            limit,
            received: AtomicU64::new(0),
            failure: Mutex::new(None),
            said: Mutex::new(None),
        });
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&shared));
        Ok(Some(Self { id, shared }))
    }

    /// The address that libgit2 is given.
    pub fn url(&self) -> String {
        format!("{SCHEME}://{}", self.id)
    }

    /// The bytes received so far.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// What went wrong in the way itself, if that is what failed; libgit2's own words say less.
    pub fn failure(&self) -> Option<LinkError> {
        let named = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        named.or_else(|| {
            let said = self.shared.said();
            (!said.is_empty()).then(|| LinkError::Broken(io::ErrorKind::UnexpectedEof.into(), said))
        })
    }
}

impl Link {
    /// Whether asking again is pointless: the server sent too much, fell silent or could not be reached.
    pub fn is_spent(&self) -> bool {
        let failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            None => false,
            Some(LinkError::Http(_) | LinkError::TooLarge(_)) => true,
            Some(LinkError::Broken(error, _)) => error.kind() == io::ErrorKind::TimedOut,
            Some(LinkError::Status(_) | LinkError::NotGit) => false,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

fn register() -> Result<(), git2::Error> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    let result = DONE.get_or_init(|| {
        // SAFETY: registering must not run beside another registration; the lock of `DONE` sees to that, and
        // nothing else in this program registers transports.
        let done = unsafe {
            git2::transport::register(SCHEME, |remote| {
                let id = remote.url()?.rsplit('/').next().and_then(|id| id.parse().ok()).unwrap_or(0);
                let open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
                let shared = open.get(&id).cloned().ok_or_else(|| error("the way is closed"))?;
                let stateless = matches!(shared.way, Way::Http { .. });
                Transport::smart(remote, stateless, Subtransport { shared, base: Mutex::new(None) })
            })
        };
        done.map_err(|error| error.message().to_owned())
    });
    result.clone().map_err(|why| error(&why))
}

fn error(text: &str) -> git2::Error {
    git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, printable(text))
}

/// `ssh` as git would start it; its own rules decide about keys and hosts.
fn ssh(target: &str, port: Option<u16>, path: &str, command: Option<String>) -> CommandSpec {
    let mut spec = match &command {
        Some(command) => CommandSpec::new("sh").args(["-c", &format!("{command} \"$@\""), "ssh"]),
        None => CommandSpec::new("ssh").args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]),
    };
    if let Some(port) = port {
        spec = spec.args(["-p", &port.to_string()]);
    }
    let quoted = path.replace('\'', "'\\''").replace('!', "'\\!'");
    spec.arg(target).arg(format!("git-upload-pack '{quoted}'"))
}

impl Shared {
    fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.as_ref().map(|said| printable(&said.text().replace('\n', ", "))).unwrap_or_default()
    }

    fn fail(&self, failure: LinkError) -> git2::Error {
        let text = failure.to_string();
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        error(&text)
    }

    fn count(&self, bytes: usize) -> Result<(), LinkError> {
        let all = self.received.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if all > self.limit { Err(LinkError::TooLarge(self.limit)) } else { Ok(()) }
    }
}

struct Subtransport {
    shared: Arc<Shared>,
    /// Where the server really is, once it has answered.
    base: Mutex<Option<String>>,
}

impl SmartSubtransport for Subtransport {
    fn action(&self, _: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        match (&self.shared.way, service) {
            (_, Service::ReceivePackLs | Service::ReceivePack) => Err(error("this way only fetches")),
            (Way::Http { base, login }, Service::UploadPackLs) => {
                let stream = self.advertisement(base, login).map_err(|failure| self.shared.fail(failure))?;
                Ok(Box::new(stream))
            }
            (Way::Http { base, login }, Service::UploadPack) => {
                let moved = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let same = moved.as_ref().is_none_or(|moved| moved == base);
                Ok(Box::new(Exchange {
                    shared: Arc::clone(&self.shared),
                    url: format!("{}/git-upload-pack", moved.as_ref().unwrap_or(base)),
                    login: login.clone().filter(|_| same),
                    request: Vec::new(),
                    answer: None,
                }))
            }
            (Way::Git { host, port, path }, _) => {
                let opened = Duplex::tcp(host, *port, self.shared.patience).and_then(|mut stream| {
                    let request = format!("git-upload-pack {path}\0host={host}\0");
                    stream.write_all(format!("{:04x}{request}", request.len() + 4).as_bytes())?;
                    Ok(stream)
                });
                self.wire(opened)
            }
            (Way::Child(spec), _) => self.wire(Duplex::child(spec, self.shared.patience)),
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

impl Subtransport {
    fn advertisement(&self, base: &str, login: &Option<Login>) -> Result<Exchange, LinkError> {
        const QUERY: &str = "/info/refs?service=git-upload-pack";
        let request = Request {
            url: format!("{base}{QUERY}"),
            accept: "application/x-git-upload-pack-advertisement",
            post: None,
            login: login.clone(),
        };
        let answer = http::send(request, self.shared.patience).map_err(LinkError::Http)?;
        if answer.status != 200 {
            return Err(LinkError::Status(answer.status));
        }
        let moved = answer.url.strip_suffix(QUERY).ok_or(LinkError::NotGit)?;
        if answer.content_type != "application/x-git-upload-pack-advertisement" {
            return Err(LinkError::NotGit);
        }
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = Some(moved.to_owned());
        let shared = Arc::clone(&self.shared);
        Ok(Exchange { shared, url: String::new(), login: None, request: Vec::new(), answer: Some(answer) })
    }

    fn wire(&self, opened: io::Result<Duplex>) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let duplex = opened.map_err(|error| self.shared.fail(LinkError::Broken(error, String::new())))?;
        *self.shared.said.lock().unwrap_or_else(PoisonError::into_inner) = Some(duplex.said());
        Ok(Box::new(Wire { shared: Arc::clone(&self.shared), duplex }))
    }
}

/// One request and its answer; the request goes out when the answer is first asked for.
struct Exchange {
    shared: Arc<Shared>,
    url: String,
    login: Option<Login>,
    request: Vec<u8>,
    answer: Option<http::Response>,
}

impl Exchange {
    fn send(&mut self) -> Result<http::Response, LinkError> {
        let request = Request {
            url: self.url.clone(),
            accept: "application/x-git-upload-pack-result",
            post: Some(("application/x-git-upload-pack-request", std::mem::take(&mut self.request))),
            login: self.login.clone(),
        };
        let answer = http::send(request, self.shared.patience).map_err(LinkError::Http)?;
        match answer.status {
            200 if answer.content_type == "application/x-git-upload-pack-result" => Ok(answer),
            200 => Err(LinkError::NotGit),
            code => Err(LinkError::Status(code)),
        }
    }

    fn read_some(&mut self, into: &mut [u8]) -> Result<usize, LinkError> {
        let answer = match self.answer.take() {
            Some(answer) => answer,
            None => self.send()?,
        };
        let answer = self.answer.insert(answer);
        let count = answer.body.read(into).map_err(|error| LinkError::Broken(error, String::new()))?;
        self.shared.count(count)?;
        Ok(count)
    }
}

impl Read for Exchange {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.read_some(into)
            .map_err(|failure| io::Error::other(self.shared.fail(failure).message().to_owned()))
    }
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.answer.is_some() {
            return Err(io::Error::other("the answer has begun"));
        }
        self.request.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection that stays open for the whole conversation.
struct Wire {
    shared: Arc<Shared>,
    duplex: Duplex,
}

impl Wire {
    fn broken(&self, error: io::Error) -> io::Error {
        let failure = LinkError::Broken(error, self.shared.said());
        io::Error::other(self.shared.fail(failure).message().to_owned())
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.duplex.read(into).map_err(|error| self.broken(error))?;
        match self.shared.count(count) {
            Ok(()) => Ok(count),
            Err(failure) => Err(io::Error::other(self.shared.fail(failure).message().to_owned())),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.duplex.write(bytes).map_err(|error| self.broken(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.duplex.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_gets_its_arguments_as_words_and_the_path_quoted() {
        let spec = ssh("me@h", Some(22), "it's!", None);
        let args: Vec<_> = spec.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        assert_eq!(args[..4], ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]);
        assert_eq!(args[4..], ["-p", "22", "me@h", "git-upload-pack 'it'\\''s'\\!''"]);
        let spec = ssh("h", None, "x", Some("ssh -i key".into()));
        assert_eq!(spec.program, "sh");
        assert_eq!(spec.args[1], "ssh -i key \"$@\"");
    }
}
