//! Looks at a home and a shell for credentials. Reads only; what cannot be read is passed over.

use std::path::{Path, PathBuf};

use super::files::{Seen, look, unusual};
use super::{Findings, InVault, Source, aws, azure, env, gcp};
use crate::base::path::display;
use crate::cloud::aws::config::{self, AwsConfig};
use crate::cloud::gcp::config as gcloud;
use crate::sys::system::ReadSystem;

/// Where is looked, and by whom.
pub struct Around<'a> {
    /// The file system.
    pub system: &'a dyn ReadSystem,
    /// The home.
    pub home: &'a Path,
    /// Our user.
    pub uid: u32,
    /// What is known of the vault; asked only when something depends on it.
    pub vault: &'a dyn Fn() -> InVault,
    /// The shell's variables.
    pub var: &'a dyn Fn(&str) -> Option<String>,
}

/// What is there.
#[derive(Debug, Default)]
pub struct Gathered {
    /// What can be profiles, and what cannot.
    pub findings: Findings,
    /// AWS's two files, where they are there.
    pub aws: Vec<Seen>,
    /// Files that hold a secret and nothing else.
    pub key_files: Vec<Seen>,
    /// What is unusual about the files, a sentence each.
    pub unusual: Vec<String>,
}

impl Gathered {
    fn see(&mut self, around: &Around<'_>, path: &Path) -> Option<Seen> {
        match look(around.system, path) {
            Ok(seen) => {
                let seen = seen?;
                self.unusual.extend(unusual(&seen, around.uid, around.home));
                Some(seen)
            }
            Err(error) => {
                self.findings.pass(&display(path, around.home), format!("it cannot be read: {error}"));
                None
            }
        }
    }
}

/// Looks in these sources.
pub fn gather(around: &Around<'_>, sources: &[Source]) -> Gathered {
    let mut all = Gathered::default();
    for source in sources {
        match source {
            Source::Aws => of_aws(around, &mut all),
            Source::Gcp => of_gcp(around, &mut all),
            Source::Azure => of_azure(around, &mut all),
            Source::Env => of_env(around, &mut all),
        }
    }
    // The environment is a source of its own, and a part of each cloud's.
    if sources.iter().any(|source| matches!(source, Source::Azure | Source::Env)) {
        all.findings.join(azure::variables(around.var));
    }
    if sources.iter().any(|source| matches!(source, Source::Gcp | Source::Env)) {
        all.findings.join(gcp::variables(around.var));
    }
    all
}

/// AWS's files of this home: those that the service reads, whatever a variable names.
fn aws_paths(home: &Path) -> config::Locations {
    let home = home.to_string_lossy();
    config::locations(|name| (name == "HOME").then(|| home.clone().into_owned()), false)
}

fn of_aws(around: &Around<'_>, all: &mut Gathered) {
    let paths = aws_paths(around.home);
    for (name, own) in
        [("AWS_CONFIG_FILE", &paths.config), ("AWS_SHARED_CREDENTIALS_FILE", &paths.credentials)]
    {
        let other = (around.var)(name).filter(|path| !path.is_empty() && Path::new(path) != own);
        if let Some(other) = other {
            let why = format!("the service reads {} and no other", display(own, around.home));
            all.findings.pass(&format!("{name}={other}"), why);
        }
    }
    let seen = [&paths.config, &paths.credentials].map(|path| all.see(around, path));
    let text = |seen: &Option<Seen>| match seen {
        Some(seen) => std::str::from_utf8(seen.bytes.expose()).ok().map(str::to_owned),
        None => Some(String::new()),
    };
    let (Some(config), Some(credentials)) = (text(&seen[0]), text(&seen[1])) else {
        all.findings.pass("AWS's files", "they are not UTF-8 text, and no SDK of AWS reads them");
        return;
    };
    match config::parse((&paths.config, &config), (&paths.credentials, &credentials)) {
        Ok(config) => all.findings.join(aws::find(&config, around.vault)),
        Err(error) => all.findings.pass("AWS's files", format!("no SDK of AWS reads them: {error}")),
    }
    all.aws.extend(seen.into_iter().flatten());
}

fn of_gcp(around: &Around<'_>, all: &mut Gathered) {
    let dir = gcloud::dir(around.var, around.home);
    let mut files: Vec<(PathBuf, bool)> = Vec::new();
    match gcloud::read(around.system, &dir, around.var) {
        Ok(Some(found)) => {
            all.findings.join(gcp::configurations(&found));
            files.extend(found.default_credentials.clone().map(|path| (path, false)));
        }
        Ok(None) => {}
        Err(error) => all.findings.pass(&display(&dir, around.home), error.to_string()),
    }
    if let Some(named) = (around.var)("GOOGLE_APPLICATION_CREDENTIALS").filter(|path| !path.is_empty()) {
        let named = PathBuf::from(named);
        if !named.is_absolute() {
            all.findings.pass("GOOGLE_APPLICATION_CREDENTIALS", "it names no absolute path");
        } else if files.iter().all(|(path, _)| *path != named) {
            if matches!(around.system.meta(&named), Ok(None)) {
                all.findings.pass("GOOGLE_APPLICATION_CREDENTIALS", "the file that it names is not there");
            }
            files.push((named, true));
        }
    }
    for (path, named) in files {
        let Some(seen) = all.see(around, &path) else { continue };
        let shown = display(&path, around.home);
        all.findings.join(gcp::credential_file(&path, &shown, &seen.bytes, named));
        all.key_files.push(seen);
    }
}

