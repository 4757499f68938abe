//! gcloud's configurations, and the credential files of Google's libraries.

use std::path::Path;

use super::{Findings, Found, Plain, Source, clipped, short_id, valid_name};
use crate::base::secret::Secret;
use crate::cloud::gcp::config::Gcloud;
use crate::cloud::gcp::credential::{self, Credential};
use crate::cloud::profiles::{CredentialProfile, GcpPart};

/// The configurations that name an account or a project. They hold no secret: gcloud keeps its sign-ins itself.
pub fn configurations(gcloud: &Gcloud) -> Findings {
    let mut findings = Findings::default();
    for (name, configuration) in &gcloud.configurations {
        let (account, project) = (&configuration.account, &configuration.project);
        if account.is_none() && project.is_none() {
            continue;
        }
        let words: Vec<&str> = [account, project].into_iter().flatten().map(String::as_str).collect();
        let active = if *name == gcloud.active { "the active configuration" } else { "configuration" };
        findings.add(Found {
            source: Source::Gcp,
            place: format!("{active} '{name}'"),
            what: words.join(", "),
            wished: valid_name(name, "gcp"),
            profile: of(GcpPart {
                configuration: Some(name.clone()),
                project: project.clone(),
                account: account.clone(),
                impersonate: configuration.impersonate.clone(),
                ..GcpPart::default()
            }),
            secret: None,
            plain: None,
            note: Some("gcloud's own sign-in stays where it is".to_owned()),
        });
    }
    findings
}

/// A credential file. `named` says that a variable names it, rather than gcloud having written it.
pub fn credential_file(path: &Path, shown: &str, bytes: &Secret<Vec<u8>>, named: bool) -> Findings {
    let mut findings = Findings::default();
    let read = credential::parse(bytes.expose());
    let (Ok(credential), Ok(text)) = (&read, std::str::from_utf8(bytes.expose())) else {
        let why = read.err().map_or_else(|| "it is not UTF-8 text".to_owned(), |error| error.to_string());
        findings.pass(shown, why);
        return findings;
    };
    let plain = |removable: bool| match removable {
        true => Plain::KeyFile(path.to_owned()),
        false => Plain::Kept(path.to_owned()),
    };
    let (what, wished, part, plain) = match credential {
        Credential::ServiceAccount(robot) => {
            let name = robot.email.split('@').next().unwrap_or_default();
            let key =
                robot.key_id.as_deref().map_or_else(String::new, |id| format!(", key {}", short_id(id)));
            let part = GcpPart {
                project: robot.project.clone(),
                account: Some(robot.email.clone()),
                ..GcpPart::default()
            };
            (format!("service account {}{key}", clipped(&robot.email)), name, part, plain(named))
        }
        Credential::User(user) => {
            let part = GcpPart { project: user.quota_project.clone(), ..GcpPart::default() };
            ("a person's sign-in".to_owned(), "adc", part, plain(false))
        }
        Credential::Impersonated(other) => {
            let part = GcpPart { account: Some(other.target.clone()), ..GcpPart::default() };
            let name = other.target.split('@').next().unwrap_or_default();
            (format!("acting as {}", clipped(&other.target)), name, part, plain(false))
        }
    };
    let note = matches!(plain, Plain::Kept(_)).then(|| "the file stays: Google's tools use it".to_owned());
    findings.add(Found {
        source: Source::Gcp,
        place: clipped(shown),
        what,
        wished: valid_name(wished, "gcp"),
        profile: of(part),
        secret: Some(Secret::new(text.to_owned())),
        plain: Some(plain),
        note,
    });
    findings
}

fn of(part: GcpPart) -> CredentialProfile {
    CredentialProfile { gcp: Some(part), ..CredentialProfile::default() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cloud::gcp::config::Configuration;

    #[test]
    fn configurations_without_account_and_project_are_nothing() {
        let work = Configuration {
            account: Some("me@x.org".into()),
            project: Some("p".into()),
            ..Configuration::default()
        };
        let gcloud = Gcloud {
            active: "work".into(),
            configurations: BTreeMap::from([
                ("default".into(), Configuration::default()),
                ("work".into(), work),
            ]),
            default_credentials: None,
        };
        let findings = configurations(&gcloud);
        assert_eq!(findings.found.len(), 1);
        let found = &findings.found[0];
        assert_eq!(found.what, "me@x.org, p");
        assert_eq!(found.profile.gcp.as_ref().unwrap().configuration.as_deref(), Some("work"));
        assert!(found.secret.is_none() && found.place.contains("active"));
    }

    #[test]
    fn a_sign_in_is_sealed_and_stays_and_other_kinds_are_passed_over() {
        let user = r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"1//r","quota_project_id":"p"}"#;
        let of = |text: &str| {
            credential_file(Path::new("/h/a.json"), "~/a.json", &Secret::new(text.as_bytes().to_vec()), true)
        };
        let findings = of(user);
        let found = &findings.found[0];
        assert_eq!((found.wished.as_str(), &found.plain), ("adc", &Some(Plain::Kept("/h/a.json".into()))));
        assert_eq!(found.secret.as_ref().unwrap().expose(), user);
        assert!(!format!("{findings:?}").contains("1//r"));
        for bad in ["", "[]", r#"{"type":"external_account","x":"hush"}"#, r#"{"type":"\u001b[2J"}"#, "\u{0}"]
        {
            let findings = of(bad);
            assert!(findings.found.is_empty() && findings.passed.len() == 1, "{bad}");
            assert!(!findings.passed[0].why.chars().any(char::is_control));
        }
    }
}
