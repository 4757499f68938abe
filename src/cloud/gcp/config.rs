//! gcloud's own files: its configurations, the one that is active, and the application default credentials. Read for
//! importing; nothing is written.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::credential::is_email;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;
use crate::sys::system::ReadSystem;

/// The largest of gcloud's files that is read, in bytes.
const LIMIT: u64 = 256 << 10;

/// The most configurations that are read.
const MOST: usize = 1000;

/// The configuration that is meant when none is named.
pub const DEFAULT: &str = "default";

const ADC: &str = "application_default_credentials.json";

/// One configuration. A value that is missing, or not what it should be, is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The account that gcloud is.
    pub account: Option<String>,
    /// The project.
    pub project: Option<String>,
    /// The region for computing.
    pub region: Option<String>,
    /// The zone for computing.
    pub zone: Option<String>,
    /// The service account that gcloud acts as.
    pub impersonate: Option<String>,
    /// The file with the account's application default credentials, where gcloud keeps one.
    pub credentials: Option<PathBuf>,
}

/// What gcloud's directory holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gcloud {
    /// The configuration that is active.
    pub active: String,
    /// The configurations by name.
    pub configurations: BTreeMap<String, Configuration>,
    /// The application default credentials, where there are any: one file for all configurations.
    pub default_credentials: Option<PathBuf>,
}

/// gcloud's files cannot be read.
#[derive(Debug)]
pub enum GcloudError {
    /// A file or directory cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A configuration is named that cannot be one.
    Name(String),
}

impl fmt::Display for GcloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, _) => write!(f, "cannot read {}", printable(&path.to_string_lossy())),
            Self::Name(name) => write!(f, "'{}' is no name of a gcloud configuration", printable(name)),
        }
    }
}

impl std::error::Error for GcloudError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            Self::Name(_) => None,
        }
    }
}

impl Diagnose for GcloudError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable(..) => ErrorKind::Failed,
            Self::Name(_) => ErrorKind::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unreadable(..) => Vec::new(),
            Self::Name(_) => vec!["see which there are: gcloud config configurations list".into()],
        }
    }
}

/// Where gcloud keeps its files: `CLOUDSDK_CONFIG`, or below the home directory.
pub fn dir(var: &dyn Fn(&str) -> Option<String>, home: &Path) -> PathBuf {
    match var("CLOUDSDK_CONFIG").filter(|dir| !dir.is_empty()) {
        Some(dir) => dir.into(),
        None => home.join(".config/gcloud"),
    }
}

/// Whether a text can be the name of a configuration, by gcloud's own rule, and so is safe as a part of a path.
pub fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() <= 100 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(letters)
}

