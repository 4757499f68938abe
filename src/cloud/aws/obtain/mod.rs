//! Carrying a profile out: from its source, link by link, to a lease.

mod error;
mod host;
mod instance;

pub use error::ObtainError;

use std::path::Path;
use std::time::Duration;

use super::call::{CallError, Waiting};
use super::config::AwsConfig;
use super::credential_process;
use super::endpoint::{DEFAULT_REGION, Service, endpoint};
use super::lease::AwsLease;
use super::profile::{Profile, Role, Source, SsoSource, StaticKeys, WebIdentity};
use super::sigv4::Keys;
use super::sso::cache::{self, TokenStanding};
use super::sso::client::Sso;
use super::sts::{Identity, Mfa, Sts};
use crate::base::error::Fault;
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::sys::system::WriteSystem;

/// The largest token of another identity provider, in bytes.
const TOKEN: u64 = 64 << 10;

/// Asks for the code that an MFA device shows; the device's name is given.
pub type AskCode<'a> = &'a mut dyn FnMut(&str) -> Result<Secret<String>, Fault>;

/// Sessions of users that carry the proof of an MFA device: one code is good for half a day and for all roles that want it.
pub trait Sessions {
    /// The session of a user's key and a device, when one is kept that is good for some minutes yet.
    fn find(&self, access_key_id: &str, device: &str) -> Option<AwsLease>;

    /// Keeps one, or with `None` lets the one that is kept go.
    fn keep(&self, access_key_id: &str, device: &str, session: Option<&AwsLease>);
}

/// What carrying out a profile needs from outside.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The files that the profile is from.
    pub config: &'a AwsConfig,
    /// The environment.
    pub var: &'a dyn Fn(&str) -> Option<String>,
    /// Where token files and the tokens of sign-ins are.
    pub system: &'a dyn WriteSystem,
    /// `~/.aws/sso/cache`.
    pub sso_cache: &'a Path,
    /// Where sessions with the proof of an MFA device are kept; `None` asks for a code at each role.
    pub sessions: Option<&'a dyn Sessions>,
    /// The user, whose files the tokens must be.
    pub uid: u32,
    /// How long a call may take.
    pub waiting: Waiting,
    /// How long a program may take.
    pub program: Duration,
    /// This machine's clock.
    pub clock: fn() -> Timestamp,
}

/// The credentials of a profile. Nothing is asked but the codes of MFA devices, each once.
///
/// # Errors
/// A link of the chain gives no credentials; or a person is needed first: to sign in, or for a code.
pub fn obtain(profile: &Profile, means: &Means<'_>, ask: AskCode<'_>) -> Result<AwsLease, ObtainError> {
    let region = profile.region.as_deref();
    let lease = Carrying { means, profile: &profile.name, region }.source(&profile.source, ask)?;
    if let Some(end) = lease.expiration.filter(|end| *end <= (means.clock)()) {
        return Err(ObtainError::Over(end));
    }
    Ok(AwsLease { account: lease.account.or_else(|| profile.account.clone()), ..lease })
}

/// Whose keys they are, asked where the profile's own calls go.
///
/// # Errors
/// The call fails.
pub fn identity(profile: &Profile, keys: &Keys, means: &Means<'_>) -> Result<Identity, ObtainError> {
    let region = profile.region.as_deref();
    let carrying = Carrying { means, profile: &profile.name, region };
    Ok(carrying.sts(&profile.name, region)?.identity(keys)?)
}

/// The region of calls for a profile: its own, the environment's, or the default one.
pub fn region(own: Option<&str>, var: &dyn Fn(&str) -> Option<String>) -> String {
    let named = own.map(str::to_owned).or_else(|| var("AWS_REGION")).or_else(|| var("AWS_DEFAULT_REGION"));
    named.filter(|region| !region.is_empty()).unwrap_or_else(|| DEFAULT_REGION.to_owned())
}

struct Carrying<'a> {
    means: &'a Means<'a>,
    /// The profile that was asked for: its region and servers are those of a link that names none.
    profile: &'a str,
    region: Option<&'a str>,
}

