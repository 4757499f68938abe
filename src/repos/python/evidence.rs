//! What a repository's files say about its Python: one row a kind of file. Pure but for [`gather`].

use std::path::Path;

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
    Source { is: |path| path == "environment.yml" || path == "environment.yaml", read: conda },
    Source {
        is: |path| path.rsplit('/').next().is_some_and(|name| name.starts_with("Dockerfile")),
        read: dockerfile,
    },
    Source {
        is: |path| path.starts_with(".github/workflows/"),
        read: |text| keyed(text, &["python-version"]),
    },
    Source { is: |path| path == "buildspec.yml", read: |text| keyed(text, &["python"]) },
    Source {
        is: |path| path == "azure-pipelines.yml",
        read: |text| keyed(text, &["versionspec", "python.version"]),
    },
    Source { is: |path| path == ".travis.yml", read: |text| keyed(text, &["python"]) },
    Source { is: |path| path == "app.yaml", read: |text| keyed(text, &["runtime"]) },
    Source {
        is: |path| path == "template.yaml" || path == "template.yml",
        read: |text| keyed(text, &["runtime"]),
    },
    Source { is: |path| path == "cloudbuild.yaml", read: |text| keyed(text, &["name"]) },
    Source { is: |path| path == "tox.ini", read: tox },
    Source {
        is: |path| path.eq_ignore_ascii_case("readme.md") || path.eq_ignore_ascii_case("readme.rst"),
        read: prose,
    },
];

const TOP: [&str; 20] = [
    ".python-version",
    "runtime.txt",
    "pyproject.toml",
    "Pipfile",
    "setup.cfg",
    "setup.py",
    "environment.yml",
    "environment.yaml",
    "Dockerfile",
    "buildspec.yml",
    "azure-pipelines.yml",
    ".travis.yml",
    "app.yaml",
    "template.yaml",
    "template.yml",
    "cloudbuild.yaml",
    "tox.ini",
    "README.md",
    "README.rst",
    "readme.md",
];

const WORKFLOWS: usize = 50;

/// Reads everything in a repository that may say something.
pub fn gather(system: &dyn ReadSystem, repo: &Path) -> Vec<Finding> {
    let names = system.list(&repo.join(".github/workflows")).unwrap_or_default();
    let mut workflows: Vec<String> = names
        .iter()
        .filter_map(|name| name.to_str())
        .map(|name| format!(".github/workflows/{name}"))
        .collect();
    workflows.sort();
    workflows.truncate(WORKFLOWS);
    let files = TOP.into_iter().map(str::to_owned).chain(workflows);
    let texts = files.filter_map(|file| read_text(system, &repo.join(&file)).map(|text| (file, text)));
    texts.flat_map(|(file, text)| findings(&file, &text)).collect()
}

/// What one file says, by its path and text.
pub fn findings(file: &str, text: &str) -> Vec<Finding> {
    let sources = SOURCES.iter().filter(|source| (source.is)(file));
    let said = sources.flat_map(|source| (source.read)(text));
    said.map(|(line, says, rank)| Finding { file: file.to_owned(), line, says, rank }).collect()
}

type Said = Vec<(usize, Says, Rank)>;

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
        let rest = line.trim().strip_prefix("python_requires")?.trim_start().strip_prefix('=')?;
        let value = rest.trim().trim_end_matches(',').trim_matches(['"', '\'']);
        Some((index + 1, Says::Range(Ranges::parse(value)?), Rank::Pinned))
    });
    found.into_iter().collect()
}

fn conda(text: &str) -> Said {
    let found = text.lines().enumerate().find_map(|(index, line)| {
        let word = line.trim().strip_prefix("- python")?;
        let version = Minor::parse(word.trim_start_matches(['=', '~', '>', ' ']))?;
        Some((index + 1, Says::Version(version), Rank::Pinned))
    });
    found.into_iter().collect()
}

