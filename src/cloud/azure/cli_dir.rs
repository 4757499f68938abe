//! The directory that a profile gives the Azure CLI for its own: the user's sign-ins, and the profile's subscription. Pure.
//!
//! The CLI has no variable for a subscription; it takes the one that `azureProfile.json` in its directory marks. It writes its
//! other files in place, so a link to the user's own keeps one list of tokens for all directories.

use serde_json::Value;

/// The list of subscriptions, which a profile's directory has a copy of.
pub const SUBSCRIPTIONS: &str = "azureProfile.json";

/// What is the user's own in every directory: tokens, the secrets of service principals, settings, extensions.
pub const SHARED: [&str; 5] =
    ["msal_token_cache.json", "service_principal_entries.json", "config", "clouds.config", "cliextensions"];

const MARK: &[u8] = b"\xef\xbb\xbf";

/// A list of subscriptions in which this one is meant when none is named; `None` when it is not in it.
pub fn with_default(bytes: &[u8], subscription: &str) -> Option<Vec<u8>> {
    let mut file: Value = serde_json::from_slice(bytes.strip_prefix(MARK).unwrap_or(bytes)).ok()?;
    let mut found = false;
    for entry in file.get_mut("subscriptions")?.as_array_mut()? {
        let is_meant = entry["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(subscription));
        entry.as_object_mut()?.insert("isDefault".into(), Value::Bool(is_meant));
        found |= is_meant;
    }
    let text = serde_json::to_vec(&file).ok()?;
    found.then(|| [MARK, &text].concat())
}

#[cfg(test)]
mod tests {
    use super::super::profile_file::parse;
    use super::*;

    const ID: &str = "11111111-2222-3333-4444-55555555555";

    fn list() -> Vec<u8> {
        let entry = |last: char, default: bool| {
            format!(
                r#"{{"id":"{ID}{last}","name":"{last}","tenantId":"{ID}9","user":{{"name":"me","type":"user"}},"isDefault":{default},"state":"Enabled"}}"#
            )
        };
        let text = format!(
            r#"{{"installationId":"i","subscriptions":[{},{}]}}"#,
            entry('1', true),
            entry('2', false)
        );
        [MARK, text.as_bytes()].concat()
    }

    #[test]
    fn one_is_the_default_and_the_rest_is_as_it_was() {
        let bytes = with_default(&list(), &format!("{ID}2")).unwrap();
        let defaults: Vec<bool> = parse(&bytes).unwrap().iter().map(|found| found.is_default).collect();
        assert_eq!(defaults, [false, true]);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with('\u{feff}') && text.contains("\"state\":\"Enabled\""), "{text}");
    }

    #[test]
    fn what_is_not_in_the_list_has_no_directory() {
        for bytes in [&list()[..], b"", b"[]", b"{}", br#"{"subscriptions":[1]}"#] {
            assert_eq!(with_default(bytes, &format!("{ID}3")), None);
        }
    }
}
