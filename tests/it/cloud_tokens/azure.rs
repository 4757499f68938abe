//! Azure: every source against a token server, and azure-identity with what is handed over to it.

use std::time::Duration;

use devboot::base::error::{Diagnose, ErrorKind};
use devboot::base::secret::Secret;
use devboot::base::time::Timestamp;
use devboot::cloud::azure::environment::{HandOver, Place, changes};
use devboot::cloud::azure::identity_endpoint::{self, Door};
use devboot::cloud::azure::obtain::{AzureError, Means, Source, identity, obtain};
use devboot::cloud::azure::token::{MANAGEMENT, ServicePrincipal};
use devboot::cloud::change::Change;
use devboot::cloud::exchange::Waiting;
use devboot::cloud::token::TokenLease;
use devboot::sys::clock;

use super::{TokenServer, endpoint, says};
use crate::cloud_aws::bad_days::answer;
use crate::world::World;

const WAITING: Waiting = Waiting { stall: Duration::from_secs(30), total: Duration::from_secs(60) };

const TENANT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const CLIENT: &str = "11111111-2222-3333-4444-555555555555";

fn principal(secret: &str) -> ServicePrincipal {
    ServicePrincipal {
        tenant: TENANT.into(),
        client_id: CLIENT.into(),
        client_secret: Secret::new(secret.into()),
    }
}

fn get(server: &TokenServer, source: &Source, vars: &[(&str, String)]) -> Result<TokenLease, AzureError> {
    let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
    let means = Means { authority: &server.url, var: &var, waiting: WAITING, clock: clock::now };
    obtain(source, MANAGEMENT, &means)
}

#[test]
fn every_source_gives_a_token_and_the_token_says_whose_it_is() {
    let server = TokenServer::start();
    let app =
        [("IDENTITY_ENDPOINT", format!("{}/msi/token", server.url)), ("IDENTITY_HEADER", "right".to_owned())];
    let shell = [("MSI_ENDPOINT", format!("{}/oauth2/token", server.url))];
    let gives = |source: &Source, vars: &[(&str, String)], life: i64| {
        let lease = get(&server, source, vars).unwrap();
        assert!((life - 60..=life).contains(&lease.left(clock::now())), "{lease:?}");
        let who = identity(&lease);
        assert_eq!((who.tenant.as_deref(), who.client.as_deref()), (Some(TENANT), Some(CLIENT)));
    };
    gives(&Source::Principal(principal("s~1")), &[], 3599);
    gives(&Source::Host(None), &app, 86_400);
    gives(&Source::Host(None), &shell, 86_400);
}

#[test]
fn refusals_say_what_to_do() {
    let server = TokenServer::start();
    let refused = get(&server, &Source::Principal(principal("wrong")), &[]).unwrap_err();
    assert!(
        refused.to_string().ends_with("AADSTS7000215: Invalid client secret provided. (invalid_client)"),
        "{refused}"
    );
    assert_eq!(refused.kind(), ErrorKind::NeedsUser);
    assert!(refused.hints()[0].contains("secret"));
    let elsewhere = ServicePrincipal { tenant: "../x.y".into(), ..principal("s~1") };
    let refused = get(&server, &Source::Principal(elsewhere), &[]).unwrap_err();
    assert!(matches!(refused, AzureError::Tenant(_)), "{refused}");
}

/// What a long day leaves behind in a shell; each of it would win, or break the call.
const STALE: [(&str, &str); 10] = [
    ("AZURE_TENANT_ID", TENANT),
    ("AZURE_CLIENT_ID", "99999999-2222-3333-4444-555555555555"),
    ("AZURE_CLIENT_SECRET", "stale"),
    ("AZURE_FEDERATED_TOKEN_FILE", "/gone"),
    ("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential"),
    ("AZURE_AUTHORITY_HOST", "https://127.0.0.1:1"),
    ("IDENTITY_SERVER_THUMBPRINT", "00"),
    ("IMDS_ENDPOINT", "http://127.0.0.1:1"),
    ("MSI_ENDPOINT", "http://127.0.0.1:1"),
    ("MSI_SECRET", "stale"),
];

