//! What a repository's Python environment is made of: from its files to a plan with a digest. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::digest::Digest;

use super::interpreter::Interpreter;
use super::written::written;

/// What is installed from the repository itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Install {
    /// What requirements files name, `requirements.txt` first.
    Requirements,
    /// The project, editable, as `pyproject.toml` or `setup.py` describes it.
    Project,
    /// What a Pipfile or a conda environment names, written as requirements.
    Lines,
    /// Nothing.
    Nothing,
}

/// A Python environment to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonPlan {
    /// What is installed.
    pub install: Install,
    /// The arguments for pip or uv that install it; `-r` of [`LINES`] stands for [`PythonPlan::lines`].
    pub arguments: Vec<String>,
    /// Requirements to write beside the environment, when no file of the repository has them in this form.
    pub lines: Option<String>,
    /// The files that decided it, relative to the repository.
    pub inputs: Vec<String>,
    /// pytest is installed besides, because there are tests and the requirements do not name it.
    pub adds_pytest: bool,
    /// What the files ask for and is not done, each in words.
    pub left_out: Vec<String>,
    /// What the environment depends on, the repository's place included when it is installed from there.
    content: Digest,
}

/// Stands for the file of [`PythonPlan::lines`] among the arguments.
pub const LINES: &str = "{lines}";

const NESTING: usize = 32;

/// Files that some projects keep the requirements of their tests in.
const TEST_FILES: [&str; 8] = [
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements_dev.txt",
    "requirements_test.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
];

/// The extras and groups that hold the requirements of tests, the likeliest first.
const TEST_EXTRAS: [&str; 4] = ["test", "tests", "testing", "dev"];

/// What the files of a repository come to, before it is known whether pytest is missing.
#[derive(Default)]
struct Draft {
    files: BTreeMap<String, String>,
    arguments: Vec<String>,
    lines: Option<String>,
    left_out: Vec<String>,
    /// It is installed from its place.
    local: bool,
    names_pytest: bool,
}

/// Makes the plan. `read` gives the text of a file of the repository, by its relative path; `place` is where
/// the repository is. `None` when it has nothing to do with Python.
pub fn plan(read: &dyn Fn(&str) -> Option<String>, names: &[String], place: &str) -> Option<PythonPlan> {
    let tests = has_tests(names);
    let mut draft = Draft::default();
    let install = if let Some(text) = read("requirements.txt") {
        requirements(&mut draft, text, read, tests);
        Install::Requirements
    } else if let Some(text) = read("pyproject.toml").filter(|text| describes_project(text)) {
        project(&mut draft, &text, tests);
        draft.files.insert("pyproject.toml".to_owned(), text);
        Install::Project
    } else if let Some(text) = read("setup.py") {
        setup(&mut draft, &text, read("setup.cfg").as_deref(), tests);
        draft.files.insert("setup.py".to_owned(), text);
        Install::Project
    } else if let Some(found) = written(read) {
        draft.files.insert(found.file.to_owned(), found.text);
        draft.arguments = vec!["-r".into(), LINES.into()];
        draft.names_pytest = found.lines.iter().any(|line| requirement(line) == "pytest");
        draft.lines = Some(found.lines.join("\n") + "\n");
        draft.left_out = found.left_out;
        Install::Lines
    } else {
        Install::Nothing
    };
    if install == Install::Project {
        draft.local = true;
        draft.files.extend(read("setup.cfg").map(|text| ("setup.cfg".to_owned(), text)));
    }
    draft.left_out.extend(unread(read, names));
    if install == Install::Nothing && !tests && draft.left_out.is_empty() {
        return None;
    }
    let adds_pytest = tests && !draft.names_pytest;
    let place = if draft.local { place } else { "" };
    let flag = [u8::from(adds_pytest), install as u8];
    let arguments = draft.arguments.join("\n");
    let files = draft.files.iter().flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]);
    let parts = [place.as_bytes(), flag.as_slice(), arguments.as_bytes()];
    let content = Digest::of_parts(parts.into_iter().chain(files));
    Some(PythonPlan {
        install,
        arguments: draft.arguments,
        lines: draft.lines,
        inputs: draft.files.into_keys().collect(),
        adds_pytest,
        left_out: draft.left_out,
        content,
    })
}

