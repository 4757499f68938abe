//! What the package index knows of exact pins: for which Pythons they have wheels, which ones they exclude, and when
//! they were uploaded. Answers are kept: an old version does not change. Without an index nothing is known, and
//! that is no error.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::marker::{self, Holds};
use super::version::{Minor, Ranges};
use crate::base::digest::Digest;
use crate::sys::env;
use crate::sys::http::{self, Login, Method, Request};
use crate::sys::real::RealSystem;
use crate::sys::route::Route;
use crate::sys::stream::Patience;
use crate::sys::system::{ReadSystem, replace};
use crate::sys::{tree, workers};

/// One pin and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The package.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The Pythons that it is for, as PEP 440 bounds.
    pub requires: Option<String>,
    /// It has a wheel for every Python.
    pub any: bool,
    /// Minor versions of Python 3 that it has wheels for on this machine.
    pub minors: BTreeSet<u32>,
    /// The oldest minor version of Python 3 that a wheel of the stable ABI is for.
    pub stable_from: Option<u32>,
    /// It can be built from source.
    pub source: bool,
    /// The Pythons that it is asked for, as PEP 440 bounds; `None`: for all.
    #[serde(skip)]
    pub only: Option<String>,
}

/// An exact pin of a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exact {
    /// The package, as the index writes it.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The Pythons that it is asked for, as PEP 440 bounds; `None`: for all.
    pub only: Option<String>,
}

/// How a pin fits a Python.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It excludes it, or has nothing for it.
    No,
    /// It would have to be built.
    Source,
    /// It has a wheel.
    Wheel,
}

impl Pin {
    /// Whether it is asked for with a Python.
    pub fn applies(&self, python: Minor) -> bool {
        let only = self.only.as_deref().and_then(Ranges::parse);
        only.is_none_or(|only| only.admits(python))
    }

    /// How it fits a Python.
    pub fn fit(&self, python: Minor) -> Fit {
        let range = self.requires.as_deref().and_then(Ranges::parse);
        if range.is_some_and(|range| !range.admits(python)) {
            return Fit::No;
        }
        let stable = self.stable_from.is_some_and(|from| python.1 >= from);
        if self.any || stable || self.minors.contains(&python.1) {
            Fit::Wheel
        } else if self.source {
            Fit::Source
        } else {
            Fit::No
        }
    }
}

/// More pins than this are not asked for.
const MOST: usize = 40;
const AT_ONCE: usize = 8;
const LARGEST: u64 = 48 << 20;
const TIME: Duration = Duration::from_secs(20);

/// The exact pins of requirements. Lines with addresses, or with markers that cannot be told here, say nothing.
pub fn pins<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<Exact> {
    let mut found: Vec<Exact> = Vec::new();
    for line in texts.flat_map(str::lines) {
        let line = line.split(" #").next().unwrap_or_default().trim();
        let line = line.split(" --").next().unwrap_or_default().trim_end_matches(['\\', ' ']);
        let (line, marker) = line.split_once(';').unwrap_or((line, ""));
        let Some((name, version)) = line.split_once("==") else { continue };
        let only = match marker::read(marker, cfg!(target_os = "macos")) {
            Holds::Always => None,
            Holds::With(bounds) => Some(bounds),
            Holds::Never | Holds::Unknown => continue,
        };
        let name = normal(name.split('[').next().unwrap_or_default().trim());
        let version = version.split([' ', '\\']).next().unwrap_or_default().trim();
        let plain = |text: &str| {
            !text.is_empty()
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+'))
        };
        let is_known = |known: &Exact| known.name == name && (known.only.is_none() || known.only == only);
        if plain(&name) && plain(version) && !found.iter().any(is_known) {
            found.push(Exact { name, version: version.to_owned(), only });
        }
    }
    found.truncate(MOST);
    found
}

/// The name by which an index knows a package (PEP 503).
fn normal(name: &str) -> String {
    let lower = name.to_ascii_lowercase().replace(['_', '.'], "-");
    lower.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// Where an index is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    url: String,
    login: Option<Login>,
}

impl Index {
    /// The one that uv and pip use: their variables, then pip's files, then PyPI.
    pub fn of(home: &Path, var: impl Fn(&str) -> Option<OsString>) -> Self {
        let named = ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"].iter().find_map(|name| var(name));
        let named = named.and_then(|url| url.into_string().ok()).filter(|url| !url.is_empty());
        let file = var("PIP_CONFIG_FILE").map(PathBuf::from);
        let files = file.into_iter().chain([
            home.join(".config/pip/pip.conf"),
            home.join(".pip/pip.conf"),
            PathBuf::from("/etc/pip.conf"),
        ]);
        let in_files = || {
            let text = |path: PathBuf| String::from_utf8(RealSystem.read(&path, 1 << 16).ok()?).ok();
            files.filter_map(text).find_map(|text| index_url(&text))
        };
        Self::at(&named.or_else(in_files).unwrap_or_else(|| "https://pypi.org/simple".into()))
    }