/// An endpoint that gives each resource a token named after it.
fn identity_host(secret: Option<&'static str>) -> String {
    endpoint(move |head, body, host| {
        let door = Door {
            host: host.to_owned(),
            path: "/azure/token".into(),
            secret: secret.map(|secret| Secret::new(secret.to_owned())),
        };
        match identity_endpoint::admit(head, body, &door, None) {
            Ok(resource) => {
                let now = clock::now();
                let lease = TokenLease {
                    token: Secret::new(format!("for-{resource}")),
                    audience: resource,
                    obtained: now,
                    expiration: Timestamp(now.0 + 3600),
                };
                let body = identity_endpoint::answer(&lease, now, None);
                answer("200 OK", "Content-Type: application/json\r\n", body.expose())
            }
            Err(refusal) => {
                let status = format!("{} Refused", refusal.status());
                answer(&status, "Content-Type: application/json\r\n", refusal.body())
            }
        }
    })
}

#[test]
fn an_identity_endpoint_s_answers_are_taken_by_azure_identity() {
    let world = World::new();
    let address = format!("http://{}/azure/token", identity_host(Some("of this shell")));
    let hand_over = |secret: &str| HandOver::Endpoint {
        address: address.clone(),
        secret: Secret::new(secret.into()),
        config_dir: world.path("run/azure").display().to_string(),
    };
    let place = Place { tenant: Some(TENANT), subscription: Some(CLIENT) };
    let script = "import os, time
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
for credential in DefaultAzureCredential(), ManagedIdentityCredential():
    for scope in 'https://vault.azure.net/.default', 'https://management.azure.com//.default':
        token = credential.get_token(scope)
        print(token.token, 3500 < token.expires_on - time.time() <= 3600)
print(os.environ['ARM_SUBSCRIPTION_ID'])";
    let said = says(&world, &STALE, changes(&hand_over("of this shell"), place), script);
    let both = "for-https://vault.azure.net True\nfor-https://management.azure.com/ True\n";
    assert_eq!(said, format!("{both}{both}{CLIENT}"));
    let script = "from azure.identity import DefaultAzureCredential
try:
    print(DefaultAzureCredential().get_token('https://vault.azure.net/.default').token)
except Exception as error:
    print('refused', 'the secret is not' in str(error))";
    let said = says(&world, &STALE, changes(&hand_over("of another shell"), place), script);
    assert_eq!(said, "refused True");
}

#[test]
fn the_way_of_cloud_shell_is_taken_by_azure_identity() {
    let world = World::new();
    let address = format!("http://{}/azure/token", identity_host(None));
    let script = "from azure.identity import ManagedIdentityCredential
print(ManagedIdentityCredential().get_token('https://vault.azure.net/.default').token)";
    let set = Change { name: "MSI_ENDPOINT", value: Some(Secret::new(address)) };
    assert_eq!(says(&world, &[], vec![set], script), "for-https://vault.azure.net");
}

#[test]
fn with_values_azure_identity_takes_the_service_principal_alone() {
    let world = World::new();
    let hand_over = HandOver::Values {
        principal: Box::new(principal("s~1")),
        authority: Some("https://login.microsoftonline.us".into()),
        config_dir: world.path("run/azure").display().to_string(),
    };
    let script = "from azure.identity import DefaultAzureCredential
for link in DefaultAzureCredential().credentials:
    inner = link._credential
    print(type(link).__name__, type(inner).__name__, inner._client_id, inner._tenant_id, inner._authority)";
    let said = says(&world, &STALE, changes(&hand_over, Place::default()), script);
    let server = "https://login.microsoftonline.us";
    assert_eq!(said, format!("EnvironmentCredential ClientSecretCredential {CLIENT} {TENANT} {server}"));
}
