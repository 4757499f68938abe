//! The Azure CLI's subscriptions, and a service principal of the environment.

use super::{Findings, Found, Plain, Source, clipped, is_key, short_id, valid_name};
use crate::base::secret::Secret;
use crate::cloud::azure::profile_file::{self, is_id};
use crate::cloud::intake::principal;
use crate::cloud::profiles::{AzurePart, CredentialProfile, is_tenant};

/// The variables of a service principal.
struct Names {
    client: &'static str,
    tenant: &'static str,
    secret: &'static str,
    subscription: &'static str,
    certificate: &'static str,
    /// Those that hold a secret.
    plain: &'static [&'static str],
}

/// As Azure's SDKs read them.
const SDK: Names = Names {
    client: "AZURE_CLIENT_ID",
    tenant: "AZURE_TENANT_ID",
    secret: "AZURE_CLIENT_SECRET",
    subscription: "AZURE_SUBSCRIPTION_ID",
    certificate: "AZURE_CLIENT_CERTIFICATE_PATH",
    plain: &["AZURE_CLIENT_SECRET"],
};

/// As Terraform reads them.
const TERRAFORM: Names = Names {
    client: "ARM_CLIENT_ID",
    tenant: "ARM_TENANT_ID",
    secret: "ARM_CLIENT_SECRET",
    subscription: "ARM_SUBSCRIPTION_ID",
    certificate: "ARM_CLIENT_CERTIFICATE_PATH",
    plain: &["ARM_CLIENT_SECRET"],
};

/// Where both say the same.
const BOTH: &[&str] = &["AZURE_CLIENT_SECRET", "ARM_CLIENT_SECRET"];

const PLACE: &str = "the environment";

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

/// The service principals of the environment: that of Azure's SDKs, and that of Terraform when it is another one.
pub fn variables(var: &dyn Fn(&str) -> Option<String>) -> Findings {
    let var = |name: &str| var(name).filter(|value| !value.is_empty());
    let mut findings = one(&SDK, &var, &authority_host);
    let mut others = one(&TERRAFORM, &var, &environment);
    let text = |found: &Found| found.secret.as_ref().map(|secret| secret.expose().clone());
    if let (Some(known), Some(other)) = (findings.found.first_mut(), others.found.first())
        && text(known) == text(other)
    {
        if let (Some(known), Some(other)) = (&mut known.profile.azure, &other.profile.azure) {
            known.subscription = known.subscription.take().or_else(|| other.subscription.clone());
        }
        known.plain = Some(Plain::Variables(BOTH));
        others.found.clear();
    }
    findings.join(others);
    findings
}

type Var<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The service principal of these variables; `server` says where it signs in, or why that is not known.
fn one(
    names: &Names,
    var: Var<'_>,
    server: &dyn Fn(Var<'_>) -> Result<Option<&'static str>, &'static str>,
) -> Findings {
    let mut findings = Findings::default();
    let Some(secret) = var(names.secret).map(Secret::new) else {
        if var(names.certificate).is_some() {
            findings.pass(names.certificate, "a certificate is not taken over, only a secret is");
        }
        return findings;
    };
    let (Some(client), Some(tenant)) = (var(names.client), var(names.tenant)) else {
        let why = format!("{} without {} and {} is no use", names.secret, names.client, names.tenant);
        findings.pass(PLACE, why);
        return findings;
    };
    if !is_id(&client) || !is_tenant(&tenant) || !is_key(secret.expose()) {
        findings.pass(PLACE, "its service principal has signs that none has");
        return findings;
    }
    let host = match server(var) {
        Ok(host) => host,
        Err(why) => {
            findings.pass(PLACE, why);
            return findings;
        }
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
            subscription: var(names.subscription).filter(|id| is_id(id)),
            authority: host.map(str::to_owned),
            sealed: None,
        }),
        plain: Some(Plain::Variables(names.plain)),
        note: None,
    });
    findings
}

/// It says where the secret goes: only to a server that is known.
fn authority_host(var: Var<'_>) -> Result<Option<&'static str>, &'static str> {
    let host = var("AZURE_AUTHORITY_HOST");
    match host.as_deref().map(|host| host.trim_end_matches('/')) {
        None | Some(PUBLIC) => Ok(None),
        Some(host) => match CLOUDS.iter().find(|(_, known)| *known == host) {
            Some((_, known)) => Ok(Some(*known)),
            None => Err("AZURE_AUTHORITY_HOST names a server that is none of Azure's"),
        },
    }
}

/// The same in the words of Terraform.
fn environment(var: Var<'_>) -> Result<Option<&'static str>, &'static str> {
    match var("ARM_ENVIRONMENT").map(|name| name.to_ascii_lowercase()).as_deref() {
        None | Some("public") => Ok(None),
        Some("usgovernment") => Ok(Some(CLOUDS[0].1)),
        Some("china") => Ok(Some(CLOUDS[1].1)),
        Some(_) => Err("ARM_ENVIRONMENT names a cloud that is none of Azure's"),
    }
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

    #[test]
    fn terraform_s_names_for_a_principal_are_taken_too() {
        const OTHER: &str = "99999999-2222-3333-4444-555555555555";
        let of = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            variables(&move |name| {
                pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            })
        };
        let arm = [
            ("ARM_CLIENT_ID", ID),
            ("ARM_TENANT_ID", TENANT),
            ("ARM_CLIENT_SECRET", "hush~"),
            ("ARM_SUBSCRIPTION_ID", OTHER),
        ];
        let findings = of(&arm);
        let part = findings.found[0].profile.azure.as_ref().unwrap();
        assert_eq!((part.client.as_deref(), part.subscription.as_deref()), (Some(ID), Some(OTHER)));
        assert_eq!(findings.found[0].plain, Some(Plain::Variables(&["ARM_CLIENT_SECRET"])));
        let azure = |client| {
            let names = ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"];
            [(names[0], client), (names[1], TENANT), (names[2], "hush~")]
        };
        // Both names of one are one.
        let same = of(&[azure(ID).as_slice(), &arm].concat());
        assert_eq!((same.found.len(), &same.found[0].plain), (1, &Some(Plain::Variables(BOTH))));
        assert_eq!(same.found[0].profile.azure.as_ref().unwrap().subscription.as_deref(), Some(OTHER));
        assert_eq!(of(&[azure(OTHER).as_slice(), &arm].concat()).found.len(), 2);
        let at = |name| of(&[arm.as_slice(), &[("ARM_ENVIRONMENT", name)]].concat());
        let server = |name| at(name).found[0].profile.azure.as_ref().unwrap().authority.clone();
        assert_eq!((server("public"), server("usgovernment")), (None, Some(CLOUDS[0].1.to_owned())));
        assert_eq!(at("evil").passed.len(), 1);
        assert!(of(&arm[1..]).passed[0].why.starts_with("ARM_CLIENT_SECRET without"));
        let passed =
            of(&[("AZURE_CLIENT_CERTIFICATE_PATH", "/c.pem"), ("ARM_CLIENT_CERTIFICATE_PATH", "/d")]).passed;
        let places: Vec<_> = passed.iter().map(|passed| passed.place.as_str()).collect();
        assert_eq!(places, ["AZURE_CLIENT_CERTIFICATE_PATH", "ARM_CLIENT_CERTIFICATE_PATH"]);
    }
}
