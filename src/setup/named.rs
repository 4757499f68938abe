//! Repositories by what people call them on the command line: a name of the catalog or of a clone that is there,
//! `owner/name`, or an address.

use std::fmt;

use super::record::{CloneRecord, Record};
use super::work::{Project, Wanted, WantedClone};
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::path::HomePath;
use crate::base::redact;
use crate::base::shorthand::expanded;
use crate::base::text::{nearest, printable};
use crate::profile::schema::TestSetting;
use crate::repos::catalog::{Catalog, name_of};
use crate::repos::git::fetch::History;
use crate::repos::git::url::{BadUrl, GitUrl};
use crate::repos::git::{CloneLimits, CloneSpec};
use crate::sys::dirs::Dirs;

/// Why something is no repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Neither a known name nor an address; the nearest known name.
    Unknown(String, Option<String>),
    /// An address that is none.
    Url(String, BadUrl),
    /// An address without a part that could name a folder.
    Nameless(String),
    /// Another clone has the name: where that came from.
    Taken(String, String),
    /// There is no such clone in this home.
    NotHere(String),
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| printable(&redact::url(text));
        match self {
            Self::Unknown(word, _) => write!(f, "there is no repository '{}'", printable(word)),
            Self::Url(word, error) => write!(f, "{}: {error}", shown(word)),
            Self::Nameless(word) => write!(f, "{} does not end in a name for a folder", shown(word)),
            Self::Taken(name, url) => write!(f, "'{}' is already a clone of {}", printable(name), shown(url)),
            Self::NotHere(name) => write!(f, "'{}' is not cloned in this home", printable(name)),
        }
    }
}

impl std::error::Error for NameError {}

impl Diagnose for NameError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unknown(_, Some(near)) => vec![format!("did you mean '{near}'?")],
            Self::Unknown(..) => vec!["`devboot repo list` shows the names; an address works too".into()],
            Self::Taken(..) => vec!["clone it with --into another directory".into()],
            Self::NotHere(name) => vec![format!("devboot repo clone {}", printable(name))],
            Self::Url(..) | Self::Nameless(_) => Vec::new(),
        }
    }
}

/// Where new clones go.
pub const FOLDER: &str = "repos";

/// Finds repositories by their names.
pub struct Finder<'a> {
    /// What is known of repositories.
    pub catalog: &'a Catalog,
    /// What is there.
    pub record: &'a Record,
    /// Where everything is.
    pub dirs: &'a Dirs,
    /// The folder for clones that are not there yet.
    pub into: HomePath,
}

