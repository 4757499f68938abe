//! Gathering evidence and facts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::kind::{self, Evidence, HostKind};
use crate::base::error::{ErrorKind, Fault};
use crate::sys::dirs::Dirs;
use crate::sys::system::ReadSystem;

/// What is known of the host, gathered once.
#[derive(Clone, Debug, Serialize)]
pub struct Facts {
    /// Its kind.
    pub kind: HostKind,
    /// Why: what was seen, the deciding one first. Empty for a machine that shows no sign.
    pub evidence: Vec<Evidence>,
    /// `DEVBOOT_HOST` decided.
    pub overridden: bool,
    /// The home directory.
    pub home: PathBuf,
    /// The user's name, when the environment has it.
    pub user: Option<String>,
    /// The login shell.
    pub shell: Option<String>,
    /// The cloud region, when the environment has it.
    pub region: Option<String>,
    /// The operating system: `linux`, `macos`.
    pub os: &'static str,
    /// The processor: `x86_64`, `aarch64`.
    pub arch: &'static str,
    /// Processors that this process may use.
    pub cpus: usize,
}

/// Where regions are named, by cloud.
const REGIONS: [(HostKind, &str); 6] = [
    (HostKind::AwsCloudshell, "AWS_REGION"),
    (HostKind::AwsCloudshell, "AWS_DEFAULT_REGION"),
    (HostKind::GoogleCloudShell, "CLOUDSDK_COMPUTE_REGION"),
    (HostKind::GoogleCloudShell, "GOOGLE_CLOUD_REGION"),
    (HostKind::AzureCloudShell, "ACC_LOCATION"),
    (HostKind::AzureCloudShell, "AZURE_DEFAULTS_LOCATION"),
];

/// The region by the host's own cloud, else by any other. A value that no region has is not taken: it would go
/// into profiles.
fn region(kind: HostKind, set: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let plain = |text: &String| {
        (1..=32).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let own = REGIONS.iter().filter(|(of, _)| *of == kind);
    own.chain(&REGIONS).find_map(|(_, name)| set(name).filter(plain))
}

/// Looks at the environment and a few paths. An unknown `DEVBOOT_HOST` is an error.
pub fn detect(system: &dyn ReadSystem, vars: &BTreeMap<String, String>, home: &Path) -> Result<Facts, Fault> {
    let there: Vec<&str> =
        kind::paths().filter(|path| matches!(system.meta(Path::new(path)), Ok(Some(_)))).collect();
    let evidence = kind::evidence(vars, &home.to_string_lossy(), &there);
    let set = |name: &str| vars.get(name).filter(|value| !value.is_empty()).cloned();
    let wanted = set("DEVBOOT_HOST").map(|name| named(&name)).transpose()?;
    let seen = evidence.first().map_or(HostKind::Vm, |evidence| evidence.kind);
    let kind = wanted.unwrap_or(seen);
    Ok(Facts {
        kind,
        evidence,
        overridden: wanted.is_some(),
        home: home.to_path_buf(),
        user: set("USER").or_else(|| set("LOGNAME")),
        shell: set("SHELL"),
        region: region(kind, &set),
        os: std::env::consts::OS,
        arch: std::env::consts::ARCH,
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
    })
}

fn named(name: &str) -> Result<HostKind, Fault> {
    HostKind::from_name(name).map_err(|near| {
        let shown = crate::base::text::printable(name);
        let fault = Fault::new(ErrorKind::Usage, format!("DEVBOOT_HOST is '{shown}', which is no host kind"));
        match near {
            Some(near) => fault.hint(format!("did you mean '{near}'?")),
            None => fault.hint(format!("there are {}", HostKind::names().collect::<Vec<_>>().join(", "))),
        }
    })
}

/// The facts as variables for profiles; what is not known is left out.
pub fn variables(facts: &Facts, dirs: &Dirs) -> BTreeMap<String, String> {
    let path = |path: &Path| Some(path.to_string_lossy().into_owned());
    let shell = facts.shell.as_ref().and_then(|shell| shell.rsplit('/').next()).map(str::to_owned);
    let pairs = [
        ("home", path(&dirs.home)),
        ("user", facts.user.clone()),
        ("host", Some(facts.kind.name().to_owned())),
        ("region", facts.region.clone()),
        ("os", Some(facts.os.to_owned())),
        ("arch", Some(facts.arch.to_owned())),
        ("cpus", Some(facts.cpus.to_string())),
        ("config_dir", path(&dirs.config)),
        ("data_dir", path(&dirs.data)),
        ("cache_dir", path(&dirs.cache)),
        ("state_dir", path(&dirs.state)),
        ("shell", shell),
    ];
    pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::MemorySystem;

    fn facts(vars: &[(&str, &str)]) -> Result<Facts, Fault> {
        let vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        detect(&MemorySystem::default(), &vars, Path::new("/h"))
    }

    #[test]
    fn the_hosts_own_cloud_names_the_region() {
        let vars = [("ACC_CLOUD", "PROD"), ("ACC_LOCATION", "westeurope"), ("AWS_REGION", "us-east-1")];
        assert_eq!(facts(&vars).unwrap().region.as_deref(), Some("westeurope"));
        assert_eq!(facts(&vars[2..]).unwrap().region.as_deref(), Some("us-east-1"));
        assert_eq!(facts(&[("AWS_REGION", "x;$(id)")]).unwrap().region, None);
    }

    #[test]
    fn the_override_wins_and_a_slip_in_it_is_named() {
        let found = facts(&[("CODESPACES", "true"), ("DEVBOOT_HOST", "vm")]).unwrap();
        assert_eq!((found.kind, found.overridden, found.evidence.len()), (HostKind::Vm, true, 1));
        let fault = facts(&[("DEVBOOT_HOST", "codespace")]).unwrap_err();
        assert!(fault.hints[0].contains("codespaces"));
    }
}
