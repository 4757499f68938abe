//! Google's credential files: what `gcloud auth application-default login` and the console write. Pure.

use std::fmt;

use ring::signature::RsaKeyPair;
use serde::Deserialize;

use crate::base::error::{Diagnose, ErrorKind};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::cloud::address::Address;
use crate::cloud::text::decode64;

/// Google's own token server: that of every credential file that names none.
pub const TOKEN_SERVER: &str = "https://oauth2.googleapis.com/token";

/// A credential that tokens are made with.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A person's, from a sign-in.
    User(User),
    /// A service account's key.
    ServiceAccount(ServiceAccount),
    /// Acting as a service account, with another credential's leave.
    Impersonated(Impersonated),
    /// The machine's own, of its metadata server; no file says so.
    Machine,
}

/// A person's sign-in.
#[derive(Clone, Debug)]
pub struct User {
    /// The id of the program that was signed in to, as a rule gcloud.
    pub client_id: String,
    /// Its secret; Google calls it one, but gcloud's is public.
    pub client_secret: Secret<String>,
    /// What brings a token without the person.
    pub refresh_token: Secret<String>,
    /// The project that calls are counted for.
    pub quota_project: Option<String>,
}

/// A service account with its key.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// The account.
    pub email: String,
    /// The key's id, by which the server finds its other half.
    pub key_id: Option<String>,
    /// The key, in PKCS #8.
    pub key: Secret<Vec<u8>>,
    /// The server that tokens are asked from.
    pub token_uri: String,
    /// The account's own project.
    pub project: Option<String>,
}

/// Acting as a service account.
#[derive(Clone, Debug)]
pub struct Impersonated {
    /// Whose leave it is.
    pub source: Box<Credential>,
    /// The account that is acted as.
    pub target: String,
    /// Accounts between the two, the nearest to the source first.
    pub delegates: Vec<String>,
}

impl Credential {
    /// The project in which its account lives, as far as that can be told without asking anybody.
    pub fn home(&self) -> Option<String> {
        match self {
            Self::User(_) | Self::Machine => None,
            Self::ServiceAccount(account) => account.home(),
            Self::Impersonated(it) => it.home(),
        }
    }
}

impl ServiceAccount {
    /// The project in which it lives. The server gives tokens to the account's name; what the file says beside it, anyone may
    /// have written.
    pub fn home(&self) -> Option<String> {
        project_of(&self.email).or_else(|| self.project.clone())
    }
}

impl Impersonated {
    /// The project in which the account lives that is acted as.
    pub fn home(&self) -> Option<String> {
        project_of(&self.target)
    }
}

/// The project in the name of a service account that a user made: `NAME@PROJECT.iam.gserviceaccount.com`, and
/// `NAME@PROJECT.example.com.iam.gserviceaccount.com` for the project `example.com:PROJECT`.
pub fn project_of(email: &str) -> Option<String> {
    let (_, domain) = email.split_once('@')?;
    let project = domain.strip_suffix(".iam.gserviceaccount.com")?;
    Some(match project.split_once('.') {
        Some((name, domain)) => format!("{domain}:{name}"),
        None => project.to_owned(),
    })
}

/// Whether an account is a machine's, and no person's.
pub fn is_machine(email: &str) -> bool {
    [".gserviceaccount.com", ".svc.id.goog"].iter().any(|end| email.ends_with(end))
}

/// A credential file cannot be used. No value of the file is shown but its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialError {
    /// It is no JSON object with a type.
    NotACredential,
    /// Its type is one that is not read here.
    Type(String),
    /// A field is missing or empty.
    Missing(&'static str),
    /// A field is not what it should be.
    Odd(&'static str),
    /// The private key is no RSA key in PKCS #8.
    Key,
    /// It is of another cloud that Google's software runs; its name.
    Universe(String),
    /// It impersonates by way of another impersonation.
    Nested,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACredential => f.write_str("this is no credential file of Google's"),
            Self::Type(kind) => write!(f, "credentials of the type '{}' are not read", printable(kind)),
            Self::Missing(field) => write!(f, "the credential file has no '{field}'"),
            Self::Odd(field) => write!(f, "the credential file's '{field}' is not what it should be"),
            Self::Key => f.write_str("the credential file's private key cannot be read"),
            Self::Universe(name) => write!(f, "the credential file is of the universe '{}'", printable(name)),
            Self::Nested => f.write_str("the credential file impersonates by way of another impersonation"),
        }
    }
}

impl std::error::Error for CredentialError {}

