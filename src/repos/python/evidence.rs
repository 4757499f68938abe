//! What a repository's files say about its Python: one row a kind of file. Pure but for [`gather`].

use std::path::Path;

use super::keyed::{dockerfile, keyed};
use super::version::{Minor, Ranges};
use crate::repos::files::read_text;
use crate::sys::system::ReadSystem;

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the repository.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What it says.
    pub says: Says,
    /// How much it counts.
    pub rank: Rank,
}

/// What a statement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// This version.
    Version(Minor),
    /// One within these bounds.
    Range(Ranges),
}

/// How much a statement counts, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A sentence in a README.
    Prose,
    /// One of several versions that are tried.
    Matrix,
    /// The version of a deployment or of a CI job.
    Deployed,
    /// The version that the project itself pins.
    Pinned,
}

/// One kind of file: whether a path is one, and how it is read.
struct Source {
    is: fn(&str) -> bool,
    read: fn(&str) -> Vec<(usize, Says, Rank)>,
}

const SOURCES: &[Source] = &[
    Source { is: |path| path == ".python-version", read: |text| first(text, Rank::Pinned, Minor::parse) },
    Source { is: |path| path == "runtime.txt", read: |text| first(text, Rank::Pinned, runtime) },
    Source { is: |path| path == "pyproject.toml", read: pyproject },
    Source { is: |path| path == "Pipfile", read: pipfile },
    Source { is: |path| path == "setup.cfg" || path == "setup.py", read: setup },
    Source { is: |path| yaml(path, "environment"), read: conda },
    Source { is: |path| path.starts_with("Dockerfile"), read: dockerfile },
    Source {
        is: |path| path.starts_with(".github/workflows/"),
        read: |text| keyed(text, &["python-version"], &[]),
    },
    Source { is: |path| yaml(path, "buildspec"), read: |text| keyed(text, &["python"], &[]) },
    Source {
        is: |path| yaml(path, "azure-pipelines"),
        read: |text| keyed(text, &["versionspec"], &["python.version"]),
    },
    Source { is: |path| path == ".travis.yml", read: |text| keyed(text, &["python"], &[]) },
    Source { is: |path| yaml(path, "app"), read: |text| keyed(text, &["runtime"], &[]) },
    Source { is: |path| yaml(path, "template"), read: |text| keyed(text, &["runtime"], &[]) },
    Source { is: |path| yaml(path, "cloudbuild"), read: |text| keyed(text, &["name"], &[]) },
    Source { is: |path| path == "tox.ini", read: tox },
    Source {
        is: |path| path.eq_ignore_ascii_case("readme.md") || path.eq_ignore_ascii_case("readme.rst"),
        read: prose,
    },
];

/// `name.yml` or `name.yaml`.
fn yaml(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|end| end == ".yml" || end == ".yaml")
}

const WORKFLOWS: &str = ".github/workflows";

/// More files of one kind than this are not read.
const MOST: usize = 50;

/// Reads everything in a repository that may say something: files at its top, and its workflows.
pub fn gather(system: &dyn ReadSystem, repo: &Path) -> Vec<Finding> {
    let named = |folder: &Path, prefix: &str| {
        let names = system.list(folder).unwrap_or_default();
        let files = names.iter().filter_map(|name| name.to_str()).map(|name| format!("{prefix}{name}"));
        let mut files: Vec<String> =
            files.filter(|file| SOURCES.iter().any(|source| (source.is)(file))).collect();
        files.sort();
        files.truncate(MOST);
        files
    };
    let mut files = named(repo, "");
    files.extend(named(&repo.join(WORKFLOWS), &format!("{WORKFLOWS}/")));
    let texts =
        files.into_iter().filter_map(|file| read_text(system, &repo.join(&file)).map(|text| (file, text)));
    texts.flat_map(|(file, text)| findings(&file, &text)).collect()
}

/// What one file says, by its path and text.
pub fn findings(file: &str, text: &str) -> Vec<Finding> {
    let sources = SOURCES.iter().filter(|source| (source.is)(file));
    let said = sources.flat_map(|source| (source.read)(text));
    said.map(|(line, says, rank)| Finding { file: file.to_owned(), line, says, rank }).collect()
}

