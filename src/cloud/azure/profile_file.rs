//! `azureProfile.json`, in which the Azure CLI lists its subscriptions. Read for importing; nothing is written. Pure.

use std::fmt;

use serde::Deserialize;

use crate::base::error::{Diagnose, ErrorKind};

/// The most subscriptions that are read.
const MOST: usize = 1000;

/// A subscription that the CLI is signed in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// Its name, as people gave it; may hold anything but control characters.
    pub name: String,
    /// The tenant it is seen through.
    pub tenant: String,
    /// Who is signed in: a person's name, or the id of a service principal.
    pub user: String,
    /// Whether a service principal is signed in.
    pub is_service_principal: bool,
    /// Whether it is the one that is meant when none is named.
    pub is_default: bool,
    /// The cloud, such as `AzureCloud`.
    pub cloud: String,
}

/// The file is not what the Azure CLI writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAProfile;

impl fmt::Display for NotAProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("azureProfile.json is not what the Azure CLI writes")
    }
}

impl std::error::Error for NotAProfile {}

impl Diagnose for NotAProfile {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Failed
    }

    fn hints(&self) -> Vec<String> {
        vec!["the CLI makes it anew: az account clear, then az login".into()]
    }
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    subscriptions: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    id: String,
    #[serde(default)]
    name: String,
    tenant_id: String,
    user: User,
    #[serde(default)]
    is_default: bool,
    #[serde(default)]
    environment_name: String,
}

#[derive(Deserialize)]
struct User {
    name: String,
    r#type: String,
}

/// Reads the file, which begins with a byte order mark. A subscription whose ids are none is passed over; so are
/// accounts without one, for which the CLI lists the tenant.
///
/// # Errors
/// It is not what the CLI writes.
pub fn parse(bytes: &[u8]) -> Result<Vec<Subscription>, NotAProfile> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let file: File = serde_json::from_slice(bytes).map_err(|_| NotAProfile)?;
    let plain = |text: String| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    let read = |entry: Entry| {
        (is_id(&entry.id) && is_id(&entry.tenant_id) && entry.id != entry.tenant_id).then(|| Subscription {
            id: entry.id,
            name: plain(entry.name),
            tenant: entry.tenant_id,
            user: plain(entry.user.name),
            is_service_principal: entry.user.r#type == "servicePrincipal",
            is_default: entry.is_default,
            cloud: plain(entry.environment_name),
        })
    };
    Ok(file.subscriptions.into_iter().take(MOST).filter_map(read).collect())
}

/// Whether a text is an id of Azure's: of a subscription, tenant, client or object.
pub fn is_id(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-2222-3333-4444-555555555555";
    const TENANT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

    #[test]
    fn subscriptions_are_read_past_the_byte_order_mark() {
        let text = format!(
            "\u{feff}{{\"installationId\":\"x\",\"subscriptions\":[\
             {{\"id\":\"{ID}\",\"name\":\"Dev\\u001b[2J\",\"state\":\"Enabled\",\"user\":{{\"name\":\"me@x.org\",\"type\":\"user\"}},\
               \"isDefault\":true,\"tenantId\":\"{TENANT}\",\"environmentName\":\"AzureCloud\",\"homeTenantId\":\"{TENANT}\",\"managedByTenants\":[]}},\
             {{\"id\":\"{TENANT}\",\"name\":\"N/A(tenant level account)\",\"user\":{{\"name\":\"x\",\"type\":\"user\"}},\"tenantId\":\"{TENANT}\"}},\
             {{\"id\":\"../../x\",\"user\":{{\"name\":\"x\",\"type\":\"user\"}},\"tenantId\":\"{TENANT}\"}}]}}"
        );
        let found = parse(text.as_bytes()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].user.as_str()), ("Dev[2J", "me@x.org"));
        assert!(found[0].is_default && !found[0].is_service_principal);
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(parse(b""), Err(NotAProfile));
        assert_eq!(parse(br#"{"subscriptions":[{"id":7}]}"#), Err(NotAProfile));
        assert_eq!(parse(b"{}"), Ok(Vec::new()));
    }
}
