//! The Azure part: its tokens, whose they are, and how shells are pointed at them.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::aws::Changes;
use super::part::{Miss, pinned};
use super::token::{WAITING, is_offline, private, wired};
use super::{Desk, Key};
use crate::base::error::{ErrorKind, Fault};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::cloud::azure::obtain::AzureError;
use crate::cloud::azure::profile_file::{self, NotAProfile, Subscription};
use crate::cloud::azure::token::{AUTHORITY, MANAGEMENT, ServicePrincipal};
use crate::cloud::azure::{cli_dir, environment as azure_environment, obtain as azure};
use crate::cloud::profiles::{AzurePart, CredentialProfile, Via};
use crate::cloud::provider::Provider;
use crate::cloud::token::TokenLease;
use crate::ipc::cloud as wire;
use crate::sys::real::RealSystem;
use crate::sys::system::{ReadSystem, WriteSystem};
use crate::sys::{clock, env};

/// The names in the vault that hold service principals begin so.
pub const AZURE_SEALED: &str = "azure/";

/// Where the Azure CLI keeps what it knows, below the home directory.
const AZURE_HOME: &str = ".azure";

/// The largest list of subscriptions, in bytes.
const SUBSCRIPTIONS: u64 = 4 << 20;

/// A service principal as it is sealed.
#[derive(Deserialize)]
struct Principal {
    tenant: String,
    client: String,
    secret: String,
}

impl Desk {
    pub(super) fn fetch_azure(&self, key: &Key, part: &AzurePart) -> Result<TokenLease, Miss> {
        let var = |name: &str| env::var(name);
        let authority = part.authority.as_deref().unwrap_or(AUTHORITY);
        let means = azure::Means { authority, var: &var, waiting: WAITING, clock: clock::now };
        let resource = if key.resource.is_empty() { MANAGEMENT } else { &key.resource };
        let lease = azure::obtain(&self.azure_source(part)?, resource, &means).map_err(of_azure)?;
        pinned("tenant", part.tenant.as_deref(), azure::identity(&lease).tenant.as_deref())?;
        Ok(lease)
    }

    fn azure_source(&self, part: &AzurePart) -> Result<azure::Source, Miss> {
        match &part.sealed {
            Some(name) => self.principal(name).map(azure::Source::Principal),
            None => Ok(azure::Source::Host(part.client.clone())),
        }
    }

    fn principal(&self, name: &str) -> Result<ServicePrincipal, Miss> {
        let text = self.sealed_one(AZURE_SEALED, name)?;
        let principal: Principal = serde_json::from_str(text.expose()).map_err(|_| {
            Fault::new(
                ErrorKind::Failed,
                format!("the sealed service principal '{}' is damaged", printable(name)),
            )
        })?;
        Ok(ServicePrincipal {
            tenant: principal.tenant,
            client_id: principal.client,
            client_secret: Secret::new(principal.secret),
        })
    }

    /// A subscription that the user's own Azure CLI is signed in to.
    fn azure_subscription(&self, id: &str) -> Result<Option<Subscription>, Miss> {
        let file = self.dirs.home.join(AZURE_HOME).join(cli_dir::SUBSCRIPTIONS);
        let Ok(bytes) = RealSystem.read(&file, SUBSCRIPTIONS) else { return Ok(None) };
        let all = profile_file::parse(&bytes).map_err(Fault::from)?;
        Ok(all.into_iter().find(|found| found.id.eq_ignore_ascii_case(id)))
    }