impl Diagnose for CredentialError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Type(kind) => match kind.as_str() {
                "external_account" | "external_account_authorized_user" => {
                    "sign in with gcloud and add its configuration, or impersonate a service account"
                }
                "gdch_service_account" => "Google Distributed Cloud is used with its own tools",
                _ => "authorized_user, service_account and impersonated_service_account are read",
            },
            Self::NotACredential | Self::Missing(_) | Self::Odd(_) => {
                "make it anew: gcloud auth application-default login, or a new key in the console"
            }
            Self::Key => "download the key as JSON; keys in PKCS #12 are not read",
            Self::Universe(_) => "only googleapis.com is spoken with",
            Self::Nested => "name the accounts between as delegates of one impersonation",
        };
        vec![hint.to_owned()]
    }
}

#[derive(Deserialize)]
struct File {
    r#type: String,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    quota_project_id: Option<String>,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<String>,
    token_uri: Option<String>,
    project_id: Option<String>,
    universe_domain: Option<String>,
    service_account_impersonation_url: Option<String>,
    source_credentials: Option<Box<File>>,
    #[serde(default)]
    delegates: Vec<String>,
}

/// Reads a credential file.
///
/// # Errors
/// It is none, or one that is not used here.
pub fn parse(bytes: &[u8]) -> Result<Credential, CredentialError> {
    let file: File = serde_json::from_slice(bytes).map_err(|_| CredentialError::NotACredential)?;
    credential(file, true)
}

fn credential(file: File, may_impersonate: bool) -> Result<Credential, CredentialError> {
    if let Some(universe) = file.universe_domain.as_ref().filter(|name| *name != "googleapis.com") {
        return Err(CredentialError::Universe(universe.clone()));
    }
    match file.r#type.as_str() {
        "authorized_user" => Ok(Credential::User(User {
            client_id: plain("client_id", file.client_id)?,
            client_secret: Secret::new(plain("client_secret", file.client_secret)?),
            refresh_token: Secret::new(plain("refresh_token", file.refresh_token)?),
            quota_project: optional("quota_project_id", file.quota_project_id)?,
        })),
        "service_account" => {
            let pem = Secret::new(file.private_key.unwrap_or_default());
            if pem.expose().is_empty() {
                return Err(CredentialError::Missing("private_key"));
            }
            let token_uri = file.token_uri.unwrap_or_else(|| TOKEN_SERVER.to_owned());
            Address::guarded(&token_uri).ok_or(CredentialError::Odd("token_uri"))?;
            Ok(Credential::ServiceAccount(ServiceAccount {
                email: email("client_email", file.client_email)?,
                key_id: optional("private_key_id", file.private_key_id)?,
                key: key(pem.expose()).ok_or(CredentialError::Key)?,
                token_uri,
                project: optional("project_id", file.project_id)?,
            }))
        }
        "impersonated_service_account" if may_impersonate => {
            let url = plain("service_account_impersonation_url", file.service_account_impersonation_url)?;
            let source = file.source_credentials.ok_or(CredentialError::Missing("source_credentials"))?;
            let delegate = |name: String| email("delegates", Some(after_slash(&name).to_owned()));
            Ok(Credential::Impersonated(Impersonated {
                source: Box::new(credential(*source, false)?),
                target: target(&url).ok_or(CredentialError::Odd("service_account_impersonation_url"))?,
                delegates: file.delegates.into_iter().map(delegate).collect::<Result<_, _>>()?,
            }))
        }
        "impersonated_service_account" => Err(CredentialError::Nested),
        other => Err(CredentialError::Type(other.chars().take(80).collect())),
    }
}

/// The account that an address such as `https://…/serviceAccounts/NAME:generateAccessToken` is for. The address itself is
/// not used: a file may not say where the source's token goes.
fn target(url: &str) -> Option<String> {
    let name = url.strip_suffix(":generateAccessToken").map(after_slash)?;
    is_email(name).then(|| name.to_owned())
}

fn after_slash(text: &str) -> &str {
    text.rsplit_once('/').map_or(text, |(_, name)| name)
}

