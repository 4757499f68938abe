//! Which variables a switch to an AWS profile sets, and which it takes away. Pure.
//!
//! Whatever is handed over, every other way is closed: a stale variable must not win over the profile. What is not
//! named here stays as it is, the region among it when the profile names none; giving back what was there before is
//! the caller's work.

use super::config::Settings;
use super::lease::AwsLease;
use crate::cloud::change::{Change, all};

/// How credentials are handed over.
#[derive(Clone, Debug)]
pub enum HandOver {
    /// A config file of this shell's own, whose default profile has a `credential_process`.
    Process {
        /// The file.
        config_file: String,
    },
    /// The container endpoint.
    Container {
        /// A config file of this shell's own, without a way to credentials.
        config_file: String,
        /// Its address.
        address: String,
        /// The file that holds its token, without a line end.
        token_file: String,
    },
    /// A profile of the user's own files, by its name: for `aws login`, whose keys are bound to the AWS CLI.
    Named {
        /// The name.
        profile: String,
    },
    /// The keys themselves.
    Values(Box<AwsLease>),
}

/// Every variable by which an SDK finds credentials. One that is not set is taken away.
pub const CLEARED: [&str; 19] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    // Older names: botocore takes this one before AWS_SESSION_TOKEN, Java's first SDK the next two.
    "AWS_SECURITY_TOKEN",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SESSION_EXPIRATION",
    "AWS_ACCOUNT_ID",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    // boto's first version; botocore reads it before the container endpoint.
    "AWS_CREDENTIAL_FILE",
];

const NOWHERE: &str = "/dev/null";

const DEFAULT: &str = "[default]\n";

/// The changes of a switch, in their order: first what is taken away, then what is set.
pub fn changes(hand_over: &HandOver, region: Option<&str>) -> Vec<Change> {
    let mut set = set(hand_over);
    // Python's SDK reads only the one, most others only the other.
    if let Some(region) = region.filter(|region| !region.is_empty()) {
        set.extend([("AWS_REGION", region.to_owned()), ("AWS_DEFAULT_REGION", region.to_owned())]);
    }
    all(&CLEARED, set)
}

fn set(hand_over: &HandOver) -> Vec<(&'static str, String)> {
    // When what is handed over fails, no SDK may take the host's identity instead.
    let no_host = ("AWS_EC2_METADATA_DISABLED", "true".to_owned());
    match hand_over {
        HandOver::Process { config_file } => vec![
            no_host,
            ("AWS_CONFIG_FILE", config_file.clone()),
            // Keys there would win over the credential_process.
            ("AWS_SHARED_CREDENTIALS_FILE", NOWHERE.to_owned()),
        ],
        HandOver::Container { config_file, address, token_file } => vec![
            no_host,
            // A default profile with keys, in either file, would win over the endpoint.
            ("AWS_CONFIG_FILE", config_file.clone()),
            ("AWS_SHARED_CREDENTIALS_FILE", NOWHERE.to_owned()),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", address.clone()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file.clone()),
        ],
        HandOver::Named { profile } => vec![no_host, ("AWS_PROFILE", profile.clone())],
        HandOver::Values(lease) => {
            let keys = &lease.keys;
            let mut set = vec![
                no_host,
                ("AWS_ACCESS_KEY_ID", keys.access_key_id.clone()),
                ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key.expose().clone()),
            ];
            let token = keys.session_token.as_ref().map(|token| token.expose().clone());
            set.extend(token.map(|token| ("AWS_SESSION_TOKEN", token)));
            set.extend(lease.expiration.map(|end| ("AWS_CREDENTIAL_EXPIRATION", end.to_string())));
            set.extend(lease.account.clone().map(|account| ("AWS_ACCOUNT_ID", account)));
            set
        }
    }
}

/// The config file of [`HandOver::Process`]: a default profile, with what the user's own profile sets beside credentials. `None`
/// when a value has a line end or another control character.
pub fn process_config(command_line: &str, region: Option<&str>, settings: &Settings) -> Option<String> {
    let rest = settings_config(region, settings)?;
    let rest = rest.strip_prefix(DEFAULT)?;
    is_plain(command_line).then(|| format!("{DEFAULT}credential_process = {command_line}\n{rest}"))
}