impl Carrying<'_> {
    fn source(&self, source: &Source, ask: AskCode<'_>) -> Result<AwsLease, ObtainError> {
        let Means { clock, program, .. } = *self.means;
        match source {
            Source::Static(StaticKeys { ends: Some(end), .. }) if *end <= clock() => {
                Err(ObtainError::Ended(*end))
            }
            Source::Static(keys) => Ok(AwsLease {
                keys: Keys {
                    access_key_id: keys.access_key_id.clone(),
                    secret_access_key: keys.secret_access_key.clone(),
                    session_token: keys.session_token.clone(),
                },
                account: None,
                obtained: clock(),
                expiration: keys.ends,
            }),
            Source::Role(role, from) => {
                let from = self.source(from, &mut *ask)?;
                self.role(role, &from.keys, ask)
            }
            Source::WebIdentity(web) => self.web_identity(web),
            Source::Sso(sso) => self.sso(sso),
            Source::Program(line) => Ok(credential_process::obtain(line, program, clock)?),
            Source::Login(_) => Err(ObtainError::PassedThrough(self.profile.to_owned())),
            Source::Host(host) => host::obtain(*host, self.means),
        }
    }

    fn sts(&self, profile: &str, own: Option<&str>) -> Result<Sts, ObtainError> {
        let Means { config, var, waiting, clock, .. } = *self.means;
        let region = region(own.or(self.region), var);
        Ok(Sts::new(endpoint(Service::Sts, &region, var, config, profile)?, waiting, clock))
    }

    fn role(&self, role: &Role, keys: &Keys, ask: AskCode<'_>) -> Result<AwsLease, ObtainError> {
        let sts = self.sts(&role.profile, role.region.as_deref())?;
        let Some(device) = &role.mfa_serial else { return Ok(sts.assume_role(keys, role, None)?) };
        // Only a user's own keys can have a session; those of a role are one already.
        let sessions = self.means.sessions.filter(|_| keys.session_token.is_none());
        let key = keys.access_key_id.as_str();
        let kept = sessions.and_then(|sessions| sessions.find(key, device));
        if let (Some(sessions), Some(session)) = (sessions, kept) {
            match sts.assume_role(&session.keys, role, None) {
                // The role wants a younger proof, or the session was taken back.
                Err(error) if error.is_refusal() => sessions.keep(key, device, None),
                result => return Ok(result?),
            }
        }
        let code = ask(device).map_err(ObtainError::NoCode)?;
        let Some(sessions) = sessions else { return Ok(sts.assume_role(keys, role, Some(&code))?) };
        let session = match sts.session(keys, None, Some(&Mfa { serial: device, code: &code })) {
            Ok(session) => session,
            Err(CallError::Refused(refusal)) if !refusal.is_wrong_code() => {
                // A user that may have no session may still assume the role.
                return Ok(sts.assume_role(keys, role, Some(&code))?);
            }
            Err(error) => return Err(error.into()),
        };
        match sts.assume_role(&session.keys, role, None) {
            Ok(lease) => {
                sessions.keep(key, device, Some(&session));
                Ok(lease)
            }
            // What is said of the session is the true reason: its code is used up.
            Err(error) if error.is_refusal() => {
                sts.assume_role(keys, role, Some(&code)).map_err(|_| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn web_identity(&self, web: &WebIdentity) -> Result<AwsLease, ObtainError> {
        let unreadable = |error| ObtainError::TokenFile(web.token_file.clone(), error);
        let token = Secret::new(self.means.system.read(&web.token_file, TOKEN).map_err(unreadable)?);
        let text = std::str::from_utf8(token.expose()).map_err(|_| {
            unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, "not UTF-8 text"))
        })?;
        Ok(self.sts(self.profile, None)?.web_identity(web, &Secret::new(text.to_owned()))?)
    }

    fn sso(&self, source: &SsoSource) -> Result<AwsLease, ObtainError> {
        let Means { config, var, system, sso_cache, uid, waiting, clock, .. } = *self.means;
        let server = |service| endpoint(service, &source.region, var, config, self.profile);
        let sso = Sso { oidc: server(Service::SsoOidc)?, portal: server(Service::Sso)?, waiting, clock };
        let needed = || ObtainError::SignIn(source.session.clone().unwrap_or(source.start_url.clone()));
        let cached = cache::read(system, sso_cache, source, uid)
            .map_err(|error| ObtainError::TokenFile(cache::file(sso_cache, source), error))?
            .ok_or_else(needed)?;
        let standing = cached.standing(clock());
        let refreshed = match standing {
            TokenStanding::SignIn => return Err(needed()),
            TokenStanding::Good | TokenStanding::Last => None,
            TokenStanding::Refresh | TokenStanding::MustRefresh => match sso.refreshed(&cached) {
                // What the server refuses to renew, a person must; what only was not reached may come back.
                Err(error) if standing == TokenStanding::MustRefresh && error.is_refusal() => {
                    return Err(needed());
                }
                Err(error) if standing == TokenStanding::MustRefresh => return Err(error.into()),
                result => result.ok().flatten(),
            },
        };
        if let Some(refreshed) = &refreshed {
            // A home that cannot be written costs the next sign-in, not this lease.
            let _ = cache::write(system, sso_cache, source, refreshed);
        }
        let token = refreshed.as_ref().map_or(&cached.token, |cached| &cached.token);
        Ok(sso.role_credentials(token, source)?)
    }
}