/// `FROM python:3.8-slim`, `FROM public.ecr.aws/lambda/python:3.8`; the value of an `ARG` is put in.
fn dockerfile(text: &str) -> Said {
    let mut values: Vec<(String, String)> = Vec::new();
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        match (words.next().map(str::to_ascii_uppercase).as_deref(), words.next()) {
            (Some("ARG"), Some(word)) => {
                if let Some((name, value)) = word.split_once('=') {
                    values.push((name.to_owned(), value.trim_matches('"').to_owned()));
                }
            }
            (Some("FROM"), Some(image)) => {
                let image = values.iter().fold(image.to_owned(), |image, (name, value)| {
                    image.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
                });
                found.extend(
                    image_version(&image).map(|version| (index + 1, Says::Version(version), Rank::Deployed)),
                );
            }
            _ => {}
        }
    }
    found
}

fn image_version(image: &str) -> Option<Minor> {
    let (name, tag) = image.rsplit_once(':')?;
    let last = name.rsplit('/').next()?;
    last.starts_with("python").then(|| Minor::parse(tag)).flatten()
}

/// The values of some keys in YAML, line by line: `key: 3.8`, `key: [3.7, 3.8]`, and lists below the key.
fn keyed(text: &str, keys: &[&str]) -> Said {
    let mut found: Vec<(usize, Minor, bool)> = Vec::new();
    let mut list: Option<usize> = None;
    for (index, line) in text.lines().enumerate() {
        let code = without_comment(line);
        let indent = code.len() - code.trim_start().len();
        let body = code.trim();
        if body.is_empty() {
            continue;
        }
        if let Some(depth) = list {
            if let Some(item) = body.strip_prefix("- ").filter(|_| indent >= depth) {
                found.extend(value(item).map(|version| (index, version, true)));
                continue;
            }
            list = None;
        }
        let Some((key, rest)) = body.trim_start_matches("- ").split_once(':') else { continue };
        if !keys.contains(&key.trim().trim_matches(['"', '\'']).to_ascii_lowercase().as_str()) {
            continue;
        }
        match rest.trim() {
            "" => list = Some(indent),
            rest => match rest.strip_prefix('[') {
                Some(items) => {
                    let items = items.trim_end_matches(']').split(',');
                    found.extend(items.filter_map(value).map(|version| (index, version, true)));
                }
                None => found.extend(value(rest).map(|version| (index, version, false))),
            },
        }
    }
    let several = found.iter().any(|(_, version, _)| *version != found[0].1);
    let rank = |listed: bool| if listed && several { Rank::Matrix } else { Rank::Deployed };
    found.iter().map(|(index, version, listed)| (index + 1, Says::Version(*version), rank(*listed))).collect()
}

fn without_comment(line: &str) -> &str {
    let at = line.match_indices('#').find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']));
    at.map_or(line, |(at, _)| &line[..at])
}

/// `3.8`, `'3.8'`, `python38`, `python3.8`, `python:3.8-slim`, `3.x` is none.
fn value(text: &str) -> Option<Minor> {
    let text = text.trim().trim_matches(['"', '\'']);
    if let Some(version) = Minor::parse(text) {
        return Some(version);
    }
    if let Some(version) = image_version(text) {
        return Some(version);
    }
    let rest = text.strip_prefix("python")?;
    Minor::parse(rest).or_else(|| {
        let digits = rest.strip_prefix('3')?;
        let whole = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        whole.then(|| digits.parse().ok().map(|minor| Minor(3, minor))).flatten()
    })
}

/// `envlist = py38, py39`.
fn tox(text: &str) -> Said {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some(rest) = line.trim().strip_prefix("envlist") else { continue };
        for word in rest.split(|c: char| !c.is_ascii_alphanumeric()) {
            let digits = word.strip_prefix("py3").unwrap_or_default();
            if let Some(minor) = digits.parse().ok().filter(|_| digits.len() <= 2) {
                found.push((index + 1, Says::Version(Minor(3, minor)), Rank::Matrix));
            }
        }
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
            ("Dockerfile", "# x\nFROM python:3.8-slim-buster AS a\n", "3.8", Deployed),
            ("Dockerfile", "ARG V=3.9\nFROM python:${V}\n", "3.9", Deployed),
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
        assert_eq!(said("tox.ini", "[tox]\nenvlist = py37,py310, lint\n").len(), 2);
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
