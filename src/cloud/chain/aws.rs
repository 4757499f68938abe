//! AWS's chains: that of Python (boto3 and the CLI), and those of JavaScript, Go and Java, which differ.

use super::{Chains, Link, NOTHING, Vars, first_set, set};
use crate::base::text::nearest;
use crate::base::time::Timestamp;
use crate::cloud::aws::config::{AwsConfig, Origin, Section};

/// A link of AWS's chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Keys of the environment.
    Environment,
    /// A role that the profile names.
    Role,
    /// A role, with a token from a file.
    WebIdentity,
    /// IAM Identity Center.
    Sso,
    /// Keys in the credentials file.
    CredentialsFile,
    /// `aws login`
    Login,
    /// `credential_process`
    Program,
    /// Keys in the config file.
    ConfigFile,
    /// The older file that `AWS_CREDENTIAL_FILE` names.
    OldFile,
    /// The endpoint of a container.
    Container,
    /// The role of the machine.
    Machine,
}

/// Why an SDK gives up before it comes to any link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A profile is named that is not there; the variable and the name.
    NoProfile(&'static str, String),
    /// One of two keys.
    HalfPair,
}

const PROFILE_NAME: &str = "AWS_PROFILE";
const PROFILE: [&str; 2] = ["AWS_DEFAULT_PROFILE", PROFILE_NAME];
const ENDPOINT: [&str; 2] = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
const WEB_IDENTITY: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"];

/// What wins for Python.
///
/// # Errors
/// Nothing does.
pub fn python(vars: &Vars, config: &AwsConfig) -> Result<Way, Stop> {
    // A variable that is set and empty is a name to botocore, and no profile has it.
    let named = PROFILE.into_iter().find(|name| vars.contains_key(*name));
    let profile = named.map_or("default", |name| vars[name].as_str());
    let section = config.profiles.get(profile);
    if let (Some(variable), None) = (named, section)
        && profile != "default"
    {
        return Err(Stop::NoProfile(variable, profile.to_owned()));
    }
    if let Some(way) = environment(vars)? {
        return Ok(way);
    }
    let has = |name: &str| section.is_some_and(|section| has(section, name));
    let keys = |origin| section.is_some_and(|section| keys_in(section, origin));
    let ways = [
        (has("role_arn") && (has("source_profile") || has("credential_source")), Way::Role),
        (
            WEB_IDENTITY.iter().all(|name| set(vars, name).is_some()) || has("web_identity_token_file"),
            Way::WebIdentity,
        ),
        (has("sso_account_id") || has("sso_role_name"), Way::Sso),
        (keys(Origin::Credentials), Way::CredentialsFile),
        (has("login_session"), Way::Login),
        (has("credential_process"), Way::Program),
        (keys(Origin::Config), Way::ConfigFile),
        (set(vars, "AWS_CREDENTIAL_FILE").is_some(), Way::OldFile),
        (first_set(vars, &ENDPOINT).is_some(), Way::Container),
    ];
    Ok(ways.into_iter().find(|(there, _)| *there).map_or(Way::Machine, |(_, way)| way))
}

/// What wins for JavaScript, which passes over the keys of the environment when a profile is named.
///
/// # Errors
/// Nothing does.
pub fn javascript(vars: &Vars, config: &AwsConfig) -> Result<Way, Stop> {
    let named = set(vars, "AWS_PROFILE");
    if named.is_none()
        && let Some(way) = environment(vars)?
    {
        return Ok(way);
    }
    let section = config.profiles.get(named.unwrap_or("default"));
    let has = |name: &str| section.is_some_and(|section| has(section, name));
    let keys = |origin| section.is_some_and(|section| keys_in(section, origin));
    let ways = [
        (has("role_arn") && (has("source_profile") || has("credential_source")), Way::Role),
        (keys(Origin::Credentials), Way::CredentialsFile),
        (keys(Origin::Config), Way::ConfigFile),
        (has("web_identity_token_file"), Way::WebIdentity),
        (has("credential_process"), Way::Program),
        (has("sso_account_id") || has("sso_role_name"), Way::Sso),
        (has("login_session"), Way::Login),
        (WEB_IDENTITY.iter().all(|name| set(vars, name).is_some()), Way::WebIdentity),
        (first_set(vars, &ENDPOINT).is_some(), Way::Container),
    ];
    Ok(ways.into_iter().find(|(there, _)| *there).map_or(Way::Machine, |(_, way)| way))
}

