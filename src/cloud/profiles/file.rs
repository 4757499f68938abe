//! The file of the credential profiles: `cloud.toml` in devboot's configuration directory.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{BadName, Profiles, check_name, check_plain};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;
use crate::sys::process;
use crate::sys::system::{Meta, ReadSystem, WriteSystem, replace};

/// Its name in the configuration directory.
pub const FILE: &str = "cloud.toml";

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

const HEADER: &str = "# Credential profiles of devboot: where credentials come from and whose they must be, no secrets.\n\
                      # `devboot cloud add|import|remove` write this file anew; what you change by hand counts, comments are not kept.\n";

/// What the file says.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    #[serde(default)]
    profile: Profiles,
}

/// The file cannot be used.
#[derive(Debug)]
pub enum ProfilesError {
    /// Reading or writing failed.
    Io(PathBuf, io::Error),
    /// It is not what devboot reads; where and why.
    Wrong(PathBuf, String),
    /// A profile has a name that none can have.
    Name(PathBuf, BadName),
    /// Others could have written it.
    Open(PathBuf, Hole),
}

/// Why somebody else could have written a file. It says where secrets are sent, so whoever writes it gets them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// It belongs to this user, who is another one.
    Owner(u32),
    /// Every user can write it.
    Others,
    /// A group can write it that is not the user's own.
    Group(u32),
}

impl fmt::Display for Hole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(uid) => write!(f, "it belongs to another user ({uid})"),
            Self::Others => f.write_str("every user can write it"),
            Self::Group(gid) => write!(f, "the group {gid} can write it"),
        }
    }
}

/// Whether somebody else could have written a file of the user `own`, by what was opened. Where the umask is 002, the user's own
/// group can write every file, and nobody else is in it.
fn hole(meta: &Meta, own: (u32, u32)) -> Option<Hole> {
    match meta {
        Meta { uid, .. } if *uid != own.0 && *uid != 0 => Some(Hole::Owner(*uid)),
        Meta { mode, .. } if mode & 0o002 != 0 => Some(Hole::Others),
        Meta { mode, gid, .. } if mode & 0o020 != 0 && *gid != own.1 => Some(Hole::Group(*gid)),
        _ => None,
    }
}

impl fmt::Display for ProfilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Io(path, _) | Self::Wrong(path, _) | Self::Name(path, _) | Self::Open(path, _)) = self;
        let path = printable(&path.to_string_lossy());
        match self {
            Self::Io(..) => write!(f, "cannot use {path}"),
            Self::Wrong(_, why) => write!(f, "{path} cannot be understood: {}", printable(why)),
            Self::Name(_, bad) => write!(f, "{path}: {bad}"),
            Self::Open(_, hole) => {
                write!(f, "{path} is not used: {hole}, and it says where secrets are sent")
            }
        }
    }
}

impl std::error::Error for ProfilesError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Diagnose for ProfilesError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Io(..) => ErrorKind::Failed,
            Self::Open(..) => ErrorKind::Refused,
            _ => ErrorKind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Name(_, bad) => bad.hints(),
            Self::Open(path, hole) => {
                let path = printable(&path.to_string_lossy());
                let way = match hole {
                    Hole::Owner(_) => format!("chown {} {path}", process::owner().0),
                    Hole::Others | Hole::Group(_) => format!("chmod go-w {path}"),
                };
                vec![format!("when you have looked at what it says: {way}")]
            }
            _ => Vec::new(),
        }
    }
}

/// Reads the profiles of a configuration directory; none where there is no file. A link is followed, to a repository of dotfiles as
/// a rule: what it leads to counts.
///
/// # Errors
/// The file cannot be read or understood, or somebody else could have written it.
pub fn read(system: &dyn ReadSystem, config: &Path) -> Result<Profiles, ProfilesError> {
    let path = config.join(FILE);
    let bytes = match system.read_with_meta(&path, LARGEST) {
        Ok((meta, bytes)) => match hole(&meta, process::owner()) {
            Some(hole) => return Err(ProfilesError::Open(path, hole)),
            None => bytes,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Profiles::new()),
        Err(error) => return Err(ProfilesError::Io(path, error)),
    };
    parse(&path, &String::from_utf8_lossy(&bytes))
}