/// Reads gcloud's directory; `None` when it is not there. A file that is no configuration's is passed over.
///
/// # Errors
/// Something is there and cannot be read, or `CLOUDSDK_ACTIVE_CONFIG_NAME` or gcloud's own file names what cannot be.
pub fn read(
    system: &dyn ReadSystem,
    dir: &Path,
    var: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Gcloud>, GcloudError> {
    if !is_there(system, dir)? {
        return Ok(None);
    }
    let named = var("CLOUDSDK_ACTIVE_CONFIG_NAME").filter(|name| !name.is_empty());
    let active = match named {
        Some(name) => name,
        None => {
            let own = text(system, &dir.join("active_config"))?.unwrap_or_default();
            Some(own.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| DEFAULT.to_owned())
        }
    };
    if !is_name(&active) {
        return Err(GcloudError::Name(active));
    }
    let mut gcloud = Gcloud { active, ..Gcloud::default() };
    let folder = dir.join("configurations");
    for name in configurations(system, &folder)?.into_iter().take(MOST) {
        let Some(file) = text(system, &folder.join(format!("config_{name}")))? else { continue };
        let mut configuration = parse(&file);
        if let Some(account) = &configuration.account {
            let own = dir.join("legacy_credentials").join(account).join("adc.json");
            configuration.credentials = is_there(system, &own)?.then_some(own);
        }
        gcloud.configurations.insert(name, configuration);
    }
    let default = dir.join(ADC);
    gcloud.default_credentials = is_there(system, &default)?.then_some(default);
    Ok(Some(gcloud))
}

fn configurations(system: &dyn ReadSystem, folder: &Path) -> Result<Vec<String>, GcloudError> {
    if !is_there(system, folder)? {
        return Ok(Vec::new());
    }
    let files = system.list(folder).map_err(|error| GcloudError::Unreadable(folder.into(), error))?;
    let name = |file: &std::ffi::OsString| file.to_str()?.strip_prefix("config_").map(str::to_owned);
    let mut names: Vec<_> = files.iter().filter_map(name).filter(|name| is_name(name)).collect();
    names.sort();
    Ok(names)
}

fn is_there(system: &dyn ReadSystem, path: &Path) -> Result<bool, GcloudError> {
    match system.meta(path) {
        Ok(meta) => Ok(meta.is_some()),
        Err(error) => Err(GcloudError::Unreadable(path.into(), error)),
    }
}

fn text(system: &dyn ReadSystem, path: &Path) -> Result<Option<String>, GcloudError> {
    if !is_there(system, path)? {
        return Ok(None);
    }
    let bytes = system.read(path, LIMIT).map_err(|error| GcloudError::Unreadable(path.into(), error))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Reads a configuration, as Python's configparser reads it: the last word on a property holds.
fn parse(file: &str) -> Configuration {
    let mut found = Configuration::default();
    let mut section = String::new();
    for line in file.trim_start_matches('\u{feff}').lines() {
        // What is indented goes on with the value above; no value of these has a second line.
        if line.starts_with([' ', '\t', '#', ';']) {
            continue;
        }
        if let Some(name) = line.trim_end().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((name, value)) = line.split_once(['=', ':']) {
            let name = name.trim().to_ascii_lowercase();
            set(&mut found, &section, &name, value.trim());
        }
    }
    found
}

fn set(found: &mut Configuration, section: &str, name: &str, value: &str) {
    let letters = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let word = Some(value).filter(|text| {
        (1..=254).contains(&text.len()) && text.chars().all(letters) && !text.starts_with(['-', '.'])
    });
    let email = Some(value).filter(|text| is_email(text) && !text.starts_with(['-', '.']));
    let (place, value) = match (section, name) {
        ("core", "account") => (&mut found.account, email),
        ("core", "project") => (&mut found.project, word),
        ("compute", "region") => (&mut found.region, word),
        ("compute", "zone") => (&mut found.zone, word),
        ("auth", "impersonate_service_account") => (&mut found.impersonate, email),
        _ => return,
    };
    *place = value.map(str::to_owned);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::{MemorySystem, Node};

    const DIR: &str = "/h/.config/gcloud";

    fn files(files: &[(&str, &str)]) -> MemorySystem {
        let nodes: Vec<_> = files
            .iter()
            .map(|(path, text)| (format!("{DIR}/{path}"), Node::File(text.as_bytes().to_vec(), 0o600)))
            .collect();
        let nodes: Vec<_> = nodes.iter().map(|(path, node)| (path.as_str(), node.clone())).collect();
        MemorySystem::with(&nodes)
    }

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn configurations_and_credentials_are_found() {
        let system = files(&[
            ("active_config", "work\n"),
            ("configurations/config_default", ""),
            (
                "configurations/config_work",
                "\u{feff}[core]\naccount = me@x.org\nproject=p-1\n# x\n[compute]\nregion : europe-west1\nzone = europe-west1-b\n[auth]\nimpersonate_service_account = r@p.iam.gserviceaccount.com\n[core]\ndisable_prompts = True\n",
            ),
            ("configurations/config_..", "[core]\naccount = x@y\n"),
            ("configurations/notes", ""),
            ("legacy_credentials/me@x.org/adc.json", "{}"),
            (ADC, "{}"),
        ]);
        let found = read(&system, Path::new(DIR), &none).unwrap().unwrap();
        assert_eq!(found.active, "work");
        assert_eq!(found.configurations.keys().collect::<Vec<_>>(), ["default", "work"]);
        let work = &found.configurations["work"];
        assert_eq!((work.account.as_deref(), work.project.as_deref()), (Some("me@x.org"), Some("p-1")));
        assert_eq!(
            (work.region.as_deref(), work.zone.as_deref()),
            (Some("europe-west1"), Some("europe-west1-b"))
        );
        assert_eq!(work.impersonate.as_deref(), Some("r@p.iam.gserviceaccount.com"));
        assert!(work.credentials.as_ref().unwrap().ends_with("me@x.org/adc.json"));
        assert!(found.default_credentials.is_some());
    }

    #[test]
    fn the_variable_names_the_active_one_and_no_path() {
        let system = files(&[("active_config", "work"), ("configurations/config_work", "")]);
        let name = |value: &'static str| {
            let var = move |name: &str| (name == "CLOUDSDK_ACTIVE_CONFIG_NAME").then(|| value.to_owned());
            read(&system, Path::new(DIR), &var).map(|found| found.unwrap().active)
        };
        assert_eq!(name("other").unwrap(), "other");
        assert_eq!(name("").unwrap(), "work");
        assert!(matches!(name("../x"), Err(GcloudError::Name(_))));
        assert!(read(&system, Path::new("/nowhere"), &none).unwrap().is_none());
    }

    #[test]
    fn a_value_that_cannot_be_is_none() {
        let found =
            parse("[core]\naccount = ../../x@y\nproject = $(id)\n[compute]\nzone = --help\nregion =\n");
        assert_eq!(found, Configuration::default());
        assert_eq!(parse("[core]\nproject = a\nproject = b\n").project.as_deref(), Some("b"));
    }
}