/// Lines from 1, what each says, and how much it counts.
pub(super) type Said = Vec<(usize, Says, Rank)>;

fn first(text: &str, rank: Rank, read: fn(&str) -> Option<Minor>) -> Said {
    let mut lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let found =
        lines.next().and_then(|(index, line)| Some((index + 1, Says::Version(read(line.trim())?), rank)));
    found.into_iter().collect()
}

fn runtime(text: &str) -> Option<Minor> {
    Minor::parse(text.strip_prefix("python-")?)
}

/// The line of a text in which a word stands first.
fn line_of(text: &str, word: &str) -> usize {
    text.lines().position(|line| line.contains(word)).map_or(1, |index| index + 1)
}

fn pyproject(text: &str) -> Said {
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let requires = table.get("project").and_then(|project| project.get("requires-python"));
    let poetry = || table.get("tool")?.get("poetry")?.get("dependencies")?.get("python");
    let (value, word) = match (requires, poetry()) {
        (Some(value), _) => (value, "requires-python"),
        (None, Some(value)) => (value, "python"),
        (None, None) => return Vec::new(),
    };
    let range = value.as_str().and_then(Ranges::parse);
    range.map(|range| (line_of(text, word), Says::Range(range), Rank::Pinned)).into_iter().collect()
}

fn pipfile(text: &str) -> Said {
    let Ok(table) = text.parse::<toml::Table>() else { return Vec::new() };
    let requires = table.get("requires");
    let value =
        requires.and_then(|requires| requires.get("python_version").or(requires.get("python_full_version")));
    let version = value.and_then(toml::Value::as_str).and_then(Minor::parse);
    version
        .map(|version| (line_of(text, "python_"), Says::Version(version), Rank::Pinned))
        .into_iter()
        .collect()
}

/// `python_requires = >=3.7`, as setup.cfg has it, or `python_requires=">=3.7"`, as setup.py may; nothing is run.
fn setup(text: &str) -> Said {
    let found = text.lines().enumerate().find_map(|(index, line)| {
        let (before, rest) = line.split_once("python_requires")?;
        let rest = rest.trim_start().strip_prefix('=')?.trim_start();
        if before.contains('#') {
            return None;
        }
        let quote = rest.chars().next().filter(|first| matches!(first, '"' | '\''));
        let value = quote.map_or(Some(rest), |quote| rest[1..].split(quote).next())?;
        Some((index + 1, Says::Range(Ranges::parse(value)?), Rank::Pinned))
    });
    found.into_iter().collect()
}

/// `- python=3.8` is a version, `- python>=3.8` a bound.
fn conda(text: &str) -> Said {
    let found = text.lines().enumerate().find_map(|(index, line)| {
        let item = line.split(" #").next()?.trim().strip_prefix('-')?.trim().trim_matches(['"', '\'']);
        let wanted = item.rsplit("::").next()?.strip_prefix("python")?;
        let wanted = wanted.strip_prefix("[version=").unwrap_or(wanted).trim_matches([' ', '"', '\'', ']']);
        let says = if wanted.starts_with(['<', '>', '!', '~']) {
            Says::Range(Ranges::parse(wanted)?)
        } else {
            Says::Version(Minor::parse(wanted.trim_start_matches(['=', ' ']))?)
        };
        Some((index + 1, says, Rank::Pinned))
    });
    found.into_iter().collect()
}

/// `envlist = py38, py39`, `py3{8,9}`, `py{38,39}`, and lists in the lines below.
fn tox(text: &str) -> Said {
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        let body = line.split('#').next().unwrap_or_default();
        let key = body.trim_start().strip_prefix("envlist").or(body.trim_start().strip_prefix("env_list"));
        let rest = match key.and_then(|rest| rest.trim_start().strip_prefix('=')) {
            Some(rest) => rest,
            None if inside && line.starts_with([' ', '\t']) => body,
            None => {
                inside = inside && body.trim().is_empty();
                continue;
            }
        };
        inside = true;
        let minors = names(rest).into_iter().filter_map(|digits| digits.parse().ok());
        found.extend(minors.map(|minor| (index + 1, Says::Version(Minor(3, minor)), Rank::Matrix)));
    }
    found
}