impl Finder<'_> {
    /// The repositories of these names, each once, as clones and projects.
    ///
    /// # Errors
    /// A name that means nothing, or an address that is none.
    pub fn all(&self, words: &[String]) -> Result<Wanted, NameError> {
        let mut wanted = Wanted::default();
        for word in words {
            let clone = self.one(word)?;
            if wanted.repos.iter().all(|known| known.dir != clone.dir) {
                wanted.projects.push(self.project(&clone));
                wanted.repos.push(clone);
            }
        }
        Ok(wanted)
    }

    /// Every clone that devboot made in this home, kits left out.
    pub fn cloned(&self) -> Wanted {
        let mut wanted = Wanted::default();
        for (dir, known) in self.record.clones.iter().filter(|(_, known)| !known.kit) {
            let clone = self.known(dir, known);
            wanted.projects.push(self.project(&clone));
            wanted.repos.push(clone);
        }
        wanted
    }

    /// Those of these names that are cloned here; all of them without a name.
    ///
    /// # Errors
    /// As [`Finder::all`], and a repository that is not cloned.
    pub fn here(&self, words: &[String]) -> Result<Wanted, NameError> {
        if words.is_empty() {
            return Ok(self.cloned());
        }
        let wanted = self.all(words)?;
        match wanted.repos.iter().find(|clone| !self.record.clones.contains_key(&clone.dir)) {
            Some(missing) => Err(NameError::NotHere(missing.spec.name.clone())),
            None => Ok(wanted),
        }
    }

    fn one(&self, word: &str) -> Result<WantedClone, NameError> {
        let by_name = |(_, known): &(&HomePath, &CloneRecord)| known.name == *word && !known.kit;
        if let Some((dir, known)) = self.record.clones.iter().find(by_name) {
            return Ok(self.known(dir, known));
        }
        if let Some(entry) = self.catalog.repos.get(word) {
            return self.fresh(word, &entry.url, entry.commit.clone());
        }
        if !word.contains(['/', ':']) {
            let known = self.catalog.repos.keys().chain(self.record.clones.values().map(|known| &known.name));
            let near = nearest(word, known.map(String::as_str)).map(str::to_owned);
            return Err(NameError::Unknown(word.to_owned(), near));
        }
        let url = GitUrl::parse(&expanded(word)).map_err(|error| NameError::Url(word.to_owned(), error))?;
        let same = |text: &str| GitUrl::parse(&expanded(text)).is_ok_and(|other| other.is_same_as(&url));
        let cloned = self.record.clones.iter().find(|(_, known)| !known.kit && same(&known.url));
        if let Some((dir, known)) = cloned {
            return Ok(self.known(dir, known));
        }
        if let Some((name, entry)) = self.catalog.repos.iter().find(|(_, entry)| same(&entry.url)) {
            return self.fresh(name, &entry.url, entry.commit.clone());
        }
        let name = name_of(word).ok_or_else(|| NameError::Nameless(word.to_owned()))?;
        self.fresh(name, word, None)
    }

    fn fresh(&self, name: &str, url: &str, commit: Option<String>) -> Result<WantedClone, NameError> {
        let nameless = || NameError::Nameless(url.to_owned());
        let dir = HomePath::parse(&format!("{}/{name}", self.into)).map_err(|_| nameless())?;
        if let Some(other) = self.record.clones.get(&dir) {
            return Err(NameError::Taken(name.to_owned(), other.url.clone()));
        }
        Ok(self.clone(name, &expanded(url), commit, dir))
    }

    /// What is there may have moved on, so no commit is asked for.
    fn known(&self, dir: &HomePath, known: &CloneRecord) -> WantedClone {
        self.clone(&known.name, &known.url, None, dir.clone())
    }

    fn clone(&self, name: &str, url: &str, reference: Option<String>, dir: HomePath) -> WantedClone {
        let spec = CloneSpec {
            name: name.to_owned(),
            url: url.to_owned(),
            reference,
            history: History::Depth(1),
            submodules: true,
            dest: dir.under(&self.dirs.home),
            limits: CloneLimits::default(),
        };
        WantedClone { dir, spec, kit: false, test: None }
    }

    fn project(&self, clone: &WantedClone) -> Project {
        let name = &clone.spec.name;
        let command = self.record.clones.get(&clone.dir).and_then(|known| known.test.clone());
        Project {
            name: name.clone(),
            dir: clone.spec.dest.clone(),
            url: Some(clone.spec.url.clone()),
            link: super::work::link(self.dirs, name),
            python: None,
            test: Some(command.map_or(TestSetting::Run(true), TestSetting::Command)),
            starter: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn with<T>(record: &Record, act: impl FnOnce(&Finder<'_>) -> T) -> T {
        let catalog = Catalog::embedded().unwrap();
        let dirs = Dirs::of_home(Path::new("/h"));
        let into = HomePath::parse(FOLDER).unwrap();
        act(&Finder { catalog: &catalog, record, dirs: &dirs, into })
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn names_and_addresses_of_one_repository_are_one() {
        let found = with(&Record::default(), |finder| {
            finder
                .all(&words(&[
                    "or",
                    "noahgift/or",
                    "https://github.com/noahgift/or",
                    "git@example.org:me/x.git",
                ]))
                .unwrap()
        });
        let names: Vec<&str> = found.repos.iter().map(|clone| clone.spec.name.as_str()).collect();
        assert_eq!(names, ["or", "x"]);
        assert!(found.repos[0].spec.reference.is_some(), "pinned by the catalog");
        assert_eq!(found.repos[1].spec.dest, Path::new("/h/repos/x"));
    }

    #[test]
    fn what_is_there_is_found_where_it_is() {
        let mut record = Record::default();
        let known = CloneRecord {
            name: "or".into(),
            url: "https://github.com/noahgift/or.git".into(),
            commit: None,
            kit: false,
            test: Some("make check".into()),
        };
        record.clones.insert(HomePath::parse("work/or").unwrap(), known);
        with(&record, |finder| {
            let found = finder.all(&words(&["or", "noahgift/or"])).unwrap();
            assert_eq!(found.repos.len(), 1);
            assert_eq!(found.repos[0].spec.dest, Path::new("/h/work/or"));
            assert_eq!(found.projects[0].test, Some(TestSetting::Command("make check".into())));
            assert_eq!(finder.here(&[]).unwrap().repos.len(), 1);
            let missing = finder.here(&words(&["gcp-hello-ml"])).unwrap_err();
            assert_eq!(missing, NameError::NotHere("gcp-hello-ml".into()));
        });
    }

    #[test]
    fn what_means_nothing_is_said() {
        with(&Record::default(), |finder| {
            let error = |word: &str| finder.all(&words(&[word])).unwrap_err();
            assert_eq!(error("gcp-helo-ml").hints(), ["did you mean 'gcp-hello-ml'?"]);
            assert!(matches!(error("qqqq"), NameError::Unknown(_, None)));
            assert!(matches!(error("ftp://h/x"), NameError::Url(..)));
            assert!(matches!(error("https://h/a/.git"), NameError::Nameless(_)));
        });
    }
}