/// What wins for Go, and so for Terraform.
///
/// # Errors
/// Nothing does.
pub fn go(vars: &Vars, config: &AwsConfig) -> Result<Way, Stop> {
    // The newer name comes first here.
    let named = first_set(vars, &[PROFILE[1], PROFILE[0]]);
    let profile = named.and_then(|name| set(vars, name)).unwrap_or("default");
    let section = config.profiles.get(profile);
    if let (Some(PROFILE_NAME), None) = (named, section) {
        return Err(Stop::NoProfile(PROFILE_NAME, profile.to_owned()));
    }
    if whole_pair(vars) {
        return Ok(Way::Environment);
    }
    if set(vars, WEB_IDENTITY[0]).is_some() {
        return Ok(Way::WebIdentity);
    }
    let has = |name: &str| section.is_some_and(|section| has(section, name));
    let keys = |origin| section.is_some_and(|section| keys_in(section, origin));
    let ways = [
        (has("role_arn") && has("source_profile"), Way::Role),
        (keys(Origin::Credentials), Way::CredentialsFile),
        (keys(Origin::Config), Way::ConfigFile),
        (has("role_arn") && has("credential_source"), Way::Role),
        (has("web_identity_token_file"), Way::WebIdentity),
        (has("sso_account_id") || has("sso_role_name"), Way::Sso),
        (has("credential_process"), Way::Program),
        (first_set(vars, &ENDPOINT).is_some(), Way::Container),
    ];
    Ok(ways.into_iter().find(|(there, _)| *there).map_or(Way::Machine, |(_, way)| way))
}

/// What wins for Java (version 2 of its SDK), and so for Spark. A profile that is not there is passed over.
pub fn java(vars: &Vars, config: &AwsConfig) -> Way {
    if whole_pair(vars) {
        return Way::Environment;
    }
    if WEB_IDENTITY.iter().all(|name| set(vars, name).is_some()) {
        return Way::WebIdentity;
    }
    let section = config.profiles.get(set(vars, PROFILE_NAME).unwrap_or("default"));
    let has = |name: &str| section.is_some_and(|section| has(section, name));
    let keys = |origin| section.is_some_and(|section| keys_in(section, origin));
    let ways = [
        (has("role_arn") && has("web_identity_token_file"), Way::WebIdentity),
        (["sso_account_id", "sso_role_name", "sso_session", "sso_start_url"].into_iter().any(has), Way::Sso),
        (has("role_arn") && (has("source_profile") || has("credential_source")), Way::Role),
        (has("credential_process"), Way::Program),
        (keys(Origin::Credentials), Way::CredentialsFile),
        (keys(Origin::Config), Way::ConfigFile),
        (first_set(vars, &ENDPOINT).is_some(), Way::Container),
    ];
    ways.into_iter().find(|(there, _)| *there).map_or(Way::Machine, |(_, way)| way)
}

/// Who does not stop at one key of two passes over both.
fn whole_pair(vars: &Vars) -> bool {
    ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].iter().all(|name| set(vars, name).is_some())
}

fn environment(vars: &Vars) -> Result<Option<Way>, Stop> {
    match (set(vars, "AWS_ACCESS_KEY_ID"), set(vars, "AWS_SECRET_ACCESS_KEY")) {
        (Some(_), Some(_)) => Ok(Some(Way::Environment)),
        (Some(_), None) => Err(Stop::HalfPair),
        (None, _) => Ok(None),
    }
}

fn has(section: &Section, name: &str) -> bool {
    section.get(name).is_some_and(|value| !value.is_empty())
}

fn keys_in(section: &Section, origin: Origin) -> bool {
    let property = section.property("aws_access_key_id").filter(|_| has(section, "aws_access_key_id"));
    property.is_some_and(|property| property.origin == origin)
}