/// Whether a text has the form of an account's name, and so is safe in a path and in JSON.
pub fn is_email(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || "-._@+".contains(c);
    let parts = text.split_once('@');
    (3..=254).contains(&text.len())
        && text.chars().all(letters)
        && parts.is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

fn email(field: &'static str, value: Option<String>) -> Result<String, CredentialError> {
    let value = plain(field, value)?;
    if is_email(&value) { Ok(value) } else { Err(CredentialError::Odd(field)) }
}

fn optional(field: &'static str, value: Option<String>) -> Result<Option<String>, CredentialError> {
    value.filter(|value| !value.is_empty()).map(|value| plain(field, Some(value))).transpose()
}

fn plain(field: &'static str, value: Option<String>) -> Result<String, CredentialError> {
    let value = value.filter(|value| !value.is_empty()).ok_or(CredentialError::Missing(field))?;
    let fits = value.len() <= 4096 && value.chars().all(|c| c.is_ascii_graphic());
    if fits { Ok(value) } else { Err(CredentialError::Odd(field)) }
}

/// The key in a PEM text, when it is one that can sign.
fn key(pem: &str) -> Option<Secret<Vec<u8>>> {
    let (_, rest) = pem.split_once("-----BEGIN PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END PRIVATE KEY-----")?;
    let key = Secret::new(decode64(body.trim())?);
    RsaKeyPair::from_pkcs8(key.expose()).ok()?;
    Some(key)
}

#[cfg(test)]
pub(in crate::cloud::gcp) mod tests {
    use super::*;

    /// A key that was made for these tests and opens nothing.
    pub const PEM: &str = include_str!("../../../tests/it/cloud_tokens/key.pem");

    /// The file of a service account whose tokens come from this server.
    pub fn service_account(token_uri: &str) -> String {
        serde_json::json!({
            "type": "service_account", "project_id": "p-1", "private_key_id": "k1", "private_key": PEM,
            "client_email": "robot@p-1.iam.gserviceaccount.com", "token_uri": token_uri,
        })
        .to_string()
    }

    const USER: &str = r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"1//r","quota_project_id":"p"}"#;

    fn error(text: &str) -> CredentialError {
        parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_three_kinds_are_read() {
        let Ok(Credential::User(user)) = parse(USER.as_bytes()) else { panic!() };
        assert_eq!(
            (user.refresh_token.expose().as_str(), user.quota_project.as_deref()),
            ("1//r", Some("p"))
        );
        let Ok(Credential::ServiceAccount(robot)) = parse(service_account(TOKEN_SERVER).as_bytes()) else {
            panic!()
        };
        assert_eq!((robot.project.as_deref(), robot.key_id.as_deref()), (Some("p-1"), Some("k1")));
        assert!(!format!("{robot:?}").contains("MII"));
        let text = format!(
            r#"{{"type":"impersonated_service_account","source_credentials":{USER},"delegates":["projects/-/serviceAccounts/d@x.iam"],
               "service_account_impersonation_url":"https://evil.example/v1/projects/-/serviceAccounts/t@x.iam:generateAccessToken"}}"#
        );
        let Ok(Credential::Impersonated(it)) = parse(text.as_bytes()) else { panic!() };
        assert_eq!((it.target.as_str(), it.delegates), ("t@x.iam", vec!["d@x.iam".to_owned()]));
        let nested = text.replacen(USER, &text, 1);
        assert_eq!(error(&nested), CredentialError::Nested);
    }

    #[test]
    fn an_account_lives_where_its_name_says() {
        let of = |text: &str| parse(text.as_bytes()).unwrap().home();
        let robot = service_account(TOKEN_SERVER);
        assert_eq!(of(&robot).as_deref(), Some("p-1"));
        assert_eq!(of(&robot.replace(r#""p-1""#, r#""p-2""#)).as_deref(), Some("p-1"));
        let default = robot.replace("robot@p-1.iam", "1-compute@developer");
        assert_eq!(of(&default).as_deref(), Some("p-1"));
        assert_eq!(of(USER), None);
        let old = project_of("r@p.example.com.iam.gserviceaccount.com");
        assert_eq!(old.as_deref(), Some("example.com:p"));
        assert!(is_machine("1-compute@developer.gserviceaccount.com") && !is_machine("me@example.com"));
    }

    #[test]
    fn other_kinds_are_named() {
        let refused = error(r#"{"type":"external_account","audience":"x"}"#);
        assert_eq!(refused, CredentialError::Type("external_account".into()));
        assert!(refused.hints()[0].contains("impersonate"));
        assert_eq!(error("{}"), CredentialError::NotACredential);
        assert_eq!(error("\u{feff}[1]"), CredentialError::NotACredential);
    }

    #[test]
    fn odd_values_are_refused_by_their_field() {
        let changed = |from: &str, to: &str| error(&service_account(TOKEN_SERVER).replace(from, to));
        assert_eq!(changed("robot@p-1.iam", "../x@y"), CredentialError::Odd("client_email"));
        assert_eq!(changed("\"k1\"", "\"k\\n1\""), CredentialError::Odd("private_key_id"));
        assert_eq!(changed("MII", "AAA"), CredentialError::Key);
        assert_eq!(changed("BEGIN PRIVATE", "BEGIN RSA PRIVATE"), CredentialError::Key);
        for server in ["http://oauth2.googleapis.com/token", "https://u@h/", "file:///x"] {
            assert_eq!(error(&service_account(server)), CredentialError::Odd("token_uri"), "{server}");
        }
        assert_eq!(error(&USER.replace("1//r", "")), CredentialError::Missing("refresh_token"));
        let elsewhere = USER.replace("{", r#"{"universe_domain":"apis.example","#);
        assert_eq!(error(&elsewhere), CredentialError::Universe("apis.example".into()));
    }
}