/// The files that are there and cannot be read, in words.
fn unread(read: &dyn Fn(&str) -> Option<String>, names: &[String]) -> Vec<String> {
    const FILES: [&str; 6] =
        ["requirements.txt", "pyproject.toml", "setup.py", "Pipfile.lock", "Pipfile", "environment.yml"];
    let there = FILES.iter().filter(|file| names.iter().any(|name| name == *file));
    let unread = there.filter(|file| read(file).is_none());
    unread.map(|file| format!("{file}: it is larger than 1 MB, or no text")).collect()
}

/// `requirements.txt`, a `constraints.txt` beside it, and the file for the tests when that is what brings pytest.
fn requirements(draft: &mut Draft, text: String, read: &dyn Fn(&str) -> Option<String>, tests: bool) {
    let names_pytest = |files: &BTreeMap<String, String>| {
        files.values().flat_map(|text| text.lines()).any(|line| requirement(line) == "pytest")
    };
    collect("requirements.txt", text, read, &mut draft.files, &mut draft.local);
    draft.arguments = vec!["-r".into(), "requirements.txt".into()];
    if let Some(text) = read("constraints.txt").filter(|_| !draft.files.contains_key("constraints.txt")) {
        draft.arguments.extend(["-c".into(), "constraints.txt".into()]);
        draft.files.insert("constraints.txt".to_owned(), text);
    }
    draft.names_pytest = names_pytest(&draft.files);
    if !tests || draft.names_pytest {
        return;
    }
    for file in TEST_FILES {
        let Some(text) = read(file) else { continue };
        let mut files = BTreeMap::new();
        let mut local = draft.local;
        collect(file, text, read, &mut files, &mut local);
        if names_pytest(&files) {
            draft.arguments.extend(["-r".into(), file.to_owned()]);
            draft.files.extend(files);
            (draft.local, draft.names_pytest) = (local, true);
            return;
        }
    }
}

/// The project itself, with the extra that brings pytest. Dependency groups are no part of what is built, so their
/// requirements are named one by one.
fn project(draft: &mut Draft, text: &str, tests: bool) {
    draft.arguments = vec!["-e".into(), ".".into()];
    let Ok(table) = text.parse::<toml::Table>() else { return };
    let strings = |value: &toml::Value| -> Vec<String> {
        let items = value.as_array().into_iter().flatten();
        items.filter_map(toml::Value::as_str).map(str::to_owned).collect()
    };
    let names_pytest = |items: &[String]| items.iter().any(|item| requirement(item) == "pytest");
    let own = table.get("project");
    draft.names_pytest =
        own.and_then(|own| own.get("dependencies")).is_some_and(|list| names_pytest(&strings(list)));
    if own.is_none() && table.get("tool").and_then(|tool| tool.get("poetry")).is_some() {
        draft.left_out.push("Poetry's groups: only what its build backend installs is there".into());
    }
    if !tests || draft.names_pytest {
        return;
    }
    let extras = own.and_then(|own| own.get("optional-dependencies"));
    for name in TEST_EXTRAS {
        if extras.and_then(|extras| extras.get(name)).is_some_and(|list| names_pytest(&strings(list))) {
            draft.arguments = vec!["-e".into(), format!(".[{name}]")];
            draft.names_pytest = true;
            return;
        }
    }
    for name in TEST_EXTRAS {
        let group = table
            .get("dependency-groups")
            .and_then(|groups| groups.get(name))
            .map(strings)
            .unwrap_or_default();
        if names_pytest(&group) {
            draft.arguments.extend(group.into_iter().filter(|item| is_plain(item)));
            draft.names_pytest = true;
            return;
        }
    }
}

