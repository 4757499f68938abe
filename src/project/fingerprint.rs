//! All that a stage's result depends on, item by item, so that equal means equal and what differs first can be named. For
//! machine learning that is more than files: the interpreter and the installed packages, chosen keys of parameter files,
//! the declared variables. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use super::inputs::Inputs;
use crate::base::digest::Digest;
use crate::base::names::Names;
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

/// What an input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// A file with these bytes.
    File {
        /// The digest of its bytes.
        digest: Digest,
        /// Whether its owner may execute it.
        executable: bool,
    },
    /// It was there when the files were listed, or is named and is not there.
    Missing,
    /// A directory, which is no item: what is in it are inputs of their own.
    Dir,
}

impl State {
    const EXECUTABLE: &str = " executable";
    const MISSING: &str = "missing";

    fn text(&self) -> String {
        match self {
            Self::File { digest, executable: true } => format!("{digest}{}", Self::EXECUTABLE),
            Self::File { digest, .. } => digest.to_string(),
            Self::Missing => Self::MISSING.to_owned(),
            Self::Dir => String::new(),
        }
    }

    fn of_text(text: &str) -> Option<Self> {
        if text == Self::MISSING {
            return Some(Self::Missing);
        }
        let bare = text.strip_suffix(Self::EXECUTABLE);
        Some(Self::File { digest: bare.unwrap_or(text).parse().ok()?, executable: bare.is_some() })
    }
}

/// The items. There may be a hundred thousand inputs, so they are kept as what they are; all others are texts.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint {
    items: BTreeMap<(Kind, String), String>,
    inputs: Inputs,
    /// What each of the inputs is.
    states: Vec<State>,
}

/// What an item says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
    Text(&'a str),
    State(&'a State),
}

impl Value<'_> {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            Self::State(state) => state.text(),
        }
    }
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

    /// Says what the inputs are, one by one.
    pub fn set_inputs(&mut self, inputs: Inputs, states: Vec<State>) {
        (self.inputs, self.states) = (inputs, states);
    }

    /// Adds an item that is no input; one of the same kind and name is replaced.
    pub fn add(&mut self, kind: Kind, name: impl Into<String>, value: impl Into<String>) {
        let value = value.into();
        let value = if value.len() > LONGEST { Digest::of(value.as_bytes()).to_string() } else { value };
        self.items.insert((kind, name.into()), value);
    }

    /// How many items there are, about.
    pub fn len(&self) -> usize {
        self.items.len() + self.states.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items in their order: by kind, then by name.
    fn iter(&self) -> impl Iterator<Item = ((Kind, &str), Value<'_>)> {
        let items = |before: bool| {
            let items = self.items.iter().filter(move |((kind, _), _)| (*kind < Kind::Input) == before);
            items.map(|((kind, name), value)| ((*kind, name.as_str()), Value::Text(value)))
        };
        let inputs = self.inputs.iter().zip(&self.states).filter(|(_, state)| **state != State::Dir);
        let inputs = inputs.map(|(name, state)| ((Kind::Input, name), Value::State(state)));
        items(true).chain(inputs).chain(items(false))
    }

    /// The digest of all items.
    pub fn digest(&self) -> Digest {
        let mut hasher = Digest::begin();
        for ((kind, name), value) in self.iter() {
            let mut letter = [0; 4];
            hasher.part(kind.letter().encode_utf8(&mut letter).as_bytes());
            hasher.part(name.as_bytes());
            match value {
                Value::Text(text) => hasher.part(text.as_bytes()),
                Value::State(state) => hasher.part(state.text().as_bytes()),
            }
        }
        hasher.end()
    }

    /// The items as bytes, to be kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![b'['];
        for ((kind, name), value) in self.iter() {
            if bytes.len() > 1 {
                bytes.push(b',');
            }
            // Text into memory: there is nothing that could fail.
            let _ = serde_json::to_writer(&mut bytes, &(kind.letter(), name, value.text()));
        }
        bytes.push(b']');
        bytes
    }

    /// The items from bytes; `None` when they were not made by [`Fingerprint::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The first item in which `self`, the newer one, differs from `old`.
    pub fn first_difference(&self, old: &Self) -> Option<Difference> {
        let (mut new, mut old) = (self.iter().peekable(), old.iter().peekable());
        let (mut first, mut count) = (None, 0);
        loop {
            let (was, is) = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some((one, _)), Some((other, _))) if one == other => (old.next(), new.next()),
                (Some((one, _)), Some((other, _))) if one > other => (None, new.next()),
                (None, Some(_)) => (None, new.next()),
                _ => (old.next(), None),
            };
            if was != is {
                count += 1;
                first = first.or(Some((was, is)));
            }
        }
        let (was, is) = first?;
        let ((kind, name), _) = is.or(was)?;
        let text = |item: Option<(_, Value<'_>)>| item.map(|(_, value)| value.text());
        Some(Difference { kind, name: name.to_owned(), old: text(was), new: text(is), count })
    }
}

