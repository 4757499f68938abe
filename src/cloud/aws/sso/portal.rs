//! The portal's requests and replies: accounts, roles, and the credentials of a role. Pure.

use serde::Deserialize;

use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::cloud::aws::lease::AwsLease;
use crate::cloud::aws::sigv4::{Keys, form};
use crate::cloud::skew::Skew;

/// The most entries of one page that the portal gives.
const PAGE: usize = 100;

/// An account that the token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub id: String,
    /// Its name, fit to be shown.
    pub name: String,
}

/// One page of a list, and where the next one begins.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries.
    pub entries: Vec<T>,
    /// What the next page is asked for with.
    pub next: Option<String>,
}

fn path(start: &str, pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    format!("{start}?{}", form(&pairs))
}

/// The path of a page of accounts.
pub fn accounts_path(next: Option<&str>) -> String {
    let size = PAGE.to_string();
    let mut pairs = vec![("max_result", size.as_str())];
    pairs.extend(next.map(|next| ("next_token", next)));
    path("/assignment/accounts", &pairs)
}

/// The path of a page of an account's roles.
pub fn roles_path(account: &str, next: Option<&str>) -> String {
    let size = PAGE.to_string();
    let mut pairs = vec![("account_id", account), ("max_result", size.as_str())];
    pairs.extend(next.map(|next| ("next_token", next)));
    path("/assignment/roles", &pairs)
}

/// The path of a role's credentials.
pub fn credentials_path(account: &str, role: &str) -> String {
    path("/federation/credentials", &[("role_name", role), ("account_id", account)])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accounts {
    account_list: Vec<AccountEntry>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountEntry {
    account_id: String,
    #[serde(default)]
    account_name: String,
}

/// Reads a page of accounts.
pub fn read_accounts(body: &[u8]) -> Option<Page<Account>> {
    let reply: Accounts = serde_json::from_slice(body).ok()?;
    let account =
        |it: AccountEntry| Account { id: printable(&it.account_id), name: printable(&it.account_name) };
    Some(Page { entries: reply.account_list.into_iter().map(account).collect(), next: reply.next_token })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Roles {
    role_list: Vec<RoleEntry>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleEntry {
    role_name: String,
}

/// Reads a page of the names of roles.
pub fn read_roles(body: &[u8]) -> Option<Page<String>> {
    let reply: Roles = serde_json::from_slice(body).ok()?;
    let entries = reply.role_list.into_iter().map(|it| printable(&it.role_name)).collect();
    Some(Page { entries, next: reply.next_token })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialsReply {
    role_credentials: RoleCredentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleCredentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// In milliseconds since 1970.
    expiration: i64,
}

/// Reads the credentials of a role in `account`.
pub fn read_credentials(body: &[u8], account: &str, now: Timestamp, skew: Skew) -> Option<AwsLease> {
    let reply: CredentialsReply = serde_json::from_slice(body).ok()?;
    let RoleCredentials { access_key_id, secret_access_key, session_token, expiration } =
        reply.role_credentials;
    let (secret_access_key, session_token) = (Secret::new(secret_access_key), Secret::new(session_token));
    let texts = [&access_key_id, secret_access_key.expose(), session_token.expose()];
    let fit = texts.iter().all(|text| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()));
    fit.then(|| AwsLease {
        keys: Keys { access_key_id, secret_access_key, session_token: Some(session_token) },
        account: Some(account.to_owned()),
        obtained: now,
        expiration: Some(skew.ours(Timestamp(expiration.div_euclid(1000)))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_encoded_and_pages_small_enough() {
        assert_eq!(accounts_path(None), "/assignment/accounts?max_result=100");
        assert_eq!(
            roles_path("1&x", Some("a=")),
            "/assignment/roles?account_id=1%26x&max_result=100&next_token=a%3D"
        );
        assert_eq!(credentials_path("1", "A b"), "/federation/credentials?role_name=A%20b&account_id=1");
    }

    #[test]
    fn credentials_end_at_milliseconds() {
        let body = r#"{"roleCredentials":{"accessKeyId":"A","secretAccessKey":"S","sessionToken":"T","expiration":1795512600999}}"#;
        let lease = read_credentials(body.as_bytes(), "1", Timestamp(0), Skew(0)).unwrap();
        assert_eq!(lease.expiration, Some(Timestamp(1_795_512_600)));
        let odd = body.replace("\"T\"", "\"T\\r\\nX: y\"");
        assert!(read_credentials(odd.as_bytes(), "1", Timestamp(0), Skew(0)).is_none());
    }

    #[test]
    fn lists_are_read_page_by_page_and_names_made_harmless() {
        let body = r#"{"accountList":[{"accountId":"1","accountName":"a\u001b[2J"}],"nextToken":"n"}"#;
        let page = read_accounts(body.as_bytes()).unwrap();
        assert_eq!((page.entries[0].name.as_str(), page.next.as_deref()), ("a\\u{1b}[2J", Some("n")));
        assert_eq!(
            read_roles(br#"{"roleList":[{"roleName":"dev"}],"nextToken":null}"#).unwrap().entries,
            ["dev"]
        );
        assert!(read_roles(b"{}").is_none());
    }
}
