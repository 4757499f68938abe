//! Making sure that a service runs: found, replaced when it is older than we are, or started.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::client::{Client, Probe, probe};
use super::conn::ConnError;
use super::message::{Failure, Request, Stop};
use super::place::Place;
use crate::base::error::{Diagnose, ErrorKind, Fault};
use crate::sys::detach::{self, Detached};
use crate::sys::lock::{Lock, LockError};
use crate::sys::socket::{self, Unfit};
use crate::sys::{env, process, signal};

/// How long a service has to start, and another command to start one.
const START: Duration = Duration::from_secs(10);

/// How long a service has to end: longer than it gives what it runs.
const END: Duration = Duration::from_secs(15);

/// How long whoever holds the lock without listening has to do one of both.
const SETTLE: Duration = Duration::from_secs(2);

/// How often we look whether it does.
const LOOK: Duration = Duration::from_millis(20);

/// The variables that the service keeps of whoever starts it: where things are, how text is read, how the network is
/// reached. The rest, secrets among them, is none of its business.
const KEPT: [&str; 30] = [
    "HOME",
    "PATH",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_DATA_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "ZDOTDIR",
    "DEVBOOT_HOST",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "all_proxy",
    "no_proxy",
    "UV_PYTHON_INSTALL_DIR",
    "PYENV_ROOT",
];

/// No service could be had.
#[derive(Debug)]
pub enum LaunchError {
    /// It does not answer as it should.
    Conn(ConnError),
    /// What it said when it was asked to make place.
    Replace(Fault),
    /// What it said when it was asked to end.
    Stop(Fault),
    /// Its directory cannot be used.
    Dir(PathBuf, Unfit),
    /// It could not be started.
    Start(io::Error),
    /// It started and could not go on.
    Failed(Failure),
    /// It is not ready in time.
    TooSlow,
    /// A process holds the place of the service and listens nowhere.
    Unreachable(Option<u32>),
}

impl fmt::Display for LaunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conn(error) => error.fmt(f),
            Self::Replace(fault) => write!(f, "the older service does not make place: {}", fault.one_line()),
            Self::Stop(fault) => write!(f, "the service does not end: {}", fault.one_line()),
            Self::Dir(path, Unfit::Io(_)) => write!(f, "cannot use {}", path.display()),
            Self::Dir(path, why) => write!(f, "cannot use {}: {why}", path.display()),
            Self::Start(_) => f.write_str("cannot start the service"),
            Self::Failed(failure) => f.write_str(&Fault::from(failure.clone()).one_line()),
            Self::TooSlow => write!(f, "the service was not ready within {} s", START.as_secs()),
            Self::Unreachable(Some(pid)) => write!(f, "process {pid} is the service and cannot be reached"),
            Self::Unreachable(None) => f.write_str("the service cannot be reached"),
        }
    }
}

impl std::error::Error for LaunchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Conn(error) => error.source(),
            Self::Start(error) | Self::Dir(_, Unfit::Io(error)) => Some(error),
            _ => None,
        }
    }
}

impl Diagnose for LaunchError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Conn(error) => error.kind(),
            Self::Dir(_, Unfit::NoDirectory | Unfit::Foreign(_)) => ErrorKind::Refused,
            Self::Failed(failure) => Fault::from(failure.clone()).kind,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Conn(error) => error.hints(),
            Self::Replace(fault) | Self::Stop(fault) => fault.hints.clone(),
            Self::Failed(failure) => failure.hints.clone(),
            Self::TooSlow => vec!["its log says more: ~/.local/state/devboot/logs/daemon.log".into()],
            Self::Unreachable(Some(pid)) => vec![format!("end it: kill {pid}")],
            Self::Dir(path, Unfit::NoDirectory | Unfit::Foreign(_)) => {
                vec![format!("look at it, and take it out of the way: ls -ld {}", path.display())]
            }
            _ => vec!["run it in the foreground to see more: devboot daemon run".into()],
        }
    }
}

impl From<ConnError> for LaunchError {
    fn from(error: ConnError) -> Self {
        Self::Conn(error)
    }
}

