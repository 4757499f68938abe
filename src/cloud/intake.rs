//! Secrets as they are handed to devboot: the JSON of `credential_process`, `NAME=VALUE` lines, a key file of Google's. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::json;

use super::aws::credential_process;
use super::aws::lease::AwsLease;
use super::aws::sigv4::Keys;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;

/// What was handed over.
#[derive(Clone, Debug, Default)]
pub struct Intake {
    /// Keys of AWS, in the form in which they are sealed.
    pub aws: Option<Secret<String>>,
    /// The region that was named with them.
    pub region: Option<String>,
    /// Credentials of Google: a service account's key, or a user's.
    pub gcp: Option<Secret<String>>,
    /// The project that they name.
    pub project: Option<String>,
    /// A service principal's secret.
    pub azure: Option<Secret<String>>,
    /// Its tenant.
    pub tenant: Option<String>,
    /// Its client id.
    pub client: Option<String>,
    /// The subscription that was named with it.
    pub subscription: Option<String>,
}

/// What was handed over cannot be used. Nothing of it is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntakeError {
    /// A line, counted from 1, that is no `NAME=VALUE`.
    Line(usize),
    /// A name, by itself, that means nothing here.
    Unknown(String),
    /// Something is missing that belongs to what is there.
    Missing(&'static str),
    /// A flag says one thing and a line another.
    Differs(&'static str),
    /// A value that no credential has.
    Value(&'static str),
    /// JSON that is neither of the two kinds.
    Json(&'static str),
    /// Keys that have ended.
    Ended(Timestamp),
    /// Nothing at all.
    Empty,
}

impl fmt::Display for IntakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line} is no NAME=VALUE"),
            Self::Unknown(name) => write!(f, "'{}' is no part of a credential", printable(name)),
            Self::Missing(what) => write!(f, "{what} is missing"),
            Self::Differs(what) => write!(f, "the flags name another {what} than the lines"),
            Self::Value(what) => write!(f, "{what} is empty or has signs that it cannot have"),
            Self::Json(why) => write!(f, "the JSON holds no credentials: {why}"),
            Self::Ended(end) => write!(f, "these keys were good until {end}"),
            Self::Empty => f.write_str("nothing came on standard input"),
        }
    }
}

impl std::error::Error for IntakeError {}

impl Diagnose for IntakeError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![
            "the JSON of credential_process, a key file of Google's, or lines such as AWS_ACCESS_KEY_ID=… and \
             AWS_SECRET_ACCESS_KEY=…"
                .into(),
        ]
    }
}

/// What the command line says of a service principal, so that no line has to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// Its tenant.
    pub tenant: Option<&'a str>,
    /// Its client id.
    pub client: Option<&'a str>,
}

/// Reads what was handed over.
///
/// # Errors
/// It is no credential, or only half of one.
pub fn read(text: &str, named: Named<'_>, now: Timestamp) -> Result<Intake, IntakeError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(IntakeError::Empty);
    }
    if text.starts_with('{') { json_of(text, now) } else { lines(text, named, now) }
}

#[derive(Deserialize)]
struct GoogleFile {
    #[serde(rename = "type")]
    kind: String,
    project_id: Option<String>,
    quota_project_id: Option<String>,
}

fn json_of(text: &str, now: Timestamp) -> Result<Intake, IntakeError> {
    if let Ok(file) = serde_json::from_str::<GoogleFile>(text) {
        return match file.kind.as_str() {
            "service_account" | "authorized_user" | "impersonated_service_account" => Ok(Intake {
                gcp: Some(Secret::new(text.to_owned())),
                project: file.project_id.or(file.quota_project_id),
                ..Intake::default()
            }),
            _ => Err(IntakeError::Json("Google's credentials of this type cannot be sealed")),
        };
    }
    let lease = credential_process::read(text.as_bytes(), now).map_err(IntakeError::Json)?;
    not_ended(lease.expiration, now)?;
    Ok(Intake { aws: Some(sealed(&lease)), ..Intake::default() })
}

fn not_ended(end: Option<Timestamp>, now: Timestamp) -> Result<(), IntakeError> {
    match end {
        Some(end) if end <= now => Err(IntakeError::Ended(end)),
        _ => Ok(()),
    }
}

