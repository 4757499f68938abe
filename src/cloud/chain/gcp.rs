//! Google's chains: that of its libraries, and that of gcloud, which is another one.

use super::{Chains, Files, NOTHING, Vars, first_set, set};

const TOKEN: [&str; 2] = ["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "CLOUDSDK_AUTH_ACCESS_TOKEN"];
const ACTS_AS: &str = "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT";

/// Adds Google's chains and traps.
pub(super) fn add(vars: &Vars, files: &Files, all: &mut Chains) {
    libraries(vars, files, all);
    gcloud(vars, files, all);
    if let Some(name) = first_set(vars, &TOKEN) {
        all.trap(
            format!("{name} is set: gcloud takes that token, fresh or stale, before its own accounts"),
            format!("unset {name}"),
        );
    }
    if set(vars, ACTS_AS).is_some() {
        all.trap(format!("{ACTS_AS} is set: gcloud acts as another account"), format!("unset {ACTS_AS}"));
    }
    if set(vars, "GOOGLE_CREDENTIALS").is_some() {
        all.trap("GOOGLE_CREDENTIALS is set: Terraform takes it before all else", "unset GOOGLE_CREDENTIALS");
    }
}

fn libraries(vars: &Vars, files: &Files, all: &mut Chains) {
    const SDK: &str = "Google, libraries";
    const NAMED: &str = "GOOGLE_APPLICATION_CREDENTIALS";
    match (set(vars, NAMED), &files.google_default) {
        (Some(file), _) if files.google_named => {
            all.chain(SDK, format!("the file {file}"), format!("{NAMED} names it"))
        }
        (Some(file), _) => {
            all.chain(SDK, NOTHING, format!("{NAMED} names {file}, which is not there"));
            all.trap(format!("{NAMED} names a file that is not there: {file}"), format!("unset {NAMED}"));
        }
        (None, Some(file)) => {
            all.chain(
                SDK,
                format!("the file {file}"),
                "gcloud's application default credentials, whatever its configuration",
            );
        }
        (None, None) => {
            let host = if set(vars, "GCE_METADATA_HOST").is_some() {
                "the metadata server of GCE_METADATA_HOST"
            } else {
                "the machine's own account, if it has one"
            };
            all.chain(
                SDK,
                host,
                "no variable names a file, and there are no application default credentials",
            );
        }
    }
}

fn gcloud(vars: &Vars, files: &Files, all: &mut Chains) {
    const SDK: &str = "Google, gcloud";
    if let Some(name) = first_set(vars, &TOKEN) {
        all.chain(SDK, format!("the token of {name}"), "it comes before every account");
    } else if let Some(name) = first_set(vars, &["CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"]) {
        all.chain(SDK, format!("the file of {name}"), "it comes before every account");
    } else if let Some(account) = set(vars, "CLOUDSDK_CORE_ACCOUNT") {
        all.chain(SDK, format!("the account {account}"), "CLOUDSDK_CORE_ACCOUNT names it");
    } else if let Some((configuration, account)) = &files.gcloud {
        let by = first_set(vars, &["CLOUDSDK_ACTIVE_CONFIG_NAME"]);
        let why = by.map_or_else(|| "it is the active one".to_owned(), |name| format!("{name} names it"));
        let who = account.as_deref().unwrap_or("no account");
        all.chain(SDK, format!("{who}, of the configuration '{configuration}'"), why);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{files, vars};
    use super::*;

    fn of(pairs: &[(&str, &str)], files: &Files) -> Chains {
        let mut all = Chains::default();
        add(&vars(pairs), files, &mut all);
        all
    }

    #[test]
    fn a_file_that_is_not_there_is_no_way_on() {
        let with_default = Files { google_default: Some("~/adc.json".into()), ..files() };
        let all = of(&[("GOOGLE_APPLICATION_CREDENTIALS", "/x.json")], &with_default);
        assert_eq!((all.chains[0].link.wins.as_str(), all.traps.len()), ("nothing", 1));
        let there = Files { google_named: true, ..with_default.clone() };
        assert!(of(&[("GOOGLE_APPLICATION_CREDENTIALS", "/x.json")], &there).traps.is_empty());
        assert_eq!(of(&[], &with_default).chains[0].link.wins, "the file ~/adc.json");
    }

    #[test]
    fn a_token_of_the_environment_is_a_trap_and_not_shown() {
        let gcloud = Files { gcloud: Some(("work".into(), Some("me@x.org".into()))), ..files() };
        assert_eq!(of(&[], &gcloud).chains[1].link.wins, "me@x.org, of the configuration 'work'");
        let all = of(&[("CLOUDSDK_AUTH_ACCESS_TOKEN", "ya29.hush")], &gcloud);
        assert_eq!(all.chains[1].link.wins, "the token of CLOUDSDK_AUTH_ACCESS_TOKEN");
        assert!(all.traps.len() == 1 && !format!("{all:?}").contains("hush"));
    }
}
