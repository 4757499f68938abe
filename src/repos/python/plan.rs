//! What a repository's Python environment is made of: from its files to a plan with a digest. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::digest::Digest;

use super::interpreter::Interpreter;

/// What is installed from the repository itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// What `requirements.txt` names.
    Requirements,
    /// The project, editable, as `pyproject.toml` or `setup.py` describes it.
    Project,
    /// Nothing.
    Nothing,
}

/// A Python environment to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonPlan {
    /// What is installed.
    pub install: Install,
    /// The files that decided it, relative to the repository.
    pub inputs: Vec<String>,
    /// pytest is installed besides, because there are tests and the requirements do not name it.
    pub adds_pytest: bool,
    /// What the environment depends on, the repository's place included when it is installed from there.
    content: Digest,
}

const NESTING: usize = 32;

/// Makes the plan. `read` gives the text of a file of the repository, by its relative path; `place` is where
/// the repository is. `None` when it has nothing to do with Python.
pub fn plan(read: &dyn Fn(&str) -> Option<String>, names: &[String], place: &str) -> Option<PythonPlan> {
    let mut files = BTreeMap::new();
    let mut local = false;
    let install = if let Some(text) = read("requirements.txt") {
        collect("requirements.txt", text, read, &mut files, &mut local);
        Install::Requirements
    } else if let Some(text) = read("pyproject.toml").filter(|text| describes_project(text)) {
        files.insert("pyproject.toml".to_owned(), text);
        Install::Project
    } else if let Some(text) = read("setup.py") {
        files.insert("setup.py".to_owned(), text);
        Install::Project
    } else {
        Install::Nothing
    };
    if install == Install::Project {
        local = true;
        files.extend(read("setup.cfg").map(|text| ("setup.cfg".to_owned(), text)));
    }
    let tests = has_tests(names);
    let named = install == Install::Requirements
        && files.values().flat_map(|text| text.lines()).any(|line| requirement(line) == "pytest");
    if install == Install::Nothing && !tests {
        return None;
    }
    let adds_pytest = tests && !named;
    let place = if local { place } else { "" };
    let flag = [u8::from(adds_pytest), install as u8];
    let parts = files.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]);
    let content = Digest::of_parts([place.as_bytes(), flag.as_slice()].into_iter().chain(parts));
    Some(PythonPlan { install, inputs: files.into_keys().collect(), adds_pytest, content })
}

impl PythonPlan {
    /// The digest of the environment with this interpreter.
    pub fn digest(&self, python: &Interpreter) -> Digest {
        let content = self.content.to_string();
        let program = python.program.to_string_lossy();
        Digest::of_parts(
            ["python 1", &content, &program, &python.version, &python.platform].map(str::as_bytes),
        )
    }
}

/// Whether some file is one that pytest would collect.
pub fn has_tests(names: &[String]) -> bool {
    names.iter().any(|path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.ends_with(".py") && (name.starts_with("test_") || name.ends_with("_test.py"))
    })
}

fn describes_project(text: &str) -> bool {
    let table: Option<toml::Table> = text.parse().ok();
    table.is_some_and(|table| table.contains_key("project") || table.contains_key("build-system"))
}

/// Reads a requirements file and those that it names; what lies outside the repository is pip's business.
fn collect(
    path: &str,
    text: String,
    read: &dyn Fn(&str) -> Option<String>,
    files: &mut BTreeMap<String, String>,
    local: &mut bool,
) {
    let mut open = vec![(path.to_owned(), text)];
    let mut seen = BTreeSet::from([path.to_owned()]);
    while let Some((path, text)) = open.pop() {
        for line in text.lines() {
            let line = line.trim();
            *local |= line.starts_with(['.', '/']) || line.contains("file:");
            *local |= ["-e", "--editable"].iter().any(|flag| line.starts_with(flag)) && !line.contains("://");
            let Some(next) = nested(line).and_then(|name| beside(&path, name)) else { continue };
            if seen.len() < NESTING
                && seen.insert(next.clone())
                && let Some(text) = read(&next)
            {
                open.push((next, text));
            }
        }
        files.insert(path, text);
    }
}

/// The file that a line such as `-r base.txt` or `--constraint=c.txt` names.
fn nested(line: &str) -> Option<&str> {
    let rest =
        ["--requirement", "--constraint", "-r", "-c"].iter().find_map(|flag| line.strip_prefix(flag))?;
    let name = rest.trim_start_matches(['=', ' ', '\t']).split(" #").next()?.trim();
    (!name.is_empty() && !name.contains("://")).then_some(name)
}

/// The path of a file named in another one; `None` when it leaves the repository.
fn beside(path: &str, name: &str) -> Option<String> {
    if name.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The name of what a line requires, in lower case; empty for other lines.
fn requirement(line: &str) -> String {
    let name =
        line.trim().split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).next();
    name.filter(|name| !name.starts_with('-')).unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_of(files: &[(&str, &str)], place: &str) -> Option<PythonPlan> {
        let read =
            |name: &str| files.iter().find(|(path, _)| *path == name).map(|(_, text)| (*text).to_owned());
        let names: Vec<String> = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        plan(&read, &names, place)
    }

    #[test]
    fn nested_requirements_count() {
        let files = |deep| {
            [("requirements.txt", "-r req/a.txt\nflask\n"), ("req/a.txt", "-c ../b.txt\n"), ("b.txt", deep)]
        };
        let one = plan_of(&files("x==1"), "/a").unwrap();
        assert_eq!(one.inputs, ["b.txt", "req/a.txt", "requirements.txt"]);
        assert_ne!(one, plan_of(&files("x==2"), "/a").unwrap());
        assert_eq!(one, plan_of(&files("x==1"), "/b").unwrap(), "the place does not matter");
        let circle = [("requirements.txt", "-r requirements.txt\n-r ../../etc/passwd\n")];
        assert_eq!(plan_of(&circle, "/a").unwrap().inputs, ["requirements.txt"]);
    }

    #[test]
    fn an_editable_install_belongs_to_its_place() {
        let files = [("requirements.txt", "-e .\n")];
        assert_ne!(plan_of(&files, "/a"), plan_of(&files, "/b"));
        let files = [("pyproject.toml", "[project]\nname = 'x'\n")];
        assert_eq!(plan_of(&files, "/a").unwrap().install, Install::Project);
        assert_ne!(plan_of(&files, "/a"), plan_of(&files, "/b"));
    }

    #[test]
    fn pytest_is_added_when_tests_need_it() {
        assert!(
            plan_of(&[("requirements.txt", "flask\npytest-cov\n"), ("test_x.py", "")], "/")
                .unwrap()
                .adds_pytest
        );
        assert!(
            !plan_of(&[("requirements.txt", "PyTest>=7\n"), ("test_x.py", "")], "/").unwrap().adds_pytest
        );
        assert!(!plan_of(&[("requirements.txt", "flask\n")], "/").unwrap().adds_pytest);
        assert_eq!(plan_of(&[("tests/x_test.py", "")], "/").unwrap().install, Install::Nothing);
        assert_eq!(plan_of(&[("README.md", ""), ("pyproject.toml", "[tool.x]\n")], "/"), None);
    }
}
