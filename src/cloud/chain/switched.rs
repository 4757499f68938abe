//! Whether what a switch has set still is what tools take in a shell. Pure.

use super::aws::{self, Stop, Way};
use super::{Files, Vars, set};
use crate::cloud::aws::environment::CLEARED as AWS;
use crate::cloud::azure::environment::CLEARED as AZURE;
use crate::cloud::gcp::environment::CLEARED as GCP;
use crate::cloud::mark::{self, Mark};
use crate::cloud::provider::{PROVIDERS, Provider};

/// What a shell is switched to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Switched {
    /// `DEVBOOT_CLOUD` names a profile that nothing here belongs to.
    InName,
    /// A profile, and what has come between since; nothing has if this is empty.
    To(Vec<Between>),
}

/// What makes the tools of a cloud somebody else than the switch did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Between {
    /// Whose tools.
    pub provider: Provider,
    /// The variables.
    pub names: Vec<&'static str>,
}

impl Between {
    /// It in words: `AWS_PROFILE is not what the switch made it`.
    pub fn words(&self) -> String {
        let are = if self.names.len() == 1 { "is" } else { "are" };
        format!("{} {are} not what the switch made of it", self.names.join(", "))
    }
}

/// Where one works, and not as whom: who changes these after a switch stays who they are.
const PLACES: [&str; 19] = [
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCOUNT_ID",
    "AWS_ROLE_SESSION_NAME",
    "AWS_EC2_METADATA_DISABLED",
    "CLOUDSDK_CORE_PROJECT",
    "CLOUDSDK_BILLING_QUOTA_PROJECT",
    "CLOUDSDK_COMPUTE_REGION",
    "CLOUDSDK_COMPUTE_ZONE",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
    "GOOGLE_PROJECT",
    "GCLOUD_PROJECT",
    "DEVSHELL_PROJECT_ID",
    "AZURE_SUBSCRIPTION_ID",
    "ARM_SUBSCRIPTION_ID",
    "AZURE_TENANT_ID",
    "ARM_TENANT_ID",
    "ARM_AUXILIARY_TENANT_IDS",
];

/// How a shell with these variables stands to its switch; `None` where no profile is named.
pub fn switched(vars: &Vars, files: &Files) -> Option<Switched> {
    set(vars, "DEVBOOT_CLOUD")?;
    let mark = vars.get(mark::VARIABLE).map(|text| Mark::read(text)).unwrap_or_default();
    if !mark.holds("DEVBOOT_CLOUD", vars.get("DEVBOOT_CLOUD").map(String::as_str)) {
        return Some(Switched::InName);
    }
    let between = PROVIDERS.into_iter().filter_map(|provider| {
        let names = between(vars, files, &mark, provider);
        (!names.is_empty()).then_some(Between { provider, names })
    });
    Some(Switched::To(between.collect()))
}

fn between(vars: &Vars, files: &Files, mark: &Mark, provider: Provider) -> Vec<&'static str> {
    let (governed, cleared, prefixes): (_, &[&'static str], &[&str]) = match provider {
        Provider::Aws => (mark.has("AWS_EC2_METADATA_DISABLED"), &AWS, &["AWS_"]),
        Provider::Gcp => (
            mark.has("CLOUDSDK_CONFIG") || mark.has("CLOUDSDK_ACTIVE_CONFIG_NAME"),
            &GCP,
            &["GOOGLE_", "CLOUDSDK_", "GCE_", "NO_GCE_CHECK", "METADATA_"],
        ),
        Provider::Azure => {
            (mark.has("AZURE_CONFIG_DIR"), &AZURE, &["AZURE_", "ARM_", "IDENTITY_", "IMDS_", "MSI_"])
        }
    };
    if !governed {
        return Vec::new();
    }
    let is_identity = |name: &&'static str| !PLACES.contains(name);
    let changed = mark
        .names()
        .filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)))
        .filter(is_identity)
        .filter(|name| !mark.holds(name, vars.get(*name).map(String::as_str)));
    let new: Vec<&'static str> = cleared
        .iter()
        .copied()
        .filter(is_identity)
        .filter(|name| !mark.has(name) && vars.get(*name).is_some_and(|value| matters(name, value)))
        .collect();
    let new = if provider == Provider::Aws && !aws_wins(vars, files, &new) { Vec::new() } else { new };
    changed.chain(new).collect()
}

/// An empty variable is none, but for a name of a profile.
fn matters(name: &str, value: &str) -> bool {
    !value.is_empty() || name == "AWS_PROFILE" || name == "AWS_DEFAULT_PROFILE"
}

