//! The way from libgit2 to a repository: one transport for http, git, ssh and local addresses over `sys`, so
//! that every wait has an end, every transfer a size, and every failure a name.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use git2::transport::Transport;

use super::config::Settings;
use super::failure::LinkError;
use super::memory;
use super::url::GitUrl;
use super::wire::{Shared, Subtransport, Way, error};
use crate::sys::process::{self, CommandSpec};
use crate::sys::stream::Patience;

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
        settings: &Settings,
        patience: Patience,
        limit: u64,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, git2::Error> {
        register()?;
        let way = match url {
            GitUrl::Http { bare, login, .. } => {
                let rules = settings.http(bare, &var);
                Way::Http { base: bare.clone(), login: login.clone(), rules }
            }
            GitUrl::Git { host, port, path } => {
                Way::Git { host: host.clone(), port: *port, path: path.clone() }
            }
            GitUrl::Ssh { target, port, path } => {
                let own = var("GIT_SSH_COMMAND").or_else(|| settings.ssh_command().map(str::to_owned));
                let port_words = port.map(|port| format!(" -p {port}")).unwrap_or_default();
                Way::Ssh {
                    command: unattended(ssh(target, *port, path, own)),
                    call: format!("ssh{port_words} {target}"),
                }
            }
            GitUrl::Local(_) if !has_upload_pack() => return Ok(None),
            GitUrl::Local(path) => {
                Way::Child(unattended(CommandSpec::new("git").args(["upload-pack", "--"]).arg(path)))
            }
        };
        let shared = Arc::new(Shared {
            way,
            patience,
            limit,
            received: AtomicU64::new(0),
            failure: Mutex::new(None),
            said: Mutex::new(None),
            credential: Mutex::new(None),
        });
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::clone(&shared));
        Ok(Some(Self { id, shared }))
    }

    /// The address that libgit2 is given.
    pub fn url(&self) -> String {
        format!("{SCHEME}://{}", self.id)
    }

    /// The way itself, for a conversation without libgit2.
    pub(super) fn way(&self) -> Subtransport {
        Subtransport { shared: Arc::clone(&self.shared), base: Mutex::new(None) }
    }

    /// Whether each request is a conversation of its own, as with HTTP.
    pub(super) fn is_stateless(&self) -> bool {
        matches!(self.shared.way, Way::Http { .. })
    }

    /// The bytes received so far.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Relaxed)
    }

    /// What went wrong in the way itself, if that is what failed; libgit2's own words say less.
    pub fn failure(&self) -> Option<LinkError> {
        let named = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        let said = self.shared.said();
        let of_ssh = match &self.shared.way {
            Way::Ssh { call, .. } if self.received() == 0 => LinkError::of_ssh(call, &said),
            _ => None,
        };
        of_ssh.or(named).or_else(|| {
            (!said.is_empty()).then(|| LinkError::Broken(io::ErrorKind::UnexpectedEof.into(), said))
        })
    }
}

impl Link {
    /// Whether asking again is pointless: the server sent too much, fell silent or could not be reached.
    pub fn is_spent(&self) -> bool {
        let failure = self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            None | Some(LinkError::Status(_) | LinkError::NotGit) => false,
            Some(LinkError::Broken(error, _)) => error.kind() == io::ErrorKind::TimedOut,
            Some(_) => true,
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
        memory::bound();
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

/// What the caller's git is set to must not redirect this one, and nobody is asked.
fn unattended(command: CommandSpec) -> CommandSpec {
    command.env("GIT_TERMINAL_PROMPT", "0").without("GIT_DIR").without("GIT_PROTOCOL").cwd("/")
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

    #[test]
    fn the_users_own_ssh_command_carries_a_conversation() {
        let dir = tempfile::tempdir().unwrap();
        let origin = dir.path().join("it's here");
        let repo = git2::Repository::init_bare(&origin).unwrap();
        let tree = repo.treebuilder(None).unwrap().write().unwrap();
        let me = git2::Signature::now("me", "me@example.org").unwrap();
        let tree = repo.find_tree(tree).unwrap();
        let commit = repo.commit(Some("refs/heads/main"), &me, &me, "x", &tree, &[]).unwrap();
        // Stands for ssh: what the other side's shell would do with the last word.
        let command = |_: &str| Some("there() { shift; eval \"$1\"; }; there".to_owned());
        let url = GitUrl::Ssh { target: "h".into(), port: None, path: origin.to_str().unwrap().into() };
        let patience = Patience { stall: std::time::Duration::from_secs(60), deadline: None };
        let link = Link::open(&url, &Settings::default(), patience, 1 << 20, command).unwrap().unwrap();
        let mut remote = repo.remote_anonymous(&link.url()).unwrap();
        remote.connect(git2::Direction::Fetch).unwrap();
        let heads: Vec<_> = remote.list().unwrap().iter().map(|head| head.oid()).collect();
        assert!(heads.contains(&commit));
        drop(remote);
        let nowhere = GitUrl::Ssh { target: "h".into(), port: None, path: "/nowhere".into() };
        let link = Link::open(&nowhere, &Settings::default(), patience, 1 << 20, command).unwrap().unwrap();
        assert!(repo.remote_anonymous(&link.url()).unwrap().connect(git2::Direction::Fetch).is_err());
        let said = link.failure().unwrap().to_string();
        assert!(said.contains("/nowhere"), "{said}");
    }
}
