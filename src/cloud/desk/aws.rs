//! The AWS part: its leases, whose they are, and how shells are pointed at them.

use std::sync::Arc;
use std::time::Duration;

use super::part::{Known, Lease, Miss, pinned};
use super::token::wired;
use super::{Codes, Desk, Key};
use crate::base::error::{ErrorKind, Fault};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::cloud::aws::call::{CallError, Waiting};
use crate::cloud::aws::config::{self, AwsConfig, Settings};
use crate::cloud::aws::credential_process;
use crate::cloud::aws::environment::{self, HandOver, process_config, settings_config};
use crate::cloud::aws::lease::AwsLease;
use crate::cloud::aws::obtain::{self, Means, ObtainError, Sessions};
use crate::cloud::aws::profile::{Profile, Source, StaticKeys, resolve};
use crate::cloud::profiles::{AwsPart, CredentialProfile, Via};
use crate::ipc::cloud as wire;
use crate::sys::dirs::Dirs;
use crate::sys::real::RealSystem;
use crate::sys::{clock, env, process};

/// A switch answers within the time that a person waits, and a client of the endpoint asks again.
const WAITING: Waiting = Waiting { stall: Duration::from_secs(8), total: Duration::from_secs(12) };

/// How long a program may take to print credentials.
const PROGRAM: Duration = Duration::from_secs(15);

/// A session with less left, in seconds, is not begun with.
const SOME_MINUTES: i64 = 300;

/// The names in the vault that hold keys of AWS begin so; the rest is the name of an AWS profile.
pub const SEALED: &str = "aws/";

/// The names in the vault that hold seeds of MFA devices begin so; the rest is the device.
pub const SEEDS: &str = "totp/";

/// The part of a switch that is about AWS.
pub(super) type Changes = Vec<(String, Option<wire::Hidden>)>;

impl Desk {
    /// AWS's own files, with the keys that are sealed in the vault in the place of theirs.
    fn aws_config(&self) -> Result<AwsConfig, Miss> {
        let home = self.dirs.home.to_string_lossy().into_owned();
        // The files of this home, whatever a switched shell that started us was pointed at.
        let locations = config::locations(|name| (name == "HOME").then(|| home.clone()), false);
        let mut read = config::read(&RealSystem, &locations).map_err(Fault::from)?;
        for (name, secret) in self.sealed(SEALED)? {
            let lease =
                credential_process::read(secret.expose().as_bytes(), clock::now()).map_err(|why| {
                    Fault::new(
                        ErrorKind::Failed,
                        format!("the sealed keys '{}' are damaged", printable(&name)),
                    )
                    .cause(why)
                })?;
            let (keys, ends) = (lease.keys, lease.expiration);
            let keys = StaticKeys {
                access_key_id: keys.access_key_id,
                secret_access_key: keys.secret_access_key,
                session_token: keys.session_token,
                ends,
            };
            read.set_keys(&name, &keys);
        }
        Ok(read)
    }

    /// An AWS profile of the files or the vault.
    fn aws_profile(&self, config: &AwsConfig, part: &AwsPart, name: &str) -> Result<Profile, Miss> {
        let resolved = resolve(config, name);
        let mut resolved = match resolved {
            Ok(resolved) => resolved,
            // It may be in the vault, which cannot be read now.
            Err(_) if self.is_locked() => return Err(self.locked().into()),
            Err(error) => return Err(Fault::from(error).into()),
        };
        resolved.region = part.region.clone().or(resolved.region);
        Ok(resolved)
    }

