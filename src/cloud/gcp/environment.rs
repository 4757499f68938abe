//! Which variables a switch to a profile of Google Cloud sets, and which it takes away. Pure.
//!
//! Google's libraries look for a file in `GOOGLE_APPLICATION_CREDENTIALS`, then for the user's default credentials in
//! gcloud's directory, then for a metadata server. Python's, Java's and Node's newest find that directory by
//! `CLOUDSDK_CONFIG`; Go's looks below the home directory whatever it says, and would be another account there. So a pointer to this
//! machine's service is a file for the first place, which leads to [`exchange_endpoint`](super::exchange_endpoint). gcloud
//! itself does not read that file: it looks in its directory, then asks the metadata server that `GCE_METADATA_ROOT` names,
//! and takes account and project from there. Both are set, for tools that know only one.

use crate::base::secret::Secret;
use crate::cloud::change::{Change, all};
use crate::cloud::token::TokenLease;

/// How credentials are handed over.
#[derive(Clone, Debug)]
pub enum HandOver {
    /// This machine's service: its metadata server, and its exchange endpoint by a file.
    Service {
        /// The metadata server's host and port, without a scheme.
        host: String,
        /// The [`credentials_file`](super::exchange_endpoint::credentials_file).
        credentials_file: String,
        /// A directory of the profile's own for gcloud, made of [`config_dir`](super::config_dir).
        config_dir: String,
    },
    /// A configuration of the user's own gcloud, and the same account's application default credentials: one without the
    /// other would make gcloud one account and every library another.
    Named {
        /// The configuration.
        configuration: String,
        /// The file of the credentials; without one, libraries take the user's default ones.
        credentials_file: Option<String>,
    },
    /// The token itself. gcloud and Terraform take it; Google's libraries take none from a variable, and find nothing
    /// rather than another account.
    Value {
        /// The token.
        lease: Box<TokenLease>,
        /// A directory of the profile's own for gcloud, made of [`config_dir`](super::config_dir).
        config_dir: String,
    },
}

/// Where a profile works; an empty text is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The project.
    pub project: Option<&'a str>,
    /// The region for computing.
    pub region: Option<&'a str>,
    /// The zone for computing.
    pub zone: Option<&'a str>,
}

/// Every variable by which a tool finds credentials or the project they are for. One that is not set is taken away.
pub const CLEARED: [&str; 28] = [
    "GOOGLE_APPLICATION_CREDENTIALS",
    // Terraform's own, in its order.
    "GOOGLE_CREDENTIALS",
    "GOOGLE_CLOUD_KEYFILE_JSON",
    "GCLOUD_KEYFILE_JSON",
    "GOOGLE_OAUTH_ACCESS_TOKEN",
    "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT",
    // gcloud's, each of which wins over its files.
    "CLOUDSDK_AUTH_ACCESS_TOKEN",
    "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
    "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
    "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT",
    "CLOUDSDK_AUTH_DISABLE_CREDENTIALS",
    "CLOUDSDK_ACTIVE_CONFIG_NAME",
    "CLOUDSDK_CORE_ACCOUNT",
    "CLOUDSDK_CORE_CHECK_GCE_METADATA",
    // A project of another account.
    "CLOUDSDK_CORE_PROJECT",
    "CLOUDSDK_BILLING_QUOTA_PROJECT",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_CLOUD_QUOTA_PROJECT",
    "GOOGLE_PROJECT",
    "GCLOUD_PROJECT",
    "DEVSHELL_PROJECT_ID",
    // Which metadata server, and whether one is asked.
    "GCE_METADATA_HOST",
    "GCE_METADATA_IP",
    "GCE_METADATA_ROOT",
    "GCE_METADATA_MTLS_MODE",
    "NO_GCE_CHECK",
    "METADATA_SERVER_DETECTION",
    // Google Cloud Shell's way of the years before its metadata server.
    "DEVSHELL_CLIENT_PORT",
];

/// The changes of a switch, in their order: first what is taken away, then what is set.
pub fn changes(hand_over: &HandOver, place: Place<'_>) -> Vec<Change> {
    let mut set = set(hand_over);
    let some = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
    if let Some(project) = some(place.project) {
        // The one for libraries, the other for gcloud; Terraform reads both.
        set.extend([("GOOGLE_CLOUD_PROJECT", project.clone()), ("CLOUDSDK_CORE_PROJECT", project)]);
    }
    set.extend(some(place.region).map(|region| ("CLOUDSDK_COMPUTE_REGION", region)));
    set.extend(some(place.zone).map(|zone| ("CLOUDSDK_COMPUTE_ZONE", zone)));
    all(&CLEARED, set)
}

