//! The token's file in `~/.aws/sso/cache`, which AWS's own tools read and write too. Pure, but for [`read`] and
//! [`write()`].

use std::io;
use std::path::{Path, PathBuf};

use ring::digest;
use serde::{Deserialize, Serialize};

use super::oidc::{Registration, Token};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::aws::profile::SsoSource;
use crate::sys::system::{FileKind, ReadSystem, WriteSystem, replace};

/// The largest file that is read, in bytes.
const LIMIT: u64 = 256 << 10;

/// A token with less than this left is refreshed, in seconds; botocore does so too.
const REFRESHED: i64 = 15 * 60;

/// What the file holds.
#[derive(Clone, Debug)]
pub struct CachedToken {
    /// The address of the portal.
    pub start_url: String,
    /// The region of the portal.
    pub region: String,
    /// The token.
    pub token: Token,
    /// The client that got it, where the file knows it: without it nothing is refreshed.
    pub client: Option<Registration>,
}

/// What can be done with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStanding {
    /// Use it.
    Good,
    /// Get the next one with the refresh token; if that fails, this one can be used still.
    Refresh,
    /// Get the next one with the refresh token; this one is over.
    MustRefresh,
    /// Use it while it lasts: there is nothing to refresh it with.
    Last,
    /// A person has to sign in.
    SignIn,
}

impl CachedToken {
    /// What can be done with it now.
    pub fn standing(&self, now: Timestamp) -> TokenStanding {
        let left = self.token.expires.0.saturating_sub(now.0);
        let has_client = self.client.as_ref().is_some_and(|client| client.expires > now);
        match (left, self.token.refresh.is_some() && has_client) {
            (REFRESHED.., _) => TokenStanding::Good,
            (1.., true) => TokenStanding::Refresh,
            (1.., false) => TokenStanding::Last,
            (_, true) => TokenStanding::MustRefresh,
            (_, false) => TokenStanding::SignIn,
        }
    }

    /// The same sign-in with its next token; a reply without a refresh token leaves the old one good.
    pub fn renewed(&self, next: Token) -> Self {
        let refresh = next.refresh.clone().or_else(|| self.token.refresh.clone());
        Self { token: Token { refresh, ..next }, ..self.clone() }
    }
}

/// The file of a source: the SHA-1 of its session's name or, without one, of its start URL.
pub fn file(cache: &Path, sso: &SsoSource) -> PathBuf {
    let key = sso.session.as_ref().unwrap_or(&sso.start_url);
    let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    let name: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    cache.join(name + ".json")
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    start_url: String,
    #[serde(default)]
    region: String,
    access_token: String,
    expires_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// Reads the file's text; `None` when it holds no token.
pub fn parse(text: &[u8]) -> Option<CachedToken> {
    let wire: Wire = serde_json::from_slice(text).ok()?;
    let access = Secret::new(wire.access_token);
    let refresh = wire.refresh_token.map(Secret::new);
    let secret = wire.client_secret.map(Secret::new);
    if access.expose().is_empty() || !access.expose().chars().all(|c| c.is_ascii_graphic()) {
        return None;
    }
    let client = match (wire.client_id, secret, wire.registration_expires_at.as_deref().and_then(moment)) {
        (Some(client_id), Some(client_secret), Some(expires)) => {
            Some(Registration { client_id, client_secret, expires })
        }
        _ => None,
    };
    let token = Token { access, expires: moment(&wire.expires_at)?, refresh };
    Some(CachedToken { start_url: wire.start_url, region: wire.region, token, client })
}

/// Older tools write `…UTC` in place of `…Z`.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.strip_suffix("UTC").map_or_else(|| text.to_owned(), |time| format!("{time}Z"));
    Timestamp::parse(&text).ok()
}

/// The file's text.
pub fn render(cached: &CachedToken) -> Secret<String> {
    let client = cached.client.as_ref();
    let wire = Wire {
        start_url: cached.start_url.clone(),
        region: cached.region.clone(),
        access_token: cached.token.access.expose().clone(),
        expires_at: cached.token.expires.to_string(),
        client_id: client.map(|client| client.client_id.clone()),
        client_secret: client.map(|client| client.client_secret.expose().clone()),
        registration_expires_at: client.map(|client| client.expires.to_string()),
        refresh_token: cached.token.refresh.as_ref().map(|token| token.expose().clone()),
    };
    let text = Secret::new(serde_json::to_string(&wire).unwrap_or_default());
    let parts = [Some(wire.access_token), wire.client_secret, wire.refresh_token];
    parts.into_iter().flatten().for_each(|part| drop(Secret::new(part)));
    text
}

