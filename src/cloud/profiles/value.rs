//! What the values of a profile may be. Pure.

use std::fmt;

use super::{AwsPart, AzurePart, CredentialProfile, GcpPart};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;
use crate::cloud::address::Address;
use crate::cloud::aws::endpoint::is_region;
use crate::cloud::azure::profile_file::is_id;
use crate::cloud::gcp::config::is_name;
use crate::cloud::gcp::credential::is_email;

/// The most of a value that is repeated, in characters.
const SHOWN: usize = 80;

/// A value that a profile cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue {
    /// Of what, in words.
    pub what: &'static str,
    value: String,
    /// What it should be; `None` for one that no terminal should be given.
    form: Option<&'static str>,
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = printable(&self.value).replace('\t', "\\t").chars().take(SHOWN).collect();
        match self.form {
            Some(_) => write!(f, "'{shown}' is no {}", self.what),
            None => write!(f, "the {} '{shown}' has a control character", self.what),
        }
    }
}

impl std::error::Error for BadValue {}

impl Diagnose for BadValue {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        self.form.map(|form| format!("it is {form}")).into_iter().collect()
    }
}

/// A value with what it is, and the form that it must have where there is one.
type Value<'a> = (&'static str, &'a Option<String>, Option<(&'static str, fn(&str) -> bool)>);

fn values(profile: &CredentialProfile) -> Vec<Value<'_>> {
    const ID: (&str, fn(&str) -> bool) = ("an id such as 11111111-2222-3333-4444-555555555555", is_id);
    const EMAIL: (&str, fn(&str) -> bool) = ("an e-mail address", is_email);
    let mut values: Vec<Value<'_>> = Vec::new();
    if let Some(AwsPart { profile, region, account }) = &profile.aws {
        values.extend([
            ("AWS profile", profile, None),
            ("region of AWS", region, Some(("a name such as eu-west-1", is_region as fn(&str) -> bool))),
            ("account of AWS", account, Some(("twelve digits", is_account))),
        ]);
    }
    if let Some(part) = &profile.gcp {
        const PROJECT: (&str, fn(&str) -> bool) =
            ("the id of a project, such as my-project-1", is_project as fn(&str) -> bool);
        let GcpPart { sealed, file, configuration, impersonate, project, account, account_project } = part;
        values.extend([
            ("name of sealed credentials", sealed, None),
            ("credential file", file, None),
            (
                "name of a gcloud configuration",
                configuration,
                Some(("lower-case letters, digits and hyphens, a letter first", is_name as fn(&str) -> bool)),
            ),
            ("service account", impersonate, Some(EMAIL)),
            ("project of Google Cloud", project, Some(PROJECT)),
            ("account of Google Cloud", account, Some(EMAIL)),
            ("project of an account", account_project, Some(PROJECT)),
        ]);
    }
    if let Some(AzurePart { sealed, client, authority, tenant, subscription }) = &profile.azure {
        values.extend([
            ("name of a sealed secret", sealed, None),
            ("client id", client, Some(ID)),
            (
                "server for signing in",
                authority,
                Some(("an address such as https://login.microsoftonline.us", is_server as fn(&str) -> bool)),
            ),
            ("tenant", tenant, Some(("an id or a domain", is_tenant))),
            ("subscription", subscription, Some(ID)),
        ]);
    }
    values
}

/// Refuses a profile with a value that a terminal would obey, or that reads as another one.
///
/// # Errors
/// There is one.
pub fn check_plain(profile: &CredentialProfile) -> Result<(), BadValue> {
    for (what, value, _) in values(profile) {
        if let Some(value) = value.as_ref().filter(|value| !is_plain(value)) {
            return Err(BadValue { what, value: value.clone(), form: None });
        }
    }
    Ok(())
}