fn of_azure(around: &Around<'_>, all: &mut Gathered) {
    let dir = (around.var)("AZURE_CONFIG_DIR").filter(|dir| !dir.is_empty());
    let dir = dir.map_or_else(|| around.home.join(".azure"), PathBuf::from);
    let path = dir.join("azureProfile.json");
    // It holds no secret, and the CLI itself lets others read it.
    match look(around.system, &path) {
        Ok(Some(seen)) => {
            let shown = display(&path, around.home);
            all.findings.join(azure::subscriptions(&shown, seen.bytes.expose()));
        }
        Ok(None) => {}
        Err(error) => {
            all.findings.pass(&display(&path, around.home), format!("it cannot be read: {error}"));
        }
    }
}

fn of_env(around: &Around<'_>, all: &mut Gathered) {
    let config =
        config::read(around.system, &aws_paths(around.home)).unwrap_or_else(|_| AwsConfig::default());
    all.findings.join(env::find(around.var, &|name| config.profiles.contains_key(name)));
}

#[cfg(test)]
mod tests {
    use super::super::SOURCES;
    use super::*;
    use crate::sys::memory::{MemorySystem, Node};

    fn gathered(nodes: &[(&str, &[u8])], vars: &[(&str, &str)]) -> Gathered {
        let nodes: Vec<_> =
            nodes.iter().map(|(path, bytes)| (*path, Node::File(bytes.to_vec(), 0o600))).collect();
        let vars: Vec<_> =
            vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let system = MemorySystem::with(&nodes);
        let var =
            move |name: &str| vars.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let around =
            Around { system: &system, home: Path::new("/h"), uid: 0, vault: &InVault::default, var: &var };
        gather(&around, &SOURCES)
    }

    const KEYS: &[u8] = b"[a]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = s\n";

    #[test]
    fn an_empty_home_has_nothing() {
        let all = gathered(&[("/h/x", b"")], &[]);
        assert!(all.findings.found.is_empty() && all.findings.passed.is_empty() && all.unusual.is_empty());
    }

    #[test]
    fn one_source_that_is_broken_does_not_cost_the_others() {
        let all = gathered(
            &[
                ("/h/.aws/credentials", KEYS),
                ("/h/.config/gcloud/active_config", b"../../x"),
                ("/h/.config/gcloud/application_default_credentials.json", b"\xff\xfe"),
                ("/h/.azure/azureProfile.json", b"<html>"),
            ],
            &[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json"), ("AWS_ACCESS_KEY_ID", "A")],
        );
        assert_eq!(all.findings.found.len(), 1);
        let places: Vec<_> = all.findings.passed.iter().map(|passed| passed.place.as_str()).collect();
        assert_eq!(
            places,
            [
                "~/.config/gcloud",
                "GOOGLE_APPLICATION_CREDENTIALS",
                "~/.azure/azureProfile.json",
                "the environment"
            ]
        );
        let broken = gathered(&[("/h/.aws/config", b"[a\n"), ("/h/.aws/credentials", KEYS)], &[]);
        assert!(broken.findings.found.is_empty() && broken.findings.passed[0].why.contains("config:1"));
        assert_eq!(broken.aws.len(), 2);
        let binary = gathered(&[("/h/.aws/config", b"\xff")], &[]);
        assert!(binary.findings.passed[0].why.contains("UTF-8"));
    }

    #[test]
    fn the_environment_alone_is_looked_at_for_all_clouds_and_once() {
        let id = "11111111-2222-3333-4444-555555555555";
        let vars = [
            ("ARM_CLIENT_ID", id),
            ("ARM_TENANT_ID", id),
            ("ARM_CLIENT_SECRET", "hush"),
            ("GOOGLE_CREDENTIALS", "{\"private_key\":\"hush\"}"),
        ];
        let var =
            |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        let system = MemorySystem::with(&[]);
        let around =
            Around { system: &system, home: Path::new("/h"), uid: 0, vault: &InVault::default, var: &var };
        for sources in [&SOURCES[..], &[Source::Env]] {
            let all = gather(&around, sources);
            assert_eq!((all.findings.found.len(), all.findings.passed.len()), (1, 1), "{sources:?}");
            let passed = &all.findings.passed[0];
            assert!(passed.place == "GOOGLE_CREDENTIALS" && !passed.why.contains("hush"), "{passed:?}");
        }
        assert!(gather(&around, &[Source::Aws]).findings.passed.is_empty());
    }

    #[test]
    fn keys_of_the_environment_never_take_the_name_of_a_profile() {
        let config = b"[profile env]\nregion = x\n";
        let vars = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let all = gathered(&[("/h/.aws/config", config)], &vars);
        assert_eq!(all.findings.found[0].wished, "env-2");
    }
}