/// Reads the file's text; the path is for what is said about it.
///
/// # Errors
/// It is no TOML, has a field that is not known, a name that no profile can have, or a value with a control character.
pub fn parse(path: &Path, text: &str) -> Result<Profiles, ProfilesError> {
    let wrong = |error: toml::de::Error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let line = line.map_or_else(String::new, |line| format!("line {line}: "));
        ProfilesError::Wrong(path.to_owned(), format!("{line}{}", error.message()))
    };
    let whole: Whole = toml::from_str(text).map_err(wrong)?;
    for (name, profile) in &whole.profile {
        check_name(name).map_err(|bad| ProfilesError::Name(path.to_owned(), bad))?;
        check_plain(profile)
            .map_err(|bad| ProfilesError::Wrong(path.to_owned(), format!("profile '{name}': {bad}")))?;
    }
    Ok(whole.profile)
}

/// The text of the file.
pub fn render(profiles: &Profiles) -> String {
    let body = toml::to_string(&Whole { profile: profiles.clone() }).unwrap_or_default();
    format!("{HEADER}\n{body}")
}

/// Replaces the file. Its directory exists.
///
/// # Errors
/// Writing failed; the file is as it was.
pub fn write(system: &dyn WriteSystem, config: &Path, profiles: &Profiles) -> Result<(), ProfilesError> {
    let path = config.join(FILE);
    replace(system, &path, render(profiles).as_bytes(), 0o600).map_err(|error| ProfilesError::Io(path, error))
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use super::*;

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let dev = CredentialProfile {
            guard: Some(Guard::Prod),
            minutes: Some(15),
            via: Some(Via::Endpoint),
            aws: Some(AwsPart { profile: Some("a \"b\"".into()), ..AwsPart::default() }),
            gcp: Some(GcpPart { project: Some("p".into()), ..GcpPart::default() }),
            azure: Some(AzurePart::default()),
        };
        let profiles = Profiles::from([
            ("a@b:c/d.e".into(), dev.clone()),
            ("host".into(), CredentialProfile::default()),
        ]);
        assert_eq!(parse(Path::new("f"), &render(&profiles)).unwrap(), profiles);
        assert_eq!(dev.open_for(), Some(900));
        assert_eq!(dev.providers(), PROVIDERS_OF_ALL);
    }

    #[test]
    fn what_others_could_have_written_is_not_used() {
        use crate::sys::system::FileKind;
        let of = |uid, gid, mode| {
            let meta = Meta { kind: FileKind::File, mode, size: 0, links: 1, uid, gid, modified: (0, 0) };
            hole(&meta, (1000, 1001))
        };
        for (uid, gid, mode) in
            [(1000, 1001, 0o600), (1000, 1001, 0o664), (1000, 50, 0o644), (0, 0, 0o644), (0, 50, 0o4755)]
        {
            assert_eq!(of(uid, gid, mode), None, "{uid} {gid} {mode:o}");
        }
        assert_eq!(of(1002, 1001, 0o600), Some(Hole::Owner(1002)));
        assert_eq!(of(1000, 1001, 0o666), Some(Hole::Others));
        assert_eq!(of(0, 1001, 0o602), Some(Hole::Others));
        assert_eq!(of(1000, 50, 0o664), Some(Hole::Group(50)));
        assert_eq!(of(0, 0, 0o660), Some(Hole::Group(0)));
    }

    const PROVIDERS_OF_ALL: [Provider; 3] = [Provider::Aws, Provider::Gcp, Provider::Azure];

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let said = |text: &str| parse(Path::new("f"), text).unwrap_err().to_string();
        assert!(said("[profile.dev]\nguard = 'x'\n").starts_with("f cannot be understood: line 2: "));
        assert!(said("[profile.dev.aws]\n\nsecret = 'x'\n").contains("line 3: unknown field"));
        assert!(
            said("[profile.dev.aws]\nregion = \"us\\neast\"\n").contains("profile 'dev': the region of AWS")
        );
        assert!(said("[profile.'a b']\n").contains("cannot be the name"));
        assert_eq!(parse(Path::new("f"), "").unwrap(), Profiles::new());
    }
}
