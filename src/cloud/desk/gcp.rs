//! The GCP part: its tokens, whose they are, and how shells are pointed at them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::aws::Changes;
use super::part::{Known, Miss, gcp_pinned};
use super::token::{WAITING, is_offline, private, wired};
use super::{Desk, Key};
use crate::base::error::{ErrorKind, Fault};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::cloud::exchange::Waiting;
use crate::cloud::gcp::config::{self, Configuration};
use crate::cloud::gcp::config_dir;
use crate::cloud::gcp::credential::{self, Credential, Impersonated};
use crate::cloud::gcp::metadata::Account;
use crate::cloud::gcp::obtain::{GcpError, GcpIdentity};
use crate::cloud::gcp::token::{SCOPES, Servers};
use crate::cloud::gcp::{environment as gcp_environment, exchange_endpoint, obtain as gcp};
use crate::cloud::profiles::{CredentialProfile, GcpPart, Via};
use crate::cloud::provider::Provider;
use crate::cloud::token::TokenLease;
use crate::ipc::cloud as wire;
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;
use crate::sys::{clock, env};

/// The names in the vault that hold credentials of Google begin so.
pub const GCP_SEALED: &str = "gcp/";

/// A machine of Google's answers at once, and on any other one nobody does.
const MACHINE: Waiting = Waiting { stall: Duration::from_secs(2), total: Duration::from_secs(3) };

/// The largest credential file, in bytes.
const FILE: u64 = 64 << 10;

impl Desk {
    pub(super) fn fetch_gcp(&self, key: &Key, part: &GcpPart) -> Result<TokenLease, Miss> {
        let var = |name: &str| env::var(name);
        let servers = Servers::default();
        let means = gcp::Means { servers: &servers, var: &var, waiting: WAITING, clock: clock::now };
        let source = self.gcp_source(part)?;
        let told = match &source {
            gcp::Source::Credential(credential) => gcp::told(credential).map(known),
            gcp::Source::Host => None,
        };
        // Nobody has to be reached to refuse it.
        if let Some(told) = &told {
            gcp_pinned(&key.profile, part, told)?;
        }
        let lease = gcp::obtain(&source, SCOPES, &means).map_err(of_gcp)?;
        if is_pinned(part) || told.is_some() {
            match self.gcp_identity(key, part, &lease) {
                Ok(known) => gcp_pinned(&key.profile, part, &known)?,
                Err(Miss::Offline(_)) => {}
                Err(miss) => return Err(miss),
            }
        }
        Ok(lease)
    }

    /// Where a GCP part's tokens come from.
    fn gcp_source(&self, part: &GcpPart) -> Result<gcp::Source, Miss> {
        let parsed = |bytes: &[u8]| credential::parse(bytes).map_err(Fault::from);
        let file = match &part.file {
            Some(file) => Some(file.clone()),
            None => self.gcloud_credentials(part)?,
        };
        let found = match (&part.sealed, &file) {
            (Some(name), _) => Some(parsed(self.sealed_one(GCP_SEALED, name)?.expose().as_bytes())?),
            (None, Some(file)) => Some(parsed(self.credential_file(file)?.expose())?),
            (None, None) => None,
        };
        Ok(match (found, &part.impersonate) {
            // A person that gcloud knows is not the machine.
            (None, Some(target)) if part.configuration.is_some() => return Err(nobody_to_act(target)),
            (source, Some(target)) => gcp::Source::Credential(Credential::Impersonated(Impersonated {
                source: Box::new(source.unwrap_or(Credential::Machine)),
                target: target.clone(),
                delegates: Vec::new(),
            })),
            (Some(source), None) => gcp::Source::Credential(source),
            (None, None) => gcp::Source::Host,
        })
    }

    /// A configuration of gcloud, which must be there.
    fn gcloud(&self, name: &str) -> Result<Configuration, Miss> {
        // The user's own, whatever a switched shell was pointed at.
        let dir = config::dir(&|_| None, &self.dirs.home);
        let read = config::read(&RealSystem, &dir, &|_| None).map_err(Fault::from)?;
        let found = read.and_then(|mut gcloud| gcloud.configurations.remove(name));
        found.ok_or_else(|| {
            let words = format!("gcloud has no configuration '{}'", printable(name));
            Fault::new(ErrorKind::Usage, words).hint("gcloud config configurations list").into()
        })
    }

