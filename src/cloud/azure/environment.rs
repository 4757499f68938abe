//! Which variables a switch to a profile of Azure sets, and which it takes away. Pure.
//!
//! Azure's SDKs try many places in turn; `AZURE_TOKEN_CREDENTIALS` names the one that is meant. Most of what they try is a
//! credential of another account that a shell may still hold, so all of it is taken away. The CLI has no variable for a
//! subscription and keeps its sign-ins in its directory: a profile has a directory of its own, in which `az login
//! --identity` signs in to the pointed-to endpoint. Terraform asks an endpoint in a way of its own, and sends the same
//! secret under another name; [`identity_endpoint`](super::identity_endpoint) knows both.

use super::token::ServicePrincipal;
use crate::base::secret::Secret;
use crate::cloud::change::{Change, all};

/// How credentials are handed over.
#[derive(Clone, Debug)]
pub enum HandOver {
    /// The identity endpoint of this machine's service.
    Endpoint {
        /// Its address.
        address: String,
        /// The secret that clients send. It opens the endpoint and no cloud, for as long as the service runs.
        secret: Secret<String>,
        /// A directory of the profile's own for the CLI.
        config_dir: String,
    },
    /// A directory in which the user's own CLI is signed in.
    Cli {
        /// The directory.
        config_dir: String,
    },
    /// A service principal with its long-term secret: no SDK of Azure takes a token from a variable.
    Values {
        /// The service principal.
        principal: Box<ServicePrincipal>,
        /// The server that it signs in at, where it is another than Azure's usual one: the secret goes nowhere else.
        authority: Option<String>,
        /// A directory of the profile's own for the CLI.
        config_dir: String,
    },
}

/// Where a profile works; an empty text is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The tenant.
    pub tenant: Option<&'a str>,
    /// The subscription.
    pub subscription: Option<&'a str>,
}

/// Every variable by which a tool finds credentials, or the place they are for. One that is not set is taken away.
pub const CLEARED: [&str; 42] = [
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN",
    "AZURE_USERNAME",
    "AZURE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_TOKEN_CREDENTIALS",
    "AZURE_SUBSCRIPTION_ID",
    // Where a secret goes.
    "AZURE_AUTHORITY_HOST",
    "AZURE_REGIONAL_AUTHORITY_NAME",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    // An SDK takes the kind of host from which of these are there.
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    // Terraform's.
    "ARM_SUBSCRIPTION_ID",
    "ARM_TENANT_ID",
    "ARM_AUXILIARY_TENANT_IDS",
    "ARM_CLIENT_ID",
    "ARM_CLIENT_ID_FILE_PATH",
    "ARM_CLIENT_SECRET",
    "ARM_CLIENT_SECRET_FILE_PATH",
    "ARM_CLIENT_CERTIFICATE",
    "ARM_CLIENT_CERTIFICATE_PATH",
    "ARM_CLIENT_CERTIFICATE_PASSWORD",
    "ARM_ENVIRONMENT",
    "ARM_ACCESS_KEY",
    "ARM_SAS_TOKEN",
    "ARM_MSI_ENDPOINT",
    "ARM_USE_MSI",
    "ARM_USE_CLI",
    "ARM_USE_OIDC",
    "ARM_OIDC_TOKEN",
    "ARM_OIDC_TOKEN_FILE_PATH",
    "ARM_OIDC_REQUEST_TOKEN",
    "ARM_OIDC_REQUEST_URL",
    "ARM_USE_AKS_WORKLOAD_IDENTITY",
];

/// The changes of a switch, in their order: first what is taken away, then what is set.
pub fn changes(hand_over: &HandOver, place: Place<'_>) -> Vec<Change> {
    let mut set = set(hand_over);
    let some = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
    if let Some(subscription) = some(place.subscription) {
        set.extend([("AZURE_SUBSCRIPTION_ID", subscription.clone()), ("ARM_SUBSCRIPTION_ID", subscription)]);
    }
    if let Some(tenant) = some(place.tenant)
        && !matches!(hand_over, HandOver::Values { .. })
    {
        set.extend([("AZURE_TENANT_ID", tenant.clone()), ("ARM_TENANT_ID", tenant)]);
    }
    all(&CLEARED, set)
}

