//! What is inside a vault: secrets by name. Pure.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::VaultError;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;

/// The longest name, in bytes.
const LONGEST: usize = 256;

/// One secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The secret itself: text whose meaning is the caller's.
    #[serde(serialize_with = "expose", deserialize_with = "conceal")]
    pub secret: Secret<String>,
    /// When it was put in.
    pub added: Timestamp,
}

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// It is empty, or begins or ends with a blank.
    Blank,
    /// It is longer than 256 bytes.
    Long,
    /// A character in it is one that a terminal obeys.
    Control,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blank => "the name is empty, or begins or ends with a blank",
            Self::Long => "the name is longer than 256 bytes",
            Self::Control => "the name holds a control character",
        })
    }
}

impl std::error::Error for NameError {}

impl Diagnose for NameError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec!["a name is what people call it, such as: work-prod".into()]
    }
}

/// The secrets by name. A name is free text and never a path.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Contents(BTreeMap<String, Entry>);

impl Contents {
    /// The entry of this name.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    /// Puts a secret in; gives back what had its name before.
    ///
    /// # Errors
    /// The name is none.
    pub fn put(
        &mut self,
        name: &str,
        secret: Secret<String>,
        now: Timestamp,
    ) -> Result<Option<Entry>, NameError> {
        check_name(name)?;
        Ok(self.0.insert(name.to_owned(), Entry { secret, added: now }))
    }

    /// Takes a secret out.
    pub fn remove(&mut self, name: &str) -> Option<Entry> {
        self.0.remove(name)
    }

    /// Takes in what another vault holds. A name that is here already keeps what it has; those names are given back.
    pub fn add_missing(&mut self, other: Contents) -> Vec<String> {
        let mut kept = Vec::new();
        for (name, entry) in other.0 {
            match self.0.entry(name) {
                MapEntry::Occupied(here) => kept.push(here.key().clone()),
                MapEntry::Vacant(place) => {
                    place.insert(entry);
                }
            }
        }
        kept
    }

    /// All entries, by name in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As bytes to be sealed.
    pub(super) fn to_bytes(&self) -> Result<Secret<Vec<u8>>, VaultError> {
        // JSON writes a byte as six at most. A buffer that grows would leave copies of secrets behind.
        let most: usize =
            self.0.iter().map(|(name, e)| 6 * (name.len() + e.secret.expose().len()) + 64).sum();
        let mut bytes = Vec::with_capacity(most + 2);
        let result = serde_json::to_writer(&mut bytes, self);
        let bytes = Secret::new(bytes);
        result.map(|()| bytes).map_err(|_| VaultError::Sealing)
    }

    /// Reads what [`Contents::to_bytes`] wrote.
    pub(super) fn from_bytes(bytes: &Secret<Vec<u8>>) -> Result<Self, VaultError> {
        // What serde says of a mistake may quote a secret.
        let contents: Self = serde_json::from_slice(bytes.expose())
            .map_err(|_| VaultError::Corrupt("what is in it cannot be read"))?;
        if contents.0.keys().all(|name| check_name(name).is_ok()) {
            Ok(contents)
        } else {
            Err(VaultError::Corrupt("an entry has a name that is none"))
        }
    }
}

fn check_name(name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.trim() != name {
        Err(NameError::Blank)
    } else if name.len() > LONGEST {
        Err(NameError::Long)
    } else if printable(name) != name || name.contains(['\t', '\u{2028}', '\u{2029}']) {
        Err(NameError::Control)
    } else {
        Ok(())
    }
}

fn expose<S: Serializer>(secret: &Secret<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn conceal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret<String>, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_back() {
        let mut contents = Contents::default();
        let nasty = "\u{0}\"\\\n$(id) ünï \u{1f511}";
        for name in ["work prod", "$(touch /tmp/x)", "../../etc/passwd", "プロファイル"] {
            assert!(contents.put(name, Secret::new(nasty.into()), Timestamp(7)).unwrap().is_none());
        }
        let bytes = contents.to_bytes().unwrap();
        let back = Contents::from_bytes(&bytes).unwrap();
        assert_eq!(back.len(), 4);
        assert_eq!(
            back.get("work prod").map(|e| (e.secret.expose().as_str(), e.added)),
            Some((nasty, Timestamp(7)))
        );
    }

    #[test]
    fn the_buffer_never_grows() {
        let mut contents = Contents::default();
        for index in 0..50 {
            let name = format!("{index}{}", "\"".repeat(100));
            contents.put(&name, Secret::new("\u{1}".repeat(index * 10)), Timestamp(i64::MIN)).unwrap();
        }
        let most: usize =
            contents.iter().map(|(name, e)| 6 * (name.len() + e.secret.expose().len()) + 64).sum();
        assert!(contents.to_bytes().unwrap().expose().len() <= most + 2);
    }

    #[test]
    fn names_that_a_terminal_obeys_are_refused() {
        let mut contents = Contents::default();
        let mut put = |name: &str| contents.put(name, Secret::new("x".into()), Timestamp(0)).map(drop);
        for (name, why) in [
            ("", NameError::Blank),
            (" a", NameError::Blank),
            ("a\n", NameError::Blank),
            ("a\rb", NameError::Control),
            ("a\tb", NameError::Control),
            ("a\u{0}b", NameError::Control),
            ("a\u{9b}2Jb", NameError::Control),
            ("a\u{202e}b", NameError::Control),
            ("a\u{2028}b", NameError::Control),
        ] {
            assert_eq!(put(name), Err(why), "{name:?}");
        }
        assert_eq!(put(&"a".repeat(257)), Err(NameError::Long));
    }

    #[test]
    fn nothing_that_is_shown_holds_the_secret() {
        let mut contents = Contents::default();
        contents.put("a", Secret::new("canary".into()), Timestamp(0)).unwrap();
        assert!(!format!("{contents:?}").contains("canary"));
        let broken = Secret::new(br#"{"a":{"secret":"canary","added":"canary"}}"#.to_vec());
        let error = Contents::from_bytes(&broken).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
