//! What the files have that the chains depend on. Reads only, and asks nobody.

use std::path::{Path, PathBuf};

use super::{Files, Vars, set};
use crate::base::path::display;
use crate::cloud::aws::config::{self, AwsConfig, KEYS};
use crate::cloud::azure::profile_file;
use crate::cloud::gcp::config as gcloud;
use crate::cloud::import::files::look as see;
use crate::sys::system::{FileKind, ReadSystem};

/// Looks at the files that a shell with these variables is about.
pub fn look(system: &dyn ReadSystem, home: &Path, vars: &Vars) -> Files {
    let var = |name: &str| set(vars, name).map(str::to_owned);
    let home_or =
        |name: &str| var(name).or_else(|| (name == "HOME").then(|| home.to_string_lossy().into_owned()));
    let locations = config::locations(home_or, false);
    let aws = config::read(system, &locations).map_err(|error| error.to_string());
    let named = var("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let gcloud_dir = gcloud::dir(&var, home);
    let own = gcloud::read(system, &gcloud_dir, &var).ok().flatten();
    let azure_dir = var("AZURE_CONFIG_DIR").map_or_else(|| home.join(".azure"), PathBuf::from);
    let default = own.as_ref().and_then(|own| own.default_credentials.clone());
    let mut secret: Vec<PathBuf> = Vec::new();
    if let Ok(config) = &aws {
        secret.extend(with_keys(config));
    }
    secret.extend(named.clone());
    secret.extend(default.clone());
    secret
        .extend(["msal_token_cache.json", "service_principal_entries.json"].map(|name| azure_dir.join(name)));
    secret.sort();
    secret.dedup();
    Files {
        google_named: named.is_some_and(|path| matches!(see(system, &path), Ok(Some(_)))),
        google_default: default.map(|path| display(&path, home)),
        gcloud: own.and_then(|own| {
            let account = own.configurations.get(&own.active)?.account.clone();
            Some((own.active, account))
        }),
        azure_user: azure_user(system, &azure_dir),
        open: secret.iter().filter(|path| is_open(system, path)).map(|path| display(path, home)).collect(),
        aws,
    }
}

fn azure_user(system: &dyn ReadSystem, dir: &Path) -> Option<String> {
    let seen = see(system, &dir.join("azureProfile.json")).ok()??;
    let subscriptions = profile_file::parse(seen.bytes.expose()).ok()?;
    let chosen = subscriptions.iter().find(|one| one.is_default).or(subscriptions.first())?;
    Some(chosen.user.clone())
}

/// The files in which keys of AWS stand.
fn with_keys(config: &AwsConfig) -> impl Iterator<Item = PathBuf> {
    let sections = config.profiles.values();
    let keys = sections.flat_map(|section| {
        // The id is no secret.
        KEYS[1..].iter().filter_map(|key| Some(section.property(key)?.place.file.clone()))
    });
    keys.collect::<std::collections::BTreeSet<_>>().into_iter()
}

/// Whether others can read a file: by its own mode, and by that of every directory on the way to it.
fn is_open(system: &dyn ReadSystem, path: &Path) -> bool {
    let Ok(Some(seen)) = see(system, path) else { return false };
    let real = seen.link.as_deref().unwrap_or(path);
    let on_the_way = |dir: &Path| {
        let meta = system.meta(dir).ok().flatten();
        // What a link in the way leads to is not followed: it counts as open.
        meta.is_none_or(|meta| matches!(meta.kind, FileKind::Symlink(_)) || meta.mode & 0o011 != 0)
    };
    seen.meta.mode & 0o044 != 0 && real.ancestors().skip(1).all(on_the_way)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::{MemorySystem, Node};

    fn file(text: &str, mode: u32) -> Node {
        Node::File(text.as_bytes().to_vec(), mode)
    }

    #[test]
    fn a_secret_that_others_can_read_is_found() {
        const KEYS: &str = "[a]\naws_access_key_id = A\naws_secret_access_key = s\n";
        let open = |mode, dir| {
            let nodes = [("/h/.aws", Node::Dir(dir)), ("/h/.aws/credentials", file(KEYS, mode))];
            look(&MemorySystem::with(&nodes), Path::new("/h"), &Vars::new()).open
        };
        assert_eq!(open(0o644, 0o755), ["~/.aws/credentials"]);
        assert!(open(0o600, 0o755).is_empty() && open(0o644, 0o700).is_empty());
        let harmless = [("/h/.aws/config", file("[default]\nregion = x\n", 0o644))];
        assert!(look(&MemorySystem::with(&harmless), Path::new("/h"), &Vars::new()).open.is_empty());
    }

    #[test]
    fn the_files_of_the_other_clouds_are_read() {
        let id = "11111111-2222-3333-4444-555555555555";
        let tenant = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
        let profile = format!(
            "\u{feff}{{\"subscriptions\":[{{\"id\":\"{id}\",\"tenantId\":\"{tenant}\",\"user\":{{\"name\":\"me\",\"type\":\"user\"}}}}]}}"
        );
        let system = MemorySystem::with(&[
            ("/h/.config/gcloud/configurations/config_default", file("[core]\naccount = me@x.org\n", 0o600)),
            ("/h/.config/gcloud/application_default_credentials.json", file("{}", 0o600)),
            ("/h/.azure/azureProfile.json", file(&profile, 0o644)),
            ("/h/key.json", file("{}", 0o644)),
        ]);
        let vars = Vars::from([("GOOGLE_APPLICATION_CREDENTIALS".into(), "/h/key.json".into())]);
        let files = look(&system, Path::new("/h"), &vars);
        assert_eq!(files.gcloud, Some(("default".into(), Some("me@x.org".into()))));
        assert!(files.google_named && files.google_default.is_some());
        assert_eq!(files.azure_user.as_deref(), Some("me"));
        assert_eq!(files.open, ["~/key.json"]);
    }
}
