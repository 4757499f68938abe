//! Evidence → host kind, and what is known of each kind. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::text::nearest;

/// The kinds of host that devboot tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostKind {
    /// AWS CloudShell.
    AwsCloudshell,
    /// Google Cloud Shell.
    GoogleCloudShell,
    /// Azure Cloud Shell.
    AzureCloudShell,
    /// GitHub Codespaces.
    Codespaces,
    /// Gitpod.
    Gitpod,
    /// AWS Cloud9.
    Cloud9,
    /// A container that none of the others runs.
    Container,
    /// Everything else: a virtual machine, a computer.
    Vm,
}

/// What is known of a kind. Times and sizes are the vendors' words, not measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rules {
    /// The name in `DEVBOOT_HOST`, in profiles, in JSON.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// The persistent home's size in bytes, where the vendor states one.
    pub home_quota: Option<u64>,
    /// Minutes without keyboard or pointer until the session ends, where the vendor states it.
    pub idle_minutes: Option<u32>,
    /// What does not outlive the session.
    pub lost: &'static str,
    /// Where that is written.
    pub source: &'static str,
}

const GB: u64 = 1_000_000_000;

/// One row a kind.
const RULES: [(HostKind, Rules); 8] = [
    (
        HostKind::AwsCloudshell,
        Rules {
            name: "aws-cloudshell",
            title: "AWS CloudShell",
            home_quota: Some(GB),
            idle_minutes: Some(20),
            lost: "everything outside the home directory; running processes do not count as activity",
            source: "https://docs.aws.amazon.com/cloudshell/latest/userguide/limits.html",
        },
    ),
    (
        HostKind::GoogleCloudShell,
        Rules {
            name: "google-cloud-shell",
            title: "Google Cloud Shell",
            home_quota: Some(5 * GB),
            idle_minutes: Some(20),
            lost: "everything outside the home directory",
            source: "https://cloud.google.com/shell/docs/limitations",
        },
    ),
    (
        HostKind::AzureCloudShell,
        Rules {
            name: "azure-cloud-shell",
            title: "Azure Cloud Shell",
            home_quota: Some(5 * GB),
            idle_minutes: Some(20),
            lost: "everything outside the home directory; in an ephemeral session everything",
            source: "https://learn.microsoft.com/azure/cloud-shell/limitations",
        },
    ),
    (
        HostKind::Codespaces,
        Rules {
            name: "codespaces",
            title: "GitHub Codespaces",
            home_quota: None,
            idle_minutes: Some(30),
            lost: "on a rebuild, everything outside /workspaces",
            source: "https://docs.github.com/codespaces/about-codespaces/understanding-the-codespace-lifecycle",
        },
    ),
    (
        HostKind::Gitpod,
        Rules {
            name: "gitpod",
            title: "Gitpod",
            home_quota: None,
            idle_minutes: Some(30),
            lost: "everything outside /workspace",
            source: "https://www.gitpod.io/docs/classic/user/configure/workspaces/workspace-lifecycle",
        },
    ),
    (
        HostKind::Cloud9,
        Rules {
            name: "cloud9",
            title: "AWS Cloud9",
            home_quota: None,
            idle_minutes: Some(30),
            lost: "nothing",
            source: "https://docs.aws.amazon.com/cloud9/latest/user-guide/environments.html",
        },
    ),
    (
        HostKind::Container,
        Rules {
            name: "container",
            title: "a container",
            home_quota: None,
            idle_minutes: None,
            lost: "everything that is not on a volume, when the container is removed",
            source: "https://docs.docker.com/engine/storage/",
        },
    ),
    (
        HostKind::Vm,
        Rules {
            name: "vm",
            title: "a machine of its own",
            home_quota: None,
            idle_minutes: None,
            lost: "nothing",
            source: "",
        },
    ),
];

impl HostKind {
    /// What is known of this kind.
    pub fn rules(self) -> &'static Rules {
        let row = RULES.iter().find(|(kind, _)| *kind == self);
        // Every kind has a row; the last one is the kind that says least.
        &row.unwrap_or(&RULES[RULES.len() - 1]).1
    }

    /// Its name, such as `aws-cloudshell`.
    pub fn name(self) -> &'static str {
        self.rules().name
    }

    /// The kind of this name; else the nearest name, if one is near.
    pub fn from_name(name: &str) -> Result<Self, Option<&'static str>> {
        match RULES.iter().find(|(_, rules)| rules.name == name) {
            Some((kind, _)) => Ok(*kind),
            None => Err(nearest(name, RULES.iter().map(|(_, rules)| rules.name))),
        }
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        RULES.iter().map(|(_, rules)| rules.name)
    }
}

/// One thing that was seen, and what it speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Which kind it speaks for.
    pub kind: HostKind,
    /// What was seen: `$CODESPACES is set`, `/google/devshell is there`.
    pub seen: String,
}