fn set(hand_over: &HandOver) -> Vec<(&'static str, String)> {
    match hand_over {
        HandOver::Service { host, credentials_file, config_dir } => vec![
            ("GOOGLE_APPLICATION_CREDENTIALS", credentials_file.clone()),
            ("CLOUDSDK_CONFIG", config_dir.clone()),
            // Three names for one thing: libraries read the first, to look whether it is there some read the second, and
            // gcloud reads the third.
            ("GCE_METADATA_HOST", host.clone()),
            ("GCE_METADATA_IP", host.clone()),
            ("GCE_METADATA_ROOT", host.clone()),
        ],
        HandOver::Named { configuration, credentials_file } => {
            let mut set = vec![("CLOUDSDK_ACTIVE_CONFIG_NAME", configuration.clone())];
            set.extend(credentials_file.clone().map(|file| ("GOOGLE_APPLICATION_CREDENTIALS", file)));
            set
        }
        HandOver::Value { lease, config_dir } => {
            let token: &Secret<String> = &lease.token;
            vec![
                ("CLOUDSDK_CONFIG", config_dir.clone()),
                // No library may take the host's account instead.
                ("NO_GCE_CHECK", "true".to_owned()),
                ("METADATA_SERVER_DETECTION", "none".to_owned()),
                ("CLOUDSDK_CORE_CHECK_GCE_METADATA", "false".to_owned()),
                ("CLOUDSDK_AUTH_ACCESS_TOKEN", token.expose().clone()),
                ("GOOGLE_OAUTH_ACCESS_TOKEN", token.expose().clone()),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cloud::token::tests::lease;

    fn applied(hand_over: &HandOver, place: Place<'_>) -> BTreeMap<&'static str, Option<String>> {
        let all = changes(hand_over, place);
        assert!(all.is_sorted_by_key(|change| change.value.is_some()), "what is taken away comes first");
        let count = all.len();
        let map: BTreeMap<_, _> =
            all.into_iter().map(|it| (it.name, it.value.map(|value| value.expose().clone()))).collect();
        assert_eq!(map.len(), count, "each variable is named once");
        map
    }

    fn every() -> [HandOver; 3] {
        [
            HandOver::Service {
                host: "127.0.0.1:1".into(),
                credentials_file: "/run/g.json".into(),
                config_dir: "/run/g".into(),
            },
            HandOver::Named { configuration: "work".into(), credentials_file: Some("/h/adc.json".into()) },
            HandOver::Value { lease: Box::new(lease(3600)), config_dir: "/run/g".into() },
        ]
    }

    #[test]
    fn every_way_that_is_not_meant_is_closed() {
        for hand_over in every() {
            let map = applied(&hand_over, Place { project: Some("p"), region: Some(""), zone: None });
            assert!(CLEARED.iter().all(|name| map.contains_key(name)), "{hand_over:?}");
            assert!(map.values().flatten().all(|value| !value.is_empty()), "nothing is set to nothing");
            let is_set = |name: &str| map.get(name).is_some_and(Option::is_some);
            for ways in [
                ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_OAUTH_ACCESS_TOKEN"],
                ["CLOUDSDK_ACTIVE_CONFIG_NAME", "CLOUDSDK_AUTH_ACCESS_TOKEN"],
                ["CLOUDSDK_AUTH_ACCESS_TOKEN", "GCE_METADATA_ROOT"],
            ] {
                assert!(!ways.iter().all(|name| is_set(name)), "{hand_over:?}");
            }
            assert_eq!(map["GOOGLE_CLOUD_PROJECT"], map["CLOUDSDK_CORE_PROJECT"]);
            assert!(!map.contains_key("CLOUDSDK_COMPUTE_REGION"));
            assert!(
                map.keys()
                    .all(|name| crate::base::env_vars::ALL.iter().any(|var| var.set && var.name == *name))
            );
        }
    }

    #[test]
    fn only_values_hold_the_token_and_it_is_not_shown() {
        let [metadata, named, value] = every();
        for pointer in [metadata, named] {
            assert!(
                applied(&pointer, Place::default()).values().flatten().all(|value| !value.contains("ya29"))
            );
        }
        assert_eq!(
            applied(&value, Place::default())["GOOGLE_OAUTH_ACCESS_TOKEN"].as_deref(),
            Some("ya29.secret")
        );
        assert!(!format!("{:?}{value:?}", changes(&value, Place::default())).contains("ya29"));
    }

    #[test]
    fn a_configuration_of_the_user_s_stays_in_the_user_s_directory() {
        let map = applied(&every()[1], Place::default());
        assert!(!map.contains_key("CLOUDSDK_CONFIG"));
        assert_eq!(map["CLOUDSDK_CORE_PROJECT"], None, "the configuration's own project counts");
    }
}
