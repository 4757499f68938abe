//! What a switch leaves in the environment beside its variables: their names, with a digest of each value. By it a shell that
//! began with a switch, or whoever looks at one, can tell what is devboot's there and what somebody has changed since. Pure.

use std::collections::BTreeMap;

use super::variables;
use crate::base::digest::Digest;

/// The variable that holds it.
pub const VARIABLE: &str = "DEVBOOT_CLOUD_SETS";

/// The variables that a switch has set, each with the digest of its value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark(BTreeMap<&'static str, String>);

/// The mark of a switch with these changes. No value can be read from it: it has the first digits of a digest.
pub fn text(changes: &[(&str, Option<&str>)]) -> String {
    let set = changes.iter().filter_map(|(name, value)| Some(format!("{name}={}", digest(name, (*value)?))));
    set.collect::<Vec<_>>().join(" ")
}

fn digest(name: &str, value: &str) -> String {
    Digest::of_parts([name.as_bytes(), value.as_bytes()]).short()
}

impl Mark {
    /// Reads a mark. What is in it and no variable of a switch is passed over: anyone can write one.
    pub fn read(text: &str) -> Self {
        let pairs = text.split(' ').filter_map(|pair| {
            let (name, digest) = pair.split_once('=')?;
            Some((variables::all().find(|known| *known == name)?, digest.to_owned()))
        });
        Self(pairs.collect())
    }

    /// The names of the variables that were set.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    /// Whether a variable was set.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Whether a value is the one that a variable was set to.
    pub fn holds(&self, name: &str, value: Option<&str>) -> bool {
        value.is_some_and(|value| self.0.get(name).is_some_and(|known| *known == digest(name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_knows_its_values_and_shows_none() {
        let changes =
            [("AWS_REGION", Some("eu-west-1")), ("AWS_PROFILE", None), ("AWS_SESSION_TOKEN", Some("hush"))];
        let text = text(&changes);
        assert!(!text.contains("hush") && !text.contains("eu-west"), "{text}");
        let mark = Mark::read(&(text + " PATH=0 junk"));
        assert_eq!(mark.names().collect::<Vec<_>>(), ["AWS_REGION", "AWS_SESSION_TOKEN"]);
        assert!(mark.has("AWS_REGION") && !mark.has("PATH"));
        assert!(mark.holds("AWS_REGION", Some("eu-west-1")));
        assert!(!mark.holds("AWS_REGION", Some("us-east-1")) && !mark.holds("AWS_REGION", None));
        assert!(!mark.holds("AWS_SESSION_TOKEN", Some("eu-west-1")));
    }
}