    /// A directory for the Azure CLI, with the user's sign-ins and this subscription.
    fn azure_dir(&self, place: &Path, subscription: &str) -> Result<String, Miss> {
        let (dir, own) = (place.join("azure-cli"), self.dirs.home.join(AZURE_HOME));
        private(&dir)?;
        let failed =
            |error| Fault::new(ErrorKind::Failed, format!("cannot make {}", dir.display())).cause(error);
        let bytes = RealSystem.read(&own.join(cli_dir::SUBSCRIPTIONS), SUBSCRIPTIONS).map_err(failed)?;
        let bytes = cli_dir::with_default(&bytes, subscription).ok_or_else(|| Fault::from(NotAProfile))?;
        self.put(&dir.join(cli_dir::SUBSCRIPTIONS), &bytes)?;
        for name in cli_dir::SHARED {
            let is_there = |path: &Path| !matches!(RealSystem.meta(path), Ok(None));
            // An extension is installed into a directory, and none is made where a link leads nowhere.
            if !is_there(&dir.join(name)) && (name != "cliextensions" || is_there(&own.join(name))) {
                RealSystem.symlink(&own.join(name), &dir.join(name)).map_err(failed)?;
            }
        }
        Ok(dir.to_string_lossy().into_owned())
    }

    /// What a switch changes for Azure, and who one is by it.
    pub(super) fn switch_azure(
        self: &Arc<Self>,
        (name, profile): (&str, &CredentialProfile),
        part: &AzurePart,
        via: Via,
    ) -> Result<(Changes, wire::Part), Miss> {
        let mut told =
            wire::Part { provider: "azure".into(), account: part.tenant.clone(), ..wire::Part::default() };
        let place = azure_environment::Place {
            tenant: part.tenant.as_deref(),
            subscription: part.subscription.as_deref(),
        };
        let Some(sealed) = &part.sealed else {
            if let Some(subscription) = &part.subscription
                && let Some(found) = self.azure_subscription(subscription)?
            {
                pinned("tenant", part.tenant.as_deref(), Some(&found.tenant))?;
                told.note = Some("the Azure CLI's own sign-in, not verified".into());
                (told.who, told.account) = (Some(found.user), Some(found.tenant));
                let config_dir = self.azure_dir(&self.place(name)?, subscription)?;
                let hand_over = azure_environment::HandOver::Cli { config_dir };
                return Ok((wired(azure_environment::changes(&hand_over, place)), told));
            }
            told.note = Some("the identity of the machine, or of its own sign-in".into());
            if part.subscription.is_some() {
                told.caution = Some("az keeps its own subscription: az account set --subscription ID".into());
            }
            let subscription = part.subscription.iter().flat_map(|id| {
                ["AZURE_SUBSCRIPTION_ID", "ARM_SUBSCRIPTION_ID"].map(|name| (name.to_owned(), id))
            });
            let changes = subscription.map(|(name, id)| (name, Some(wire::Hidden::new(id.as_str()))));
            return Ok((changes.collect(), told));
        };
        let key = Key { profile: name.to_owned(), provider: Provider::Azure, resource: String::new() };
        let lease = self.token_of(&key, profile, via, &mut told)?;
        if let Some(lease) = &lease {
            told.ends = Some(lease.expiration);
            // Azure has no call for it; the token that it gave says whose it is.
            let identity = azure::identity(lease);
            told.verified = identity.tenant.is_some();
            told.who = identity.user.or(identity.client).or(identity.object);
            told.account = identity.tenant;
        }
        pinned("tenant", part.tenant.as_deref(), told.account.as_deref())?;
        let dir = self.place(name)?.join("azure");
        private(&dir)?;
        let config_dir = dir.to_string_lossy().into_owned();
        let hand_over = if via == Via::Value {
            azure_environment::HandOver::Values {
                principal: Box::new(self.principal(sealed)?),
                authority: part.authority.clone(),
                config_dir,
            }
        } else {
            let at = self.door(name)?;
            let address = at.url(&at.azure().path);
            azure_environment::HandOver::Endpoint { address, secret: at.secret, config_dir }
        };
        Ok((wired(azure_environment::changes(&hand_over, place)), told))
    }
}

fn of_azure(error: AzureError) -> Miss {
    let offline = matches!(&error, AzureError::Token(error) if is_offline(error));
    let fault = Fault::from(error);
    if offline { Miss::Offline(fault) } else { Miss::Fault(fault) }
}
