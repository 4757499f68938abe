//! All that a stage's result depends on, item by item, so that equal means equal and what differs first can be named. For
//! machine learning that is more than files: the interpreter and the installed packages, chosen keys of parameter files,
//! the declared variables. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

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
    /// A program that is named by what is run.
    Program,
    /// Which packages are in a directory of them, as a whole.
    Installed,
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
    const ALL: [(Self, char); 11] = [
        (Self::Format, 'f'),
        (Self::Command, 'c'),
        (Self::Platform, 's'),
        (Self::Python, 'p'),
        (Self::Package, 'k'),
        (Self::Program, 'r'),
        (Self::Installed, 'n'),
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
const FORMAT: &str = "2";
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
        // Text into memory: there is nothing that could fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The items from bytes; `None` when they were not made by [`Fingerprint::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The inputs, one by one, with whether each is there.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, bool)> {
        self.inputs.iter().zip(&self.states).map(|(name, state)| (name, *state != State::Missing))
    }

    /// The inputs in which `self`, the newer one, differs from `old`, with whether each is there now; the error is the
    /// first difference in anything else.
    ///
    /// # Errors
    /// More than inputs differs.
    pub fn changed_inputs(&self, old: &Self) -> Result<Vec<(String, bool)>, Box<Difference>> {
        let mut changed = Vec::new();
        for (was, is) in self.differing(old) {
            match is.or(was) {
                Some(((Kind::Input, name), _)) => {
                    let missing = Value::State(&State::Missing);
                    changed.push((name.to_owned(), is.is_some_and(|(_, state)| state != missing)));
                }
                _ => return Err(Box::new(difference((was, is), 1))),
            }
        }
        Ok(changed)
    }

    /// The first item in which `self`, the newer one, differs from `old`.
    pub fn first_difference(&self, old: &Self) -> Option<Difference> {
        let mut differing = self.differing(old);
        let first = differing.next()?;
        Some(difference(first, 1 + differing.count()))
    }

    /// What differs, as it was and as it is.
    fn differing<'a>(&'a self, old: &'a Self) -> impl Iterator<Item = Pair<'a>> {
        let (mut new, mut old) = (self.iter().peekable(), old.iter().peekable());
        std::iter::from_fn(move || {
            loop {
                let (was, is) = match (old.peek(), new.peek()) {
                    (None, None) => return None,
                    (Some((one, _)), Some((other, _))) if one == other => (old.next(), new.next()),
                    (Some((one, _)), Some((other, _))) if one > other => (None, new.next()),
                    (None, Some(_)) => (None, new.next()),
                    _ => (old.next(), None),
                };
                if was != is {
                    return Some((was, is));
                }
            }
        })
    }
}

/// An item by its kind and its name.
type Item<'a> = ((Kind, &'a str), Value<'a>);

/// An item as it was and as it is; one of them may be missing.
type Pair<'a> = (Option<Item<'a>>, Option<Item<'a>>);

fn difference((was, is): Pair<'_>, count: usize) -> Difference {
    let (kind, name) = is.or(was).map_or((Kind::Format, ""), |(of, _)| of);
    let text = |item: Option<Item<'_>>| item.map(|(_, value)| value.text());
    Difference { kind, name: name.to_owned(), old: text(was), new: text(is), count }
}

/// Item by item, as [`Fingerprint::from_bytes`] reads it.
impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|((kind, name), value)| (kind.letter(), name, value.text())))
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
            (Kind::Program, ..) => write!(f, "the program {name} changed: {old} → {new}")?,
            (Kind::Installed, ..) => write!(f, "what is installed in {name} changed")?,
            (Kind::Param, ..) => write!(f, "{name} {old} → {new}")?,
            (Kind::Input, None, _) => write!(f, "{name} is new")?,
            (Kind::Input, _, None) => write!(f, "{name} is gone")?,
            (Kind::Input, ..) => write!(f, "{name} changed ({old} → {new})")?,
            // The values may be secrets: even their digests are of no use to a reader.
            (Kind::Variable, None, _) => write!(f, "${name} is set now")?,
            (Kind::Variable, _, None) => write!(f, "${name} is not set any more")?,
            (Kind::Variable, ..) => write!(f, "${name} changed")?,
            (Kind::Upstream, ..) => write!(f, "what it gets from {name} changed ({old} → {new})")?,
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
mod tests;
