//! Which link of each SDK's chain wins in a shell, and why; and the traps: what wins although nobody wants it. Pure but for
//! [`look`].
//!
//! The orders are those of botocore, the AWS SDKs for JavaScript v3, Go v2 and Java v2, google-auth, gcloud, azure-identity and the Azure CLI.

pub mod aws;
pub mod azure;
pub mod gcp;
pub mod look;
pub mod switched;

use std::collections::BTreeMap;

use super::aws::config::AwsConfig;
use crate::base::text::printable;
use crate::base::time::Timestamp;

/// The variables of a shell, those that are empty too.
pub type Vars = BTreeMap<String, String>;

/// What wins where an SDK gives up.
pub const NOTHING: &str = "nothing";

/// What the files have; no secret is in it but in [`Files::aws`], which masks it.
#[derive(Clone, Debug)]
pub struct Files {
    /// AWS's two files, those that the shell's variables name; or why no SDK reads them.
    pub aws: Result<AwsConfig, String>,
    /// Whether the file that `GOOGLE_APPLICATION_CREDENTIALS` names is there.
    pub google_named: bool,
    /// The application default credentials that gcloud wrote, as a path to be shown.
    pub google_default: Option<String>,
    /// gcloud's active configuration and its account.
    pub gcloud: Option<(String, Option<String>)>,
    /// Who the Azure CLI is signed in as, by its default subscription.
    pub azure_user: Option<String>,
    /// Files with a secret in plain text that others can read, as paths to be shown.
    pub open: Vec<String>,
}

/// What wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is.
    pub wins: String,
    /// Why it and no other.
    pub why: String,
}

/// What wins or fails although nobody wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// What it is.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

/// One SDK.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Which.
    pub sdk: &'static str,
    /// What wins.
    pub link: Link,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chains {
    /// The SDKs.
    pub chains: Vec<Chain>,
    /// The traps.
    pub traps: Vec<Trap>,
}

impl Chains {
    fn chain(&mut self, sdk: &'static str, wins: impl Into<String>, why: impl Into<String>) {
        let link = Link { wins: printable(&wins.into()), why: printable(&why.into()) };
        self.chains.push(Chain { sdk, link });
    }

    fn trap(&mut self, what: impl Into<String>, next: impl Into<String>) {
        self.traps.push(Trap { what: printable(&what.into()), next: printable(&next.into()) });
    }
}

/// What a shell with these variables and files does.
pub fn chains(vars: &Vars, files: &Files, now: Timestamp) -> Chains {
    let mut all = Chains::default();
    aws::add(vars, &files.aws, now, &mut all);
    gcp::add(vars, files, &mut all);
    azure::add(vars, files, &mut all);
    for file in &files.open {
        all.trap(
            format!("{file} holds a secret in plain text, and others can read it"),
            format!("chmod 600 {file}"),
        );
    }
    all
}

/// The value of a variable that is set and not empty.
fn set<'a>(vars: &'a Vars, name: &str) -> Option<&'a str> {
    vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// The first of these variables that is set and not empty.
fn first_set<'a>(vars: &Vars, names: &[&'a str]) -> Option<&'a str> {
    names.iter().copied().find(|name| set(vars, name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variables of a test.
    pub fn vars(pairs: &[(&str, &str)]) -> Vars {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// Files with nothing in them.
    pub fn files() -> Files {
        Files {
            aws: Ok(AwsConfig::default()),
            google_named: false,
            google_default: None,
            gcloud: None,
            azure_user: None,
            open: Vec::new(),
        }
    }

    #[test]
    fn a_shell_with_nothing_has_no_trap_and_hostile_text_moves_no_cursor() {
        assert!(chains(&Vars::new(), &files(), Timestamp(0)).traps.is_empty());
        let vars =
            vars(&[("AWS_PROFILE", "\u{1b}[2J"), ("GOOGLE_APPLICATION_CREDENTIALS", "\u{1b}]0;x\u{7}")]);
        let mine = Files { aws: Err("\u{1b}[2J".into()), open: vec!["\u{9b}2J".into()], ..files() };
        for files in [files(), mine] {
            let all = chains(&vars, &files, Timestamp(0));
            let chains = all.chains.iter().flat_map(|chain| [&chain.link.wins, &chain.link.why]);
            let traps = all.traps.iter().flat_map(|trap| [&trap.what, &trap.next]);
            assert!(chains.chain(traps).all(|text| !text.contains(char::is_control)));
        }
    }
}
