//! The Pythons of a machine: what is on `PATH`, and what pyenv, uv and conda keep.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::version::Minor;
use crate::repos::files::followed;
use crate::sys::env;
use crate::sys::process::{self, CommandSpec};
use crate::sys::real::RealSystem;
use crate::sys::system::{FileKind, ReadSystem, replace};
use crate::sys::{tree, workers};

/// A Python that answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// Its program.
    pub program: PathBuf,
    /// Its version, such as `3.11.7`.
    pub version: String,
    /// What it runs on, such as `linux-x86_64`.
    pub platform: String,
    /// It can make environments by itself; some systems ship that as a package of its own.
    #[serde(default = "usual")]
    pub venv: bool,
}

/// What is not known is taken for complete.
fn usual() -> bool {
    true
}

/// Where interpreters are looked for.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Folders whose entries are installations with a `bin`: pyenv's versions, uv's Pythons, conda's environments.
    pub collections: Vec<PathBuf>,
    /// Installations themselves: conda's base and the environment that is active.
    pub installations: Vec<PathBuf>,
    /// The folders of `PATH`.
    pub path: Vec<PathBuf>,
}

impl Places {
    /// What pyenv, uv and conda keep in a home or where their variables say, and `PATH`. pyenv is also found beside
    /// its shims on `PATH`.
    pub fn of(home: &Path, var_os: impl Fn(&str) -> Option<OsString>) -> Self {
        let path: Vec<PathBuf> =
            var_os("PATH").map_or_else(Vec::new, |path| env::split_paths(&path).collect());
        let mut places = Self { path, ..Self::default() };
        let shims = places.path.iter().filter(|dir| dir.ends_with("shims")).filter_map(|dir| dir.parent());
        let pyenv = var_os("PYENV_ROOT").map(PathBuf::from).into_iter().chain([home.join(".pyenv")]);
        let pyenv: Vec<PathBuf> = pyenv.chain(shims.map(Path::to_path_buf)).collect();
        let conda = ["miniconda3", "anaconda3", "miniforge3", "mambaforge"].map(|name| home.join(name));
        let uv = var_os("UV_PYTHON_INSTALL_DIR").map(PathBuf::from).into_iter();
        let collections = pyenv
            .iter()
            .map(|root| root.join("versions"))
            .chain(uv)
            .chain([home.join(".local/share/uv/python"), home.join(".conda/envs")])
            .chain(conda.iter().map(|root| root.join("envs")));
        for folder in collections {
            if folder.is_absolute() && !places.collections.contains(&folder) {
                places.collections.push(folder);
            }
        }
        places.installations = var_os("CONDA_PREFIX").map(PathBuf::from).into_iter().chain(conda).collect();
        places
    }
}

/// The Pythons of a machine.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Each once; of one version the first that was found.
    pub all: Vec<Interpreter>,
    /// What `python3` is, the place in `all`.
    pub own: Option<usize>,
}

/// More than this many are not asked.
const MOST: usize = 64;
/// So many are asked at a time.
const AT_ONCE: usize = 4;

/// Asks every Python 3 that is there what it is. A program on `PATH` may stand for one that is not there, as pyenv's
/// do, so each is tried, and counts by what it says it is. Answers are kept in `cache`, as long as a program's file
/// stays the same.
pub fn inventory(system: &dyn ReadSystem, places: &Places, cache: Option<&Path>) -> Inventory {
    let own = ["python3", "python"].iter().flat_map(|name| on_path(system, places, name)).collect::<Vec<_>>();
    let programs: Vec<PathBuf> = own.iter().cloned().chain(candidates(system, places)).take(MOST).collect();
    let mut kept = Kept::load(system, cache);
    let known: Vec<Option<Option<Interpreter>>> =
        programs.iter().map(|program| kept.answer(system, program)).collect();
    let open: Vec<PathBuf> =
        programs.iter().zip(&known).filter(|(_, known)| known.is_none()).map(|(p, _)| p.clone()).collect();
    let mut answers = workers::each(&open, AT_ONCE, |program| Some(probe(program))).into_iter();
    let mut found = Inventory::default();
    for (index, (program, known)) in programs.iter().zip(known).enumerate() {
        let python = known.unwrap_or_else(|| {
            let answer = answers.next().flatten().flatten();
            kept.learn(system, program, answer.as_ref());
            answer
        });
        let Some(python) = python else { continue };
        let seen = found.all.iter().position(|seen| seen.program == python.program);
        let at = seen.unwrap_or_else(|| {
            found.all.push(python);
            found.all.len() - 1
        });
        if index < own.len() && found.own.is_none() {
            found.own = Some(at);
        }
    }
    kept.save(cache);
    found
}