/// The config file of [`HandOver::Container`]: the same without a way to credentials.
pub fn settings_config(region: Option<&str>, settings: &Settings) -> Option<String> {
    let region = region.filter(|region| !region.is_empty());
    if !region.is_none_or(is_plain) {
        return None;
    }
    let region = region.map(|region| format!("region = {region}\n")).unwrap_or_default();
    let Settings { lines, section, .. } = settings;
    Some(format!("{DEFAULT}{region}{lines}{section}"))
}

/// A blank before these signs would begin a comment.
fn is_plain(text: &str) -> bool {
    let fits = !text.is_empty() && !text.chars().any(char::is_control);
    fits && ![" #", " ;"].iter().any(|comment| text.contains(comment))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cloud::aws::lease::tests::lease;

    fn applied(hand_over: &HandOver, region: Option<&str>) -> BTreeMap<&'static str, Option<String>> {
        let all = changes(hand_over, region);
        let count = all.len();
        let map: BTreeMap<_, _> =
            all.into_iter().map(|it| (it.name, it.value.map(|value| value.expose().clone()))).collect();
        assert_eq!(map.len(), count, "each variable is named once");
        map
    }

    fn all() -> [HandOver; 4] {
        [
            HandOver::Process { config_file: "/run/c".into() },
            HandOver::Container {
                config_file: "/run/c".into(),
                address: "http://127.0.0.1:1/x".into(),
                token_file: "/run/t".into(),
            },
            HandOver::Named { profile: "p".into() },
            HandOver::Values(Box::new(lease(Some(3600)))),
        ]
    }

    #[test]
    fn every_way_that_is_not_meant_is_closed() {
        for hand_over in all() {
            let map = applied(&hand_over, Some("eu-west-1"));
            assert!(CLEARED.iter().all(|name| map.contains_key(name)), "{hand_over:?}");
            assert!(map.values().flatten().all(|value| !value.is_empty()), "nothing is set to nothing");
            let is_set = |name| map.get(name).is_some_and(Option::is_some);
            let ways = ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
            assert!(ways.iter().filter(|name| is_set(**name)).count() <= 1, "{hand_over:?}");
            assert_eq!(map["AWS_REGION"], map["AWS_DEFAULT_REGION"]);
            assert_eq!(map["AWS_SECURITY_TOKEN"], None);
        }
    }

    #[test]
    fn a_pointer_holds_no_secret_and_hides_the_files() {
        for hand_over in &all()[..2] {
            let map = applied(hand_over, None);
            assert_eq!(map["AWS_SHARED_CREDENTIALS_FILE"].as_deref(), Some("/dev/null"));
            assert!(!map.contains_key("AWS_REGION"), "without a region the shell's own stays");
        }
    }

    #[test]
    fn values_are_the_lease_and_are_not_shown() {
        let hand_over = HandOver::Values(Box::new(lease(Some(3600))));
        let map = applied(&hand_over, Some(""));
        assert_eq!(map["AWS_SESSION_TOKEN"].as_deref(), Some("FwoG+/=="));
        assert_eq!(map["AWS_CREDENTIAL_EXPIRATION"].as_deref(), Some("1970-01-01T01:00:00Z"));
        assert!(!map.contains_key("AWS_REGION"), "an empty region is none");
        assert!(!format!("{:?}", changes(&hand_over, None)).contains("FwoG"));
        let mut lasting = lease(None);
        lasting.keys.session_token = None;
        let map = applied(&HandOver::Values(Box::new(lasting)), None);
        assert_eq!((&map["AWS_SESSION_TOKEN"], &map["AWS_CREDENTIAL_EXPIRATION"]), (&None, &None));
    }

    #[test]
    fn what_is_taken_away_comes_first() {
        let all = changes(&all()[3], Some("x"));
        assert!(all.is_sorted_by_key(|change| change.value.is_some()));
    }

    #[test]
    fn a_config_file_cannot_be_broken_open() {
        let none = Settings::default();
        let file =
            process_config("\"/my dir/devboot\" cloud credential a", Some("eu-west-1"), &none).unwrap();
        assert_eq!(file.lines().count(), 3);
        for (line, region) in
            [("a\nrole_arn = x", None), ("a #b", None), ("", None), ("a", Some("x\r\ny = z"))]
        {
            assert_eq!(process_config(line, region, &none), None, "{line:?} {region:?}");
        }
        assert_eq!(settings_config(Some("x"), &none).as_deref(), Some("[default]\nregion = x\n"));
        assert_eq!(settings_config(Some("x\ncredential_process = y"), &none), None);
    }
}
