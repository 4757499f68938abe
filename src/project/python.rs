//! Which Python a project's stages use, and what is installed for it, without starting it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::digest::Digest;
use crate::sys::content::{self, Look};
use crate::sys::real::{RealSystem, real_path};
use crate::sys::system::{FileKind, ReadSystem};

/// An interpreter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Python {
    /// The program as it is called.
    pub program: PathBuf,
    /// The virtual environment that it belongs to.
    pub environment: Option<PathBuf>,
    /// What tells it from others: the real program, its version where that is known, and when it was made.
    pub identity: String,
    /// The installed packages: name → version.
    pub packages: BTreeMap<String, String>,
}

/// Environments that a project has by habit.
const HABITS: [&str; 3] = [".venv", "venv", ".env"];
const LIMIT: u64 = 64 * 1024;

/// The interpreter for the project at `root`: that of an environment in it, else of the caller's active environment,
/// else `python3` on the caller's `PATH`. `None` when there is none.
pub fn find(root: &Path, caller: &BTreeMap<String, String>) -> Option<Python> {
    let active = caller.get("VIRTUAL_ENV").filter(|dir| dir.starts_with('/')).map(PathBuf::from);
    let environments = HABITS.iter().map(|name| root.join(name)).chain(active);
    if let Some(found) = environments.filter_map(|dir| of_environment(&dir)).next() {
        return Some(found);
    }
    let path = caller.get("PATH").map_or("", String::as_str);
    // An environment is one also where only `PATH` says that it is active.
    let at =
        |dir: &Path| dir.parent().and_then(of_environment).filter(|found| found.program.starts_with(dir));
    path.split(':')
        .filter(|dir| dir.starts_with('/'))
        .map(Path::new)
        .find_map(|dir| at(dir).or_else(|| of_program(&dir.join("python3"))))
}

/// The interpreter of a virtual environment; `None` when the directory is none, or its interpreter has gone.
pub fn of_environment(dir: &Path) -> Option<Python> {
    let settings = RealSystem.read(&dir.join("pyvenv.cfg"), LIMIT).ok()?;
    let program = dir.join("bin/python");
    let settings = String::from_utf8_lossy(&settings).into_owned();
    let version = settings.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        matches!(key.trim(), "version" | "version_info").then(|| value.trim().to_owned())
    });
    let identity = identity(&program, version.as_deref())?;
    let packages = installed(&dir.join("lib"));
    Some(Python { program, environment: Some(dir.to_owned()), identity, packages })
}

/// The directories that packages are installed into for an interpreter of a virtual environment.
pub fn places(python: &Python) -> Vec<PathBuf> {
    let Some(lib) = python.environment.as_ref().map(|dir| dir.join("lib")) else { return Vec::new() };
    let names = RealSystem.list(&lib).unwrap_or_default();
    let versions = names.iter().filter(|name| name.to_string_lossy().starts_with("python3"));
    versions
        .map(|name| lib.join(name).join("site-packages"))
        .filter(|dir| content::look(dir).is_ok_and(|look| look == Look::Dir))
        .collect()
}

fn of_program(program: &Path) -> Option<Python> {
    let identity = identity(program, None)?;
    let real = real_path(program).ok()?;
    // PREFIX/bin/python3.11 has its packages below PREFIX/lib; Debian's are below /usr/lib and /usr/local/lib.
    let prefix = real.parent()?.parent()?;
    let mut packages = installed(&prefix.join("lib"));
    packages.extend(installed(&prefix.join("local/lib")));
    Some(Python { program: program.to_owned(), environment: None, identity, packages })
}

/// What tells a program from others of its name, without starting it; `None` when there is none.
pub(super) fn identity(program: &Path, version: Option<&str>) -> Option<String> {
    let real = real_path(program).ok()?;
    let Ok(Look::File(stamp)) = content::look(&real) else { return None };
    if !stamp.executable {
        return None;
    }
    let version = version.map_or_else(String::new, |version| format!("{version} "));
    // Another build of the same version at the same place has another size or another time.
    let made = Digest::of(format!("{} {:?}", stamp.size, stamp.modified).as_bytes());
    Some(format!("{version}{} ({})", real.display(), &made.short()[..6]))
}

