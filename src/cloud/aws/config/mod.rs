//! `~/.aws/config` and `~/.aws/credentials`, as all of AWS's SDKs read them. Pure, but for [`read`].
//!
//! The grammar is held by AWS's own cases (`tests/it/cloud_aws.rs`). What a section's name or place makes
//! void is no error, as in the SDKs, but it is kept in [`AwsConfig::ignored`], so that it can be said.

mod grammar;
mod settings;
mod without_keys;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use grammar::Raw;
pub use grammar::{Place, Problem};
pub use settings::Settings;
pub use without_keys::{KEYS, keys_in_comments, without_keys};

use crate::base::error::{Diagnose, ErrorKind};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::cloud::aws::profile::StaticKeys;
use crate::sys::system::{FileKind, ReadSystem};

/// The largest file that is read, in bytes.
const LIMIT: u64 = 4 << 20;

/// How many links are followed to a file.
const LINKS: usize = 16;

const BLANK: [char; 2] = [' ', '\t'];

/// Why the files cannot be used.
#[derive(Debug)]
pub enum ConfigError {
    /// A line breaks the grammar.
    Syntax(Place, Problem),
    /// The file is not UTF-8.
    NotText(PathBuf),
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(place, problem) => write!(f, "{place}: {problem}"),
            Self::NotText(file) => write!(f, "{}: not UTF-8 text", printable(&file.to_string_lossy())),
            Self::Unreadable(file, _) => write!(f, "cannot read {}", printable(&file.to_string_lossy())),
        }
    }
}

impl std::error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Diagnose for ConfigError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable(..) => ErrorKind::Failed,
            _ => ErrorKind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Syntax(place, _) => vec![format!("correct {place}; no SDK of AWS reads the file as it is")],
            _ => Vec::new(),
        }
    }
}

/// Which of the two files something stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `~/.aws/config`
    Config,
    /// `~/.aws/credentials`
    Credentials,
}

/// A value and where it stands. Every value may be a secret.
#[derive(Clone, Debug)]
pub struct Property {
    value: Secret<String>,
    /// Which file has it.
    pub origin: Origin,
    /// Where it begins.
    pub place: Place,
}

/// The properties of a section, by their names in lower case.
#[derive(Clone, Debug, Default)]
pub struct Section {
    properties: BTreeMap<String, Property>,
    /// When its keys end, for keys of the vault: files do not say.
    pub keys_end: Option<Timestamp>,
}

impl Section {
    /// The value of a property. One that is empty is there and empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(|property| property.value.expose().as_str())
    }

    /// A property with its place.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties.get(name)
    }

    /// The value of `name` below the nested property `group`, as in `s3 =` with indented lines.
    pub fn nested(&self, group: &str, name: &str) -> Option<&str> {
        let lines = self.get(group)?.split('\n');
        let mut pairs = lines.filter_map(|line| line.split_once('='));
        pairs
            .find(|(key, _)| key.trim_matches(BLANK).eq_ignore_ascii_case(name))
            .map(|(_, v)| v.trim_matches(BLANK))
    }

    /// The names of its properties.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.properties.keys().map(String::as_str)
    }
}

/// Something that the SDKs pass over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Where it stands.
    pub place: Place,
    /// What stands there, as it was written between the brackets.
    pub section: String,
    /// Why it is passed over.
    pub why: &'static str,
}

/// Both files, merged.
#[derive(Clone, Debug, Default)]
pub struct AwsConfig {
    /// The profiles by name.
    pub profiles: BTreeMap<String, Section>,
    /// The `[sso-session …]` sections by name.
    pub sso_sessions: BTreeMap<String, Section>,
    /// The `[services …]` sections by name.
    pub services: BTreeMap<String, Section>,
    /// The sections that do not count.
    pub ignored: Vec<Ignored>,
}

/// Where the files are and which profile is meant when none is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// The config file.
    pub config: PathBuf,
    /// The credentials file.
    pub credentials: PathBuf,
    /// The profile.
    pub profile: String,
}

/// The locations by the environment; `windows` is for the rules of its home directory. An empty variable is an unset
/// one.
pub fn locations(var: impl Fn(&str) -> Option<String>, windows: bool) -> Locations {
    let var = |name: &str| var(name).filter(|value| !value.is_empty());
    let home = var("HOME").or_else(|| {
        let drive_and_path = || Some(var("HOMEDRIVE")? + &var("HOMEPATH")?);
        if windows { var("USERPROFILE").or_else(drive_and_path) } else { None }
    });
    let slash = if windows { '\\' } else { '/' };
    let home = home.unwrap_or_default();
    let file = |name: &str, plain: &str| match var(name) {
        Some(path) => match path.strip_prefix("~/") {
            Some(below) => PathBuf::from(format!("{home}{slash}{below}")),
            None => PathBuf::from(path),
        },
        None => PathBuf::from(format!("{home}{slash}.aws{slash}{plain}")),
    };
    Locations {
        config: file("AWS_CONFIG_FILE", "config"),
        credentials: file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        profile: var("AWS_PROFILE")
            .or_else(|| var("AWS_DEFAULT_PROFILE"))
            .unwrap_or_else(|| "default".into()),
    }
}