/// The digits of minor versions in names such as `py38`, `py3{8,9}`, `py{38,39}-flask`.
fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let starts = text.match_indices("py").map(|(at, _)| at);
    for at in starts.filter(|at| !text[..*at].ends_with(|c: char| c.is_ascii_alphanumeric())) {
        let rest = &text[at + 2..];
        let (major, rest) = rest.strip_prefix('3').map_or(("", rest), |rest| ("3", rest));
        let items = match rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            Some((items, _)) => items,
            None => rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default(),
        };
        let digits = items.split(',').map(str::trim);
        let digits =
            digits.filter_map(|item| if major.is_empty() { item.strip_prefix('3') } else { Some(item) });
        found.extend(
            digits.filter(|item| {
                (1..=2).contains(&item.len()) && item.bytes().all(|byte| byte.is_ascii_digit())
            }),
        );
    }
    found
}

/// `Python 3.8` in a sentence.
fn prose(text: &str) -> Said {
    let found = text.lines().enumerate().find_map(|(index, line)| {
        let lower = line.to_ascii_lowercase();
        let at = lower.find("python 3.")?;
        let version = Minor::parse(
            lower[at + "python ".len()..].split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?,
        )?;
        Some((index + 1, Says::Version(version), Rank::Prose))
    });
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::real::RealSystem;

    /// Versions with their rank, ranges as they read.
    fn said(file: &str, text: &str) -> Vec<(String, Rank)> {
        let show = |says: &Says| match says {
            Says::Version(version) => version.to_string(),
            Says::Range(range) => range.to_string(),
        };
        findings(file, text).iter().map(|finding| (show(&finding.says), finding.rank)).collect()
    }

    fn one(file: &str, text: &str) -> Option<(String, Rank)> {
        let mut said = said(file, text);
        assert!(said.len() <= 1, "{said:?}");
        said.pop()
    }

    #[test]
    fn each_kind_of_file_is_read() {
        use Rank::{Deployed, Pinned, Prose};
        for (file, text, version, rank) in [
            (".python-version", "3.8.18\n3.9\n", "3.8", Pinned),
            ("runtime.txt", "python-3.7.9\n", "3.7", Pinned),
            (
                "pyproject.toml",
                "[project]\nname = 'x'\nrequires-python = '>=3.7,<3.11'\n",
                ">=3.7,<3.11",
                Pinned,
            ),
            ("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3.8'\n", ">=3.8,<4", Pinned),
            ("Pipfile", "[requires]\npython_version = '3.6'\n", "3.6", Pinned),
            ("setup.cfg", "[options]\npython_requires = >=3.6\n", ">=3.6", Pinned),
            ("setup.py", "setup(\n    python_requires='>=3.6, <4',\n)\n", ">=3.6,<4", Pinned),
            ("environment.yml", "dependencies:\n  - python=3.9\n  - numpy\n", "3.9", Pinned),
            ("environment.yaml", "dependencies:\n  - 'conda-forge::python=3.9.7'\n", "3.9", Pinned),
            ("environment.yml", "  - python-dateutil=3.1\n  - python>=3.8,<3.11\n", ">=3.8,<3.11", Pinned),
            ("environment.yml", "  - python<3.9 # old\n", "<3.9", Pinned),
            ("setup.py", "setup(name='x', python_requires=\">=3.6\", y=['3.9'])\n", ">=3.6", Pinned),
            ("setup.py", "# python_requires='>=3.9'\npython_requires='>=3.6',  # x\n", ">=3.6", Pinned),
            ("buildspec.yaml", "      python: 3.7\n", "3.7", Deployed),
            ("Dockerfile", "# x\nFROM python:3.8-slim-buster AS a\n", "3.8", Deployed),
            ("Dockerfile.dev", "FROM public.ecr.aws/lambda/python:3.8\n", "3.8", Deployed),
            (
                ".github/workflows/main.yml",
                "      with:\n        python-version: '3.6' # old\n",
                "3.6",
                Deployed,
            ),
            ("buildspec.yml", "    runtime-versions:\n      python: 3.7\n", "3.7", Deployed),
            ("azure-pipelines.yml", "  inputs:\n    versionSpec: '3.7'\n", "3.7", Deployed),
            ("app.yaml", "runtime: python37\n", "3.7", Deployed),
            ("app.yaml", "runtime: python312\n", "3.12", Deployed),
            ("template.yaml", "      Runtime: python3.8\n", "3.8", Deployed),
            ("cloudbuild.yaml", "steps:\n- name: python:3.7\n", "3.7", Deployed),
            ("README.md", "# x\nIt needs Python 3.8.\n", "3.8", Prose),
        ] {
            assert_eq!(one(file, text), Some((version.to_owned(), rank)), "{file}: {text}");
        }
    }

    #[test]
    fn several_versions_are_a_matrix() {
        let flow = "        python-version: [\"3.8\", 3.9, '3.10']\n";
        let versions = |text| said(".github/workflows/a.yml", text);
        assert_eq!(versions(flow).len(), 3);
        assert!(versions(flow).iter().all(|(_, rank)| *rank == Rank::Matrix));
        let block = "  matrix:\n    python-version:\n    - 3.8\n    - 3.9\n    os: [a]\n";
        assert_eq!(
            versions(block).iter().map(|(version, _)| version.as_str()).collect::<Vec<_>>(),
            ["3.8", "3.9"]
        );
        assert_eq!(versions("python-version: [3.8]\n"), [("3.8".to_owned(), Rank::Deployed)]);
        let tox = |text| said("tox.ini", text).into_iter().map(|(version, _)| version).collect::<Vec<_>>();
        for text in [
            "[tox]\nenvlist = py37,py310, lint\n",
            "envlist =\n    py37\n    # py38\n\n    py310-flask\ndeps =\n    py39\n",
            "env_list = py{37,310}-{a,b}\n",
            "envlist = py3{7,10}, happy38, pypy39\n",
        ] {
            assert_eq!(tox(text), ["3.7", "3.10"], "{text}");
        }
    }

    #[test]
    fn every_kind_of_file_is_looked_for() {
        let repo = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = repo.path().join(file);
            crate::sys::tree::create(path.parent().unwrap()).unwrap();
            crate::sys::system::replace(&RealSystem, &path, text.as_bytes(), 0o644).unwrap();
        };
        write("Dockerfile.dev", "FROM python:3.7\n");
        write("Dockerfile", "FROM python:3.8\n");
        write(".github/workflows/a.yml", "python-version: 3.9\n");
        write("azure-pipelines.yaml", "versionSpec: 3.10\n");
        write("src/Dockerfile", "FROM python:3.11\n");
        let found = gather(&RealSystem, repo.path());
        let files: Vec<&str> = found.iter().map(|finding| finding.file.as_str()).collect();
        assert_eq!(
            files,
            ["Dockerfile", "Dockerfile.dev", "azure-pipelines.yaml", ".github/workflows/a.yml"]
        );
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        for (file, text) in [
            (".python-version", "myenv\n"),
            (".github/workflows/a.yml", "python-version: ${{ matrix.x }}\n"),
            (".github/workflows/a.yml", "# python-version: 3.8\n"),
            (".github/workflows/a.yml", "python-version: '3.x'\n"),
            ("app.yaml", "runtime: nodejs20\n"),
            ("Dockerfile", "FROM ubuntu:22.04\nFROM python\n"),
            ("pyproject.toml", "not toml ["),
            ("pyproject.toml", "[project]\nrequires-python = 3\n"),
            ("other.txt", "3.8\n"),
            ("cloudbuild.yaml", "- name: gcr.io/cloud-builders/docker\n"),
            ("README.md", "Python 3 only\n"),
        ] {
            assert_eq!(said(file, text), [], "{file}: {text}");
        }
    }
}