/// Adds AWS's chains and traps.
pub(super) fn add(vars: &Vars, files: &Result<AwsConfig, String>, now: Timestamp, all: &mut Chains) {
    const PYTHON: &str = "AWS, Python and CLI";
    let config = match files {
        Ok(config) => config,
        Err(why) => {
            all.chain(PYTHON, NOTHING, format!("no SDK reads the files: {why}"));
            all.trap(format!("AWS's files cannot be read: {why}"), "correct the line that it names");
            return;
        }
    };
    let of_python = python(vars, config);
    let link = told(vars, &of_python, &PROFILE);
    all.chain(PYTHON, link.wins.as_str(), link.why);
    let of_javascript = javascript(vars, config);
    for (sdk, way, names) in [
        ("AWS, JavaScript", &of_javascript, &[PROFILE_NAME][..]),
        ("AWS, Go and Terraform", &go(vars, config), &[PROFILE_NAME, PROFILE[0]]),
        ("AWS, Java and Spark", &Ok(java(vars, config)), &[PROFILE_NAME]),
    ] {
        let other = told(vars, way, names);
        // Those that do as Python does are not named.
        if other.wins != link.wins {
            all.chain(sdk, other.wins, other.why);
        }
    }
    variables(vars, now, all);
    both(vars, &of_python, &of_javascript, all);
    profiles(vars, config, &of_python, all);
}

fn told(vars: &Vars, way: &Result<Way, Stop>, names: &[&str]) -> Link {
    let named = first_set(vars, names);
    let profile = named.and_then(|name| set(vars, name)).unwrap_or("default");
    let by = named.map_or_else(|| "no variable names another".to_owned(), |name| format!("{name} names it"));
    let of = |what: &str| Link { wins: format!("{what} of the profile '{profile}'"), why: by.clone() };
    let link = |wins: &str, why: &str| Link { wins: wins.into(), why: why.into() };
    match way {
        Err(Stop::NoProfile(name, wanted)) => Link {
            wins: NOTHING.into(),
            why: format!("{name} names the profile '{wanted}', which is not there"),
        },
        Err(Stop::HalfPair) => link(NOTHING, "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"),
        Ok(Way::Environment) => {
            link("the keys of the environment", "AWS_ACCESS_KEY_ID comes before all else")
        }
        Ok(Way::Role) => of("the role"),
        Ok(Way::WebIdentity) if set(vars, WEB_IDENTITY[0]).is_some() => {
            link("a role with a token from a file", "AWS_WEB_IDENTITY_TOKEN_FILE names it")
        }
        Ok(Way::WebIdentity) => of("the role with a token from a file"),
        Ok(Way::Sso) => of("the SSO session"),
        Ok(Way::CredentialsFile) => of("the keys in the credentials file"),
        Ok(Way::Login) => of("the session of aws login"),
        Ok(Way::Program) => of("the credential_process"),
        Ok(Way::ConfigFile) => of("the keys in the config file"),
        Ok(Way::OldFile) => link("the file of AWS_CREDENTIAL_FILE", "no profile has credentials"),
        Ok(Way::Container) => {
            let name = first_set(vars, &ENDPOINT).unwrap_or_default();
            Link {
                wins: "the container's endpoint".into(),
                why: format!("{name} names it, and no profile has credentials"),
            }
        }
        Ok(Way::Machine) if set(vars, "AWS_EC2_METADATA_DISABLED") == Some("true") => {
            link(NOTHING, "no variable or profile has credentials, and AWS_EC2_METADATA_DISABLED is set")
        }
        Ok(Way::Machine) => {
            link("the machine's own role, if it has one", "no variable or profile has credentials")
        }
    }
}

