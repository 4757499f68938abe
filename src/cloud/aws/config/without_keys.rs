//! A configuration file without the keys of some profiles; every other byte stays. Pure.

use std::collections::BTreeSet;

use super::grammar::{COMMENT, before_comment, title};
use super::{BLANK, Title};

/// The properties that are keys; the last is botocore's older name of the session token.
pub const KEYS: [&str; 4] =
    ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token"];

/// A file without the lines that give keys to these profiles, continuation lines of such a line included. A `[default]` that a
/// `[profile default]` makes void loses its keys with it.
pub fn without_keys(text: &str, profiles: &BTreeSet<String>) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut inside, mut dropping) = (false, false);
    for (at, whole) in text.split_inclusive('\n').enumerate() {
        let line = whole.strip_suffix('\n').unwrap_or(whole);
        let line = line.strip_suffix('\r').unwrap_or(line);
        let line = if at == 0 { line.strip_prefix('\u{feff}').unwrap_or(line) } else { line };
        if line.trim_matches(BLANK).is_empty() || line.starts_with(COMMENT) {
            kept.push_str(whole);
            continue;
        }
        if line.starts_with('[') {
            inside = title(line).is_some_and(|title| is_of(title, profiles));
            dropping = false;
        } else if !line.starts_with(BLANK) {
            let name = before_comment(line).split('=').next().unwrap_or_default().trim_matches(BLANK);
            dropping = inside && KEYS.iter().any(|key| name.eq_ignore_ascii_case(key));
        }
        if !dropping {
            kept.push_str(whole);
        }
    }
    kept
}

/// The lines, counted from 1, of comments in which a key seems to stand.
pub fn keys_in_comments(text: &str) -> Vec<usize> {
    let is_key = |line: &str| {
        let line = line.to_ascii_lowercase();
        line.starts_with(COMMENT) && line.contains('=') && KEYS[1..].iter().any(|key| line.contains(key))
    };
    let lines = text.lines().enumerate().filter(|(_, line)| is_key(line));
    lines.map(|(at, _)| at + 1).collect()
}

fn is_of(title: &str, profiles: &BTreeSet<String>) -> bool {
    let title = Title::of(title);
    matches!(title.prefix, None | Some("profile")) && profiles.contains(title.name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{AwsConfig, parse};
    use super::*;

    fn of(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_the_keys_of_the_named_profiles_go() {
        let text = "\u{feff}# mine\r\n[a] # x\r\nAWS_Access_Key_Id = A\r\nregion = eu ; why\r\n# aws_secret_access_key = old\r\n\
                    aws_secret_access_key=s\r\n\r\n  more\r\n[b]\r\naws_access_key_id = B\r\n[ profile  a ]\ns3 =\n  aws_session_token = t\n\
                    aws_session_token = t";
        let kept = without_keys(text, &of(&["a"]));
        assert_eq!(
            kept,
            "\u{feff}# mine\r\n[a] # x\r\nregion = eu ; why\r\n# aws_secret_access_key = old\r\n\r\n[b]\r\naws_access_key_id = B\r\n\
             [ profile  a ]\ns3 =\n  aws_session_token = t\n"
        );
        assert_eq!(keys_in_comments(&kept), [4]);
        assert_eq!(without_keys(text, &of(&["c"])), text);
    }

    fn values(config: &AwsConfig) -> Vec<(String, String, String)> {
        let sections = config.profiles.iter().flat_map(|(name, section)| {
            section.names().map(move |property| {
                (name.clone(), property.to_owned(), section.get(property).unwrap_or_default().to_owned())
            })
        });
        sections.collect()
    }

    proptest::proptest! {
        #[test]
        fn all_sdks_read_the_rest_as_before(
            text in "(\\[a\\]|\\[profile a\\]|\\[b\\]|\\[default\\]|\\[profile default\\]|aws_access_key_id|Aws_Secret_Access_Key|x|=| |\t|\r|\n|\n|\n|#|;|é|\u{feff}){0,60}",
        ) {
            let null = Path::new("/f");
            let kept = without_keys(&text, &of(&["a", "default"]));
            for place in [true, false] {
                let read = |text: &str| if place { parse((null, text), (null, "")) } else { parse((null, ""), (null, text)) };
                let Ok(before) = read(&text) else { continue };
                let wanted: Vec<_> = values(&before).into_iter()
                    .filter(|(profile, property, _)| profile == "b" || !KEYS.contains(&property.as_str())).collect();
                proptest::prop_assert_eq!(values(&read(&kept).unwrap()), wanted);
            }
        }
    }
}