/// Refuses a profile with a value that cannot work, as far as that is known from its form. What stands in the file already is not
/// held against it: one profile that cannot work should not cost the others.
///
/// # Errors
/// There is one, or one that [`check_plain`] refuses.
pub fn check_values(profile: &CredentialProfile) -> Result<(), BadValue> {
    check_plain(profile)?;
    for (what, value, form) in values(profile) {
        if let (Some(value), Some((form, fits))) = (value, form)
            && !fits(value)
        {
            return Err(BadValue { what, value: value.clone(), form: Some(form) });
        }
    }
    Ok(())
}

/// Whether nothing in a text is obeyed by a terminal or makes it read as another one.
pub fn is_plain(text: &str) -> bool {
    !text.chars().any(char::is_control) && printable(text) == text
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text can be a project of Google Cloud. Projects of old are named after a domain, as in `example.com:project`.
pub fn is_project(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    text.len() <= 254 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(fits)
}

/// A tenant may also be named by its domain.
pub fn is_tenant(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    (1..=253).contains(&text.len()) && !text.starts_with(['-', '.']) && text.chars().all(fits)
}

fn is_server(text: &str) -> bool {
    Address::guarded(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aws(set: impl FnOnce(&mut AwsPart)) -> CredentialProfile {
        let mut part = AwsPart::default();
        set(&mut part);
        CredentialProfile { aws: Some(part), ..CredentialProfile::default() }
    }

    fn gcp(set: impl FnOnce(&mut GcpPart)) -> CredentialProfile {
        let mut part = GcpPart::default();
        set(&mut part);
        CredentialProfile { gcp: Some(part), ..CredentialProfile::default() }
    }

    fn azure(set: impl FnOnce(&mut AzurePart)) -> CredentialProfile {
        let mut part = AzurePart::default();
        set(&mut part);
        CredentialProfile { azure: Some(part), ..CredentialProfile::default() }
    }

    #[test]
    fn what_a_terminal_obeys_is_in_no_value() {
        for text in ["ba\u{1b}se", "us\neast", "a\tb", "\u{7f}", "\u{9b}2J", "a\u{202e}b"] {
            let text = Some(text.to_owned());
            for profile in [
                aws(|part| part.profile = text.clone()),
                aws(|part| part.region = text.clone()),
                gcp(|part| part.file = text.clone()),
                gcp(|part| part.sealed = text.clone()),
                azure(|part| part.tenant = text.clone()),
            ] {
                let bad = check_plain(&profile).unwrap_err();
                assert!(is_plain(&bad.to_string()), "{bad}");
                assert_eq!(check_values(&profile), Err(bad));
            }
        }
        assert_eq!(check_plain(&aws(|part| part.profile = Some("with space ünï".into()))), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_refused_and_what_does_is_not() {
        let id = "11111111-2222-3333-4444-55555555555a";
        let text = |text: &str| Some(text.to_owned());
        for good in [
            aws(|part| (part.region, part.account) = (text("us-gov-west-1"), text("000000000012"))),
            gcp(|part| (part.project, part.configuration) = (text("example.com:old-1"), text("work-2"))),
            gcp(|part| part.impersonate = text("a@p.iam.gserviceaccount.com")),
            azure(|part| (part.tenant, part.client) = (text("x.onmicrosoft.com"), text(id))),
            azure(|part| {
                (part.tenant, part.authority) = (text(id), text("https://login.microsoftonline.us"))
            }),
        ] {
            assert_eq!(check_values(&good), Ok(()), "{good:?}");
        }
        for bad in [
            aws(|part| part.region = text("us-east-1.evil.com/")),
            aws(|part| part.region = text("")),
            aws(|part| part.account = text("abc")),
            aws(|part| part.account = text("1234567890123")),
            gcp(|part| part.project = text("p/../q")),
            gcp(|part| part.account_project = text("p q")),
            gcp(|part| part.configuration = text("../x")),
            gcp(|part| part.impersonate = text("me")),
            azure(|part| part.tenant = text("t/x")),
            azure(|part| part.client = text("c")),
            azure(|part| part.subscription = text("c")),
            azure(|part| part.authority = text("http://evil.example")),
        ] {
            assert!(check_values(&bad).is_err() && check_plain(&bad).is_ok(), "{bad:?}");
        }
    }
}