    /// An index by its address, which may have a login.
    pub fn at(url: &str) -> Self {
        use crate::repos::git::url::GitUrl;
        match GitUrl::parse(url) {
            Ok(GitUrl::Http { bare, login, .. }) => Self { url: bare, login },
            _ => Self { url: url.trim_end_matches('/').to_owned(), login: None },
        }
    }
}

/// `index-url` in the `[global]` part of a pip.conf.
fn index_url(text: &str) -> Option<String> {
    let mut global = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            global = line == "[global]";
        } else if let Some(("index-url", url)) =
            line.split_once('=').map(|(key, url)| (key.trim(), url.trim()))
            && global
        {
            return Some(url.to_owned());
        }
    }
    None
}

/// Whether pip or uv are told to use no index. Then none is asked here either: names of packages may be private.
pub fn is_forbidden(var: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| {
        var(name).is_some_and(|value| {
            !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
        })
    };
    is_set("PIP_NO_INDEX") || is_set("UV_NO_INDEX")
}

/// What is known of these pins; those that nothing is known of are left out. `cache` keeps the answers; `offline`
/// asks nobody.
pub fn ask(pins: &[Exact], index: &Index, cache: &Path, offline: bool) -> Vec<Pin> {
    let folder = cache.join("index").join(Digest::of(index.url.as_bytes()).short());
    let found = workers::each(pins, AT_ONCE, |exact| {
        let pin = one(&exact.name, &exact.version, index, &folder, offline)?;
        Some(Pin { only: exact.only.clone(), ..pin })
    });
    found.into_iter().flatten().collect()
}

fn one(name: &str, version: &str, index: &Index, folder: &Path, offline: bool) -> Option<Pin> {
    let kept = folder.join(format!("{name}-{version}.json"));
    if let Ok(bytes) = RealSystem.read(&kept, 1 << 16)
        && let Ok(pin) = serde_json::from_slice(&bytes)
    {
        return Some(pin);
    }
    if offline {
        return None;
    }
    let request = Request {
        url: format!("{}/{name}/", index.url),
        accept: "application/vnd.pypi.simple.v1+json",
        login: index.login.clone(),
        method: Method::Get,
        headers: Vec::new(),
        route: Route::default(),
    };
    let patience = Patience { stall: TIME, deadline: Some(std::time::Instant::now() + TIME) };
    let answer = http::send(request, patience).ok().filter(|answer| answer.status == 200)?;
    let pin = read(name, version, &answer.bytes(LARGEST).ok()?, env::ARCH)?;
    // Asking again only costs time.
    let _ = tree::create(folder);
    if let Ok(bytes) = serde_json::to_vec(&pin) {
        let _ = replace(&RealSystem, &kept, &bytes, 0o644);
    }
    Some(pin)
}

#[derive(Deserialize)]
struct Page {
    files: Vec<PageFile>,
}

#[derive(Deserialize)]
struct PageFile {
    filename: String,
    #[serde(default, rename = "requires-python")]
    requires: Option<String>,
}

/// Reads a project's page (PEP 691) for one version; `None` when it has no file of it.
fn read(name: &str, version: &str, page: &[u8], arch: &str) -> Option<Pin> {
    let page: Page = serde_json::from_slice(page).ok()?;
    let mut pin = Pin {
        name: name.to_owned(),
        version: version.to_owned(),
        requires: None,
        any: false,
        minors: BTreeSet::new(),
        stable_from: None,
        source: false,
        only: None,
    };
    let mut found = false;
    for file in &page.files {
        if let Some(stem) = file.filename.strip_suffix(".whl") {
            let parts: Vec<&str> = stem.split('-').collect();
            let [_, this, .., pythons, abi, platform] = parts[..] else { continue };
            if !same_version(this, version) {
                continue;
            }
            found = true;
            wheel(&mut pin, pythons, abi, platform, arch);
        } else if is_source(&file.filename, name, version) {
            found = true;
            pin.source = true;
        } else {
            continue;
        }
        pin.requires = file.requires.clone().or(pin.requires.take());
    }
    found.then_some(pin)
}

fn wheel(pin: &mut Pin, pythons: &str, abi: &str, platform: &str, arch: &str) {
    let system = if cfg!(target_os = "macos") { "macosx" } else { "linux" };
    let arch = if arch == "aarch64" && system == "macosx" { "arm64" } else { arch };
    let here = platform == "any"
        || platform
            .split('.')
            .any(|tag| tag.contains(system) && (tag.ends_with(arch) || tag.ends_with("universal2")));
    if !here {
        return;
    }
    for python in pythons.split('.') {
        match python.strip_prefix("cp3").map(str::parse) {
            Some(Ok(minor)) if abi == "abi3" => {
                pin.stable_from = Some(pin.stable_from.map_or(minor, |known: u32| known.min(minor)));
            }
            Some(Ok(minor)) => {
                pin.minors.insert(minor);
            }
            _ => pin.any |= python == "py3",
        }
    }
}

