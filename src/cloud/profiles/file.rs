//! The file of the credential profiles: `cloud.toml` in devboot's configuration directory.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{BadName, Profiles, check_name, check_plain};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;
use crate::sys::system::{ReadSystem, WriteSystem, replace};

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
}

impl fmt::Display for ProfilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Io(path, _) | Self::Wrong(path, _) | Self::Name(path, _)) = self;
        let path = printable(&path.to_string_lossy());
        match self {
            Self::Io(..) => write!(f, "cannot use {path}"),
            Self::Wrong(_, why) => write!(f, "{path} cannot be understood: {}", printable(why)),
            Self::Name(_, bad) => write!(f, "{path}: {bad}"),
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
            _ => ErrorKind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Name(_, bad) => bad.hints(),
            _ => Vec::new(),
        }
    }
}

/// Reads the profiles of a configuration directory; none where there is no file.
///
/// # Errors
/// The file cannot be read or understood.
pub fn read(system: &dyn ReadSystem, config: &Path) -> Result<Profiles, ProfilesError> {
    let path = config.join(FILE);
    let bytes = match system.read(&path, LARGEST) {
        Ok(bytes) => bytes,
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