/// Reads both files; one that is not there, or is `/dev/null`, is empty.
///
/// # Errors
/// A file cannot be read, is not UTF-8 text, or breaks the grammar.
pub fn read(system: &dyn ReadSystem, locations: &Locations) -> Result<AwsConfig, ConfigError> {
    let text = |path: &Path| -> Result<Secret<String>, ConfigError> {
        let bytes =
            contents(system, path).map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?;
        String::from_utf8(bytes).map(Secret::new).map_err(|_| ConfigError::NotText(path.to_owned()))
    };
    let (config, credentials) = (text(&locations.config)?, text(&locations.credentials)?);
    parse((&locations.config, config.expose()), (&locations.credentials, credentials.expose()))
}

fn contents(system: &dyn ReadSystem, path: &Path) -> std::io::Result<Vec<u8>> {
    let mut at = path.to_owned();
    for _ in 0..LINKS {
        at = match system.meta(&at)?.map(|meta| meta.kind) {
            None => return Ok(Vec::new()),
            Some(FileKind::Symlink(to)) => at.parent().unwrap_or(Path::new("/")).join(to),
            Some(_) if at == Path::new("/dev/null") => return Ok(Vec::new()),
            Some(_) => return system.read(&at, LIMIT),
        };
    }
    system.read(path, LIMIT)
}

/// Reads the texts of the config file and the credentials file; the paths are for what is said about them.
///
/// # Errors
/// A line breaks the grammar.
pub fn parse(config: (&Path, &str), credentials: (&Path, &str)) -> Result<AwsConfig, ConfigError> {
    let mut merged = AwsConfig::default();
    merged.add(grammar::sections(config.0, Origin::Config, config.1)?);
    merged.add(grammar::sections(credentials.0, Origin::Credentials, credentials.1)?);
    Ok(merged)
}

impl AwsConfig {
    /// Gives a profile keys that stand in no file, in the place of those that do.
    pub fn set_keys(&mut self, profile: &str, keys: &StaticKeys) {
        let section = self.profiles.entry(profile.to_owned()).or_default();
        let place = Place { file: PathBuf::from("the vault"), line: 1 };
        let token = keys.session_token.clone();
        section.keys_end = keys.ends;
        let values = [
            ("aws_access_key_id", Some(Secret::new(keys.access_key_id.clone()))),
            ("aws_secret_access_key", Some(keys.secret_access_key.clone())),
            ("aws_session_token", token),
        ];
        for (name, value) in values {
            section.properties.remove(name);
            if let Some(value) = value {
                let property = Property { value, origin: Origin::Credentials, place: place.clone() };
                section.properties.insert(name.to_owned(), property);
            }
        }
    }

    fn add(&mut self, sections: Vec<Raw>) {
        let has_prefixed_default = sections
            .iter()
            .any(|s| Title::of(&s.title) == Title { prefix: Some("profile"), name: "default" });
        let mut seen_titles = BTreeSet::new();
        for section in sections {
            let title = Title::of(&section.title);
            let verdict = match title.why_ignored(section.origin) {
                None if title == (Title { prefix: None, name: "default" }) && has_prefixed_default => {
                    Some("[profile default] takes its place")
                }
                verdict => verdict,
            };
            if let Some(why) = verdict {
                if seen_titles.insert(section.title.clone()) {
                    self.ignored.push(Ignored { place: section.place, section: section.title, why });
                }
                continue;
            }
            let group = match title.prefix {
                None | Some("profile") => &mut self.profiles,
                Some("sso-session") => &mut self.sso_sessions,
                _ => &mut self.services,
            };
            let valid = section.properties.into_iter().filter(|(name, _)| is_identifier(name));
            group.entry(title.name.to_owned()).or_default().properties.extend(valid);
        }
    }
}

/// Why a section does not count whose name boto3 and the AWS CLI take, and the other SDKs pass over.
const NAME: &str = "its name has other signs than letters, digits and _-/.%@:+, which only boto3 and the AWS CLI take; rename it, and \
                    what names it";