    /// What a configuration's own credentials are needed for: to act as a service account.
    fn gcloud_credentials(&self, part: &GcpPart) -> Result<Option<String>, Miss> {
        let (Some(name), Some(_)) = (&part.configuration, &part.impersonate) else { return Ok(None) };
        let credentials = self.gcloud(name)?.credentials;
        Ok(credentials.map(|path| path.to_string_lossy().into_owned()))
    }

    fn credential_file(&self, file: &str) -> Result<Secret<Vec<u8>>, Miss> {
        let path = self.home_path(file);
        let read = RealSystem.read(&path, FILE).map_err(|error| {
            let shown = printable(&path.to_string_lossy());
            Fault::new(ErrorKind::Failed, format!("cannot read the credential file {shown}")).cause(error)
        });
        Ok(Secret::new(read?))
    }

    fn home_path(&self, file: &str) -> PathBuf {
        match file.strip_prefix("~/") {
            Some(below) => self.dirs.home.join(below),
            None => self.dirs.home.join(file),
        }
    }

    /// Whose tokens the metadata server of a profile's door gives.
    pub(super) fn gcp_account(&self, profile: &str) -> Option<Account> {
        let part = self.profile(profile).ok()?.gcp?;
        let key = Key { profile: profile.to_owned(), provider: Provider::Gcp, resource: String::new() };
        let known = self.book().known.get(&key).map(|(_, known)| known.clone());
        let email = known.as_ref().and_then(|known| known.who.clone()).or(part.account);
        let project = part.project.or_else(|| known.and_then(|known| known.account));
        Some(Account { email: email.unwrap_or_else(|| "default".into()), project, scopes: SCOPES.to_owned() })
    }

    fn gcp_identity(&self, key: &Key, part: &GcpPart, lease: &TokenLease) -> Result<Known, Miss> {
        let asked = self.book().known.get(key).filter(|(got, _)| *got == lease.obtained).cloned();
        if let Some((_, known)) = asked {
            return Ok(known);
        }
        let (var, servers) = (|name: &str| env::var(name), Servers::default());
        let means = gcp::Means { servers: &servers, var: &var, waiting: WAITING, clock: clock::now };
        let known = known(gcp::identity(&self.gcp_source(part)?, lease, &means).map_err(of_gcp)?);
        self.book().known.insert(key.clone(), (lease.obtained, known.clone()));
        Ok(known)
    }

    /// Whose the machine's own tokens are, if it has any.
    fn gcp_host(&self) -> Result<Known, Miss> {
        let (var, servers) = (|name: &str| env::var(name), Servers::default());
        let means = gcp::Means { servers: &servers, var: &var, waiting: MACHINE, clock: clock::now };
        gcp::of_host(&means).map(known).map_err(of_gcp)
    }

