//! Replies of STS, and of moto, which has its own shape of errors. Pure.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::aws::sigv4::Keys;

/// The deepest nesting that is read.
const DEPTH: usize = 16;
/// The most elements that are read.
const ELEMENTS: usize = 256;

/// The credentials of a reply.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The keys, with a session token.
    pub keys: Keys,
    /// When they end, by AWS's clock.
    pub expiration: Timestamp,
    /// The account of the role that was assumed, where the reply names one.
    pub account: Option<String>,
}

/// Whose credentials they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The account's number.
    pub account: String,
    /// The ARN of the user or role session.
    pub arn: String,
    /// The unique id.
    pub user_id: String,
}

/// An element without elements in it: its parent's name, its own, its text.
struct Leaf {
    parent: String,
    name: String,
    text: Secret<String>,
}

/// The leaves of a document; `None` when it is no XML, or more than a reply of STS can be.
pub(super) struct Leaves(Vec<Leaf>);

impl Leaves {
    pub(super) fn of(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::from_str(std::str::from_utf8(body).ok()?);
        let mut open: Vec<String> = Vec::new();
        let mut leaves = Vec::new();
        // The text of the element that was opened last, until it ends or another is opened in it.
        let mut text: Option<Secret<String>> = None;
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    open.push(start.local_name().as_ref().to_owned());
                    text = Some(Secret::new(String::new()));
                    if open.len() > DEPTH {
                        return None;
                    }
                }
                Event::Text(more) => join(&mut text, &more.xml10_content()),
                Event::CData(more) => join(&mut text, &more.xml10_content()),
                Event::GeneralRef(reference) => match reference.resolve_char_ref().ok()? {
                    Some(c) => join(&mut text, c.encode_utf8(&mut [0; 4])),
                    None => join(&mut text, resolve_predefined_entity(&reference)?),
                },
                Event::End(_) => {
                    let name = open.pop()?;
                    if let Some(text) = text.take() {
                        leaves.push(Leaf { parent: open.last().cloned().unwrap_or_default(), name, text });
                    }
                    if leaves.len() > ELEMENTS {
                        return None;
                    }
                }
                Event::DocType(_) => return None,
                Event::Eof => break,
                _ => {}
            }
        }
        (open.is_empty() && !leaves.is_empty()).then_some(Self(leaves))
    }

    /// The text of the first element of this name in one of the other.
    fn get(&self, parent: &str, name: &str) -> Option<&str> {
        let leaf = self.0.iter().find(|leaf| leaf.name == name && leaf.parent == parent)?;
        Some(leaf.text.expose().trim()).filter(|text| !text.is_empty())
    }

    /// The code and message of an error: below `Error`, whatever that is in.
    pub(super) fn error(&self) -> Option<(&str, &str)> {
        Some((self.get("Error", "Code")?, self.get("Error", "Message").unwrap_or_default()))
    }

    pub(super) fn credentials(&self) -> Option<Credentials> {
        let get = |name| self.get("Credentials", name).filter(|text| is_plain(text));
        Some(Credentials {
            keys: Keys {
                access_key_id: get("AccessKeyId")?.to_owned(),
                secret_access_key: Secret::new(get("SecretAccessKey")?.to_owned()),
                session_token: Some(Secret::new(get("SessionToken")?.to_owned())),
            },
            expiration: Timestamp::parse(get("Expiration")?).ok()?,
            account: self.get("AssumedRoleUser", "Arn").and_then(account).map(str::to_owned),
        })
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        let get =
            |name| self.get("GetCallerIdentityResult", name).filter(|text| is_plain(text)).map(str::to_owned);
        Some(Identity { account: get("Account")?, arn: get("Arn")?, user_id: get("UserId")? })
    }
}

fn join(text: &mut Option<Secret<String>>, more: &str) {
    if let Some(so_far) = text {
        *so_far = Secret::new(format!("{}{more}", so_far.expose()));
    }
}

/// Whether a value can go into a header, a variable and a line of text.
fn is_plain(text: &str) -> bool {
    text.chars().all(|c| !c.is_control() && !c.is_whitespace())
}

/// The account of an ARN.
fn account(arn: &str) -> Option<&str> {
    let account = arn.split(':').nth(4)?;
    (account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit())).then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser><AssumedRoleId>AROA:me</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/dev/me</Arn></AssumedRoleUser>
    <Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>a/b+&amp;c&#x3D;</SecretAccessKey>
      <SessionToken>Fwo==</SessionToken><Expiration>2026-11-22T23:00:00Z</Expiration></Credentials>
  </AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>
</AssumeRoleResponse>"#;

    #[test]
    fn credentials_are_read_with_entities_and_microseconds() {
        let read = Leaves::of(AWS.as_bytes()).unwrap().credentials().unwrap();
        assert_eq!(read.keys.secret_access_key.expose(), "a/b+&c=");
        assert_eq!(read.account.as_deref(), Some("123456789012"));
        let of_moto = AWS.replace("23:00:00Z", "23:00:00.123456Z");
        let of_moto = Leaves::of(of_moto.as_bytes()).unwrap().credentials().unwrap();
        assert_eq!(of_moto.expiration, read.expiration);
    }

    #[test]
    fn a_reply_without_a_part_is_none() {
        for part in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] {
            let without = AWS.replace(part, "Other");
            assert!(Leaves::of(without.as_bytes()).unwrap().credentials().is_none(), "{part}");
        }
        let split = AWS.replace("Fwo==", "Fwo\n==");
        assert!(Leaves::of(split.as_bytes()).unwrap().credentials().is_none());
        let soon = AWS.replace("2026-11-22T23:00:00Z", "soon");
        assert!(Leaves::of(soon.as_bytes()).unwrap().credentials().is_none());
    }

    #[test]
    fn both_shapes_of_errors_are_read() {
        let error = "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>";
        for text in [
            format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"),
            format!("<?xml version=\"1.0\"?><ErrorResponse><Errors>{error}</Errors></ErrorResponse>"),
        ] {
            assert_eq!(Leaves::of(text.as_bytes()).unwrap().error(), Some(("AccessDenied", "no")));
        }
    }

    #[test]
    fn what_is_no_reply_is_none() {
        let deep = "<a>".repeat(10_000);
        let wide = format!("<a>{}</a>", "<b>x</b>".repeat(1000));
        let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
        for text in ["", "{}", "<a><b></a>", "<a>", &deep, &wide, bomb, "<a>&unknown;</a>"] {
            assert!(Leaves::of(text.as_bytes()).is_none(), "{}", &text[..text.len().min(40)]);
        }
        assert!(Leaves::of(b"<a>\xff</a>").is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_bring_the_reader_down(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = Leaves::of(&bytes);
        }

        #[test]
        fn nor_does_what_looks_like_a_reply(text in "(<a>|</a>|<b/>|<!--|-->|<\\?|\\?>|&amp;|&#x1b;|&x;|<!\\[CDATA\\[|\\]\\]>|é|x){0,40}") {
            let _ = Leaves::of(text.as_bytes());
        }
    }
}
