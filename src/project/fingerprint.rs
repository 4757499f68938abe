//! All that a stage's result depends on, item by item, so that equal means equal and what differs first can be named. For
//! machine learning that is more than files: the interpreter and the installed packages, chosen keys of parameter files,
//! the declared variables. Pure.

use std::collections::BTreeMap;
use std::fmt;

use crate::base::digest::Digest;
use crate::base::text::printable;

/// The kind of an item. What explains more stands higher: the first difference is the one of the highest kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// How devboot makes fingerprints.
    Format,
    /// What is run.
    Command,
    /// The machine: system and architecture.
    Platform,
    /// The interpreter.
    Python,
    /// One installed package.
    Package,
    /// One value of a parameter file, shown as it is.
    Param,
    /// The content of one input.
    Input,
    /// One variable; its value is only there as a digest.
    Variable,
    /// What a stage that is needed has made.
    Upstream,
}

impl Kind {
    const ALL: [(Self, char); 9] = [
        (Self::Format, 'f'),
        (Self::Command, 'c'),
        (Self::Platform, 's'),
        (Self::Python, 'p'),
        (Self::Package, 'k'),
        (Self::Param, 'v'),
        (Self::Input, 'i'),
        (Self::Variable, 'e'),
        (Self::Upstream, 'u'),
    ];

    fn letter(self) -> char {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or('?', |(_, letter)| *letter)
    }

    fn of_letter(letter: char) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == letter).map(|(kind, _)| *kind)
    }
}

/// The items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    items: BTreeMap<(Kind, String), String>,
}

/// The first item that is not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its kind.
    pub kind: Kind,
    /// Its name: a path, a variable, a package.
    pub name: String,
    /// What it was; `None`: it was not there.
    pub old: Option<String>,
    /// What it is; `None`: it is not there.
    pub new: Option<String>,
    /// How many items differ in all.
    pub count: usize,
}

/// Counted up when fingerprints are made of other items than before.
const FORMAT: &str = "1";
/// The longest value that is kept as it is; a longer one is kept as its digest.
const LONGEST: usize = 200;

impl Fingerprint {
    /// No item but the format.
    pub fn new() -> Self {
        let mut this = Self::default();
        this.add(Kind::Format, "", FORMAT);
        this
    }

    /// Adds an item; one of the same kind and name is replaced.
    pub fn add(&mut self, kind: Kind, name: impl Into<String>, value: impl Into<String>) {
        let value = value.into();
        let value = if value.len() > LONGEST { Digest::of(value.as_bytes()).to_string() } else { value };
        self.items.insert((kind, name.into()), value);
    }

    /// The digest of all items.
    pub fn digest(&self) -> Digest {
        let mut hasher = Digest::begin();
        for ((kind, name), value) in &self.items {
            let mut letter = [0; 4];
            hasher.part(kind.letter().encode_utf8(&mut letter).as_bytes());
            hasher.part(name.as_bytes());
            hasher.part(value.as_bytes());
        }
        hasher.end()
    }

    /// The items as bytes, to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let list: Vec<(char, &str, &str)> = self
            .items
            .iter()
            .map(|((kind, name), value)| (kind.letter(), name.as_str(), value.as_str()))
            .collect();
        serde_json::to_vec(&list).unwrap_or_default()
    }

    /// The items from bytes; `None` when they were not made by [`Fingerprint::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let list: Vec<(char, String, String)> = serde_json::from_slice(bytes).ok()?;
        let item = |(letter, name, value)| Some(((Kind::of_letter(letter)?, name), value));
        Some(Self { items: list.into_iter().map(item).collect::<Option<_>>()? })
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The first item in which `self`, the newer one, differs from `old`.
    pub fn first_difference(&self, old: &Self) -> Option<Difference> {
        let (mut first, mut count) = (None, 0);
        let gone = old.items.keys().filter(|key| !self.items.contains_key(*key));
        let changed =
            self.items.iter().filter(|(key, value)| old.items.get(*key) != Some(*value)).map(|(key, _)| key);
        for key in changed.chain(gone) {
            count += 1;
            first = Some(first.map_or(key, |first: &(Kind, String)| first.min(key)));
        }
        let (kind, name) = first?.clone();
        let value = |items: &BTreeMap<(Kind, String), String>| items.get(&(kind, name.clone())).cloned();
        Some(Difference { kind, old: value(&old.items), new: value(&self.items), name, count })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = printable(&self.name);
        let shown = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), short);
        let (old, new) = (shown(&self.old), shown(&self.new));
        match (self.kind, &self.old, &self.new) {
            (Kind::Format, ..) => f.write_str("devboot looks at more than it did")?,
            (Kind::Command, ..) => write!(f, "its {name} changed: {old} → {new}")?,
            (Kind::Platform, ..) => write!(f, "the machine changed: {old} → {new}")?,
            (Kind::Python, ..) => write!(f, "Python changed: {old} → {new}")?,
            (Kind::Package, None, _) => write!(f, "package {name} {new} was installed")?,
            (Kind::Package, _, None) => write!(f, "package {name} {old} was removed")?,
            (Kind::Package, ..) => write!(f, "package {name} {old} → {new}")?,
            (Kind::Param, ..) => write!(f, "{name} {old} → {new}")?,
            (Kind::Input, None, _) => write!(f, "{name} is new")?,
            (Kind::Input, _, None) => write!(f, "{name} is gone")?,
            (Kind::Input, ..) => write!(f, "{name} changed ({old} → {new})")?,
            // The values may be secrets: even their digests are of no use to a reader.
            (Kind::Variable, None, _) => write!(f, "${name} is set now")?,
            (Kind::Variable, _, None) => write!(f, "${name} is not set any more")?,
            (Kind::Variable, ..) => write!(f, "${name} changed")?,
            (Kind::Upstream, ..) => write!(f, "what {name} makes changed ({old} → {new})")?,
        }
        match self.count {
            0 | 1 => Ok(()),
            2 => f.write_str(", and another item"),
            more => write!(f, ", and {} other items", more - 1),
        }
    }
}