/// What stands between the brackets.
#[derive(PartialEq, Eq)]
struct Title<'a> {
    prefix: Option<&'a str>,
    name: &'a str,
}

impl<'a> Title<'a> {
    fn of(text: &'a str) -> Self {
        match text.split_once(BLANK) {
            Some((prefix, name)) => Self { prefix: Some(prefix), name: name.trim_matches(BLANK) },
            None => Self { prefix: None, name: text },
        }
    }

    fn why_ignored(&self, origin: Origin) -> Option<&'static str> {
        match (origin, self.prefix) {
            (_, _) if !is_identifier(self.name) => Some(NAME),
            (Origin::Credentials, Some("profile")) => {
                Some("a credentials file has [name], not [profile name]")
            }
            (Origin::Credentials, Some("sso-session" | "services")) => {
                Some("such a section belongs into the config file")
            }
            // A name with a blank in it.
            (Origin::Credentials, Some(_)) => Some(NAME),
            (Origin::Credentials, None) => None,
            (Origin::Config, None) if self.name == "default" => None,
            (Origin::Config, None) => Some("a config file has [profile name], not [name]"),
            (Origin::Config, Some("profile" | "sso-session" | "services")) => None,
            (Origin::Config, Some(_)) => Some("no SDK knows such a section"),
        }
    }
}

/// Whether a text may be the name of a profile or a property.
pub fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-/.%@:+".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(config: &str, credentials: &str) -> Result<AwsConfig, ConfigError> {
        parse((Path::new("/h/config"), config), (Path::new("/h/credentials"), credentials))
    }

    #[test]
    fn errors_name_file_and_line() {
        let error = of("", "[a]\n\nkey value\n").unwrap_err();
        assert_eq!(error.to_string(), "/h/credentials:3: expected an '=' sign defining a property");
    }

    #[test]
    fn a_value_says_where_it_stands_and_is_never_shown() {
        let config = of("[profile a]\nregion = eu-west-1", "[a]\naws_secret_access_key = wJalr\n").unwrap();
        let profile = &config.profiles["a"];
        let secret = profile.property("aws_secret_access_key").unwrap();
        assert_eq!((secret.origin, secret.place.line), (Origin::Credentials, 2));
        assert!(!format!("{config:?}").contains("wJalr"));
    }

    #[test]
    fn what_is_passed_over_is_kept_with_the_reason() {
        let text = "[work]\nx = 1\n[profile $(id)]\n[profile default]\n[default]\n[sso-sesion a]\n";
        let config = of(text, "[profile b]\n").unwrap();
        let lines: Vec<_> = config.ignored.iter().map(|i| (i.section.as_str(), i.place.line)).collect();
        let wanted =
            [("work", 1), ("profile $(id)", 3), ("default", 5), ("sso-sesion a", 6), ("profile b", 1)];
        assert_eq!(lines, wanted);
    }

    #[test]
    fn a_name_that_not_all_sdks_take_is_the_reason_where_it_is() {
        let config =
            of("[profile \"with space\"]\n[profile ü]\n", "[with space]\n[ünï]\n[services s]\n").unwrap();
        let is_name: Vec<bool> = config.ignored.iter().map(|ignored| ignored.why == NAME).collect();
        assert_eq!(is_name, [true, true, true, true, false]);
    }

    #[test]
    fn nested_properties_are_found() {
        let config = of("[services s]\nsts =\n  endpoint_url = http://a=b\nssm =\n  X = y\n", "").unwrap();
        assert_eq!(config.services["s"].nested("sts", "endpoint_url"), Some("http://a=b"));
        assert_eq!(config.services["s"].nested("ssm", "x"), Some("y"));
        assert_eq!(config.services["s"].nested("sts", "x"), None);
    }

    #[test]
    fn no_file_no_home_and_the_null_device_are_empty() {
        let system = crate::sys::real::RealSystem;
        let gone = Locations {
            config: "/dev/null".into(),
            credentials: "/nowhere/at/all".into(),
            profile: String::new(),
        };
        assert!(read(&system, &gone).unwrap().profiles.is_empty());
        let error = read(&system, &Locations { config: "/dev/zero".into(), ..gone }).unwrap_err();
        assert!(matches!(error, ConfigError::Unreadable(..)), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_brings_the_reader_down(text in "(\\[|profile |sso-session |default|\\]|a|=| |\t|\r|\n|#|;|é|\u{feff}){0,60}") {
            if let Ok(read) = of(&text, &text) {
                let names = read.profiles.keys().chain(read.sso_sessions.keys()).chain(read.services.keys());
                for name in names {
                    proptest::prop_assert!(is_identifier(name), "{name:?}");
                }
            }
        }
    }
}