    /// Gets a new lease, and proves that it is of the account that the profile is for: nobody is handed another's.
    pub(super) fn fetch_aws(
        &self,
        key: &Key,
        profile: &CredentialProfile,
        codes: &Codes,
    ) -> Result<AwsLease, Miss> {
        let part = profile.aws.clone().unwrap_or_default();
        let Some(name) = &part.profile else {
            let words = "the host's own identity is with the shell, not with the service";
            return Err(Fault::new(ErrorKind::Failed, words).into());
        };
        let config = self.aws_config()?;
        let mut resolved = self.aws_profile(&config, &part, name)?;
        if profile.guard.is_some() {
            let until = self.book().grants.get(&key.profile).copied();
            let left = until.map_or(0, |until| until.0 - clock::now().0);
            resolved.source.last_at_most(u32::try_from(left.max(0)).unwrap_or(u32::MAX));
        }
        let mut missing = None;
        let seeds = self.sealed(SEEDS)?;
        let mut ask = |device: &str| -> Result<Secret<String>, Fault> {
            if let Some(code) = codes.get(device) {
                return Ok(code.clone());
            }
            if let Some((_, seed)) = seeds.iter().find(|(name, _)| name == device) {
                return self.totp(device, seed);
            }
            missing = Some(device.to_owned());
            Err(Fault::from(Miss::Code(device.to_owned())))
        };
        let result = self.with_means(&config, |means| {
            // A guarded profile wants its proof each time it is opened.
            let sessions = means.sessions.filter(|_| profile.guard.is_none());
            obtain::obtain(&resolved, &Means { sessions, ..*means }, &mut ask)
        });
        match (result, missing) {
            (Ok(lease), _) => {
                let Some(wanted) = part.account.as_deref() else { return Ok(lease) };
                // Who assumes a role is told by STS itself whose it is.
                let is_told = matches!(resolved.source, Source::Role(..) | Source::WebIdentity(_));
                let told = lease.account.clone().filter(|_| is_told);
                let asked = || self.aws_identity(key, &lease, &resolved, &config).map(|known| known.account);
                let found = match told.map_or_else(asked, |told| Ok(Some(told))) {
                    Ok(account) => account,
                    Err(Miss::Offline(_)) => lease.account.clone(),
                    Err(miss) => return Err(miss),
                };
                pinned("account", Some(wanted), found.as_deref())?;
                Ok(lease)
            }
            (Err(_), Some(device)) => Err(Miss::Code(device)),
            (Err(error), None) => Err(missed(error)),
        }
    }

