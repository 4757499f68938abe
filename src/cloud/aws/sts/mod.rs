//! The calls of the Security Token Service, as values, with AWS's limits checked before anything is sent. Pure.

mod client;
mod reply;

pub use client::Sts;
pub use reply::{Credentials, Identity};

use std::fmt;

use super::profile::{Role, WebIdentity};
use super::sigv4::form;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::secret::Secret;

/// The name of a session for which the profile has none.
pub const SESSION_NAME: &str = "devboot";

/// A value that AWS would not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitError {
    /// What the value is for, by the name of the profile's property where it has one.
    pub what: &'static str,
    /// What AWS accepts.
    pub rule: &'static str,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AWS does not accept this {}", self.what)
    }
}

impl std::error::Error for LimitError {}

impl Diagnose for LimitError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![format!("{} is {}", self.what, self.rule)]
    }
}

/// A call, ready to be signed and sent.
#[derive(Clone)]
pub struct Call {
    /// Its name, such as `AssumeRole`.
    pub action: &'static str,
    /// Its form; it may hold a token.
    pub body: Secret<String>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({})", self.action)
    }
}

/// A device and the code that it shows now.
#[derive(Clone, Debug)]
pub struct Mfa<'a> {
    /// The device's serial number or ARN.
    pub serial: &'a str,
    /// Six digits.
    pub code: &'a Secret<String>,
}

/// `AssumeRole`, with the code of the role's MFA device where it has one.
///
/// # Errors
/// A value is outside AWS's limits.
pub fn assume_role(role: &Role, code: Option<&Secret<String>>) -> Result<Call, LimitError> {
    let mut form = Form::new("AssumeRole");
    form.add("RoleArn", role_arn(&role.arn)?);
    form.add("RoleSessionName", session_name(role.session_name.as_deref())?);
    form.add_duration(role.duration, 43_200)?;
    if let Some(id) = &role.external_id {
        form.add("ExternalId", checked(id, "external_id", 2..=1224, "=,.@:/-", EXTERNAL_ID)?);
    }
    if let (Some(serial), Some(code)) = (&role.mfa_serial, code) {
        form.add_mfa(&Mfa { serial, code })?;
    }
    Ok(form.call())
}

/// `GetSessionToken`.
///
/// # Errors
/// A value is outside AWS's limits.
pub fn session_token(duration: Option<u32>, mfa: Option<&Mfa<'_>>) -> Result<Call, LimitError> {
    let mut form = Form::new("GetSessionToken");
    form.add_duration(duration, 129_600)?;
    if let Some(mfa) = mfa {
        form.add_mfa(mfa)?;
    }
    Ok(form.call())
}

/// `GetCallerIdentity`.
pub fn caller_identity() -> Call {
    Form::new("GetCallerIdentity").call()
}

/// `AssumeRoleWithWebIdentity`, which is not signed: the token is the proof.
///
/// # Errors
/// A value is outside AWS's limits.
pub fn web_identity(web: &WebIdentity, token: &Secret<String>) -> Result<Call, LimitError> {
    let mut form = Form::new("AssumeRoleWithWebIdentity");
    form.add("RoleArn", role_arn(&web.role_arn)?);
    form.add("RoleSessionName", session_name(web.session_name.as_deref())?);
    form.add_duration(web.duration, 43_200)?;
    let token = token.expose().trim();
    if !(4..=20_000).contains(&token.len()) || !token.chars().all(|c| c.is_ascii_graphic()) {
        return Err(LimitError { what: "web identity token", rule: "4 to 20000 characters without blanks" });
    }
    form.add("WebIdentityToken", token);
    Ok(form.call())
}

const NAME: &str = "2 to 64 letters, digits and _+=,.@-";
const EXTERNAL_ID: &str = "2 to 1224 letters, digits and _+=,.@:/-";

fn session_name(name: Option<&str>) -> Result<&str, LimitError> {
    checked(name.unwrap_or(SESSION_NAME), "role_session_name", 2..=64, "=,.@-", NAME)
}

fn role_arn(arn: &str) -> Result<&str, LimitError> {
    let fits = arn.starts_with("arn:") && arn.contains(":role/") && (20..=2048).contains(&arn.len());
    if fits && arn.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(arn);
    }
    Err(LimitError { what: "role_arn", rule: "a text such as arn:aws:iam::123456789012:role/name" })
}

fn checked<'a>(
    text: &'a str,
    what: &'static str,
    length: std::ops::RangeInclusive<usize>,
    signs: &str,
    rule: &'static str,
) -> Result<&'a str, LimitError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '+' || signs.contains(c);
    if length.contains(&text.len()) && text.chars().all(fits) {
        Ok(text)
    } else {
        Err(LimitError { what, rule })
    }
}

struct Form {
    action: &'static str,
    pairs: Vec<(String, String)>,
}