fn sealed(lease: &AwsLease) -> Secret<String> {
    credential_process::answer(lease)
}

const EXPIRATION: &str = "AWS_CREDENTIAL_EXPIRATION";

const NAMES: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    EXPIRATION,
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_SUBSCRIPTION_ID",
];

fn lines(text: &str, named: Named<'_>, now: Timestamp) -> Result<Intake, IntakeError> {
    let mut found: BTreeMap<&'static str, &str> = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(IntakeError::Line(at + 1))?;
        let upper = name.trim().to_ascii_uppercase();
        // A line that is itself a secret must not be repeated as an unknown name.
        let known = NAMES.iter().find(|known| **known == upper);
        let known = known.ok_or_else(|| match name.len() <= 40 && is_name(name.trim()) {
            true => IntakeError::Unknown(name.trim().to_owned()),
            false => IntakeError::Line(at + 1),
        })?;
        let value = value.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        let value = quoted.unwrap_or(value);
        if value.is_empty() || value.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(IntakeError::Value(known));
        }
        found.insert(known, value);
    }
    let get = |name: &str| found.get(name).map(|value| (*value).to_owned());
    let mut intake = Intake {
        region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
        tenant: get("AZURE_TENANT_ID"),
        client: get("AZURE_CLIENT_ID"),
        azure: get("AZURE_CLIENT_SECRET").map(Secret::new),
        subscription: get("AZURE_SUBSCRIPTION_ID"),
        ..Intake::default()
    };
    match (get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")) {
        (Some(access_key_id), Some(secret)) => {
            let keys = Keys {
                access_key_id,
                secret_access_key: Secret::new(secret),
                session_token: get("AWS_SESSION_TOKEN").map(Secret::new),
            };
            let end = get(EXPIRATION).map(|end| Timestamp::parse(&end)).transpose();
            let expiration = end.map_err(|_| IntakeError::Value(EXPIRATION))?;
            not_ended(expiration, now)?;
            intake.aws = Some(sealed(&AwsLease { keys, account: None, obtained: now, expiration }));
        }
        (None, None) if found.contains_key("AWS_SESSION_TOKEN") => {
            return Err(IntakeError::Missing("AWS_ACCESS_KEY_ID"));
        }
        (None, None) => {}
        (None, Some(_)) => return Err(IntakeError::Missing("AWS_ACCESS_KEY_ID")),
        (Some(_), None) => return Err(IntakeError::Missing("AWS_SECRET_ACCESS_KEY")),
    }
    if intake.azure.is_some() {
        intake.tenant = one("AZURE_TENANT_ID", intake.tenant, named.tenant)?;
        intake.client = one("AZURE_CLIENT_ID", intake.client, named.client)?;
    }
    if intake.azure.is_some() && (intake.tenant.is_none() || intake.client.is_none()) {
        let missing = if intake.tenant.is_none() { "AZURE_TENANT_ID" } else { "AZURE_CLIENT_ID" };
        return Err(IntakeError::Missing(missing));
    }
    if intake.aws.is_none() && intake.azure.is_none() {
        return Err(IntakeError::Missing("a secret"));
    }
    Ok(intake)
}