fn variables(vars: &Vars, now: Timestamp, all: &mut Chains) {
    let get = |name: &str| set(vars, name);
    let older = get("AWS_SECURITY_TOKEN");
    if older.is_some() && older != get("AWS_SESSION_TOKEN") {
        let what = "AWS_SECURITY_TOKEN is set: Python takes it before AWS_SESSION_TOKEN, and a stale one breaks new keys";
        all.trap(what, "unset AWS_SECURITY_TOKEN");
    }
    if let (Some(old), Some(new)) = (get("AWS_DEFAULT_PROFILE"), get("AWS_PROFILE"))
        && old != new
    {
        let what = format!(
            "AWS_DEFAULT_PROFILE ({old}) wins over AWS_PROFILE ({new}) for Python, and for others not"
        );
        all.trap(what, "unset AWS_DEFAULT_PROFILE");
    }
    for name in PROFILE.into_iter().filter(|name| vars.get(*name).is_some_and(String::is_empty)) {
        all.trap(
            format!("{name} is set and empty: Python looks for a profile without a name"),
            format!("unset {name}"),
        );
    }
    let end = get("AWS_CREDENTIAL_EXPIRATION").and_then(|end| Timestamp::parse(end).ok());
    if end.is_some_and(|end| end <= now) && get("AWS_ACCESS_KEY_ID").is_some() {
        all.trap(
            "the keys of the environment are over, as AWS_CREDENTIAL_EXPIRATION says",
            "get new ones: devboot use NAME",
        );
    }
    if ENDPOINT.iter().all(|name| get(name).is_some()) {
        let what = "both addresses of a container's endpoint are set: the relative one wins";
        all.trap(what, "unset AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    }
}

/// Keys and the name of a profile. Where Python stops at the name, that is said elsewhere.
fn both(vars: &Vars, python: &Result<Way, Stop>, javascript: &Result<Way, Stop>, all: &mut Chains) {
    let Some(named) = first_set(vars, &PROFILE).filter(|_| *python == Ok(Way::Environment)) else { return };
    // JavaScript knows only the newer name.
    let (profile, what) = if *javascript == Ok(Way::Environment) {
        (named, "the keys are taken, and the profile is only in the way")
    } else {
        (PROFILE[1], "Python and Go take the keys, JavaScript the profile")
    };
    let what = format!("{profile} and keys are both set: {what}");
    let next = format!("unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN, or unset {profile}");
    all.trap(what, next);
}

fn profiles(vars: &Vars, config: &AwsConfig, way: &Result<Way, Stop>, all: &mut Chains) {
    match way {
        Err(Stop::NoProfile(name, wanted)) if !wanted.is_empty() => {
            let near = nearest(wanted, config.profiles.keys().map(String::as_str));
            let next = near.map_or_else(|| format!("unset {name}"), |near| format!("export {name}={near}"));
            all.trap(format!("{name} names the profile '{wanted}', which is not there"), next);
        }
        Err(Stop::HalfPair) => {
            let what = "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY: Python stops there";
            all.trap(what, "unset AWS_ACCESS_KEY_ID");
        }
        Ok(Way::CredentialsFile | Way::ConfigFile) => {
            let profile = first_set(vars, &PROFILE).and_then(|name| set(vars, name)).unwrap_or("default");
            let next = "devboot cloud import takes the keys out of the file";
            if let Some(endpoint) = first_set(vars, &ENDPOINT) {
                all.trap(
                    format!("keys of [{profile}] in AWS's files win over the endpoint of {endpoint}"),
                    next,
                );
            }
            if config.profiles.get(profile).is_some_and(|section| has(section, "credential_process")) {
                all.trap(
                    format!("keys of [{profile}] in AWS's files win over its own credential_process"),
                    next,
                );
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::vars;
    use super::*;
    use crate::cloud::aws::config::parse;

    fn said(pairs: &[(&str, &str)], config: &str, credentials: &str) -> (Vec<String>, Vec<String>) {
        let config = parse((Path::new("/c"), config), (Path::new("/k"), credentials)).unwrap();
        let mut all = Chains::default();
        add(&vars(pairs), &Ok(config), Timestamp(1000), &mut all);
        let chains = all.chains.into_iter().map(|chain| format!("{}: {}", chain.sdk, chain.link.wins));
        (chains.collect(), all.traps.into_iter().map(|trap| trap.what).collect())
    }

    const KEYS: &str = "[default]\naws_access_key_id = A\naws_secret_access_key = s\n";

    #[test]
    fn keys_and_a_profile_go_two_ways() {
        let pairs = [("AWS_PROFILE", "p"), ("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let (chains, traps) = said(&pairs, "[profile p]\ncredential_process = /bin/x\n", "");
        assert_eq!(
            chains,
            [
                "AWS, Python and CLI: the keys of the environment",
                "AWS, JavaScript: the credential_process of the profile 'p'"
            ]
        );
        assert!(traps.len() == 1 && traps[0].contains("JavaScript the profile"), "{traps:?}");
    }

    #[test]
    fn keys_and_the_older_name_of_a_profile_go_one_way() {
        let pairs =
            [("AWS_DEFAULT_PROFILE", "p"), ("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let (chains, traps) = said(&pairs, "[profile p]\ncredential_process = /bin/x\n", "");
        assert_eq!(chains, ["AWS, Python and CLI: the keys of the environment"]);
        assert!(traps.len() == 1 && traps[0].contains("the keys are taken"), "{traps:?}");
        // Python stops at a profile that is not there, and JavaScript does not know that name.
        let (chains, traps) = said(&pairs, "", "");
        let others = ["JavaScript", "Go and Terraform", "Java and Spark"];
        let others = others.map(|sdk| format!("AWS, {sdk}: the keys of the environment"));
        assert_eq!((chains[0].as_str(), &chains[1..]), ("AWS, Python and CLI: nothing", &others[..]));
        assert!(traps.len() == 1 && traps[0].contains("which is not there"), "{traps:?}");
    }

    #[test]
    fn go_and_java_go_their_own_ways() {
        let of = |sdk: &str, chains: &[String]| {
            let wins = chains.iter().find_map(|chain| chain.strip_prefix(sdk)?.strip_prefix(": "));
            wins.map(str::to_owned)
        };
        let (go, java) = ("AWS, Go and Terraform", "AWS, Java and Spark");
        // One key of two stops Python alone, and a profile that is not there does not stop Java.
        let (chains, _) = said(&[("AWS_ACCESS_KEY_ID", "A")], "", KEYS);
        let wins = "the keys in the credentials file of the profile 'default'";
        assert_eq!([of(go, &chains), of(java, &chains)], [Some(wins.to_owned()), Some(wins.to_owned())]);
        let (chains, _) = said(&[("AWS_PROFILE", "gone")], "", KEYS);
        assert!(of(go, &chains).is_none(), "as Python: {chains:?}");
        assert!(of(java, &chains).unwrap().starts_with("the machine's own role"), "{chains:?}");
        // The program of a profile comes before its keys for Java, after them for Go as for Python where they are in the other file.
        let (chains, _) = said(&[], "[default]\ncredential_process = /bin/x\n", KEYS);
        assert_eq!(of(java, &chains).unwrap(), "the credential_process of the profile 'default'");
        assert_eq!(of(go, &chains), None);
        let mixed =
            "[default]\ncredential_process = /bin/x\naws_access_key_id = A\naws_secret_access_key = s\n";
        let (chains, _) = said(&[], mixed, "");
        assert!(chains[0].contains("credential_process") && of(go, &chains).unwrap().contains("config file"));
        // A token's file comes before an SSO session or keys wherever it is named.
        let token = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/t"), ("AWS_ROLE_ARN", "arn")];
        let (chains, _) = said(&token, "", KEYS);
        assert!(
            chains[0].contains("a role with a token")
                && chains[1..].iter().all(|chain| chain.contains("JavaScript"))
        );
    }

    #[test]
    fn keys_in_a_file_shadow_endpoint_and_program() {
        let endpoint = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:1338")];
        let (chains, traps) = said(&endpoint, "[default]\ncredential_process = /bin/x\n", KEYS);
        assert!(
            chains[0].ends_with("the keys in the credentials file of the profile 'default'"),
            "{chains:?}"
        );
        assert_eq!(traps.len(), 2);
        let (chains, traps) = said(&endpoint, "", "");
        assert!(chains[0].ends_with("the container's endpoint") && traps.is_empty());
    }

    #[test]
    fn each_stale_variable_is_a_trap() {
        let one = |pairs: &[(&str, &str)]| said(pairs, "[profile p]\nregion = x\n", "").1.concat();
        assert!(one(&[("AWS_SECURITY_TOKEN", "hush")]).contains("AWS_SECURITY_TOKEN"));
        assert!(!one(&[("AWS_SECURITY_TOKEN", "hush")]).contains("hush"));
        assert!(one(&[("AWS_DEFAULT_PROFILE", "default"), ("AWS_PROFILE", "p")]).contains("wins over"));
        assert!(one(&[("AWS_PROFILE", "")]).contains("set and empty"));
        assert!(one(&[("AWS_PROFILE", "pp")]).contains("not there"));
        assert!(one(&[("AWS_ACCESS_KEY_ID", "A")]).contains("without AWS_SECRET"));
        let old = [
            ("AWS_ACCESS_KEY_ID", "A"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_CREDENTIAL_EXPIRATION", "1970-01-01T00:00:00Z"),
        ];
        assert!(one(&old).contains("are over"));
        let both = [
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://x"),
        ];
        assert!(one(&both).contains("relative one wins"));
        assert_eq!(one(&[("AWS_PROFILE", "p")]), "");
    }
}