impl Form {
    fn new(action: &'static str) -> Self {
        let pairs = vec![("Action".into(), action.into()), ("Version".into(), "2011-06-15".into())];
        Self { action, pairs }
    }

    fn add(&mut self, name: &str, value: &str) {
        self.pairs.push((name.into(), value.into()));
    }

    fn add_duration(&mut self, seconds: Option<u32>, most: u32) -> Result<(), LimitError> {
        match seconds {
            None => Ok(()),
            Some(seconds) if (900..=most).contains(&seconds) => {
                self.add("DurationSeconds", &seconds.to_string());
                Ok(())
            }
            Some(_) if most == 43_200 => Err(LimitError {
                what: "duration_seconds",
                rule: "900 to 43200, and no more than the role allows",
            }),
            Some(_) => Err(LimitError { what: "duration_seconds", rule: "900 to 129600" }),
        }
    }

    fn add_mfa(&mut self, mfa: &Mfa<'_>) -> Result<(), LimitError> {
        self.add(
            "SerialNumber",
            checked(mfa.serial, "mfa_serial", 9..=256, "=/:,.@-", "9 to 256 letters, digits and _+=/:,.@-")?,
        );
        let code = mfa.code.expose();
        if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(LimitError { what: "MFA code", rule: "6 digits" });
        }
        self.add("TokenCode", code);
        Ok(())
    }

    fn call(self) -> Call {
        let body = Secret::new(form(&self.pairs));
        // What the body holds is wiped with it; so are the parts.
        self.pairs.into_iter().for_each(|(_, value)| drop(Secret::new(value)));
        Call { action: self.action, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> Role {
        Role {
            profile: "a".into(),
            arn: "arn:aws:iam::123456789012:role/dev".into(),
            session_name: Some("me@example".into()),
            external_id: Some("a:b/c".into()),
            mfa_serial: Some("arn:aws:iam::123456789012:mfa/me".into()),
            duration: Some(3600),
            region: None,
        }
    }

    fn limit(change: impl FnOnce(&mut Role), code: &str) -> Option<&'static str> {
        let mut role = role();
        change(&mut role);
        assume_role(&role, Some(&Secret::new(code.to_owned()))).err().map(|error| error.what)
    }

    #[test]
    fn the_form_is_aws_s() {
        let call = assume_role(&role(), Some(&Secret::new("123456".into()))).unwrap();
        assert_eq!(
            call.body.expose(),
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdev\
             &RoleSessionName=me%40example&DurationSeconds=3600&ExternalId=a%3Ab%2Fc\
             &SerialNumber=arn%3Aaws%3Aiam%3A%3A123456789012%3Amfa%2Fme&TokenCode=123456"
        );
        assert_eq!(format!("{call:?}"), "Call(AssumeRole)");
    }

    #[test]
    fn limits_are_checked_before_anything_is_sent() {
        let long = "x".repeat(65);
        assert_eq!(limit(|role| role.session_name = Some("x".into()), "123456"), Some("role_session_name"));
        assert_eq!(limit(|role| role.session_name = Some(long), "123456"), Some("role_session_name"));
        assert_eq!(limit(|role| role.session_name = Some("a b".into()), "123456"), Some("role_session_name"));
        assert_eq!(limit(|role| role.external_id = Some("é!".into()), "123456"), Some("external_id"));
        assert_eq!(limit(|role| role.mfa_serial = Some("12345678".into()), "123456"), Some("mfa_serial"));
        assert_eq!(limit(|role| role.duration = Some(899), "123456"), Some("duration_seconds"));
        assert_eq!(limit(|role| role.duration = Some(43_201), "123456"), Some("duration_seconds"));
        assert_eq!(limit(|role| role.arn = "dev".into(), "123456"), Some("role_arn"));
        for code in ["12345", "1234567", "12345a", "١٢٣٤٥٦", ""] {
            assert_eq!(limit(|_| (), code), Some("MFA code"), "{code}");
        }
        assert!(session_token(Some(129_600), None).is_ok());
        assert!(session_token(Some(129_601), None).is_err());
    }

    #[test]
    fn a_role_without_a_session_name_gets_ours() {
        let mut role = role();
        role.session_name = None;
        let call = assume_role(&role, None).unwrap();
        assert!(call.body.expose().contains("&RoleSessionName=devboot&"));
        assert!(!call.body.expose().contains("SerialNumber"), "without a code there is no device");
    }

    #[test]
    fn a_token_may_end_with_a_line_but_not_hold_one() {
        let web =
            WebIdentity { role_arn: role().arn, session_name: None, token_file: "/t".into(), duration: None };
        let call = |token: &str| web_identity(&web, &Secret::new(token.to_owned()));
        assert!(call("ey.J.x\n").unwrap().body.expose().ends_with("&WebIdentityToken=ey.J.x"));
        assert!(call("ey.J\nx").is_err());
    }
}