/// Answers of earlier runs.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// The version of this form and of the question.
    schema: u32,
    /// By program.
    answers: BTreeMap<PathBuf, KeptAnswer>,
    #[serde(skip)]
    is_new: bool,
}

#[derive(Serialize, Deserialize)]
struct KeptAnswer {
    /// The size of its file, and when it was changed.
    file: (u64, i64, u32),
    python: Option<Interpreter>,
}

const KEPT: u32 = 2;

impl Kept {
    fn load(system: &dyn ReadSystem, cache: Option<&Path>) -> Self {
        let bytes = cache.and_then(|cache| system.read(&cache.join("pythons.json"), 1 << 20).ok());
        let kept: Option<Self> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        kept.filter(|kept| kept.schema == KEPT).unwrap_or(Self { schema: KEPT, ..Self::default() })
    }

    /// What is known of a program; `None` when it must be asked. What a shim stands for can change without its file.
    fn answer(&self, system: &dyn ReadSystem, program: &Path) -> Option<Option<Interpreter>> {
        let known = self.answers.get(program).filter(|_| !is_shim(program))?;
        (Some(known.file) == stamp(system, program)).then(|| known.python.clone())
    }

    fn learn(&mut self, system: &dyn ReadSystem, program: &Path, answer: Option<&Interpreter>) {
        if let Some(file) = stamp(system, program).filter(|_| !is_shim(program)) {
            self.is_new = true;
            self.answers.insert(program.to_path_buf(), KeptAnswer { file, python: answer.cloned() });
        }
    }

    /// Asking again only costs time, so that it could not be written is no error.
    fn save(&self, cache: Option<&Path>) {
        if let (true, Some(cache), Ok(bytes)) = (self.is_new, cache, serde_json::to_vec(self)) {
            let _ = tree::create(cache);
            let _ = replace(&RealSystem, &cache.join("pythons.json"), &bytes, 0o600);
        }
    }
}

fn stamp(system: &dyn ReadSystem, program: &Path) -> Option<(u64, i64, u32)> {
    let meta = followed(system, program).ok().flatten()?;
    Some((meta.size, meta.modified.0, meta.modified.1))
}

fn is_shim(program: &Path) -> bool {
    program.parent().is_some_and(|dir| dir.ends_with("shims"))
}

impl Inventory {
    /// The one that `python3` is, else the first.
    pub fn own(&self) -> Option<&Interpreter> {
        self.own.and_then(|at| self.all.get(at)).or(self.all.first())
    }

    /// The best of a minor version: one that can make environments, then the machine's own, then the newest patch.
    pub fn of(&self, version: Minor) -> Option<&Interpreter> {
        let own = self.own().map(|own| &own.program);
        let fitting = self.all.iter().filter(|python| python.minor() == Some(version));
        // Of equals the first that was found.
        fitting.rev().max_by_key(|python| (python.venv, Some(&python.program) == own, patch(&python.version)))
    }

    /// The minor versions that are there, the oldest first.
    pub fn minors(&self) -> Vec<Minor> {
        let mut minors: Vec<Minor> = self.all.iter().filter_map(Interpreter::minor).collect();
        minors.sort();
        minors.dedup();
        minors
    }
}

fn patch(version: &str) -> Option<u32> {
    version.rsplit('.').next().and_then(|patch| patch.parse().ok())
}

impl Interpreter {
    /// Its minor version.
    pub fn minor(&self) -> Option<Minor> {
        Minor::parse(&self.version)
    }
}

