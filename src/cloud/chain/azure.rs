//! Azure's chains: that of its SDKs (`DefaultAzureCredential`), and the CLI, which knows only its own sign-in.

use super::{Chains, Files, Vars, set};

const SECRET: &str = "AZURE_CLIENT_SECRET";

/// Adds Azure's chains and traps.
pub(super) fn add(vars: &Vars, files: &Files, all: &mut Chains) {
    let has = |name: &str| set(vars, name).is_some();
    let principal = has("AZURE_TENANT_ID") && has("AZURE_CLIENT_ID");
    let user = files.azure_user.as_deref();
    let ways = [
        (
            principal && has(SECRET),
            "EnvironmentCredential",
            "the service principal of the environment",
            SECRET,
        ),
        (
            principal && has("AZURE_CLIENT_CERTIFICATE_PATH"),
            "EnvironmentCredential",
            "the service principal of the environment, by its certificate",
            "AZURE_CLIENT_CERTIFICATE_PATH",
        ),
        (
            principal && has("AZURE_FEDERATED_TOKEN_FILE"),
            "WorkloadIdentityCredential",
            "a workload's identity",
            "AZURE_FEDERATED_TOKEN_FILE",
        ),
        (
            has("IDENTITY_ENDPOINT"),
            "ManagedIdentityCredential",
            "the managed identity of an endpoint",
            "IDENTITY_ENDPOINT",
        ),
        (
            has("MSI_ENDPOINT"),
            "ManagedIdentityCredential",
            "the managed identity of an endpoint",
            "MSI_ENDPOINT",
        ),
    ];
    let only = set(vars, "AZURE_TOKEN_CREDENTIALS");
    let may = |kind: &str| match only.map(str::to_ascii_lowercase).as_deref() {
        None => true,
        Some("prod") => kind != "AzureCliCredential",
        Some("dev") => kind == "AzureCliCredential",
        Some(one) => one == kind.to_ascii_lowercase(),
    };
    const SDK: &str = "Azure, SDKs";
    let limited =
        only.map_or_else(String::new, |only| format!(", and AZURE_TOKEN_CREDENTIALS allows {only} only"));
    match ways.into_iter().find(|(there, kind, ..)| *there && may(kind)) {
        Some((_, _, wins, by)) => all.chain(SDK, wins, format!("{by} is set{limited}")),
        None => match user.filter(|_| may("AzureCliCredential")) {
            Some(user) => all.chain(
                SDK,
                format!("az's sign-in as {user}"),
                format!("no variable names another, unless the machine has an identity{limited}"),
            ),
            None => all.chain(
                SDK,
                "the machine's own identity, if it has one",
                format!("no variable names another{limited}"),
            ),
        },
    }
    if let Some(user) = user {
        all.chain("Azure, az", format!("its sign-in as {user}"), "az reads no credentials from variables");
    }
    if has(SECRET) {
        let what = match principal {
            true => format!(
                "{SECRET} is in the environment: every program of this shell can read it, and it wins over az's sign-in"
            ),
            false => format!(
                "{SECRET} is in the environment without AZURE_TENANT_ID and AZURE_CLIENT_ID, and so is no use"
            ),
        };
        all.trap(what, format!("devboot cloud import --from azure seals it; then unset {SECRET}"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{files, vars};
    use super::*;

    fn of(pairs: &[(&str, &str)], user: Option<&str>) -> Chains {
        let mut all = Chains::default();
        let files = Files { azure_user: user.map(str::to_owned), ..files() };
        add(&vars(pairs), &files, &mut all);
        all
    }

    const PRINCIPAL: [(&str, &str); 3] =
        [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c"), ("AZURE_CLIENT_SECRET", "hush")];

    #[test]
    fn a_principal_wins_for_sdks_and_not_for_az() {
        let all = of(&PRINCIPAL, Some("me@x.org"));
        let wins: Vec<_> = all.chains.iter().map(|chain| chain.link.wins.as_str()).collect();
        assert_eq!(wins, ["the service principal of the environment", "its sign-in as me@x.org"]);
        assert!(all.traps.len() == 1 && !format!("{all:?}").contains("hush"));
        assert!(of(&PRINCIPAL[2..], None).traps[0].what.contains("no use"));
    }

    #[test]
    fn one_way_can_be_asked_for() {
        let mut pairs = PRINCIPAL.to_vec();
        pairs.push(("IDENTITY_ENDPOINT", "http://x"));
        pairs.push(("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential"));
        assert_eq!(of(&pairs, None).chains[0].link.wins, "the managed identity of an endpoint");
        let dev = [("IDENTITY_ENDPOINT", "http://x"), ("AZURE_TOKEN_CREDENTIALS", "dev")];
        assert_eq!(of(&dev, Some("me")).chains[0].link.wins, "az's sign-in as me");
        assert_eq!(of(&[], None).chains[0].link.wins, "the machine's own identity, if it has one");
    }
}
