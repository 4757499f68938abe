//! From the sections of the files to a source and what it builds on.

use super::{HostSource, Profile, ProfileError, Role, Source, SsoSource, StaticKeys, Trouble, WebIdentity};
use crate::base::secret::Secret;
use crate::cloud::aws::config::{AwsConfig, Origin, Section};

/// How long a role assumed from a role may last, in seconds: AWS's rule.
const CHAINED: u32 = 3600;

/// The scope of a token that lists accounts and gives out their roles.
const ACCOUNT_ACCESS: &str = "sso:account:access";

/// What the profile `name` means.
///
/// # Errors
/// There is no such profile, or it or one that it leads to contradicts itself. An unknown name never means another.
pub fn resolve(config: &AwsConfig, name: &str) -> Result<Profile, ProfileError> {
    let Some(section) = config.profiles.get(name) else {
        let same_name = |title: &str| title.split([' ', '\t']).next_back() == Some(name) || title == name;
        let ignored = config.ignored.iter().filter(|it| same_name(&it.section)).cloned().collect();
        return Err(ProfileError { profile: name.into(), trouble: Trouble::Unknown(known(config), ignored) });
    };
    let source = Chain { config, visited: vec![name.to_owned()] }.of_profile(name, section)?;
    let at = At { name, section };
    Ok(Profile {
        name: name.to_owned(),
        region: at.text("region")?,
        account: at.text("aws_account_id")?,
        source,
    })
}

fn known(config: &AwsConfig) -> Vec<String> {
    config.profiles.keys().cloned().collect()
}

/// A profile under the eye.
#[derive(Clone, Copy)]
struct At<'a> {
    name: &'a str,
    section: &'a Section,
}

impl At<'_> {
    fn error<T>(&self, trouble: Trouble) -> Result<T, ProfileError> {
        Err(ProfileError { profile: self.name.to_owned(), trouble })
    }

    /// A property of one line, when it is there and not empty.
    fn text(&self, property: &'static str) -> Result<Option<String>, ProfileError> {
        match self.section.get(property) {
            None | Some("") => Ok(None),
            Some(value) if value.chars().any(char::is_control) => {
                self.error(Trouble::ControlCharacter(property))
            }
            Some(value) => Ok(Some(value.to_owned())),
        }
    }

    fn has(&self, property: &str) -> bool {
        self.section.get(property).is_some_and(|value| !value.is_empty())
    }

    /// Whether there are keys, and in a file of the asked kind.
    fn has_keys(&self, origin: Option<Origin>) -> bool {
        let mut keys = ["aws_access_key_id", "aws_secret_access_key"].into_iter();
        keys.any(|key| {
            let property = self.section.property(key).filter(|_| self.has(key));
            property.is_some_and(|property| origin.is_none_or(|origin| property.origin == origin))
        })
    }

    fn keys(&self) -> Result<Source, ProfileError> {
        let Some(access_key_id) = self.text("aws_access_key_id")? else {
            return self.error(Trouble::HalfKeys("aws_access_key_id"));
        };
        let Some(secret) = self.text("aws_secret_access_key")? else {
            return self.error(Trouble::HalfKeys("aws_secret_access_key"));
        };
        let session_token = self.text("aws_session_token")?.map(Secret::new);
        Ok(Source::Static(StaticKeys {
            access_key_id,
            secret_access_key: Secret::new(secret),
            session_token,
            ends: self.section.keys_end,
        }))
    }

    /// A span that is no number is ignored, as botocore does.
    fn duration(&self) -> Option<u32> {
        self.section.get("duration_seconds")?.trim().parse().ok()
    }
}

struct Chain<'a> {
    config: &'a AwsConfig,
    /// The profiles on the way here, the one asked for first.
    visited: Vec<String>,
}