/// The packages below `lib/python3.*/{site,dist}-packages`, by their metadata's directory names.
fn installed(lib: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in RealSystem.list(lib).unwrap_or_default() {
        if !name.to_string_lossy().starts_with("python3") {
            continue;
        }
        for kind in ["site-packages", "dist-packages"] {
            let dir = lib.join(&name).join(kind);
            for entry in RealSystem.list(&dir).unwrap_or_default() {
                let entry = entry.to_string_lossy().into_owned();
                if let Some((package, version)) = package(&entry) {
                    let version = format!("{version}{}", source(&dir.join(&entry)));
                    found.insert(package, version);
                } else if MODULES.iter().any(|end| entry.ends_with(end)) {
                    // One file is often edited where it lies.
                    found.insert(entry.clone(), of_file(&dir.join(&entry)));
                } else if !entry.contains('.') && entry != "__pycache__" {
                    // A package that was put there or taken away by hand has nothing else that tells of it.
                    found.insert(format!("{entry}/"), String::new());
                }
            }
        }
    }
    found
}

/// The endings of what is a module, or says where others are, by itself.
const MODULES: [&str; 3] = [".py", ".pth", ".so"];

/// What tells a file from another one of its name, without reading it.
fn of_file(path: &Path) -> String {
    match content::look(path) {
        Ok(Look::File(stamp)) => {
            let stamp = format!("{} {:?}", stamp.size, stamp.modified);
            Digest::of(stamp.as_bytes()).short()[..6].to_owned()
        }
        _ => String::new(),
    }
}

/// `numpy-1.26.4.dist-info` → numpy, 1.26.4 (PEP 376, PEP 427); names are compared as PEP 503 says.
fn package(entry: &str) -> Option<(String, String)> {
    let stem = entry.strip_suffix(".dist-info").or_else(|| entry.strip_suffix(".egg-info"))?;
    let (name, version) = stem.split_once('-').unwrap_or((stem, ""));
    // The egg-info of distutils ends with the Python that it was made by.
    let version = version.split("-py").next().unwrap_or(version);
    Some((name.to_lowercase().replace(['_', '.'], "-"), version.to_owned()))
}

