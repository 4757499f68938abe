//! Which Python a repository gets: what it asks for when the machine has it, else the machine's own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::repos::files::followed;
use crate::sys::env;
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

/// The version that a repository asks for, from `.python-version`, else from the `python-version` of its
/// workflows: `3.8` or `3.8.18`. Ranges, matrices, and workflows that disagree are no single answer.
pub fn asked(python_version: Option<&str>, workflows: &[String]) -> Option<String> {
    let plain = |text: &str| {
        let value = text.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        is_version(value).then(|| value.to_owned())
    };
    let pinned = python_version.and_then(|text| text.lines().next()).and_then(plain);
    let in_workflows = || {
        let mut named = workflows
            .iter()
            .flat_map(|text| text.lines())
            .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("python-version:"))
            .filter_map(plain);
        let first = named.next()?;
        named.all(|other| minor(&other) == minor(&first)).then_some(first)
    };
    pinned.or_else(in_workflows)
}

/// `3.8` of `3.8.18`.
fn minor(version: &str) -> &str {
    version.match_indices('.').nth(1).map_or(version, |(at, _)| &version[..at])
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    (2..=3).contains(&parts.len())
        && parts
            .iter()
            .all(|part| (1..4).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Where interpreters are looked for.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Folders whose entries are named like versions, as pyenv lays them out.
    pub versions: Vec<PathBuf>,
    /// The folders of `PATH`.
    pub path: Vec<PathBuf>,
}

impl Places {
    /// pyenv's folders and `PATH`. pyenv is in the home, where `PYENV_ROOT` says, or beside its shims on `PATH`.
    pub fn of(home: &Path, var_os: impl Fn(&str) -> Option<OsString>) -> Self {
        let path: Vec<PathBuf> =
            var_os("PATH").map_or_else(Vec::new, |path| env::split_paths(&path).collect());
        let root = var_os("PYENV_ROOT").map(PathBuf::from);
        let shims = path.iter().filter(|dir| dir.ends_with("shims")).filter_map(|dir| dir.parent());
        let mut versions: Vec<PathBuf> = Vec::new();
        for root in root.into_iter().chain([home.join(".pyenv")]).chain(shims.map(Path::to_path_buf)) {
            let folder = root.join("versions");
            if folder.is_absolute() && !versions.contains(&folder) {
                versions.push(folder);
            }
        }
        Self { versions, path }
    }
}

/// Finds the interpreter for what is asked for; `None` when the machine has no Python 3 at all.
pub fn choose(system: &dyn ReadSystem, places: &Places, asked: Option<&str>) -> Option<Interpreter> {
    let wanted = asked.and_then(|version| {
        let found = candidates(system, places, version);
        found.iter().filter_map(|program| probe(program)).find(|python| python.satisfies(version))
    });
    wanted.or_else(|| {
        let names = ["python3", "python"].iter();
        names.flat_map(|name| on_path(system, places, name)).find_map(|program| probe(&program))
    })
}

impl Interpreter {
    /// Whether it is of the version that is asked for; the last part may differ.
    pub fn satisfies(&self, asked: &str) -> bool {
        minor(&self.version) == minor(asked)
    }

    /// Major and minor version as numbers, such as `(3, 8)`.
    pub fn minor(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }
}

/// What may be the version that is asked for, the likeliest first. A program on `PATH` may stand for one that
/// is not there, as pyenv's do, so pyenv's own folders come first and each is tried.
fn candidates(system: &dyn ReadSystem, places: &Places, version: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in &places.versions {
        let names = system.list(folder).unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        names.retain(|name| is_version(name) && minor(name) == minor(version));
        let patch = |name: &String| name.rsplit('.').next().and_then(|patch| patch.parse::<u32>().ok());
        names.sort_by_key(|name| std::cmp::Reverse((name == version, patch(name))));
        found.extend(names.into_iter().map(|name| folder.join(name).join("bin/python3")));
    }
    found.retain(|program| is_program(system, program));
    found.extend(on_path(system, places, &format!("python{}", minor(version))));
    found
}

/// All programs of this name, in the order of `PATH`.
fn on_path(system: &dyn ReadSystem, places: &Places, name: &str) -> Vec<PathBuf> {
    let programs = places.path.iter().filter(|dir| dir.is_absolute()).map(|dir| dir.join(name));
    programs.filter(|program| is_program(system, program)).collect()
}

fn is_program(system: &dyn ReadSystem, path: &Path) -> bool {
    let meta = followed(system, path).ok().flatten();
    meta.is_some_and(|meta| meta.kind == FileKind::File && meta.mode & 0o111 != 0)
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
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]
    use super::*;
    use crate::sys::real::RealSystem;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_plain_version_is_an_answer() {
        assert_eq!(asked(Some("3.8.18\n3.9\n"), &[]).as_deref(), Some("3.8.18"));
        let workflow = "steps:\n  - with:\n      python-version: '3.9' # why\n".to_owned();
        assert_eq!(asked(Some("myenv"), std::slice::from_ref(&workflow)).as_deref(), Some("3.9"));
        let matrix = "matrix:\n  python-version: [\"3.8\", \"3.9\"]\n".to_owned();
        assert_eq!(asked(None, &[matrix, "python-version: ${{ x }}".into()]), None);
        assert_eq!(asked(None, &[workflow.clone(), "python-version: 3.9.1".into()]).as_deref(), Some("3.9"));
        assert_eq!(asked(None, &[workflow, "python-version: 3.7".into()]), None);
    }

    #[test]
    fn what_is_not_installed_falls_back_to_the_machines_own() {
        let places = Places::of(Path::new("/nowhere"), env::var_os);
        let plain = choose(&RealSystem, &places, None).unwrap();
        assert_eq!(choose(&RealSystem, &places, Some("3.99")), Some(plain.clone()));
        assert!(plain.program.is_absolute());
    }

    fn program(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A program that answers as the Python of this version would.
    fn python(version: &str) -> String {
        format!(
            "#!/bin/sh\necho '{{\"program\":\"/py/{version}\",\"version\":\"{version}\",\"platform\":\"x\"}}'\n"
        )
    }

    #[test]
    fn a_shim_that_stands_for_nothing_does_not_hide_the_real_one() {
        let dir = tempfile::tempdir().unwrap();
        let (shims, bin) = (dir.path().join("pyenv/shims"), dir.path().join("bin"));
        program(shims.join("python3.8"), "#!/bin/sh\nexit 127\n");
        program(shims.join("python3"), &python("3.11.7"));
        program(bin.join("python3.8"), &python("3.8.2"));
        let path = std::env::join_paths([&shims, &bin]).unwrap();
        let find = |asked| {
            let places = Places::of(Path::new("/nowhere"), |name| (name == "PATH").then(|| path.clone()));
            choose(&RealSystem, &places, Some(asked)).unwrap().version
        };
        assert_eq!(find("3.8"), "3.8.2");
        program(dir.path().join("pyenv/versions/3.8.9/bin/python3"), &python("3.8.9"));
        program(dir.path().join("pyenv/versions/3.8.18/bin/python3"), &python("3.8.18"));
        assert_eq!(find("3.8"), "3.8.18");
        assert_eq!(find("3.8.9"), "3.8.9");
        assert_eq!(find("3.9"), "3.11.7");
    }

    #[test]
    fn pyenv_is_found_where_its_variable_says() {
        let dir = tempfile::tempdir().unwrap();
        program(dir.path().join("versions/3.8.18/bin/python3"), &python("3.8.18"));
        let root = |name: &str| (name == "PYENV_ROOT").then(|| dir.path().as_os_str().to_owned());
        let places = Places::of(Path::new("/nowhere"), root);
        assert_eq!(choose(&RealSystem, &places, Some("3.8")).unwrap().program, Path::new("/py/3.8.18"));
        assert_eq!(choose(&RealSystem, &places, None), None);
    }
}