/// What may be a Python of its own version, besides plain `python3`.
fn candidates(system: &dyn ReadSystem, places: &Places) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in &places.collections {
        let mut names = system.list(folder).unwrap_or_default();
        names.sort();
        found.extend(names.into_iter().map(|name| folder.join(name).join("bin/python3")));
    }
    found.extend(places.installations.iter().map(|root| root.join("bin/python3")));
    found.retain(|program| is_program(system, program));
    // What pyenv's shims stand for is among its versions.
    let is_known = |program: &PathBuf| {
        let root = program.parent().and_then(Path::parent);
        is_shim(program) && root.is_some_and(|root| places.collections.contains(&root.join("versions")))
    };
    for minor in 6..=20 {
        let named = on_path(system, places, &format!("python3.{minor}"));
        found.extend(named.into_iter().filter(|program| !is_known(program)));
    }
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
    const QUESTION: &str = "import json,sys,sysconfig;from importlib.util import find_spec;print(json.dumps(dict(\
        venv=bool(find_spec('venv') and find_spec('ensurepip')),\
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
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

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
    fn the_machines_own_is_known() {
        let places = Places::of(Path::new("/nowhere"), env::var_os);
        let found = inventory(&RealSystem, &places, None);
        assert!(found.own().unwrap().program.is_absolute());
    }

    #[test]
    fn a_shim_that_stands_for_nothing_does_not_hide_the_real_one() {
        let dir = tempfile::tempdir().unwrap();
        let (shims, bin) = (dir.path().join("pyenv/shims"), dir.path().join("bin"));
        program(shims.join("python3.8"), "#!/bin/sh\nexit 127\n");
        program(shims.join("python3"), &python("3.11.7"));
        program(bin.join("python3.8"), &python("3.8.2"));
        program(bin.join("python"), "#!/bin/sh\necho 2.7\n");
        let path = std::env::join_paths([&shims, &bin]).unwrap();
        let find = || {
            let var = |name: &str| (name == "PATH").then(|| path.clone());
            inventory(&RealSystem, &Places::of(Path::new("/nowhere"), var), None)
        };
        assert_eq!(find().own().unwrap().version, "3.11.7");
        assert_eq!(find().of(Minor(3, 8)).unwrap().version, "3.8.2");
        program(dir.path().join("pyenv/versions/3.8.9/bin/python3"), &python("3.8.9"));
        program(dir.path().join("pyenv/versions/3.8.18/bin/python3"), &python("3.8.18"));
        assert_eq!(find().of(Minor(3, 8)).unwrap().version, "3.8.18");
        assert_eq!(find().minors(), [Minor(3, 8), Minor(3, 11)]);
        assert_eq!(find().of(Minor(3, 9)), None);
    }

    #[test]
    fn one_that_can_make_environments_is_preferred() {
        let dir = tempfile::tempdir().unwrap();
        let (bin, other) = (dir.path().join("bin"), dir.path().join("other"));
        program(
            bin.join("python3"),
            &python("3.8.20").replace("\"platform\"", "\"venv\":false,\"platform\""),
        );
        program(other.join("python3.8"), &python("3.8.1"));
        let found = |path: Vec<PathBuf>| {
            let places = Places { path, ..Places::default() };
            inventory(&RealSystem, &places, None).of(Minor(3, 8)).map(|python| python.version.clone())
        };
        assert_eq!(found(vec![bin.clone(), other.clone()]).as_deref(), Some("3.8.1"));
        assert_eq!(found(vec![bin]).as_deref(), Some("3.8.20"), "better than none");
    }

    #[test]
    fn whether_a_python_makes_environments_is_what_it_does() {
        let own =
            inventory(&RealSystem, &Places::of(Path::new("/nowhere"), env::var_os), None).own().cloned();
        let own = own.unwrap();
        let imports = CommandSpec::new(&own.program).args(["-I", "-c", "import venv, ensurepip"]);
        assert_eq!(own.venv, process::run(&imports).unwrap().ok());
    }

    #[test]
    fn pyenv_uv_and_conda_are_found_where_they_keep_theirs() {
        let home = tempfile::tempdir().unwrap();
        program(home.path().join("root/versions/3.8.18/bin/python3"), &python("3.8.18"));
        program(home.path().join(".local/share/uv/python/cpython-3.9.1-linux/bin/python3"), &python("3.9.1"));
        program(home.path().join("miniconda3/bin/python3"), &python("3.10.1"));
        program(home.path().join("miniconda3/envs/ml/bin/python3"), &python("3.7.1"));
        let root = |name: &str| (name == "PYENV_ROOT").then(|| home.path().join("root").into_os_string());
        let found = inventory(&RealSystem, &Places::of(home.path(), root), None);
        assert_eq!(found.minors(), [Minor(3, 7), Minor(3, 8), Minor(3, 9), Minor(3, 10)]);
        assert!(found.own.is_none());
    }

    #[test]
    fn a_python_is_asked_once_as_long_as_its_file_stays_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (bin, cache) = (dir.path().join("bin"), dir.path().join("cache"));
        let counted =
            |version: &str| python(version).replace("#!/bin/sh\n", "#!/bin/sh\necho >>\"${0%/*}/asked\"\n");
        program(bin.join("python3"), &counted("3.8.1"));
        let places = Places { path: vec![bin.clone()], ..Places::default() };
        let own = || inventory(&RealSystem, &places, Some(&cache)).own().unwrap().version.clone();
        let asked = || fs::read_to_string(bin.join("asked")).unwrap().lines().count();
        assert_eq!((own(), own(), asked()), ("3.8.1".to_owned(), "3.8.1".to_owned(), 1));
        program(bin.join("python3"), &counted("3.11.22"));
        assert_eq!((own(), asked()), ("3.11.22".to_owned(), 2));
        fs::write(cache.join("pythons.json"), "damaged").unwrap();
        assert_eq!((own(), asked()), ("3.11.22".to_owned(), 3));
    }
}