/// Where a package comes from when it is not from an index: a directory or a repository (PEP 610). Installed again, it
/// may be another one of the same version.
fn source(metadata: &Path) -> String {
    let Ok(bytes) = RealSystem.read(&metadata.join("direct_url.json"), LIMIT) else { return String::new() };
    let record = match RealSystem.meta(&metadata.join("RECORD")) {
        Ok(Some(meta)) if meta.kind == FileKind::File => meta.modified,
        _ => (0, 0),
    };
    let text = [bytes, format!("{record:?}").into_bytes()].concat();
    format!(" from {}", &Digest::of(&text).short()[..6])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// An environment as `python -m venv` lays it out, with an interpreter that is never started.
    fn environment(dir: &Path, packages: &[&str]) {
        fs::create_dir_all(dir.join("bin")).unwrap();
        fs::write(dir.join("real"), "#!/bin/sh\nexit 99\n").unwrap();
        fs::set_permissions(dir.join("real"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink(dir.join("real"), dir.join("bin/python")).unwrap();
        fs::write(dir.join("pyvenv.cfg"), "home = /usr/bin\nversion = 3.11.7\n").unwrap();
        for package in packages {
            fs::create_dir_all(dir.join("lib/python3.11/site-packages").join(package)).unwrap();
        }
    }

    fn caller(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_environment_in_the_project_is_taken_before_the_active_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("project");
        environment(&root.join(".venv"), &["numpy-1.26.4.dist-info", "Flask_Cors-4.0.dist-info", "numpy"]);
        environment(&dir.path().join("other"), &[]);
        let other = dir.path().join("other").display().to_string();
        let found = find(&root, &caller(&[("VIRTUAL_ENV", &other)])).unwrap();
        assert_eq!(found.environment, Some(root.join(".venv")));
        assert!(found.identity.starts_with("3.11.7 "), "{}", found.identity);
        let packages: Vec<(&str, &str)> =
            found.packages.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(packages, [("flask-cors", "4.0"), ("numpy", "1.26.4"), ("numpy/", "")]);
        let found = find(dir.path(), &caller(&[("VIRTUAL_ENV", &other)])).unwrap();
        assert_eq!(found.environment, Some(dir.path().join("other")));
    }

    #[test]
    fn without_an_environment_the_one_on_the_path_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = std::env::var("PATH").unwrap();
        let found = find(dir.path(), &caller(&[("PATH", &path)])).unwrap();
        assert_eq!((found.environment, found.program.file_name().unwrap().to_str()), (None, Some("python3")));
        assert_eq!(find(dir.path(), &caller(&[("PATH", "relative:/nowhere")])), None);
    }

    #[test]
    fn an_environment_is_the_same_whether_a_variable_or_the_path_alone_says_that_it_is_active() {
        let dir = tempfile::tempdir().unwrap();
        environment(dir.path(), &["numpy-1.26.4.dist-info"]);
        symlink(dir.path().join("real"), dir.path().join("bin/python3")).unwrap();
        let root = dir.path().to_string_lossy();
        let path = format!("{root}/bin:/usr/bin");
        let by_path = find(Path::new("/"), &caller(&[("PATH", &path)])).unwrap();
        assert_eq!(Some(by_path), find(Path::new("/"), &caller(&[("VIRTUAL_ENV", &root), ("PATH", &path)])));
    }

    #[test]
    fn an_environment_whose_interpreter_has_gone_is_none() {
        let dir = tempfile::tempdir().unwrap();
        environment(&dir.path().join(".venv"), &[]);
        fs::remove_file(dir.path().join(".venv/real")).unwrap();
        assert_eq!(find(dir.path(), &caller(&[])), None);
    }

    #[test]
    fn what_is_changed_by_hand_where_packages_lie_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        environment(dir.path(), &["numpy"]);
        let file = dir.path().join("lib/python3.11/site-packages/six.py");
        fs::write(&file, "V = 1\n").unwrap();
        let first = of_environment(dir.path()).unwrap().packages;
        fs::write(&file, "V = 22\n").unwrap();
        let second = of_environment(dir.path()).unwrap().packages;
        assert!(first.len() == 2 && first["six.py"] != second["six.py"], "{first:?} {second:?}");
        fs::remove_dir(dir.path().join("lib/python3.11/site-packages/numpy")).unwrap();
        let third = of_environment(dir.path()).unwrap().packages;
        assert!(second.contains_key("numpy/") && !third.contains_key("numpy/"), "{third:?}");
    }

    #[test]
    fn a_package_that_was_installed_from_a_directory_differs_when_it_is_installed_again() {
        let dir = tempfile::tempdir().unwrap();
        environment(dir.path(), &["mine-1.0.dist-info", "old-2.0-py3.11.egg-info"]);
        let metadata = dir.path().join("lib/python3.11/site-packages/mine-1.0.dist-info");
        fs::write(metadata.join("direct_url.json"), "{\"url\":\"file:///src/mine\"}").unwrap();
        let first = of_environment(dir.path()).unwrap().packages;
        assert_eq!(first["old"], "2.0");
        fs::write(metadata.join("RECORD"), "").unwrap();
        let second = of_environment(dir.path()).unwrap().packages;
        assert!(first["mine"].starts_with("1.0 from ") && first["mine"] != second["mine"]);
    }
}