impl Chain<'_> {
    fn of_profile(&mut self, name: &str, section: &Section) -> Result<Source, ProfileError> {
        let at = At { name, section };
        // In a chain, the keys of a profile come before the role that it may assume with them.
        let keys_first = self.visited.len() > 1 && at.has_keys(None);
        if at.has("role_arn") && !at.has("web_identity_token_file") && !keys_first {
            return self.role(at);
        }
        own_source(self.config, at)
    }

    fn role(&mut self, at: At<'_>) -> Result<Source, ProfileError> {
        let from = match (at.text("source_profile")?, at.text("credential_source")?) {
            (Some(_), Some(_)) => return at.error(Trouble::TwoSources),
            (None, None) => return at.error(Trouble::NoSource),
            (None, Some(host)) => match host_source(&host) {
                Some(host) => Source::Host(host),
                None => return at.error(Trouble::UnknownHost(host)),
            },
            (Some(source), None) if source == at.name && at.has_keys(None) => at.keys()?,
            (Some(source), None) => self.source_profile(at, &source)?,
        };
        let duration = at.duration();
        let role = Role {
            profile: at.name.to_owned(),
            arn: at.text("role_arn")?.unwrap_or_default(),
            session_name: at.text("role_session_name")?,
            external_id: at.text("external_id")?,
            mfa_serial: at.text("mfa_serial")?,
            duration: if from.is_role_session() { duration.map(|it| it.min(CHAINED)) } else { duration },
            region: at.text("region")?,
        };
        Ok(Source::Role(role, Box::new(from)))
    }

    fn source_profile(&mut self, at: At<'_>, source: &str) -> Result<Source, ProfileError> {
        let Some(section) = self.config.profiles.get(source) else {
            return at.error(Trouble::UnknownSource(source.to_owned(), known(self.config)));
        };
        let seen = self.visited.iter().position(|name| name == source);
        self.visited.push(source.to_owned());
        if let Some(start) = seen {
            return at.error(Trouble::Loop(self.visited.split_off(start)));
        }
        self.of_profile(source, section)
    }
}

fn host_source(name: &str) -> Option<HostSource> {
    match name {
        "Environment" => Some(HostSource::Environment),
        "Ec2InstanceMetadata" => Some(HostSource::Ec2InstanceMetadata),
        "EcsContainer" => Some(HostSource::EcsContainer),
        _ => None,
    }
}

/// The source of a profile that needs no other one.
fn own_source(config: &AwsConfig, at: At<'_>) -> Result<Source, ProfileError> {
    if let Some(token_file) = at.text("web_identity_token_file")? {
        let Some(role_arn) = at.text("role_arn")? else {
            return at.error(Trouble::Missing("web_identity_token_file", vec!["role_arn"]));
        };
        return Ok(Source::WebIdentity(WebIdentity {
            role_arn,
            session_name: at.text("role_session_name")?,
            token_file: token_file.into(),
            duration: at.duration(),
        }));
    }
    if at.has("sso_account_id") || at.has("sso_role_name") {
        return sso(config, at);
    }
    if at.has_keys(Some(Origin::Credentials)) {
        return at.keys();
    }
    if let Some(session) = at.text("login_session")? {
        return Ok(Source::Login(session));
    }
    if let Some(command) = at.text("credential_process")? {
        return Ok(Source::Program(Secret::new(command)));
    }
    if at.has_keys(None) {
        return at.keys();
    }
    at.error(Trouble::Nothing)
}

fn sso(config: &AwsConfig, at: At<'_>) -> Result<Source, ProfileError> {
    let session = at.text("sso_session")?;
    let shared = match &session {
        None => None,
        Some(name) => match config.sso_sessions.get(name) {
            Some(section) => Some(At { name: at.name, section }),
            None => return at.error(Trouble::UnknownSession(name.clone())),
        },
    };
    let either = |property: &'static str| -> Result<Option<String>, ProfileError> {
        let own = at.text(property)?;
        let of_session = shared.map_or(Ok(None), |shared| shared.text(property))?;
        match (own, of_session) {
            (Some(own), Some(shared)) if own != shared => at.error(Trouble::Differs(property)),
            (own, shared) => Ok(own.or(shared)),
        }
    };
    let wanted = ["sso_account_id", "sso_role_name", "sso_start_url", "sso_region"];
    let mut missing = Vec::new();
    let mut found = Vec::new();
    for property in wanted {
        match either(property)? {
            Some(value) => found.push(value),
            None => missing.push(property),
        }
    }
    let Ok([account, role, start_url, region]) = <[String; 4]>::try_from(found) else {
        return at.error(Trouble::Missing("a part of what SSO needs", missing));
    };
    let scopes = either("sso_registration_scopes")?.unwrap_or_else(|| ACCOUNT_ACCESS.into());
    let scopes = scopes.split(',').map(|scope| scope.trim().to_owned()).filter(|scope| !scope.is_empty());
    Ok(Source::Sso(SsoSource { session, start_url, region, account, role, scopes: scopes.collect() }))
}