    fn with_means<T>(&self, config: &AwsConfig, carry_out: impl FnOnce(&Means<'_>) -> T) -> T {
        let var = |name: &str| env::var(name);
        let sso_cache = self.dirs.home.join(".aws/sso/cache");
        carry_out(&Means {
            config,
            var: &var,
            system: &RealSystem,
            sso_cache: &sso_cache,
            sessions: Some(self),
            uid: process::owner().0,
            waiting: WAITING,
            program: PROGRAM,
            clock: clock::now,
        })
    }

    /// Who one is by a lease; asked once a lease.
    fn aws_identity(
        &self,
        key: &Key,
        lease: &AwsLease,
        profile: &Profile,
        config: &AwsConfig,
    ) -> Result<Known, Miss> {
        let asked = self.book().known.get(key).filter(|(got, _)| *got == lease.obtained).cloned();
        if let Some((_, known)) = asked {
            return Ok(known);
        }
        let identity = self.with_means(config, |means| obtain::identity(profile, &lease.keys, means));
        let identity = identity.map_err(missed)?;
        let known = Known { account: Some(identity.account), who: Some(identity.arn) };
        self.book().known.insert(key.clone(), (lease.obtained, known.clone()));
        Ok(known)
    }

    /// What a switch changes for AWS, and who one is by it.
    pub(super) fn switch_aws(
        self: &Arc<Self>,
        (name, profile): (&str, &CredentialProfile),
        part: &AwsPart,
        via: Via,
        codes: &Codes,
    ) -> Result<(Changes, wire::Part), Miss> {
        let mut told = wire::Part { provider: "aws".into(), ..wire::Part::default() };
        let Some(aws_name) = &part.profile else {
            told.note = Some("the identity that the shell has from its host".into());
            let region = part
                .region
                .iter()
                .flat_map(|region| ["AWS_REGION", "AWS_DEFAULT_REGION"].map(|n| (n, region)));
            let changes =
                region.map(|(name, region)| (name.to_owned(), Some(wire::Hidden::new(region.as_str()))));
            return Ok((changes.collect(), told));
        };
        let config = self.aws_config()?;
        let resolved = self.aws_profile(&config, part, aws_name)?;
        if let Source::Login(_) = resolved.source {
            told.note = Some("a session of 'aws login', which AWS's own tools use".into());
            let hand_over = HandOver::Named { profile: aws_name.clone() };
            return Ok((changes(&hand_over, resolved.region.as_deref()), told));
        }
        let key = Key {
            profile: name.to_owned(),
            provider: crate::cloud::provider::Provider::Aws,
            resource: String::new(),
        };
        let lease = match self.lease(&key, profile, codes) {
            Ok(Lease::Aws(lease)) => Some(lease),
            Ok(Lease::Token(_)) => None,
            Err(Miss::Offline(fault)) if via != Via::Value => {
                told.note = Some(format!("not verified: {}", fault.one_line()));
                None
            }
            Err(miss) => return Err(miss),
        };
        if let Some(lease) = &lease {
            told.ends = lease.expiration;
            match self.aws_identity(&key, lease, &resolved, &config) {
                Ok(known) => {
                    (told.account, told.who, told.verified) = (known.account, known.who, true);
                }
                Err(Miss::Offline(fault)) => told.note = Some(format!("not verified: {}", fault.one_line())),
                Err(miss) => return Err(miss),
            }
        }
        pinned("account", part.account.as_deref(), told.account.as_deref())?;
        let region = resolved.region.as_deref();
        let settings = config.settings(aws_name);
        let hand_over = match (via, lease) {
            (Via::Value, Some(lease)) => {
                return Ok((changes(&HandOver::Values(Box::new(lease)), region), told));
            }
            (Via::Endpoint, _) => self.container(name, region, &settings)?,
            _ => HandOver::Process { config_file: self.process_config(name, region, &settings)? },
        };
        if settings.has_login {
            let words = "an endpoint_url of its AWS profile has a login in it and does not hold here";
            told.caution = Some(words.into());
        }
        Ok((changes(&hand_over, region), told))
    }

    /// The container endpoint that AWS's SDKs are pointed at.
    fn container(
        self: &Arc<Self>,
        name: &str,
        region: Option<&str>,
        settings: &Settings,
    ) -> Result<HandOver, Miss> {
        let text = settings_config(region, settings).ok_or_else(|| {
            let words = "the region has signs that AWS's configuration files cannot hold";
            Fault::new(ErrorKind::Failed, words)
        })?;
        let config_file = self.config_file(name, "aws-settings", &text)?;
        let at = self.door(name)?;
        let file = self.place(name)?.join("aws-token");
        // A line end would make the header that is sent an invalid one.
        self.put(&file, at.secret.expose().as_bytes())?;
        let address = at.url(&at.aws().path);
        Ok(HandOver::Container { config_file, address, token_file: file.to_string_lossy().into_owned() })
    }

    /// The config file that points AWS's SDKs at us.
    fn process_config(&self, name: &str, region: Option<&str>, settings: &Settings) -> Result<String, Miss> {
        let line = self.pointer().map(|words| format!("{words} credential-process {name}"));
        let text = line.and_then(|line| process_config(&line, region, settings)).ok_or_else(|| {
            let words = "the path of devboot has signs that AWS's configuration files cannot hold";
            Fault::new(ErrorKind::Failed, words).hint("devboot use NAME --via endpoint needs no such path")
        })?;
        self.config_file(name, "aws-config", &text)
    }

    /// A config file of a profile, written only when it says something else.
    fn config_file(&self, name: &str, file: &str, text: &str) -> Result<String, Miss> {
        let path = self.place(name)?.join(file);
        self.put(&path, text.as_bytes())?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Desk {
    /// The words that a tool asks us with, up to the command. They name the home: the tool may have been given another one, in which
    /// the same name is another profile.
    fn pointer(&self) -> Option<String> {
        let (program, more) = self.program.split_first()?;
        let mut words = vec![quoted(program)?, "cloud".to_owned()];
        let home = self.dirs.home.to_str().filter(|home| !home.contains(" #") && !home.contains(" ;"));
        match home.and_then(quoted) {
            Some(home) if more.is_empty() && Dirs::of_home(&self.dirs.home) == self.dirs => {
                words.extend(["--home".to_owned(), home]);
            }
            _ => words.extend(more.iter().map(|word| quoted(word)).collect::<Option<Vec<_>>>()?),
        }
        Some(words.join(" "))
    }
}

impl Sessions for Desk {
    fn find(&self, access_key_id: &str, device: &str) -> Option<AwsLease> {
        let key = (access_key_id.to_owned(), device.to_owned());
        let session = self.book().sessions.get(&key).cloned()?;
        session.left(clock::now()).is_none_or(|left| left > SOME_MINUTES).then_some(session)
    }

    fn keep(&self, access_key_id: &str, device: &str, session: Option<&AwsLease>) {
        let key = (access_key_id.to_owned(), device.to_owned());
        let mut book = self.book();
        match session {
            Some(session) => drop(book.sessions.insert(key, session.clone())),
            None => drop(book.sessions.remove(&key)),
        }
    }
}

/// In double quotes, the one kind that AWS documents. A word with quotes or backslashes in it has no form that all SDKs read.
fn quoted(word: &str) -> Option<String> {
    (!word.contains(['"', '\\'])).then(|| format!("\"{word}\""))
}

fn changes(hand_over: &HandOver, region: Option<&str>) -> Changes {
    wired(environment::changes(hand_over, region))
}

fn missed(error: ObtainError) -> Miss {
    let offline = matches!(
        &error,
        ObtainError::Call(
            CallError::Unreached(..)
                | CallError::CutOff(..)
                | CallError::Unavailable(..)
                | CallError::NotAnAnswer(..)
        )
    );
    let fault = Fault::from(error);
    if offline { Miss::Offline(fault) } else { Miss::Fault(fault) }
}