/// Item by item, so that a hundred thousand of them are never there as texts.
impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Fingerprint;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the items of a fingerprint")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Fingerprint, A::Error> {
                let (mut found, mut names) = (Fingerprint::default(), Names::default());
                while let Some((letter, name, value)) = list.next_element::<(char, String, String)>()? {
                    match Kind::of_letter(letter).ok_or_else(|| A::Error::custom("no such kind"))? {
                        Kind::Input if names.push(&name) => {
                            let state = State::of_text(&value).ok_or_else(|| A::Error::custom("no input"))?;
                            found.states.push(state);
                        }
                        Kind::Input => return Err(A::Error::custom("inputs without order")),
                        kind => drop(found.items.insert((kind, name), value)),
                    }
                }
                found.inputs = Inputs::of(names);
                Ok(found)
            }
        }
        deserializer.deserialize_seq(Items)
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
        let is_input = |(kind, ..): &&(Kind, &str, &str)| *kind == Kind::Input;
        for (kind, name, value) in items.iter().filter(|item| !is_input(item)) {
            found.add(*kind, *name, *value);
        }
        let inputs = items.iter().filter(is_input);
        let names = Names::sorted(inputs.clone().map(|(_, name, _)| *name));
        found.set_inputs(
            Inputs::of(names),
            inputs.map(|(.., value)| State::of_text(value).unwrap()).collect(),
        );
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

    fn state() -> impl Strategy<Value = State> {
        let file =
            |(byte, executable): (u8, bool)| State::File { digest: Digest::of(&[byte % 2]), executable };
        prop_oneof![any::<(u8, bool)>().prop_map(file), Just(State::Missing), Just(State::Dir)]
    }

    type Texts = BTreeMap<String, String>;
    type States = BTreeMap<String, State>;

    fn some() -> impl Strategy<Value = (Texts, States, Texts)> {
        let texts = || prop::collection::btree_map("[a-c]{1,2}", ".{0,3}", 0..5);
        (texts(), prop::collection::btree_map("[a-c]{1,2}", state(), 0..5), texts())
    }

    fn made((params, inputs, variables): &(Texts, States, Texts)) -> Fingerprint {
        let mut found = Fingerprint::new();
        params.iter().for_each(|(name, value)| found.add(Kind::Param, name.as_str(), value.as_str()));
        variables.iter().for_each(|(name, value)| found.add(Kind::Variable, name.as_str(), value.as_str()));
        found.set_inputs(Inputs::of(Names::sorted(inputs.keys())), inputs.values().cloned().collect());
        found
    }

    proptest! {
        #[test]
        fn what_is_kept_is_what_was_and_equal_means_equal(a in some(), b in some()) {
            let (one, other) = (made(&a), made(&b));
            let again = Fingerprint::from_bytes(&one.to_bytes()).unwrap();
            prop_assert_eq!(again.digest(), one.digest());
            prop_assert_eq!(again.first_difference(&one), None);
            let items = |some: &(Texts, States, Texts)| {
                let mut some = some.clone();
                some.1.retain(|_, state| *state != State::Dir);
                some
            };
            let same = items(&a) == items(&b);
            prop_assert_eq!(one.digest() == other.digest(), same);
            prop_assert_eq!(one.first_difference(&other).is_none(), same);
        }

        #[test]
        fn the_first_difference_is_the_first_and_all_are_counted(a in some(), b in some()) {
            let texts = |of: &Fingerprint| -> BTreeMap<(Kind, String), String> {
                of.iter().map(|((kind, name), value)| ((kind, name.to_owned()), value.text())).collect()
            };
            let (old, new) = (made(&a), made(&b));
            let (before, after) = (texts(&old), texts(&new));
            let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
            let different: Vec<_> = keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).collect();
            let expected = different.first().map(|key| Difference {
                kind: key.0,
                name: key.1.clone(),
                old: before.get(*key).cloned(),
                new: after.get(*key).cloned(),
                count: different.len(),
            });
            prop_assert_eq!(new.first_difference(&old), expected);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = Fingerprint::from_bytes(&bytes);
        }
    }
}
