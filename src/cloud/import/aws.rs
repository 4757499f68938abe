//! AWS's own files: a credential profile for each profile that says where its credentials come from.

use std::collections::BTreeSet;

use super::{Findings, Found, InVault, LONGEST, Plain, Source, is_key, short_id, valid_name};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::cloud::aws::config::{AwsConfig, Origin, Section};
use crate::cloud::aws::credential_process;
use crate::cloud::aws::lease::AwsLease;
use crate::cloud::aws::profile::{self, Profile, StaticKeys, Trouble, resolve};
use crate::cloud::aws::sigv4::Keys;
use crate::cloud::desk::AWS_SEALED;
use crate::cloud::profiles::{AwsPart, CredentialProfile};

/// What the files have. `vault` is asked when a profile builds on one that has no keys in the files.
pub fn find(config: &AwsConfig, vault: &dyn Fn() -> InVault) -> Findings {
    let mut findings = Findings::default();
    let mut sealed: Option<(AwsConfig, bool)> = None;
    for (name, section) in &config.profiles {
        let place = format!("[{name}]");
        if name.len() > LONGEST {
            findings.pass(&place, "its name is too long");
            continue;
        }
        match keys(section) {
            Ok(keys) => match resolve(config, name) {
                Ok(resolved) => findings.add(found(name, &resolved, keys)),
                // A section with a region alone is no profile to switch to; nor is what is sealed already.
                Err(error) if error.trouble == Trouble::Nothing && error.profile == *name => {}
                Err(error) => {
                    let (sealed, is_locked) = sealed.get_or_insert_with(|| {
                        let vault = vault();
                        let mut config = config.clone();
                        know_sealed(&mut config, &vault.names);
                        (config, vault.is_locked)
                    });
                    match resolve(sealed, name) {
                        Ok(resolved) => findings.add(found(name, &resolved, keys)),
                        Err(_) if *is_locked && lacks_keys(&error.trouble) => {
                            let why = "keys may be in the vault, which is locked: devboot cloud unlock, then import again";
                            findings.pass(&place, format!("{error}; its {why}"));
                        }
                        Err(_) => findings.pass(&place, error.to_string()),
                    }
                }
            },
            Err(why) => findings.pass(&place, why),
        }
    }
    for ignored in &config.ignored {
        findings.pass(&format!("[{}]", ignored.section), format!("{}: {}", ignored.place, ignored.why));
    }
    findings
}

/// Whether a profile that has this trouble would have none with keys of the vault.
fn lacks_keys(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Nothing | Trouble::UnknownSource(..))
}

/// Gives the profiles whose keys are in the vault keys that stand for them; `names` are those in the vault. That they are there is
/// enough to follow a chain; the keys themselves stay where they are.
pub fn know_sealed(config: &mut AwsConfig, names: &[String]) {
    for name in names.iter().filter_map(|name| name.strip_prefix(AWS_SEALED)) {
        let stand_in = "in-the-vault".to_owned();
        let keys = StaticKeys {
            access_key_id: stand_in.clone(),
            secret_access_key: Secret::new(stand_in),
            session_token: None,
            ends: None,
        };
        config.set_keys(name, &keys);
    }
}

/// The profiles whose keys would go from the files.
pub fn key_profiles<'a>(found: impl IntoIterator<Item = &'a Found>) -> BTreeSet<String> {
    let name = |found: &Found| match &found.plain {
        Some(Plain::AwsKeys(name)) => Some(name.clone()),
        _ => None,
    };
    found.into_iter().filter_map(name).collect()
}

/// The keys of a section that are used and last.
fn keys(section: &Section) -> Result<Option<Keys>, &'static str> {
    let value = |name: &str| section.get(name).filter(|value| !value.is_empty());
    let (Some(id), Some(secret)) = (value("aws_access_key_id"), value("aws_secret_access_key")) else {
        // `resolve` has the words for half a pair.
        return Ok(None);
    };
    if value("aws_session_token").or(value("aws_security_token")).is_some() {
        return Err("its keys are temporary; whatever writes them there goes on doing so");
    }
    if !is_key(id) || !is_key(secret) {
        return Err("its keys have signs that no key has");
    }
    let origin = section.property("aws_secret_access_key").map(|property| property.origin);
    let outdone = value("credential_process").or(value("login_session")).is_some();
    if outdone && origin == Some(Origin::Config) {
        return Err("it has keys that no SDK uses, since it names another source too");
    }
    let secret_access_key = Secret::new(secret.to_owned());
    Ok(Some(Keys { access_key_id: id.to_owned(), secret_access_key, session_token: None }))
}

/// Keys that last, in the form in which they are sealed.
pub(super) fn sealed(keys: Keys) -> Secret<String> {
    credential_process::answer(&AwsLease { keys, account: None, obtained: Timestamp(0), expiration: None })
}

fn found(name: &str, resolved: &Profile, keys: Option<Keys>) -> Found {
    let (mut what, note) = described(&resolved.source);
    if let Some(keys) = &keys {
        let key = format!("key {}", short_id(&keys.access_key_id));
        what = if matches!(resolved.source, profile::Source::Static(_)) {
            key
        } else {
            format!("{what}, {key}")
        };
    }
    let part = AwsPart { profile: Some(name.to_owned()), ..AwsPart::default() };
    Found {
        source: Source::Aws,
        place: format!("[{}]", printable(name)),
        what,
        wished: valid_name(name, "aws"),
        profile: CredentialProfile { aws: Some(part), ..CredentialProfile::default() },
        plain: keys.as_ref().map(|_| Plain::AwsKeys(name.to_owned())),
        secret: keys.map(sealed),
        note,
    }
}