fn is_source(file: &str, name: &str, version: &str) -> bool {
    let stem = [".tar.gz", ".zip", ".tar.bz2"].iter().find_map(|end| file.strip_suffix(end));
    let Some((own, this)) = stem.and_then(|stem| stem.rsplit_once('-')) else { return false };
    normal(own) == name && same_version(this, version)
}

/// `1.22` and `1.22.0` are one version.
fn same_version(a: &str, b: &str) -> bool {
    let plain = |text: &str| {
        let mut text = text.to_ascii_lowercase();
        while let Some(shorter) = text.strip_suffix(".0") {
            text.truncate(shorter.len());
        }
        text
    };
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_pins_count() {
        let text = "Flask==1.0.2\nnumpy>=1.2\nscikit_learn[x]==0.22.2  # why\na==1; python_version<'3.8'\n-r b==2\n\
                    git+https://h/x==1\nflask==9\nhashed==1.0 \\\n  --hash=sha256:x\n\
                    both==1 ; python_version < \"3.9\" \\\n    --hash=sha256:x\nboth==2; python_version >= \"3.9\" --hash=sha256:x\n\
                    pywin32==300; sys_platform == 'win32'\nodd==1; extra == 'x'\n";
        let found = pins([text].into_iter());
        let words =
            |pin: &Exact| format!("{} {} {}", pin.name, pin.version, pin.only.as_deref().unwrap_or("all"));
        let words: Vec<String> = found.iter().map(words).collect();
        let all = ["flask 1.0.2 all", "scikit-learn 0.22.2 all", "a 1 <3.8", "hashed 1.0 all"];
        assert_eq!(words[..4], all);
        assert_eq!(words[4..], ["both 1 <3.9", "both 2 >=3.9"]);
    }

    #[test]
    fn a_page_tells_which_pythons_have_wheels() {
        let page = br#"{"files": [
            {"filename": "numpy-1.22.2.zip", "requires-python": ">=3.8"},
            {"filename": "numpy-1.22.2-cp38-cp38-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "requires-python": ">=3.8"},
            {"filename": "numpy-1.22.2-cp39-cp39-macosx_10_14_x86_64.whl", "requires-python": ">=3.8"},
            {"filename": "numpy-1.22.2-cp310-cp310-win_amd64.whl"},
            {"filename": "numpy-1.21.0-cp37-cp37m-manylinux1_x86_64.whl"}]}"#;
        let pin = read("numpy", "1.22.2", page, "x86_64").unwrap();
        assert!(pin.source && !pin.any);
        assert_eq!(pin.fit(Minor(3, 7)), Fit::No);
        assert_eq!(pin.fit(Minor(3, 11)), Fit::Source);
        if cfg!(target_os = "linux") {
            assert_eq!(pin.fit(Minor(3, 8)), Fit::Wheel);
            assert_eq!(pin.fit(Minor(3, 9)), Fit::Source);
        }
        assert_eq!(read("numpy", "1.23.0", page, "x86_64"), None);
        assert_eq!(read("numpy", "1.22.2", b"<html>", "x86_64"), None);
    }

    #[test]
    fn pure_and_stable_wheels_fit_many() {
        let page = br#"{"files": [{"filename": "a-1.0-py2.py3-none-any.whl"},
            {"filename": "a-2.0-cp36-abi3-linux_x86_64.whl"}, {"filename": "a_b-3.tar.gz"}]}"#;
        assert_eq!(read("a", "1", page, "x86_64").unwrap().fit(Minor(3, 13)), Fit::Wheel);
        if cfg!(target_os = "linux") {
            let stable = read("a", "2.0", page, "x86_64").unwrap();
            assert_eq!((stable.fit(Minor(3, 5)), stable.fit(Minor(3, 13))), (Fit::No, Fit::Wheel));
        }
        assert!(read("a-b", "3.0", page, "x86_64").unwrap().source);
    }

    #[test]
    fn who_wants_no_index_gets_none() {
        let set = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        assert!(is_forbidden(set("PIP_NO_INDEX", "1")) && is_forbidden(set("UV_NO_INDEX", "true")));
        assert!(!is_forbidden(set("PIP_NO_INDEX", "0")) && !is_forbidden(|_| None));
    }

    #[test]
    fn the_index_is_that_of_pip() {
        let none = |_: &str| None;
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".config/pip");
        tree::create(&folder).unwrap();
        let text = "[install]\nindex-url = http://no\n[global]\nindex-url = https://me:pw@h/simple/\n";
        replace(&RealSystem, &folder.join("pip.conf"), text.as_bytes(), 0o600).unwrap();
        let index = Index::of(home.path(), none);
        assert_eq!(index.url, "https://h/simple");
        assert!(index.login.is_some() && !format!("{index:?}").contains("pw"), "{index:?}");
        let named = |name: &str| (name == "PIP_INDEX_URL").then(|| OsString::from("https://other/simple"));
        assert_eq!(Index::of(home.path(), named).url, "https://other/simple");
    }
}
