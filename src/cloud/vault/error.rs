//! Why a vault could not be read, opened or written.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;

/// Why a vault could not be read, opened or written. None of it holds a secret.
#[derive(Debug)]
pub enum VaultError {
    /// There is no vault at this path.
    Missing(PathBuf),
    /// There is one already.
    Exists(PathBuf),
    /// Something else is there: a symbolic link, a directory, a device.
    NoFile(PathBuf, &'static str),
    /// It belongs to this user, who is another one.
    Owner(PathBuf, u32),
    /// Its permission bits let others in.
    Mode(PathBuf, u32),
    /// Others can write in its directory, and so put another file in its place: the directory and its permission bits.
    Dir(PathBuf, u32),
    /// Its directory belongs to this user, who is another one.
    DirOwner(PathBuf, u32),
    /// Another process is changing it; its process id, where it is known.
    Busy(Option<u32>),
    /// It could not be read or written: which of the two, and why.
    Io(PathBuf, &'static str, io::Error),
    /// The bytes are no vault.
    Foreign,
    /// A later devboot wrote it, in this version of the format.
    Newer(u32),
    /// It is larger than [`format::LIMIT`](super::format::LIMIT).
    TooLarge,
    /// It ends too early.
    Truncated,
    /// Its bytes have changed since they were written: what is wrong with them.
    Corrupt(&'static str),
    /// Its parts do not belong together, or were not written by who could open it.
    Mixed,
    /// A passphrase that is none: why.
    Passphrase(&'static str),
    /// The passphrase is not the vault's.
    WrongPassphrase,
    /// None of the identities is the one of this recipient.
    WrongIdentity(String),
    /// It opens with a passphrase, and an identity was given.
    WantsPassphrase,
    /// It opens with the identity of this recipient, and a passphrase was given.
    WantsIdentity(String),
    /// The text is no age recipient that can be used.
    Recipient,
    /// The text is no age identity file that can be used: why.
    Identities(&'static str),
    /// The vault was given another key while it was open here.
    Rekeyed,
    /// Sealing failed.
    Sealing,
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &PathBuf| printable(&path.to_string_lossy());
        match self {
            Self::Missing(at) => write!(f, "there is no vault at {}", path(at)),
            Self::Exists(at) => write!(f, "there is a vault already at {}", path(at)),
            Self::NoFile(at, what) => write!(f, "{} is a {what}, not a vault", path(at)),
            Self::Owner(at, uid) => write!(f, "the vault {} belongs to another user, uid {uid}", path(at)),
            Self::Mode(at, mode) => {
                write!(f, "the vault {} is open to others: its mode is {mode:o}", path(at))
            }
            Self::Dir(at, mode) => {
                write!(
                    f,
                    "others can write in the directory of the vault, {}: its mode is {mode:o}",
                    path(at)
                )
            }
            Self::DirOwner(at, uid) => {
                write!(f, "the directory of the vault, {}, belongs to another user, uid {uid}", path(at))
            }
            Self::Busy(Some(pid)) => write!(f, "process {pid} is changing the vault"),
            Self::Busy(None) => f.write_str("another process is changing the vault"),
            Self::Io(at, act, _) => write!(f, "cannot {act} the vault {}", path(at)),
            Self::Foreign => f.write_str("the file is no vault of devboot"),
            Self::Newer(version) => {
                write!(f, "the vault is of format {version}, which this devboot does not know")
            }
            Self::TooLarge => f.write_str("the vault is larger than 4 MB"),
            Self::Truncated => f.write_str("the vault ends in the middle"),
            Self::Corrupt(what) => write!(f, "the vault is damaged: {what}"),
            Self::Mixed => f.write_str("the parts of the vault do not belong together"),
            Self::Passphrase(why) => write!(f, "the passphrase {why}"),
            Self::WrongPassphrase => f.write_str("the passphrase is wrong"),
            Self::WrongIdentity(recipient) => write!(f, "none of the identities belongs to {recipient}"),
            Self::WantsPassphrase => f.write_str("the vault opens with a passphrase, not with an identity"),
            Self::WantsIdentity(_) => f.write_str("the vault opens with an age identity, not a passphrase"),
            Self::Recipient => f.write_str("not an age recipient that devboot can use"),
            Self::Identities(why) => write!(f, "not an age identity file that devboot can use: {why}"),
            Self::Rekeyed => f.write_str("the vault was given another key by another process"),
            Self::Sealing => f.write_str("the vault could not be sealed"),
        }
    }
}

impl std::error::Error for VaultError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, _, error) => Some(error),
            _ => None,
        }
    }
}

impl Diagnose for VaultError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing(_) | Self::Rekeyed | Self::WrongPassphrase | Self::WrongIdentity(_) => {
                ErrorKind::NeedsUser
            }
            Self::Busy(_) | Self::Io(..) | Self::Sealing => ErrorKind::Failed,
            Self::Passphrase(_) | Self::WantsPassphrase | Self::WantsIdentity(_) => ErrorKind::Usage,
            Self::Recipient | Self::Identities(_) => ErrorKind::Usage,
            _ => ErrorKind::Refused,
        }
    }

    fn hints(&self) -> Vec<String> {
        let from_a_copy = "put a copy of the vault back, or move it away and run: devboot cloud init";
        let hint = match self {
            Self::Missing(_) => "make one with: devboot cloud init".into(),
            Self::Exists(_) => "open it with: devboot cloud unlock; or move it away first".into(),
            Self::NoFile(..) => "move it away; a vault is a plain file of your own".into(),
            Self::Owner(..) => {
                "a vault of another user is not opened; move it away, or give it to you with chown".into()
            }
            Self::Mode(path, _) => {
                format!("it is sealed, but others could replace or copy it; run: chmod 600 {}", quoted(path))
            }
            Self::Dir(path, _) => {
                format!("they could put an older vault in its place; run: chmod go-w {}", quoted(path))
            }
            Self::DirOwner(..) => {
                "its owner could put another vault in its place; keep it in a directory of your own".into()
            }
            Self::Busy(_) => "try again in a moment".into(),
            Self::Io(_, "write", _) => "what was in the vault before is still there".into(),
            Self::Foreign => "move the file away; what is in it was not written by devboot".into(),
            Self::Newer(_) => "open it with the newer devboot, or move it away".into(),
            Self::TooLarge => "it is for credentials; keep large files elsewhere".into(),
            Self::Truncated | Self::Corrupt(_) => from_a_copy.into(),
            Self::Mixed => {
                format!("someone changed the file who could not open it; {from_a_copy}")
            }
            Self::Passphrase(_) => "give a passphrase of several words".into(),
            Self::WrongPassphrase => "try again; a forgotten passphrase cannot be recovered".into(),
            Self::WrongIdentity(_) => "give the file with the identity that the vault was made for".into(),
            Self::WantsPassphrase => {
                "leave --identity out, and give the passphrase: typed, or with --passphrase-stdin".into()
            }
            Self::WantsIdentity(recipient) => format!("give the identity of {recipient}: --identity FILE"),
            Self::Recipient => "it begins with age1 and comes from: age-keygen -y FILE".into(),
            Self::Identities(_) => "it holds AGE-SECRET-KEY-1 lines, as age-keygen writes them".into(),
            Self::Rekeyed => "run: devboot cloud lock; then: devboot cloud unlock".into(),
            Self::Io(..) | Self::Sealing => return Vec::new(),
        };
        vec![hint]
    }
}

/// The path as a shell takes it.
fn quoted(path: &std::path::Path) -> String {
    let text = printable(&path.to_string_lossy());
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c)) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