    /// What a switch changes for GCP, and who one is by it.
    pub(super) fn switch_gcp(
        self: &Arc<Self>,
        (name, profile): (&str, &CredentialProfile),
        part: &GcpPart,
        via: Via,
    ) -> Result<(Changes, wire::Part), Miss> {
        let mut told =
            wire::Part { provider: "gcp".into(), account: part.project.clone(), ..wire::Part::default() };
        let place = gcp_environment::Place { project: part.project.as_deref(), region: None, zone: None };
        // The address of an account that is acted as says where it lives.
        if let Some(target) = &part.impersonate {
            let account = credential::project_of(target);
            gcp_pinned(name, part, &Known { account, who: Some(target.clone()) })?;
        }
        let is_named = part.configuration.is_some() || part.impersonate.is_none();
        if part.sealed.is_none()
            && part.file.is_none()
            && is_named
            && self.gcloud_credentials(part)?.is_none()
        {
            if let Some(target) = &part.impersonate {
                return Err(nobody_to_act(target));
            }
            told.who = part.account.clone();
            let Some(configuration) = &part.configuration else {
                told.note = Some("the identity of the machine".into());
                if is_pinned(part) {
                    match self.gcp_host() {
                        Ok(known) => {
                            gcp_pinned(name, part, &known)?;
                            told.who = known.who.or(told.who);
                        }
                        Err(miss) => {
                            let why = Fault::from(miss).one_line();
                            told.note = Some(format!("not verified: the identity of the machine: {why}"));
                        }
                    }
                }
                let project = part.project.iter().flat_map(|project| {
                    ["GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"].map(|name| (name.to_owned(), project))
                });
                let changes =
                    project.map(|(name, project)| (name, Some(wire::Hidden::new(project.as_str()))));
                return Ok((changes.collect(), told));
            };
            let found = self.gcloud(configuration)?;
            if found.credentials.is_none() {
                told.caution = Some(
                    "Google's libraries keep the default credentials that they have: gcloud auth application-default login".into(),
                );
            }
            let home = found.account.as_deref().and_then(credential::project_of);
            gcp_pinned(name, part, &Known { account: home, who: found.account.clone() })?;
            told.note =
                Some(format!("gcloud's own configuration '{}', not verified", printable(configuration)));
            (told.who, told.account) = (found.account, part.project.clone().or(found.project));
            let project = told.account.clone();
            let place = gcp_environment::Place { project: project.as_deref(), ..place };
            let hand_over = gcp_environment::HandOver::Named {
                configuration: configuration.clone(),
                credentials_file: found.credentials.as_ref().map(|path| path.to_string_lossy().into_owned()),
            };
            return Ok((wired(gcp_environment::changes(&hand_over, place)), told));
        }
        let key = Key { profile: name.to_owned(), provider: Provider::Gcp, resource: String::new() };
        let lease = self.token_of(&key, profile, via, &mut told)?;
        if let Some(lease) = &lease {
            told.ends = Some(lease.expiration);
            match self.gcp_identity(&key, part, lease) {
                Ok(known) => {
                    gcp_pinned(name, part, &known)?;
                    told.verified = known.who.is_some();
                    (told.who, told.account) = (known.who, told.account.or(known.account));
                }
                Err(Miss::Offline(fault)) => told.note = Some(format!("not verified: {}", fault.one_line())),
                Err(miss) => return Err(miss),
            }
        }
        let dir = self.place(name)?;
        let config_dir = self.gcloud_dir(&dir)?;
        let hand_over = match (via, lease) {
            (Via::Value, Some(lease)) => {
                told.caution = Some(
                    "the token is for gcloud and Terraform; Google's libraries take none from a variable"
                        .into(),
                );
                gcp_environment::HandOver::Value { lease: Box::new(lease), config_dir }
            }
            _ => {
                let at = self.door(name)?;
                let file = dir.join("gcp-credentials.json");
                let credentials_file = file.to_string_lossy().into_owned();
                let text = exchange_endpoint::credentials_file(&at.gcp(), &credentials_file);
                self.put(&file, text.expose().as_bytes())?;
                gcp_environment::HandOver::Service { host: at.host, credentials_file, config_dir }
            }
        };
        Ok((wired(gcp_environment::changes(&hand_over, place)), told))
    }

    /// A directory for gcloud, in which no token comes to lie.
    fn gcloud_dir(&self, place: &Path) -> Result<String, Miss> {
        let dir = place.join("gcloud");
        for (name, bytes) in config_dir::FILES {
            let file = dir.join(name);
            for above in [Some(dir.as_path()), file.parent()].into_iter().flatten() {
                private(above)?;
            }
            if matches!(RealSystem.meta(&file), Ok(None)) {
                self.put(&file, bytes)?;
            }
        }
        Ok(dir.to_string_lossy().into_owned())
    }
}

/// gcloud's configuration alone gives nobody a token.
fn nobody_to_act(target: &str) -> Miss {
    let words = format!("nothing is there to act as {} with", printable(target));
    let hint =
        "say whose credentials may: --gcp-file FILE, --stdin, or a gcloud configuration with credentials";
    Fault::new(ErrorKind::Refused, words).hint(hint).into()
}

fn known(identity: GcpIdentity) -> Known {
    Known { account: identity.project, who: identity.email }
}

/// Whether a part says who it must be.
fn is_pinned(part: &GcpPart) -> bool {
    part.account.is_some() || part.project.is_some() || part.account_project.is_some()
}

fn of_gcp(error: GcpError) -> Miss {
    let offline = matches!(&error, GcpError::Token(error) if is_offline(error));
    let fault = Fault::from(error);
    if offline { Miss::Offline(fault) } else { Miss::Fault(fault) }
}
