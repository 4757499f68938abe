//! Which Python a repository gets: what it asks for when the machine has it, else the machine's own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::tree;
use crate::sys::process::{self, CommandSpec};
use crate::sys::system::{FileKind, ReadSystem};

/// A Python that answered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Interpreter {
    /// Its program.
    pub program: PathBuf,
    /// Its version, such as `3.11.7`.
    pub version: String,
    /// What it runs on, such as `linux-x86_64`.
    pub platform: String,
}

/// The version that a repository asks for, from `.python-version`, else from the first `python-version` of a
/// workflow: `3.8` or `3.8.18`. Ranges and matrices are no single answer.
pub fn asked(python_version: Option<&str>, workflows: &[String]) -> Option<String> {
    let pinned = python_version.and_then(|text| text.lines().next());
    let in_workflow = workflows.iter().flat_map(|text| text.lines()).find_map(|line| {
        let value = line.trim().trim_start_matches("- ").strip_prefix("python-version:")?;
        let value = value.split('#').next().unwrap_or_default().trim();
        is_version(value.trim_matches(['"', '\''])).then_some(value)
    });
    let version = pinned.map(str::trim).filter(|text| is_version(text)).or(in_workflow)?;
    Some(version.trim_matches(['"', '\'']).to_owned())
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    (2..=3).contains(&parts.len())
        && parts
            .iter()
            .all(|part| (1..4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Finds the interpreter for what is asked for; `None` when the machine has no Python 3 at all.
pub fn choose(system: &dyn ReadSystem, home: &Path, asked: Option<&str>) -> Option<Interpreter> {
    let wanted = asked.and_then(|version| find(system, home, version)).and_then(|program| probe(&program));
    wanted.or_else(|| ["python3", "python"].iter().find_map(|name| probe(&process::find(name)?)))
}

fn find(system: &dyn ReadSystem, home: &Path, version: &str) -> Option<PathBuf> {
    let minor = version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
    // pyenv's own folder first: its programs on PATH may stand for a version that is not there.
    let folder = home.join(".pyenv/versions");
    let mut names: Vec<String> = system
        .list(&folder)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .collect();
    let patch = |name: &String| name.rsplit('.').next().and_then(|patch| patch.parse::<u32>().ok());
    names.retain(|name| {
        name == version || name.strip_prefix(&minor).is_some_and(|rest| rest.starts_with('.'))
    });
    names.sort_by_key(|name| (name == version, patch(name)));
    let installed = names.pop().map(|name| folder.join(name).join("bin/python3")).filter(|program| {
        tree::followed(system, program).ok().flatten().is_some_and(|meta| meta.kind == FileKind::File)
    });
    installed.or_else(|| process::find(&format!("python{minor}")))
}

/// Asks a program what Python it is; `None` when it does not answer as Python 3 does.
fn probe(program: &Path) -> Option<Interpreter> {
    const QUESTION: &str = "import json,sys,sysconfig;print(json.dumps(dict(\
        program=getattr(sys,'_base_executable',None) or sys.executable,\
        version='.'.join(map(str,sys.version_info[:3])),platform=sysconfig.get_platform())))";
    // Away from the repository, whose files must not decide what runs.
    let spec =
        CommandSpec::new(program).args(["-I", "-c", QUESTION]).cwd("/").timeout(Duration::from_secs(30));
    let answer = process::run(&spec).ok().filter(process::Finished::ok)?;
    let found: Interpreter = serde_json::from_str(&answer.text()).ok()?;
    found.version.starts_with("3.").then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::real::RealSystem;

    #[test]
    fn one_plain_version_is_an_answer() {
        assert_eq!(asked(Some("3.8.18\n3.9\n"), &[]).as_deref(), Some("3.8.18"));
        let workflow = "steps:\n  - with:\n      python-version: '3.9' # why\n".to_owned();
        assert_eq!(asked(Some("myenv"), &[workflow]).as_deref(), Some("3.9"));
        let matrix = "matrix:\n  python-version: [\"3.8\", \"3.9\"]\n".to_owned();
        assert_eq!(asked(None, &[matrix, "python-version: ${{ x }}".into()]), None);
    }

    #[test]
    fn what_is_not_installed_falls_back_to_the_machines_own() {
        let dir = tempfile::tempdir().unwrap();
        let plain = choose(&RealSystem, dir.path(), None).unwrap();
        assert_eq!(choose(&RealSystem, dir.path(), Some("3.99")), Some(plain.clone()));
        assert!(plain.program.is_absolute());
    }
}
