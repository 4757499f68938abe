//! gcloud's configurations, and the credential files of Google's libraries.

use std::path::Path;

use super::{Findings, Found, Plain, Source, clipped, short_id, valid_name};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::cloud::gcp::config::Gcloud;
use crate::cloud::gcp::credential::{self, Credential, project_of};
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
        let identity = configuration.impersonate.as_ref().or(account.as_ref());
        let account_project = elsewhere(project.as_ref(), identity.and_then(|email| project_of(email)));
        let note = with_home("gcloud's own sign-in stays where it is", account_project.as_ref());
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
                account_project,
                ..GcpPart::default()
            }),
            secret: None,
            plain: None,
            note: Some(note),
        });
    }
    findings
}

/// What Terraform alone reads.
pub fn variables(var: &dyn Fn(&str) -> Option<String>) -> Findings {
    const NAME: &str = "GOOGLE_CREDENTIALS";
    let mut findings = Findings::default();
    if var(NAME).is_some_and(|value| !value.is_empty()) {
        let why =
            "it is Terraform's own, a key or the path of one: devboot cloud add NAME --stdin seals the key";
        findings.pass(NAME, why);
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
                account_project: elsewhere(robot.project.as_ref(), robot.home()),
                ..GcpPart::default()
            };
            (format!("service account {}{key}", clipped(&robot.email)), name, part, plain(named))
        }
        Credential::User(user) => {
            let part = GcpPart { project: user.quota_project.clone(), ..GcpPart::default() };
            ("a person's sign-in".to_owned(), "adc", part, plain(false))
        }
        // No file says so.
        Credential::Machine => return findings,
        Credential::Impersonated(other) => {
            let part = GcpPart { account: Some(other.target.clone()), ..GcpPart::default() };
            let name = other.target.split('@').next().unwrap_or_default();
            (format!("acting as {}", clipped(&other.target)), name, part, plain(false))
        }
    };
    let home = part.account_project.as_ref();
    let note = match plain {
        Plain::Kept(_) => Some(with_home("the file stays: Google's tools use it", home)),
        _ => home.map(|home| lives_in(home)),
    };
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

/// The project in which an account lives, when it is to work in another one.
fn elsewhere(project: Option<&String>, home: Option<String>) -> Option<String> {
    home.filter(|home| project.is_some_and(|project| project != home))
}

fn lives_in(home: &str) -> String {
    format!("its account is one of the project {} (account-project)", printable(home))
}

fn with_home(note: &str, home: Option<&String>) -> String {
    home.map_or_else(|| note.to_owned(), |home| format!("{note}; {}", lives_in(home)))
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
    fn an_account_of_another_project_is_recorded_as_one() {
        let part = |account: &str, impersonate: Option<&str>| {
            let work = Configuration {
                account: Some(account.into()),
                project: Some("p-1".into()),
                impersonate: impersonate.map(str::to_owned),
                ..Configuration::default()
            };
            let configurations_of = BTreeMap::from([("work".into(), work)]);
            let gcloud = Gcloud {
                active: "work".into(),
                configurations: configurations_of,
                default_credentials: None,
            };
            let found = configurations(&gcloud).found.remove(0);
            let home = found.profile.gcp.unwrap().account_project;
            assert_eq!(home.is_some(), found.note.unwrap().contains("account-project"));
            home
        };
        assert_eq!(part("me@x.org", None), None);
        assert_eq!(part("r@p-1.iam.gserviceaccount.com", None), None);
        assert_eq!(part("r@p-2.iam.gserviceaccount.com", None).as_deref(), Some("p-2"));
        assert_eq!(part("me@x.org", Some("r@p-3.iam.gserviceaccount.com")).as_deref(), Some("p-3"));
        let key = include_str!("../../../tests/it/cloud_tokens/key.pem");
        let file = serde_json::json!({
            "type": "service_account", "project_id": "p-1", "private_key": key,
            "client_email": "r@p-2.iam.gserviceaccount.com",
        });
        let bytes = Secret::new(file.to_string().into_bytes());
        let found = credential_file(Path::new("/h/a.json"), "~/a.json", &bytes, true).found.remove(0);
        assert_eq!(found.profile.gcp.unwrap().account_project.as_deref(), Some("p-2"));
        assert!(found.note.unwrap().contains("p-2"));
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