/// What a service that was started says once, on its standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It listens.
    Ready,
    /// It cannot go on.
    Failed(Failure),
}

/// How a service is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// The home, when it is not the one that `HOME` says.
    pub home: Option<PathBuf>,
}

impl Launch {
    /// With the program that is running.
    pub fn ours(home: Option<PathBuf>) -> Result<Self, LaunchError> {
        Ok(Self { program: env::current_exe().map_err(LaunchError::Start)?, home })
    }

    fn detached(&self, place: &Place, words: &[&str]) -> Detached {
        let mut args: Vec<OsString> = Vec::new();
        if let Some(home) = &self.home {
            args.extend(["--home".into(), home.clone().into_os_string()]);
        }
        args.extend(words.iter().map(OsString::from));
        let env = KEPT.iter().filter_map(|name| Some((OsString::from(name), env::var_os(name)?))).collect();
        Detached { program: self.program.clone(), args, env, errors: place.log() }
    }
}

/// A connection to a service that is not older than we are; it is started or replaced where that is needed. The state
/// directory exists.
///
/// # Errors
/// There is none, and the reason why.
pub fn ensure(place: &Place, launch: &Launch) -> Result<Client, LaunchError> {
    if let Probe::Ready(client) = probe(place)? {
        return Ok(client);
    }
    let dir = place.run_dir();
    socket::private_dir(&dir).map_err(|why| LaunchError::Dir(dir.clone(), why))?;
    // Of several commands that start a service at once, one does.
    let _one = Lock::of_dir_within(&dir, START).map_err(|_| LaunchError::TooSlow)?;
    match probe(place)? {
        Probe::Ready(client) => return Ok(client),
        Probe::Outdated(client) => replace(client)?,
        Probe::Absent => drop(settle(place)?),
    }
    start(place, launch)
}

/// Starts a service if none runs, and does not wait for it.
///
/// # Errors
/// The program could not be started.
pub fn start_without_waiting(place: &Place, launch: &Launch) -> Result<(), LaunchError> {
    match probe(place) {
        Ok(Probe::Ready(_)) => Ok(()),
        _ => detach::start(&launch.detached(place, &["daemon", "start", "--quiet"]))
            .map(drop)
            .map_err(LaunchError::Start),
    }
}

/// Ends the service of a place, if there is one, and waits for its end; says whether there was one.
pub fn end(place: &Place) -> Result<bool, LaunchError> {
    end_with(place, Stop::default())
}

/// The same where another one is started at once: whoever looks at a project waits for that.
pub fn end_for_another(place: &Place) -> Result<bool, LaunchError> {
    end_with(place, Stop { again: true, ..Stop::default() })
}

fn end_with(place: &Place, stop: Stop) -> Result<bool, LaunchError> {
    let keeper = place.keeper();
    // It starts nothing from here on but what it is starting just now.
    if let Some(Some(pid)) = Lock::holder(&keeper).filter(|pid| pid.is_some_and(is_ours)) {
        let _ = signal::ask_to_end(pid);
    }
    let mut ended = end_once(place, stop)?;
    for _ in 0..2 {
        if Lock::holder(&keeper).is_none()
            || !matches!(Lock::take_within(&keeper, SETTLE), Err(LockError::Held(_)))
        {
            break;
        }
        ended |= end_once(place, stop)?;
    }
    Ok(ended)
}

fn end_once(place: &Place, stop: Stop) -> Result<bool, LaunchError> {
    match probe(place) {
        Ok(Probe::Ready(mut client) | Probe::Outdated(mut client)) => {
            let answer = client.ask(Request::Stop(stop));
            // What it has said does not matter when it has ended: somebody else may have ended it meanwhile.
            match (client.wait_for_end(END), answer) {
                (Ok(()), _) => Ok(true),
                (Err(error), Ok(_)) => stopped_by_force(place).ok_or(error.into()),
                (Err(_), Err(fault)) => stopped_by_force(place).ok_or(LaunchError::Stop(fault)),
            }
        }
        Ok(Probe::Absent) => settle(place),
        // One that hangs hears nothing.
        Err(ConnError::Silent(limit)) => {
            stopped_by_force(place).ok_or(LaunchError::Conn(ConnError::Silent(limit)))
        }
        Err(error) => Err(error.into()),
    }
}