/// A value as a reader wants it: digests by their first digits.
fn short(value: &str) -> String {
    let digest = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match value.split_once(' ') {
        _ if digest(value) => value[..8].to_owned(),
        Some((first, rest)) if digest(first) => format!("{} {}", &first[..8], printable(rest)),
        _ => printable(value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Items<'a> = &'a [(Kind, &'a str, &'a str)];

    fn of(items: Items<'_>) -> Fingerprint {
        let mut found = Fingerprint::new();
        for (kind, name, value) in items {
            found.add(*kind, *name, *value);
        }
        found
    }

    fn words(old: Items<'_>, new: Items<'_>) -> String {
        of(new).first_difference(&of(old)).map_or_else(String::new, |difference| difference.to_string())
    }

    #[test]
    fn the_first_difference_is_named_with_old_and_new() {
        use Kind::*;
        let (a, b) = (Digest::of(b"a").to_string(), Digest::of(b"b").to_string());
        let cases: [(Items<'_>, Items<'_>, String); 9] = [
            (
                &[(Input, "a.py", &a)],
                &[(Input, "a.py", &b)],
                format!("a.py changed ({} → {})", &a[..8], &b[..8]),
            ),
            (&[], &[(Input, "a\n.py", &a)], "a\\u{a}.py is new".into()),
            (&[(Input, "a.py", &a)], &[], "a.py is gone".into()),
            (
                &[(Param, "params.yaml: lr", "0.1")],
                &[(Param, "params.yaml: lr", "0.2")],
                "params.yaml: lr 0.1 → 0.2".into(),
            ),
            (&[(Package, "numpy", "1.26")], &[(Package, "numpy", "2.0")], "package numpy 1.26 → 2.0".into()),
            (&[], &[(Package, "numpy", "2.0")], "package numpy 2.0 was installed".into()),
            (&[(Variable, "TOKEN", &a)], &[(Variable, "TOKEN", &b)], "$TOKEN changed".into()),
            (&[(Python, "", "3.11.7")], &[(Python, "", "3.12.1")], "Python changed: 3.11.7 → 3.12.1".into()),
            (
                &[(Command, "command", "ls"), (Input, "a", &a), (Input, "b", &a)],
                &[(Command, "command", "ls -l"), (Input, "a", &b)],
                "its command changed: ls → ls -l, and 2 other items".into(),
            ),
        ];
        for (old, new, expected) in cases {
            assert_eq!(words(old, new), expected);
        }
        assert_eq!(words(&[(Input, "a", &a)], &[(Input, "a", &a)]), "");
    }

    #[test]
    fn long_values_are_digests() {
        let long = "x".repeat(10_000);
        assert!(of(&[(Kind::Command, "command", &long)]).to_bytes().len() < 200);
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was_and_equal_means_equal(
            a in prop::collection::btree_map("[a-c]{1,2}", ".{0,3}", 0..5),
            b in prop::collection::btree_map("[a-c]{1,2}", ".{0,3}", 0..5),
        ) {
            let make = |items: &BTreeMap<String, String>| {
                let mut found = Fingerprint::new();
                items.iter().for_each(|(name, value)| found.add(Kind::Input, name.as_str(), value.as_str()));
                found
            };
            let (one, other) = (make(&a), make(&b));
            prop_assert_eq!(Fingerprint::from_bytes(&one.to_bytes()), Some(one.clone()));
            prop_assert_eq!(one.digest() == other.digest(), a == b);
            prop_assert_eq!(one.first_difference(&other).is_none(), a == b);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Fingerprint::from_bytes(&bytes);
        }
    }
}