/// Whether an SDK of AWS takes something else because of these variables, which came after the switch.
fn aws_wins(vars: &Vars, files: &Files, new: &[&'static str]) -> bool {
    let Ok(config) = &files.aws else { return !new.is_empty() };
    let mut without = vars.clone();
    without.retain(|name, _| !new.contains(&name.as_str()));
    let differs = |chain: fn(&Vars, &_) -> Result<Way, Stop>| {
        let (with, without) = (chain(vars, config), chain(&without, config));
        with != without || with.is_ok_and(|way| new.iter().any(|name| takes(way, name, vars)))
    };
    differs(aws::python) || differs(aws::javascript)
}

/// Whether a way that is the same with a variable and without it leads to somebody else by it.
fn takes(way: Way, name: &str, vars: &Vars) -> bool {
    match way {
        Way::Environment => matches!(name, "AWS_SESSION_TOKEN" | "AWS_SECURITY_TOKEN"),
        Way::Container => name.starts_with("AWS_CONTAINER_"),
        // fish cannot take away a name of a profile that every shell exports; it is this one meanwhile.
        _ => name.ends_with("_PROFILE") && vars.get(name).is_some_and(|value| value != "default"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::{files, vars};
    use super::*;
    use crate::cloud::aws::config::parse;

    const OURS: [(&str, &str); 4] = [
        ("DEVBOOT_CLOUD", "dev"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/run/c"),
        ("AWS_REGION", "eu-west-1"),
    ];

    /// What has come between in a shell that was switched with `ours`, and has `more` now.
    fn found(ours: &[(&str, &str)], more: &[(&str, &str)], config: &str) -> Option<Switched> {
        let changes: Vec<_> = ours.iter().map(|(name, value)| (*name, Some(*value))).collect();
        let mut all = vars(ours);
        all.insert(mark::VARIABLE.into(), mark::text(&changes));
        all.extend(vars(more));
        let config = parse((Path::new("/c"), config), (Path::new("/k"), "")).unwrap();
        switched(&all, &Files { aws: Ok(config), ..files() })
    }

    const POINTER: &str = "[default]\ncredential_process = /bin/devboot\n";

    #[test]
    fn what_wins_over_a_switch_is_named_and_what_does_not_is_not() {
        let aws = |more: &[(&str, &str)]| match found(&OURS, more, POINTER) {
            Some(Switched::To(all)) => all.into_iter().flat_map(|one| one.names).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert!(aws(&[]).is_empty());
        assert_eq!(
            aws(&[("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")]),
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
        );
        assert_eq!(aws(&[("AWS_PROFILE", "x")]), ["AWS_PROFILE"]);
        assert_eq!(aws(&[("AWS_PROFILE", "")]), ["AWS_PROFILE"]);
        assert_eq!(aws(&[("AWS_CONFIG_FILE", "/mine")]), ["AWS_CONFIG_FILE"]);
        for harmless in [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", ""),
            ("AWS_PROFILE", "default"),
            ("AWS_ROLE_ARN", "alone"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://x"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/of/another/cloud"),
        ] {
            assert!(aws(&[harmless]).is_empty(), "{harmless:?}");
        }
    }

    #[test]
    fn each_way_of_handing_over_has_what_comes_before_it() {
        let is_between = |ours: &[(&str, &str)], more: &[(&str, &str)]| {
            let ours = [&OURS[..2], ours].concat();
            found(&ours, more, "") != Some(Switched::To(Vec::new()))
        };
        let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
        assert!(!is_between(&keys, &[]));
        assert!(is_between(&keys, &[("AWS_ACCESS_KEY_ID", "B")]));
        assert!(is_between(&keys, &[("AWS_SECURITY_TOKEN", "stale")]));
        let endpoint = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://x")];
        assert!(!is_between(&endpoint, &[]));
        assert!(is_between(&endpoint, &[("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/y")]));
        let google = [("CLOUDSDK_CONFIG", "/run/g")];
        assert!(!is_between(&google, &[("GOOGLE_CLOUD_PROJECT", "other")]));
        assert!(is_between(&google, &[("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29")]));
        assert!(is_between(&[("AZURE_CONFIG_DIR", "/run/a")], &[("AZURE_CLIENT_SECRET", "x")]));
    }

    #[test]
    fn a_name_alone_is_no_switch() {
        let named = vars(&[("DEVBOOT_CLOUD", "dev")]);
        assert_eq!(switched(&named, &files()), Some(Switched::InName));
        assert_eq!(switched(&Vars::new(), &files()), None);
        assert_eq!(found(&OURS, &[("DEVBOOT_CLOUD", "prod")], ""), Some(Switched::InName));
    }
}