fn replace(mut client: Client) -> Result<(), LaunchError> {
    client.ask(Request::Stop(Stop { replace: true, ..Stop::default() })).map_err(LaunchError::Replace)?;
    Ok(client.wait_for_end(END)?)
}

/// Nobody can be reached. Who holds the lock all the same may be about to listen, or about to end; or its socket was
/// taken from under it, as a logout does with `$XDG_RUNTIME_DIR`: then it is ended. Says whether one was.
fn settle(place: &Place) -> Result<bool, LaunchError> {
    let lock = place.lock();
    let pid = match Lock::holder(&lock) {
        None => return Ok(false),
        Some(pid) => pid,
    };
    let ends = Instant::now() + SETTLE;
    while Instant::now() < ends {
        match Lock::take_within(&lock, LOOK) {
            Err(LockError::Held(_)) => {}
            _ => return Ok(false),
        }
        if !matches!(probe(place)?, Probe::Absent) {
            return Ok(false);
        }
    }
    let ended = pid.filter(|pid| is_ours(*pid)).is_some_and(|pid| {
        signal::ask_to_end(pid).is_ok() && !matches!(Lock::take_within(&lock, END), Err(LockError::Held(_)))
    });
    if ended { Ok(true) } else { Err(LaunchError::Unreachable(pid)) }
}

/// Ends a service that does not answer; `None` where it cannot be told which process that is, or where it does not end.
fn stopped_by_force(place: &Place) -> Option<bool> {
    let lock = place.lock();
    let pid = Lock::holder(&lock)?.filter(|pid| is_ours(*pid))?;
    signal::ask_to_end(pid).ok()?;
    if matches!(Lock::take_within(&lock, SETTLE), Err(LockError::Held(_))) {
        signal::kill(pid).ok()?;
    }
    (!matches!(Lock::take_within(&lock, END), Err(LockError::Held(_)))).then_some(true)
}

/// Whether a process is of this program, as far as can be seen: a lock on a network file system may be that of another machine.
fn is_ours(pid: u32) -> bool {
    process::name(pid).is_some() && process::name(pid) == process::name(process::id())
}

fn start(place: &Place, launch: &Launch) -> Result<Client, LaunchError> {
    let what = launch.detached(place, &["daemon", "keep"]);
    let mut started = detach::start(&what).map_err(LaunchError::Start)?;
    let Some(said) = started.said(START) else {
        started.end();
        return Err(LaunchError::TooSlow);
    };
    let outcome = serde_json::from_str(said.trim());
    // Whatever it said: if one listens now, that is what was wanted.
    if let Probe::Ready(client) = probe(place)? {
        return Ok(client);
    }
    match outcome {
        Ok(Outcome::Failed(failure)) => Err(LaunchError::Failed(failure)),
        Ok(Outcome::Ready) => Err(LaunchError::Unreachable(Some(started.id()))),
        Err(_) => Err(LaunchError::Start(io::Error::other("it ended without a word"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::env_vars::ALL;

    #[test]
    fn a_directory_of_somebody_else_is_said_to_be_that() {
        let error = LaunchError::Dir("/run/user/7/devboot".into(), Unfit::Foreign(7));
        assert_eq!(error.to_string(), "cannot use /run/user/7/devboot: it belongs to another user (7)");
        assert_eq!(error.hints(), ["look at it, and take it out of the way: ls -ld /run/user/7/devboot"]);
    }

    #[test]
    fn what_the_service_keeps_is_listed_and_holds_no_secret() {
        for name in KEPT {
            assert!(
                ALL.iter().any(|var| var.name == name.to_uppercase()),
                "{name} is not in base/env_vars.rs"
            );
            assert!(!crate::base::redact::is_secret_name(name), "{name}");
        }
    }
}