fn described(source: &profile::Source) -> (String, Option<String>) {
    use profile::Source as Way;
    match source {
        Way::Static(_) => ("a key".to_owned(), None),
        Way::Role(role, _) => {
            let arn = role.arn.rsplit_once(":role/").map_or(role.arn.as_str(), |(_, name)| name);
            let mfa = if role.mfa_serial.is_some() { ", with MFA" } else { "" };
            (format!("role {}{mfa}", super::clipped(arn)), None)
        }
        Way::WebIdentity(_) => ("role, with a token from a file".to_owned(), None),
        Way::Sso(sso) => {
            let words = format!("SSO: {} in {}", super::clipped(&sso.role), super::clipped(&sso.account));
            (words, None)
        }
        // Its command line may hold a secret.
        Way::Program(_) => ("credential_process".to_owned(), None),
        Way::Login(_) => ("aws login".to_owned(), Some("AWS's own tools use its session".to_owned())),
        Way::Host(_) => ("the host's identity".to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cloud::aws::config::parse;

    fn of(config: &str, credentials: &str) -> Findings {
        with(config, credentials, InVault::default())
    }

    fn with(config: &str, credentials: &str, vault: InVault) -> Findings {
        let config = parse((Path::new("/h/config"), config), (Path::new("/h/credentials"), credentials));
        find(&config.unwrap(), &|| vault.clone())
    }

    #[test]
    fn what_builds_on_keys_of_the_vault_is_found() {
        let config = "[profile base]\nregion = x\n[profile new]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n\
                      [profile gone]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = none\n";
        let wished =
            |findings: &Findings| findings.found.iter().map(|found| found.wished.clone()).collect::<Vec<_>>();
        let findings = with(config, "", InVault { names: vec!["aws/base".into()], is_locked: false });
        assert_eq!(wished(&findings), ["new"]);
        assert!(findings.found[0].secret.is_none() && findings.found[0].plain.is_none());
        assert_eq!(findings.passed.len(), 1);
        let findings = with(config, "", InVault { names: Vec::new(), is_locked: true });
        assert_eq!(wished(&findings), [""; 0]);
        assert!(findings.passed.iter().all(|passed| passed.why.contains("devboot cloud unlock")));
        assert_eq!(of(config, "").passed.len(), 2);
    }

    #[test]
    fn keys_are_to_be_sealed_and_chains_are_taken_over_as_they_are() {
        let config = "[default]\nregion = eu-west-1\n[profile work]\nrole_arn = arn:aws:iam::1:role/path/dev\nsource_profile = base\n\
                      mfa_serial = arn:aws:iam::1:mfa/me\n[profile sh]\ncredential_process = /bin/x --secret hush\n";
        let credentials = "[base]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = wJalr\n";
        let findings = of(config, credentials);
        let rows: Vec<_> =
            findings.found.iter().map(|found| (found.wished.as_str(), found.what.as_str())).collect();
        assert_eq!(
            rows,
            [("base", "key AKIA…MPLE"), ("sh", "credential_process"), ("work", "role path/dev, with MFA")]
        );
        let base = &findings.found[0];
        assert_eq!(base.plain, Some(Plain::AwsKeys("base".into())));
        let again = credential_process::read(base.secret.as_ref().unwrap().expose().as_bytes(), Timestamp(0));
        assert_eq!(again.unwrap().keys.secret_access_key.expose(), "wJalr");
        assert!(findings.found[1..].iter().all(|found| found.secret.is_none()));
        assert!(findings.passed.is_empty() && !format!("{findings:?}").contains("wJalr"));
    }

    #[test]
    fn what_cannot_be_used_has_a_line_and_costs_nothing_else() {
        let config = "[profile loop]\nrole_arn = x\nsource_profile = loop\n[work]\nregion = x\n[profile $(touch x)]\nregion = y\n\
                      [profile both]\ncredential_process = x\naws_access_key_id = A\naws_secret_access_key = b\n";
        let credentials = "[half]\naws_access_key_id = A\n[odd]\naws_access_key_id = A\u{1b}[2J\naws_secret_access_key = b c\n\
                           [temporary]\naws_access_key_id = A\naws_secret_access_key = b\naws_session_token = t\n\
                           [good]\naws_access_key_id = A\naws_secret_access_key = b\n";
        let findings = of(config, credentials);
        assert_eq!(findings.found.iter().map(|found| found.wished.as_str()).collect::<Vec<_>>(), ["good"]);
        let places: Vec<_> = findings.passed.iter().map(|passed| passed.place.as_str()).collect();
        assert_eq!(
            places,
            ["[both]", "[half]", "[loop]", "[odd]", "[temporary]", "[work]", "[profile $(touch x)]"]
                .map(str::to_owned)
        );
        let said = findings.passed.iter().map(|passed| passed.why.as_str()).collect::<String>();
        assert!(!said.chars().any(char::is_control) && !said.contains("b c"), "{said}");
    }

    #[test]
    fn ten_thousand_profiles_are_bounded() {
        let many: String = (0..10_000)
            .map(|i| format!("[p{i}]\naws_access_key_id = A\naws_secret_access_key = b\n"))
            .collect();
        let findings = of("", &many);
        assert_eq!((findings.found.len(), findings.passed.len(), findings.more), (200, 20, 9780));
    }
}
