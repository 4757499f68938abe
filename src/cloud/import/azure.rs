//! The Azure CLI's subscriptions, and a service principal of the environment.

use super::{Findings, Found, Plain, Source, clipped, is_key, short_id, valid_name};
use crate::base::secret::Secret;
use crate::cloud::azure::profile_file::{self, is_id};
use crate::cloud::intake::principal;
use crate::cloud::profiles::{AzurePart, CredentialProfile, is_tenant};

/// The variables of a service principal that hold a secret.
const VARIABLES: &[&str] = &["AZURE_CLIENT_SECRET"];

const PUBLIC: &str = "https://login.microsoftonline.com";

/// The clouds beside the public one, as the CLI names them, with their servers for signing in.
const CLOUDS: [(&str, &str); 2] = [
    ("AzureUSGovernment", "https://login.microsoftonline.us"),
    ("AzureChinaCloud", "https://login.chinacloudapi.cn"),
];

fn authority(cloud: &str) -> Option<String> {
    CLOUDS.iter().find(|(name, _)| *name == cloud).map(|(_, server)| (*server).to_owned())
}

/// The subscriptions of `azureProfile.json`. They hold no secret: the CLI keeps its sign-in itself.
pub fn subscriptions(shown: &str, bytes: &[u8]) -> Findings {
    let mut findings = Findings::default();
    let subscriptions = match profile_file::parse(bytes) {
        Ok(subscriptions) => subscriptions,
        Err(error) => {
            findings.pass(shown, error.to_string());
            return findings;
        }
    };
    for subscription in subscriptions {
        let own = subscription.is_service_principal.then(|| subscription.user.clone()).filter(|id| is_id(id));
        let note = match &own {
            Some(_) => "its secret is not known: devboot cloud add NAME --stdin seals it",
            None => "az's own login stays az's: other tools get the machine's identity",
        };
        let default = if subscription.is_default { ", the default" } else { "" };
        findings.add(Found {
            source: Source::Azure,
            place: format!("subscription '{}'", clipped(&subscription.name)),
            what: format!("{} as {}{default}", short_id(&subscription.id), clipped(&subscription.user)),
            wished: valid_name(&subscription.name, "azure"),
            profile: of(AzurePart {
                tenant: Some(subscription.tenant),
                subscription: Some(subscription.id),
                client: own,
                authority: authority(&subscription.cloud),
                sealed: None,
            }),
            secret: None,
            plain: None,
            note: Some(note.to_owned()),
        });
    }
    findings
}

/// The service principal of the environment.
pub fn variables(var: &dyn Fn(&str) -> Option<String>) -> Findings {
    const PLACE: &str = "the environment";
    let mut findings = Findings::default();
    let var = |name: &str| var(name).filter(|value| !value.is_empty());
    let Some(secret) = var("AZURE_CLIENT_SECRET").map(Secret::new) else { return findings };
    let (Some(client), Some(tenant)) = (var("AZURE_CLIENT_ID"), var("AZURE_TENANT_ID")) else {
        findings.pass(PLACE, "AZURE_CLIENT_SECRET without AZURE_CLIENT_ID and AZURE_TENANT_ID is no use");
        return findings;
    };
    if !is_id(&client) || !is_tenant(&tenant) || !is_key(secret.expose()) {
        findings.pass(PLACE, "its service principal has signs that none has");
        return findings;
    }
    // It says where the secret goes: only to a server that is known.
    let host = var("AZURE_AUTHORITY_HOST");
    let host = match host.as_deref().map(|host| host.trim_end_matches('/')) {
        None | Some(PUBLIC) => None,
        Some(host) => match CLOUDS.iter().find(|(_, known)| *known == host) {
            Some((_, known)) => Some(*known),
            None => {
                findings.pass(PLACE, "AZURE_AUTHORITY_HOST names a server that is none of Azure's");
                return findings;
            }
        },
    };
    findings.add(Found {
        source: Source::Azure,
        place: PLACE.to_owned(),
        what: format!("service principal {}", short_id(&client)),
        wished: "principal".to_owned(),
        secret: Some(principal(&tenant, &client, &secret)),
        profile: of(AzurePart {
            tenant: Some(tenant),
            client: Some(client),
            subscription: var("AZURE_SUBSCRIPTION_ID").filter(|id| is_id(id)),
            authority: host.map(str::to_owned),
            sealed: None,
        }),
        plain: Some(Plain::Variables(VARIABLES)),
        note: None,
    });
    findings
}

fn of(part: AzurePart) -> CredentialProfile {
    CredentialProfile { azure: Some(part), ..CredentialProfile::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-2222-3333-4444-555555555555";
    const TENANT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

    #[test]
    fn subscriptions_are_found_behind_the_byte_order_mark() {
        let text = format!(
            "\u{feff}{{\"subscriptions\":[{{\"id\":\"{ID}\",\"name\":\"$(id) Pay\\u001b[2J\",\"tenantId\":\"{TENANT}\",\
             \"isDefault\":true,\"user\":{{\"name\":\"me@x.org\",\"type\":\"user\"}}}}]}}"
        );
        let findings = subscriptions("~/.azure/azureProfile.json", text.as_bytes());
        let found = &findings.found[0];
        assert_eq!(found.wished, "id-Pay-2J");
        assert!(!found.place.chars().any(char::is_control) && found.secret.is_none());
        let part = found.profile.azure.as_ref().unwrap();
        assert_eq!((part.subscription.as_deref(), part.tenant.as_deref()), (Some(ID), Some(TENANT)));
        let passed = subscriptions("f", b"<html>").passed;
        assert_eq!(passed.len(), 1);
    }

    #[test]
    fn a_principal_needs_all_of_its_parts() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            variables(&move |name| {
                pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            })
        };
        let all = [
            ("AZURE_CLIENT_ID", ID),
            ("AZURE_TENANT_ID", "x.onmicrosoft.com"),
            ("AZURE_CLIENT_SECRET", "hush~"),
        ];
        let findings = of(&all);
        assert_eq!(findings.found[0].what, "service principal 1111…5555");
        assert!(findings.found[0].secret.as_ref().unwrap().expose().contains("hush~"));
        assert_eq!(of(&all[1..]).passed.len(), 1);
        let at = |host| of(&[all[0], all[1], all[2], ("AZURE_AUTHORITY_HOST", host)]);
        let server = |host| at(host).found[0].profile.azure.as_ref().unwrap().authority.clone();
        assert_eq!(server("https://login.microsoftonline.com/"), None);
        assert_eq!(
            server("https://login.microsoftonline.us").as_deref(),
            Some("https://login.microsoftonline.us")
        );
        assert_eq!(at("https://evil.example").passed.len(), 1);
        assert_eq!(of(&[all[0], ("AZURE_TENANT_ID", "a/../b"), all[2]]).passed.len(), 1);
        assert!(of(&all[..2]).passed.is_empty() && of(&all[..2]).found.is_empty());
    }
}