/// setup.py is not run to be understood: an extra that brings pytest is found in setup.cfg, or by its words.
fn setup(draft: &mut Draft, text: &str, cfg: Option<&str>, tests: bool) {
    draft.arguments = vec!["-e".into(), ".".into()];
    if !tests {
        return;
    }
    let mut inside = false;
    let mut extra: Option<String> = None;
    for line in cfg.unwrap_or_default().lines() {
        if line.starts_with('[') {
            inside = line.trim() == "[options.extras_require]";
        } else if inside
            && let Some((name, _)) = line.split_once('=').filter(|_| !line.starts_with([' ', '\t']))
        {
            extra = Some(name.trim().to_owned());
        }
        let names_it =
            inside && line.split('=').next_back().is_some_and(|last| requirement(last) == "pytest");
        if let Some(name) = extra.as_deref().filter(|name| names_it && TEST_EXTRAS.contains(name)) {
            draft.arguments = vec!["-e".into(), format!(".[{name}]")];
            draft.names_pytest = true;
            return;
        }
    }
    let squeezed: String =
        text.chars().filter(|c| !c.is_whitespace()).map(|c| if c == '\'' { '"' } else { c }).collect();
    for name in TEST_EXTRAS {
        let list = squeezed.split_once(&format!("\"{name}\":[")).and_then(|(_, rest)| rest.split(']').next());
        if list
            .is_some_and(|list| list.split(',').any(|item| requirement(item.trim_matches('"')) == "pytest"))
        {
            draft.arguments = vec!["-e".into(), format!(".[{name}]")];
            draft.names_pytest = true;
            return;
        }
    }
}

/// Whether a text can stand as one requirement among arguments: no option, no control characters.
fn is_plain(item: &str) -> bool {
    !item.starts_with('-') && !item.trim().is_empty() && !item.chars().any(char::is_control)
}

impl PythonPlan {
    /// The digest of the environment with this interpreter.
    pub fn digest(&self, python: &Interpreter) -> Digest {
        let content = self.content.to_string();
        let program = python.program.to_string_lossy();
        Digest::of_parts(
            ["python 2", &content, &program, &python.version, &python.platform].map(str::as_bytes),
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
pub(super) fn requirement(line: &str) -> String {
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
    fn what_is_there_and_cannot_be_read_is_said() {
        let names = ["README.md", "requirements.txt"].map(str::to_owned);
        let plan = plan(&|_| None, &names, "/a").unwrap();
        assert_eq!(plan.left_out, ["requirements.txt: it is larger than 1 MB, or no text"]);
        assert_eq!(plan.install, Install::Nothing);
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
    fn the_requirements_of_tests_are_found_where_they_are_kept() {
        let arguments = |files: &[(&str, &str)]| {
            let plan = plan_of(files, "/a").unwrap();
            (plan.arguments.join(" "), plan.adds_pytest)
        };
        let test = ("test_x.py", "");
        let dev = ("requirements-dev.txt", "-r requirements.txt\npytest\n");
        assert_eq!(
            arguments(&[("requirements.txt", "flask\n"), dev, test]),
            ("-r requirements.txt -r requirements-dev.txt".into(), false)
        );
        assert_eq!(arguments(&[("requirements.txt", "flask\n"), dev]), ("-r requirements.txt".into(), false));
        assert_eq!(
            arguments(&[("requirements.txt", "flask\n"), ("constraints.txt", "flask<2\n")]),
            ("-r requirements.txt -c constraints.txt".into(), false)
        );
        let extra = "[project]\nname='x'\n[project.optional-dependencies]\ndocs=['a']\ntest=['pytest>=7']\n";
        assert_eq!(arguments(&[("pyproject.toml", extra), test]), ("-e .[test]".into(), false));
        let group =
            "[project]\nname='x'\n[dependency-groups]\ndev=['pytest', '--evil', {include-group='a'}]\n";
        assert_eq!(arguments(&[("pyproject.toml", group), test]), ("-e . pytest".into(), false));
        let cfg = ("setup.cfg", "[options.extras_require]\ndocs = sphinx\ntests =\n    pytest\n");
        assert_eq!(arguments(&[("setup.py", "setup()"), cfg, test]), ("-e .[tests]".into(), false));
        let own = "setup(extras_require={'dev': ['black', 'pytest>=6']})";
        assert_eq!(arguments(&[("setup.py", own), test]), ("-e .[dev]".into(), false));
        assert_eq!(arguments(&[("setup.py", "setup()"), test]), ("-e .".into(), true));
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