/// What a line and a flag say together.
fn one(name: &'static str, line: Option<String>, flag: Option<&str>) -> Result<Option<String>, IntakeError> {
    match (line, flag) {
        (Some(line), Some(flag)) if !line.eq_ignore_ascii_case(flag) => Err(IntakeError::Differs(name)),
        (line, flag) => Ok(line.or(flag.map(str::to_owned))),
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// A service principal, in the form in which it is sealed.
pub fn principal(tenant: &str, client: &str, secret: &Secret<String>) -> Secret<String> {
    Secret::new(json!({ "tenant": tenant, "client": client, "secret": secret.expose() }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, now: Timestamp) -> Result<Intake, IntakeError> {
        read(text, Named::default(), now)
    }

    fn error(text: &str) -> IntakeError {
        of(text, Timestamp(0)).unwrap_err()
    }

    #[test]
    fn lines_and_json_are_taken_in() {
        let lines = "# mine\nexport AWS_ACCESS_KEY_ID=AKIA\n aws_secret_access_key = \"s/+=\"\nAWS_REGION=eu-west-1\n";
        let intake = of(lines, Timestamp(0)).unwrap();
        assert_eq!(intake.region.as_deref(), Some("eu-west-1"));
        let again = of(intake.aws.unwrap().expose(), Timestamp(0)).unwrap().aws.unwrap();
        let keys = credential_process::read(again.expose().as_bytes(), Timestamp(0)).unwrap().keys;
        assert_eq!((keys.access_key_id.as_str(), keys.secret_access_key.expose().as_str()), ("AKIA", "s/+="));
        let google =
            of(r#"{"type":"service_account","project_id":"p","private_key":"x"}"#, Timestamp(0)).unwrap();
        assert_eq!((google.gcp.is_some(), google.project.as_deref()), (true, Some("p")));
        let azure = of("AZURE_TENANT_ID=t\nAZURE_CLIENT_ID=c\nAZURE_CLIENT_SECRET=s", Timestamp(0)).unwrap();
        assert_eq!((azure.azure.is_some(), azure.client.as_deref()), (true, Some("c")));
    }

    #[test]
    fn keys_that_end_are_taken_with_their_end_and_not_after_it() {
        let json = r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"s","SessionToken":"t","Expiration":"1970-01-01T00:01:00Z"}"#;
        let lines = "AWS_ACCESS_KEY_ID=A\nAWS_SECRET_ACCESS_KEY=s\nAWS_SESSION_TOKEN=t\nAWS_CREDENTIAL_EXPIRATION=1970-01-01T00:01:00Z";
        for text in [json, lines] {
            let sealed = of(text, Timestamp(59)).unwrap().aws.unwrap();
            let lease = credential_process::read(sealed.expose().as_bytes(), Timestamp(59)).unwrap();
            assert_eq!(lease.expiration, Some(Timestamp(60)));
            assert_eq!(of(text, Timestamp(60)).unwrap_err(), IntakeError::Ended(Timestamp(60)));
        }
        assert_eq!(error(&lines.replace("1970", "soon")), IntakeError::Value(EXPIRATION));
    }

    #[test]
    fn what_the_command_line_says_has_no_need_of_a_line() {
        let named = Named { tenant: Some("t"), client: Some("c") };
        let with = |text| read(text, named, Timestamp(0));
        let intake = with("AZURE_CLIENT_SECRET=s").unwrap();
        assert_eq!((intake.tenant.as_deref(), intake.client.as_deref()), (Some("t"), Some("c")));
        assert!(with("AZURE_CLIENT_SECRET=s\nAZURE_TENANT_ID=T").is_ok());
        let other = with("AZURE_CLIENT_SECRET=s\nAZURE_CLIENT_ID=d").unwrap_err();
        assert_eq!(other, IntakeError::Differs("AZURE_CLIENT_ID"));
    }

    #[test]
    fn what_is_no_credential_is_refused_and_not_repeated() {
        assert_eq!(error(" \n"), IntakeError::Empty);
        assert_eq!(error("wJalrXUtnFEMI/K7MDENG"), IntakeError::Line(1));
        assert_eq!(error("wJalrXUtnFEMI/K7MDENG=x"), IntakeError::Line(1));
        assert_eq!(error("PATH=/bin"), IntakeError::Unknown("PATH".into()));
        assert_eq!(error("AWS_ACCESS_KEY_ID=A"), IntakeError::Missing("AWS_SECRET_ACCESS_KEY"));
        assert_eq!(error("AWS_SECRET_ACCESS_KEY=a b"), IntakeError::Value("AWS_SECRET_ACCESS_KEY"));
        assert_eq!(
            error("AZURE_CLIENT_SECRET=s\nAZURE_TENANT_ID=t"),
            IntakeError::Missing("AZURE_CLIENT_ID")
        );
        assert_eq!(error("AWS_REGION=x"), IntakeError::Missing("a secret"));
        assert!(matches!(error("{\"type\":\"external_account\"}"), IntakeError::Json(_)));
        assert!(matches!(error("{}"), IntakeError::Json(_)));
    }
}