fn set(hand_over: &HandOver) -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    match hand_over {
        HandOver::Endpoint { address, secret, config_dir } => vec![
            ("AZURE_CONFIG_DIR", config_dir.clone()),
            ("AZURE_TOKEN_CREDENTIALS", text("ManagedIdentityCredential")),
            ("IDENTITY_ENDPOINT", address.clone()),
            ("IDENTITY_HEADER", secret.expose().clone()),
            ("ARM_USE_MSI", text("true")),
            ("ARM_MSI_ENDPOINT", address.clone()),
            // If the endpoint fails, Terraform must not take the CLI's account instead.
            ("ARM_USE_CLI", text("false")),
        ],
        HandOver::Cli { config_dir } => vec![
            ("AZURE_CONFIG_DIR", config_dir.clone()),
            ("AZURE_TOKEN_CREDENTIALS", text("AzureCliCredential")),
            ("ARM_USE_CLI", text("true")),
        ],
        HandOver::Values { principal, authority, config_dir } => {
            let ServicePrincipal { tenant, client_id, client_secret } = &**principal;
            let client_secret = client_secret.expose();
            let host = authority.clone().map(|authority| ("AZURE_AUTHORITY_HOST", authority));
            let cloud = authority.as_deref().and_then(terraform_cloud);
            let cloud = cloud.map(|cloud| ("ARM_ENVIRONMENT", text(cloud)));
            let usual = [
                ("AZURE_CONFIG_DIR", config_dir.clone()),
                ("AZURE_TOKEN_CREDENTIALS", text("EnvironmentCredential")),
                ("AZURE_TENANT_ID", tenant.clone()),
                ("AZURE_CLIENT_ID", client_id.clone()),
                ("AZURE_CLIENT_SECRET", client_secret.clone()),
                ("ARM_TENANT_ID", tenant.clone()),
                ("ARM_CLIENT_ID", client_id.clone()),
                ("ARM_CLIENT_SECRET", client_secret.clone()),
                ("ARM_USE_CLI", text("false")),
            ];
            usual.into_iter().chain(host).chain(cloud).collect()
        }
    }
}

/// What Terraform calls the cloud of a server for signing in
/// (<https://registry.terraform.io/providers/hashicorp/azurerm/latest/docs#environment>); it knows no others.
fn terraform_cloud(authority: &str) -> Option<&'static str> {
    let host = authority.strip_prefix("https://")?.trim_end_matches('/');
    match host {
        "login.microsoftonline.us" => Some("usgovernment"),
        "login.chinacloudapi.cn" | "login.partner.microsoftonline.cn" => Some("china"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

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
        let config_dir = "/run/a".to_owned();
        let principal = ServicePrincipal {
            tenant: "t.example".into(),
            client_id: "c".into(),
            client_secret: Secret::new("long~term".into()),
        };
        [
            HandOver::Endpoint {
                address: "http://127.0.0.1:1/a".into(),
                secret: Secret::new("of this shell".into()),
                config_dir: config_dir.clone(),
            },
            HandOver::Cli { config_dir: config_dir.clone() },
            HandOver::Values { principal: Box::new(principal), authority: None, config_dir },
        ]
    }

    #[test]
    fn every_way_that_is_not_meant_is_closed() {
        let place = Place { tenant: Some("t.example"), subscription: Some("s") };
        for hand_over in every() {
            let map = applied(&hand_over, place);
            assert!(CLEARED.iter().all(|name| map.contains_key(name)), "{hand_over:?}");
            assert!(map.values().flatten().all(|value| !value.is_empty()), "nothing is set to nothing");
            let is_set = |name| map.get(name).is_some_and(Option::is_some);
            assert!(!(is_set("AZURE_CLIENT_SECRET") && is_set("IDENTITY_ENDPOINT")), "{hand_over:?}");
            assert!(!is_set("IDENTITY_SERVER_THUMBPRINT") && !is_set("MSI_SECRET"));
            assert_eq!(map["AZURE_SUBSCRIPTION_ID"], map["ARM_SUBSCRIPTION_ID"]);
            assert_eq!(map["AZURE_TENANT_ID"].as_deref(), Some("t.example"));
            assert!(
                map.keys()
                    .all(|name| crate::base::env_vars::ALL.iter().any(|var| var.set && var.name == *name))
            );
        }
    }

    #[test]
    fn a_secret_goes_to_the_server_that_its_profile_names_and_to_no_other() {
        let [.., HandOver::Values { principal, config_dir, .. }] = every() else { panic!() };
        let of = |authority: Option<&str>| {
            let (principal, config_dir) = (principal.clone(), config_dir.clone());
            let authority = authority.map(str::to_owned);
            applied(&HandOver::Values { principal, authority, config_dir }, Place::default())
        };
        let (usual, other) = (of(None), of(Some("https://login.microsoftonline.us/")));
        assert_eq!((&usual["AZURE_AUTHORITY_HOST"], &usual["ARM_ENVIRONMENT"]), (&None, &None));
        assert_eq!(other["AZURE_AUTHORITY_HOST"].as_deref(), Some("https://login.microsoftonline.us/"));
        assert_eq!(other["ARM_ENVIRONMENT"].as_deref(), Some("usgovernment"));
        let own = of(Some("http://127.0.0.1:1"));
        assert_eq!(own["AZURE_AUTHORITY_HOST"].as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(own["ARM_ENVIRONMENT"], None);
    }

    #[test]
    fn only_values_hold_a_secret_of_azure_and_it_is_not_shown() {
        let [endpoint, cli, values] = every();
        for pointer in [endpoint, cli] {
            let map = applied(&pointer, Place::default());
            assert!(map.values().flatten().all(|value| !value.contains("long~term")));
            assert_eq!((&map["AZURE_CLIENT_ID"], &map["AZURE_TENANT_ID"]), (&None, &None));
        }
        assert!(!format!("{:?}{values:?}", changes(&values, Place::default())).contains("long~term"));
    }
}