/// The token of a source, when its file is there and holds one.
///
/// # Errors
/// The file is there and cannot be read, or belongs to another user.
pub fn read(
    system: &dyn ReadSystem,
    cache: &Path,
    sso: &SsoSource,
    uid: u32,
) -> io::Result<Option<CachedToken>> {
    let path = file(cache, sso);
    match system.meta(&path)? {
        None => Ok(None),
        Some(meta) if meta.kind != FileKind::File => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "no regular file"))
        }
        Some(meta) if meta.uid != uid => {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"))
        }
        Some(_) => Ok(parse(Secret::new(system.read(&path, LIMIT)?).expose())),
    }
}

/// Writes the token of a source: readable by its owner alone, and whole or not at all.
///
/// # Errors
/// A directory or the file cannot be written.
pub fn write(
    system: &dyn WriteSystem,
    cache: &Path,
    sso: &SsoSource,
    cached: &CachedToken,
) -> io::Result<()> {
    let missing: Vec<&Path> = {
        let mut missing = Vec::new();
        for dir in cache.ancestors() {
            if system.meta(dir)?.is_some() {
                break;
            }
            missing.push(dir);
        }
        missing
    };
    missing.into_iter().rev().try_for_each(|dir| system.create_dir(dir, 0o700))?;
    replace(system, &file(cache, sso), render(cached).expose().as_bytes(), 0o600)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(session: Option<&str>) -> SsoSource {
        SsoSource {
            session: session.map(str::to_owned),
            start_url: "https://d-123.awsapps.com/start".into(),
            region: "eu-west-1".into(),
            account: "1".into(),
            role: "r".into(),
            scopes: Vec::new(),
        }
    }

    fn cached(left: i64, refresh: bool, client_ends: i64) -> CachedToken {
        CachedToken {
            start_url: "https://s".into(),
            region: "eu-west-1".into(),
            token: Token {
                access: Secret::new("aoaAAA".into()),
                expires: Timestamp(left),
                refresh: refresh.then(|| Secret::new("aorAAA".into())),
            },
            client: Some(Registration {
                client_id: "id".into(),
                client_secret: Secret::new("cs".into()),
                expires: Timestamp(client_ends),
            }),
        }
    }

    #[test]
    fn the_name_is_botocores() {
        let name = |session| file(Path::new("/c"), &source(session)).display().to_string();
        // sha1("my-sso"), sha1 of the start URL: by Python's hashlib.
        assert_eq!(name(Some("my-sso")), "/c/0ad374308c5a4e22f723adf10145eafad7c4031c.json");
        assert_eq!(name(None), "/c/2b829a45f04c9828cb45b7d092d8e4aa30818393.json");
        assert!(name(Some("../../x")).starts_with("/c/") && !name(Some("../../x")).contains(".."));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = render(&cached(1_795_512_600, true, 1_800_000_000));
        assert!(text.expose().contains(r#""expiresAt":"2026-11-24T09:30:00Z""#), "{}", text.expose());
        let read = parse(text.expose().as_bytes()).unwrap();
        assert_eq!(read.token.refresh.unwrap().expose(), "aorAAA");
        assert_eq!(read.client.unwrap().expires, Timestamp(1_800_000_000));
    }

    #[test]
    fn older_and_odd_files_are_read_or_left() {
        let old = br#"{"startUrl":"u","region":"r","accessToken":"a","expiresAt":"2026-11-24T09:30:00UTC"}"#;
        assert_eq!(parse(old).unwrap().token.expires, Timestamp(1_795_512_600));
        for odd in [
            "",
            "[]",
            r#"{"accessToken":"a"}"#,
            r#"{"accessToken":"a\nb","expiresAt":"2026-11-24T09:30:00Z"}"#,
        ] {
            assert!(parse(odd.as_bytes()).is_none(), "{odd}");
        }
    }

    #[test]
    fn a_token_is_refreshed_in_time_or_a_person_is_needed() {
        let now = Timestamp(0);
        assert_eq!(cached(900, true, 9).standing(now), TokenStanding::Good);
        assert_eq!(cached(899, true, 9).standing(now), TokenStanding::Refresh);
        assert_eq!(cached(0, true, 9).standing(now), TokenStanding::MustRefresh);
        assert_eq!(cached(899, true, 0).standing(now), TokenStanding::Last);
        assert_eq!(cached(0, false, 9).standing(now), TokenStanding::SignIn);
    }

    #[test]
    fn a_refresh_token_lives_on_when_none_comes() {
        let next = Token { access: Secret::new("b".into()), expires: Timestamp(9), refresh: None };
        let renewed = cached(0, true, 9).renewed(next);
        assert_eq!(renewed.token.access.expose(), "b");
        assert_eq!(renewed.token.refresh.unwrap().expose(), "aorAAA");
    }
}