enum Sign {
    /// The variable is set, to anything.
    Set(&'static str),
    /// The variable is set to this.
    Is(&'static str, &'static str),
    /// The path is there.
    Path(&'static str),
    /// The home directory is this, and the variable is set. For hosts whose own variable stands in the user's rc
    /// file, where a service does not see it and a user can lose it.
    HomeAnd(&'static str, &'static str),
}

/// The order decides: the first kind with evidence is the host. Facts: the vendors' documentation and images.
const SIGNS: &[(HostKind, Sign)] = &[
    (HostKind::Codespaces, Sign::Set("CODESPACES")),
    (HostKind::AzureCloudShell, Sign::Set("ACC_CLOUD")),
    (HostKind::AzureCloudShell, Sign::Is("AZUREPS_HOST_ENVIRONMENT", "cloud-shell/1.0")),
    (HostKind::GoogleCloudShell, Sign::Set("CLOUD_SHELL")),
    (HostKind::GoogleCloudShell, Sign::Set("GOOGLE_CLOUD_SHELL")),
    (HostKind::GoogleCloudShell, Sign::Path("/google/devshell")),
    (HostKind::AwsCloudshell, Sign::Is("AWS_EXECUTION_ENV", "CloudShell")),
    (HostKind::AwsCloudshell, Sign::HomeAnd("/home/cloudshell-user", "AWS_CONTAINER_CREDENTIALS_FULL_URI")),
    (HostKind::Gitpod, Sign::Set("GITPOD_WORKSPACE_ID")),
    (HostKind::Cloud9, Sign::Set("C9_PID")),
    (HostKind::Cloud9, Sign::Set("C9_PROJECT")),
    (HostKind::Container, Sign::Set("CODER")),
    (HostKind::Container, Sign::Set("REMOTE_CONTAINERS")),
    (HostKind::Container, Sign::Set("container")),
    (HostKind::Container, Sign::Set("KUBERNETES_SERVICE_HOST")),
    (HostKind::Container, Sign::Path("/.dockerenv")),
    (HostKind::Container, Sign::Path("/run/.containerenv")),
];

/// The paths that [`evidence`] has to be told about.
pub fn paths() -> impl Iterator<Item = &'static str> {
    SIGNS.iter().filter_map(|(_, sign)| match sign {
        Sign::Path(path) => Some(*path),
        _ => None,
    })
}

/// Everything that speaks for some kind, the deciding one first.
pub fn evidence(vars: &BTreeMap<String, String>, home: &str, paths: &[&str]) -> Vec<Evidence> {
    let set = |name: &str| vars.get(name).is_some_and(|value| !matches!(value.as_str(), "" | "false" | "0"));
    SIGNS
        .iter()
        .filter_map(|(kind, sign)| {
            let seen = match sign {
                Sign::Set(name) if set(name) => format!("${name} is set"),
                Sign::Is(name, value) if vars.get(*name).is_some_and(|v| v == value) => {
                    format!("${name} is {value}")
                }
                Sign::Path(path) if paths.contains(path) => format!("{path} is there"),
                Sign::HomeAnd(dir, name) if home == *dir && set(name) => {
                    format!("home is {dir} and ${name} is set")
                }
                _ => return None,
            };
            Some(Evidence { kind: *kind, seen })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(vars: &[(&str, &str)], home: &str, paths: &[&str]) -> HostKind {
        let vars = vars.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        evidence(&vars, home, paths).first().map_or(HostKind::Vm, |evidence| evidence.kind)
    }

    #[test]
    fn each_sign_finds_its_kind() {
        for (expected, sign) in SIGNS {
            let found = match sign {
                Sign::Set(name) => kind(&[(name, "1")], "/h", &[]),
                Sign::Is(name, value) => kind(&[(name, value)], "/h", &[]),
                Sign::Path(path) => kind(&[], "/h", &[path]),
                Sign::HomeAnd(home, name) => kind(&[(name, "x")], home, &[]),
            };
            assert_eq!(found, *expected);
        }
        for no in ["", "false", "0"] {
            assert_eq!(kind(&[("CODESPACES", no)], "/h", &[]), HostKind::Vm);
        }
        assert_eq!(kind(&[("AWS_EXECUTION_ENV", "AWS_Lambda_python3.8")], "/h", &[]), HostKind::Vm);
    }

    #[test]
    fn the_first_row_decides() {
        let both = [("CODESPACES", "true"), ("CLOUD_SHELL", "true")];
        assert_eq!(kind(&both, "/h", &["/.dockerenv"]), HostKind::Codespaces);
        assert_eq!(kind(&[("CLOUD_SHELL", "true")], "/h", &["/.dockerenv"]), HostKind::GoogleCloudShell);
    }

    #[test]
    fn names_go_both_ways() {
        assert_eq!(HostKind::names().count(), RULES.len());
        for name in HostKind::names() {
            assert_eq!(HostKind::from_name(name).unwrap().name(), name);
        }
        assert_eq!(HostKind::from_name("codespace"), Err(Some("codespaces")));
    }
}
