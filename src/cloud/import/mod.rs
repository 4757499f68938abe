//! What a home and a shell have of credentials, as credential profiles: which there are, what of them is secret, and where
//! that stands in plain text. Pure but for [`files`] and [`gather`].
//!
//! Whatever is found was written by others. A thing that cannot be used is [passed over](Passed) with a line and never costs
//! the rest.

pub mod aws;
pub mod azure;
pub mod backup;
pub mod env;
pub mod files;
pub mod gather;
pub mod gcp;
pub mod placing;

use std::path::PathBuf;

use super::profiles::{CredentialProfile, check_name, check_values};
use crate::base::secret::Secret;
use crate::base::text::printable;

/// The most that is found in one source.
const MOST: usize = 200;

/// The most lines about what is passed over in one source.
const LINES: usize = 20;

/// The longest name that is taken over, in bytes.
const LONGEST: usize = 128;

/// Where credentials are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `~/.aws/config` and `~/.aws/credentials`
    Aws,
    /// gcloud's configurations, and Google's credential files
    Gcp,
    /// The Azure CLI's subscriptions, and a service principal of the environment
    Azure,
    /// Keys and service principals of the environment
    Env,
}

/// All of them, in the order in which they are shown.
pub const SOURCES: [Source; 4] = [Source::Aws, Source::Gcp, Source::Azure, Source::Env];

impl Source {
    /// The word for it, as it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
            Self::Env => "env",
        }
    }

    /// The source of a word.
    pub fn of(word: &str) -> Option<Self> {
        SOURCES.into_iter().find(|source| source.word() == word)
    }
}

/// Where a secret stands in plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plain {
    /// The keys of this profile in AWS's files.
    AwsKeys(String),
    /// A file that holds nothing else. It is removed only when a person says so.
    KeyFile(PathBuf),
    /// A file that other programs use and that stays.
    Kept(PathBuf),
    /// Variables of the shell, which no program can take away from it.
    Variables(&'static [&'static str]),
}

/// Something that can be a profile.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it was looked for.
    pub source: Source,
    /// Where it stands, in words; nothing in it moves a cursor.
    pub place: String,
    /// What it is, in words, without a secret.
    pub what: String,
    /// The name that it would like to have; one that a profile can have.
    pub wished: String,
    /// A profile with one part. The name of what is sealed for it is not filled in yet, but for AWS.
    pub profile: CredentialProfile,
    /// What is to be sealed, in the form in which it is.
    pub secret: Option<Secret<String>>,
    /// Where that stands in plain text.
    pub plain: Option<Plain>,
    /// What should be known about it.
    pub note: Option<String>,
}

/// What is known of the vault.
#[derive(Clone, Debug, Default)]
pub struct InVault {
    /// The names in it, while it is open.
    pub names: Vec<String>,
    /// Whether there is one that is not open.
    pub is_locked: bool,
}

/// Something that is no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Where it stands, in words; nothing in it moves a cursor.
    pub place: String,
    /// Why it is passed over.
    pub why: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What can be a profile.
    pub found: Vec<Found>,
    /// What cannot.
    pub passed: Vec<Passed>,
    /// How many more cannot, for which there is no line.
    pub more: usize,
}

impl Findings {
    fn add(&mut self, found: Found) {
        if let Err(bad) = check_values(&found.profile) {
            self.pass(&found.place, bad.to_string());
        } else if self.found.len() < MOST {
            self.found.push(found);
        } else {
            let why = format!("only {MOST} of one source are taken over at a time");
            self.pass(&found.place, why);
        }
    }

    fn pass(&mut self, place: &str, why: impl Into<String>) {
        if self.passed.len() < LINES {
            self.passed.push(Passed { place: clipped(place), why: printable(&why.into()) });
        } else {
            self.more += 1;
        }
    }

    /// Both together.
    pub fn join(&mut self, other: Self) {
        self.found.extend(other.found);
        self.passed.extend(other.passed);
        self.more += other.more;
    }
}

/// A text of others, so that it fits into a line and nothing in it moves a cursor.
fn clipped(text: &str) -> String {
    const WIDTH: usize = 80;
    let text = printable(text);
    if text.chars().count() <= WIDTH {
        return text;
    }
    let mut short: String = text.chars().take(WIDTH).collect();
    short.push('…');
    short
}

/// The nearest name to a text that a profile can have.
pub fn valid_name(text: &str, otherwise: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-+@:/".contains(c);
    let mut name = String::new();
    for c in text.trim().chars().map(|c| if fits(c) { c } else { '-' }) {
        if !(c == '-' && name.ends_with('-')) {
            name.push(c);
        }
    }
    let name: String =
        name.trim_start_matches(|c: char| !c.is_ascii_alphanumeric()).chars().take(56).collect();
    let name = name.trim_end_matches('-');
    if check_name(name).is_ok() { name.to_owned() } else { otherwise.to_owned() }
}

/// An id, shortened so that it can be told from others and used for nothing.
pub fn short_id(id: &str) -> String {
    let letters: Vec<char> = id.chars().filter(|c| c.is_ascii_graphic()).collect();
    match letters.len() {
        ..12 => "…".to_owned(),
        count => {
            let end: String = letters[count - 4..].iter().collect();
            let begin: String = letters[..4].iter().collect();
            format!("{begin}…{end}")
        }
    }
}

/// Whether a text can be a part of a key: signs that can be seen, and not too many.
fn is_key(text: &str) -> bool {
    (1..=1024).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_gives_a_name_that_can_be_one() {
        for (text, name) in [
            ("dev", "dev"),
            (" Pay-As-You-Go (me) ", "Pay-As-You-Go-me"),
            ("$(id)\u{1b}[2J", "id-2J"),
            ("-_./x", "x"),
            ("日本", "aws"),
            ("", "aws"),
        ] {
            assert_eq!(valid_name(text, "aws"), name, "{text:?}");
        }
        assert!(check_name(&valid_name(&"x".repeat(1000), "aws")).is_ok());
    }

    #[test]
    fn an_id_is_shortened_and_a_short_one_is_not_shown() {
        assert_eq!(short_id("AKIAIOSFODNN7EXAMPLE"), "AKIA…MPLE");
        assert_eq!(short_id("hunter2"), "…");
    }
}
