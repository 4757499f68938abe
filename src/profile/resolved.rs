//! A resolved profile: everything merged, expanded and typed, in a fixed order.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::base::digest::Digest;
use crate::base::path::HomePath;

use super::schema::{PathLists, TestSetting};
use super::trust::Bundle;
use crate::document::problem::{Place, Problem};

/// What resolving gives: the profile, warnings, and what needs approval before it is applied.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The profile.
    pub profile: Profile,
    /// What its author should know; never errors.
    pub warnings: Vec<Problem>,
    /// Files that came from git addresses: ask [`super::trust::state`] about each before applying anything.
    pub bundles: Vec<Bundle>,
    /// The local files that it was made from: when one of them changes, so may the profile.
    pub files: Vec<PathBuf>,
}

/// What a home should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// The description of the last profile given.
    pub description: String,
    /// The profiles it was made from, in the order of merging.
    pub names: Vec<String>,
    /// Environment variables for every shell. Data: to be quoted.
    pub environment: BTreeMap<String, String>,
    /// Absolute directories for the program search path.
    pub path: PathLists,
    /// Aliases for every shell. Data: to be quoted.
    pub aliases: BTreeMap<String, String>,
    /// Functions for bash and zsh: name to body.
    pub functions: BTreeMap<String, String>,
    /// What only one shell gets, by `bash`, `zsh`, `fish`; all three are there.
    pub shells: BTreeMap<&'static str, ShellPart>,
    /// Files, blocks and links, by target.
    pub dotfiles: Vec<Dotfile>,
    /// Kits by name.
    pub kits: BTreeMap<String, Kit>,
    /// Repositories by name.
    pub repos: BTreeMap<String, Repo>,
    /// Programs that should be there, by command name.
    pub tools: BTreeMap<String, Tool>,
    /// Names of cloud credential profiles.
    pub credential_profiles: Vec<String>,
    /// Names of starter projects.
    pub starters: Vec<String>,
    /// Whether the background service is wanted.
    pub service: bool,
    /// Which profile gave an entry and where, by the path of the entry (`aliases.ll`, `kit.vim`, `dotfile.~/.x`).
    pub origins: BTreeMap<String, Provenance>,
}

/// Where an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provenance {
    /// The profile's name.
    pub profile: String,
    /// The line that gives it.
    pub place: Place,
}

/// What one shell gets besides the parts for all shells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ShellPart {
    /// Environment variables. Data: to be quoted.
    pub environment: BTreeMap<String, String>,
    /// Aliases. Data: to be quoted.
    pub aliases: BTreeMap<String, String>,
    /// Functions: name to body.
    pub functions: BTreeMap<String, String>,
    /// Code before aliases and functions.
    pub early: String,
    /// Code after everything else.
    pub late: String,
}

/// A file, block or link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dotfile {
    /// Where it goes.
    #[serde(serialize_with = "as_text")]
    pub target: HomePath,
    /// What it holds.
    pub content: Content,
}

/// What a dotfile holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// A whole file.
    File {
        /// Its bytes.
        #[serde(serialize_with = "as_digest")]
        bytes: Vec<u8>,
        /// Its permission bits.
        mode: u32,
    },
    /// A block in a file.
    Block {
        /// The lines of the block, without its marks.
        text: String,
        /// What starts a comment there.
        comment: String,
    },
    /// A symbolic link.
    Link {
        /// What it points to.
        #[serde(serialize_with = "as_text")]
        to: HomePath,
    },
}

/// A configuration kit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kit {
    /// The git address.
    pub url: String,
    /// The commit, branch or tag; `None` is the default branch.
    pub reference: Option<String>,
    /// Where the clone goes.
    #[serde(serialize_with = "as_text")]
    pub dir: HomePath,
    /// Commits of history to fetch; 0 is all.
    pub depth: u32,
    /// Programs without which it is left out.
    pub needs: Vec<String>,
    /// Code that loads it, by `bash`, `zsh`, `fish`. What vim needs is in a dotfile's block already.
    pub source: BTreeMap<&'static str, String>,
}

/// A project repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repo {
    /// The git address.
    pub url: String,
    /// The commit, branch or tag; `None` is the default branch.
    pub reference: Option<String>,
    /// Where the clone goes.
    #[serde(serialize_with = "as_text")]
    pub dir: HomePath,
    /// Where its Python environment goes; the repository's alias activates it from there.
    #[serde(serialize_with = "as_text")]
    pub venv: HomePath,
    /// Commits of history to fetch; 0 is all.
    pub depth: u32,
    /// Whether it gets a Python environment; `None`: when it looks like Python.
    pub python: Option<bool>,
    /// Whether and how its tests are run.
    pub test: Option<TestSetting>,
}

/// A program that should be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Whether its absence is only mentioned.
    pub optional: bool,
    /// Package names by package manager: `apt`, `dnf`, `tdnf`, `apk`, `pacman`, `zypper`, `brew`, `pip`, `npm`,
    /// `cargo`.
    pub packages: BTreeMap<&'static str, String>,
}

impl Profile {
    /// The digest of everything that decides what a home becomes; where entries come from does not count.
    pub fn digest(&self) -> Digest {
        let content =
            Self { origins: BTreeMap::new(), names: Vec::new(), description: String::new(), ..self.clone() };
        Digest::of(serde_json::to_string(&content).unwrap_or_default().as_bytes())
    }
}

fn as_text<S: Serializer>(path: &HomePath, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(path)
}

fn as_digest<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Digest::of(bytes))
}
