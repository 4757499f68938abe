//! The streams that libgit2 reads and writes: HTTP exchanges, TCP connections and child processes, with the
//! bytes counted and every failure kept under its name.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream};
use git2::{ErrorClass, ErrorCode};

use super::config::HttpRules;
use super::credential::{self, Asked, Credential};
use super::failure::LinkError;
use crate::base::text::printable;
use crate::sys::http::{self, HttpError, Login, Method, Request};
use crate::sys::process::CommandSpec;
use crate::sys::stream::{Duplex, Patience, Said};

/// How the bytes travel.
pub(super) enum Way {
    Http {
        base: String,
        login: Option<Login>,
        rules: HttpRules,
    },
    Git {
        host: String,
        port: u16,
        path: String,
    },
    /// `git upload-pack` here.
    Child(CommandSpec),
    /// The same over ssh, and how one would call the host by hand.
    Ssh {
        command: CommandSpec,
        call: String,
    },
}

/// What one way to a repository is and has seen, shared with the streams on it.
pub(super) struct Shared {
    pub(super) way: Way,
    pub(super) patience: Patience,
    pub(super) limit: u64,
    pub(super) received: AtomicU64,
    pub(super) failure: Mutex<Option<LinkError>>,
    pub(super) said: Mutex<Option<Said>>,
    /// What a helper of git knew, for all requests of this way.
    pub(super) credential: Mutex<Option<Credential>>,
}

/// An error as libgit2 carries it.
pub(super) fn error(text: &str) -> git2::Error {
    git2::Error::new(ErrorCode::GenericError, ErrorClass::Net, printable(text))
}

impl Shared {
    /// What the child has said on standard error, on one line.
    pub(super) fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.as_ref().map(|said| printable(&said.text().replace('\n', ", "))).unwrap_or_default()
    }

    fn fail(&self, failure: LinkError) -> git2::Error {
        let text = failure.to_string();
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        error(&text)
    }

    /// User and password for the first request: the address's own, or what a helper knew before.
    fn login(&self, own: &Option<Login>) -> Option<Login> {
        let known = self.credential.lock().unwrap_or_else(PoisonError::into_inner);
        // A user alone is for the helper, as in git.
        let own = own.as_ref().filter(|login| !login.password.is_empty());
        known.as_ref().map(|known| &known.login).or(own).cloned()
    }

    fn count(&self, bytes: usize) -> Result<(), LinkError> {
        let all = self.received.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if all > self.limit { Err(LinkError::TooLarge(self.limit)) } else { Ok(()) }
    }
}

/// libgit2's side of a way.
pub(super) struct Subtransport {
    pub(super) shared: Arc<Shared>,
    /// Where the server really is, once it has answered.
    pub(super) base: Mutex<Option<String>>,
}

impl SmartSubtransport for Subtransport {
    fn action(&self, _: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        match (&self.shared.way, service) {
            (_, Service::ReceivePackLs | Service::ReceivePack) => Err(error("this way only fetches")),
            (Way::Http { base, login, rules }, Service::UploadPackLs) => {
                let stream =
                    self.advertisement(base, login, rules).map_err(|failure| self.shared.fail(failure))?;
                Ok(Box::new(stream))
            }
            (Way::Http { base, login, rules }, Service::UploadPack) => {
                let moved = self.base.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let place = moved.as_ref().unwrap_or(base);
                // What is secret is for the server that the user named, not for one that it named.
                let same = http::same_origin(place, base);
                Ok(Box::new(Exchange {
                    shared: Arc::clone(&self.shared),
                    request: Request {
                        url: format!("{place}/git-upload-pack"),
                        accept: "application/x-git-upload-pack-result",
                        method: Method::Get,
                        login: self.shared.login(login).filter(|_| same),
                        headers: if same { rules.headers.clone() } else { Vec::new() },
                        route: rules.route.clone(),
                    },
                    body: Vec::new(),
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
            (Way::Child(command) | Way::Ssh { command, .. }, _) => {
                self.wire(Duplex::child(command, self.shared.patience))
            }
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

impl Subtransport {
    fn advertisement(
        &self,
        base: &str,
        login: &Option<Login>,
        rules: &HttpRules,
    ) -> Result<Exchange, LinkError> {
        const QUERY: &str = "/info/refs?service=git-upload-pack";
        let mut request = Request {
            url: format!("{base}{QUERY}"),
            accept: "application/x-git-upload-pack-advertisement",
            method: Method::Get,
            login: self.shared.login(login),
            headers: rules.headers.clone(),
            route: rules.route.clone(),
        };
        let send = |request: &Request| {
            http::send(request.clone(), self.shared.patience).map_err(|error| match error {
                HttpError::Certificate(why) if rules.unverified => LinkError::Unverified(why),
                error => LinkError::Http(error),
            })
        };
        let mut answer = send(&request)?;
        if answer.status == 401 {
            let credential = self.ask(base, login, &answer)?;
            request.login = Some(credential.login.clone());
            answer = send(&request)?;
            match answer.status {
                401 if !http::same_origin(&answer.url, base) => {
                    return Err(LinkError::Password(Asked::Elsewhere));
                }
                401 => {
                    credential.reject();
                    return Err(LinkError::Password(Asked::Wrong));
                }
                200 => credential.approve(),
                _ => {}
            }
            *self.shared.credential.lock().unwrap_or_else(PoisonError::into_inner) = Some(credential);
        }
        if answer.status != 200 {
            return Err(LinkError::Status(answer.status));
        }
        let moved = answer.url.strip_suffix(QUERY).ok_or(LinkError::NotGit)?;
        if answer.content_type != "application/x-git-upload-pack-advertisement" {
            return Err(LinkError::NotGit);
        }
        *self.base.lock().unwrap_or_else(PoisonError::into_inner) = Some(moved.to_owned());
        let shared = Arc::clone(&self.shared);
        Ok(Exchange { shared, request, body: Vec::new(), answer: Some(answer) })
    }

    /// Asks git's helpers for what the server wants to know, if it is the server that the user named.
    fn ask(&self, base: &str, own: &Option<Login>, answer: &http::Response) -> Result<Credential, LinkError> {
        let asked = match own {
            _ if !http::same_origin(&answer.url, base) => Err(Asked::Elsewhere),
            Some(login) if !login.password.is_empty() => Err(Asked::Given),
            _ => credential::fill(base, own.as_ref().map(|login| login.user.as_str())),
        };
        asked.map_err(LinkError::Password)
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
    request: Request,
    body: Vec<u8>,
    answer: Option<http::Response>,
}

impl Exchange {
    fn send(&mut self) -> Result<http::Response, LinkError> {
        let mut request = self.request.clone();
        request.method =
            Method::Post("application/x-git-upload-pack-request", std::mem::take(&mut self.body));
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
        self.body.extend(bytes);
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
