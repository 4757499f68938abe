//! What there is to do beyond the home itself: read from the disk, nothing changed, no network.

use std::path::{Path, PathBuf};

use super::desired::wanted_kits;
use super::record::{EnvironmentRecord, Record};
use crate::base::digest::Digest;
use crate::base::path::HomePath;
use crate::profile::Profile;
use crate::profile::schema::TestSetting;
use crate::repos::files::{file_names, read_text};
use crate::repos::git::url::GitUrl;
use crate::repos::git::{CloneLimits, CloneSpec, History, clone, inspect};
use crate::repos::python::environment::{self as python_env, PythonEnv};
use crate::repos::python::interpreter::Interpreter;
use crate::repos::python::plan::{self as python_plan, Install, PythonPlan};
use crate::repos::starters::{self, StarterFile};
use crate::sys::dirs::Dirs;
use crate::sys::system::ReadSystem;

/// A clone that the profile asks for.
#[derive(Clone, Debug)]
pub struct WantedClone {
    /// Where, relative to home.
    pub dir: HomePath,
    /// How.
    pub spec: CloneSpec,
    /// A kit, not a project.
    pub kit: bool,
    /// The command that runs its tests, when the profile gives one.
    pub test: Option<String>,
}

/// A starter that the profile asks for.
#[derive(Clone, Debug)]
pub struct WantedStarter {
    /// Its name.
    pub name: String,
    /// Where, relative to home.
    pub dir: HomePath,
    /// Its files.
    pub files: &'static [StarterFile],
}

/// A folder with code in it that may need an environment and have tests.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its name in the profile.
    pub name: String,
    /// Where it is.
    pub dir: PathBuf,
    /// Where it was cloned from.
    pub url: Option<String>,
    /// The link by which its alias activates the environment; `None` where its path would be no text.
    pub link: Option<HomePath>,
    /// Whether it gets an environment; `None`: when it looks like Python.
    pub python: Option<bool>,
    /// Its tests.
    pub test: Option<TestSetting>,
    /// An embedded starter: its tests run without an environment too, if the machine can.
    pub starter: bool,
}

/// Everything beyond the home that the profile asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Kits.
    pub kits: Vec<WantedClone>,
    /// Repositories.
    pub repos: Vec<WantedClone>,
    /// Starters.
    pub starters: Vec<WantedStarter>,
    /// Repositories and starters as projects.
    pub projects: Vec<Project>,
}

/// Reads the wishes out of a profile. `programs` are those that are there, of those that kits need.
pub fn wanted(profile: &Profile, dirs: &Dirs, programs: &[String]) -> Wanted {
    let mut found = Wanted::default();
    for (name, kit) in wanted_kits(profile, programs) {
        let spec = CloneSpec {
            name: name.clone(),
            url: kit.url.clone(),
            reference: kit.reference.clone(),
            history: History::of_depth(kit.depth),
            submodules: true,
            dest: kit.dir.under(&dirs.home),
            limits: CloneLimits::default(),
        };
        found.kits.push(WantedClone { dir: kit.dir.clone(), spec, kit: true, test: None });
    }
    for (name, repo) in &profile.repos {
        let spec = CloneSpec {
            name: name.clone(),
            url: repo.url.clone(),
            reference: repo.reference.clone(),
            history: History::of_depth(repo.depth),
            submodules: true,
            dest: repo.dir.under(&dirs.home),
            limits: CloneLimits::default(),
        };
        found.projects.push(Project {
            name: name.clone(),
            dir: spec.dest.clone(),
            url: Some(spec.url.clone()),
            link: Some(repo.venv.clone()),
            python: repo.python,
            test: repo.test.clone(),
            starter: false,
        });
        let test = match &repo.test {
            Some(TestSetting::Command(command)) => Some(command.clone()),
            _ => None,
        };
        found.repos.push(WantedClone { dir: repo.dir.clone(), spec, kit: false, test });
    }
    for name in &profile.starters {
        let (Some(files), Ok(dir)) = (starters::files(name), HomePath::parse(name)) else { continue };
        found.projects.push(Project {
            name: name.clone(),
            dir: dir.under(&dirs.home),
            url: None,
            link: link(dirs, name),
            python: Some(true),
            test: Some(TestSetting::Run(true)),
            starter: true,
        });
        found.starters.push(WantedStarter { name: name.clone(), dir, files });
    }
    found
}

/// Where the link to the environment of a project without a profile's word about it lies.
pub(super) fn link(dirs: &Dirs, name: &str) -> Option<HomePath> {
    let data = dirs.data.strip_prefix(&dirs.home).ok()?.to_str()?;
    HomePath::parse(&format!("{data}/venvs/{name}")).ok()
}

impl WantedClone {
    /// Whether something stands where the clone goes. A wrong address counts as not there, so that it is tried and
    /// its error is shown.
    pub fn is_there(&self) -> bool {
        GitUrl::parse(&self.spec.url).is_ok_and(|url| matches!(clone::present(&self.spec, &url), Ok(Some(_))))
    }

    /// Whether it can be cloned without network.
    pub fn is_local(&self) -> bool {
        matches!(GitUrl::parse(&self.spec.url), Ok(GitUrl::Local(_)))
    }
}

impl Project {
    /// Whether its folder is there.
    pub fn is_there(&self, system: &dyn ReadSystem) -> bool {
        matches!(system.meta(&self.dir), Ok(Some(_)))
    }

    /// What its environment is made of; `None` when it gets none.
    pub fn plan(&self, system: &dyn ReadSystem) -> Option<PythonPlan> {
        if self.python == Some(false) {
            return None;
        }
        let names = file_names(system, &self.dir);
        let read = |name: &str| read_text(system, &self.dir.join(name));
        python_plan::plan(&read, &names, &self.dir.to_string_lossy())
    }

    /// The environment as it was recorded, if it is still whole and made from the same inputs.
    pub fn environment(
        &self,
        system: &dyn ReadSystem,
        home: &Path,
        record: &Record,
        plan: &PythonPlan,
    ) -> Option<PythonEnv> {
        let known = record.environments.get(&self.name)?;
        let whole = python_env::current(system, known.dir.parent()?, plan, &interpreter(known))?;
        // The link is what the alias uses.
        let linked =
            known.link.as_ref().is_none_or(|link| matches!(system.meta(&link.under(home)), Ok(Some(_))));
        linked.then_some(whole)
    }

    /// What a run of its tests would be of: the commit, what was changed since, and the environment.
    pub fn tested_state(&self, env: Option<&PythonEnv>) -> String {
        let code = inspect::head(&self.dir).unwrap_or_else(|| "-".into());
        let changes = inspect::changes(&self.dir);
        let marker = if changes.is_empty() {
            String::new()
        } else {
            let words: Vec<String> =
                changes.iter().map(|(name, digest)| format!("{name} {digest}")).collect();
            let digest = Digest::of_parts(words.iter().map(String::as_bytes));
            format!(" +changes {}", digest.short())
        };
        let env = env.map_or_else(|| "-".to_owned(), |env| env.record.digest.short());
        format!("{code}{marker} {env}")
    }

    /// Whether its tests are to be run at all.
    pub fn is_tested(&self) -> bool {
        !matches!(self.test, None | Some(TestSetting::Run(false)))
    }
}

/// The interpreter of a recorded environment.
pub fn interpreter(known: &EnvironmentRecord) -> Interpreter {
    Interpreter {
        program: known.program.clone(),
        version: known.version.clone(),
        platform: known.platform.clone(),
        venv: true,
    }
}

/// Whether an environment for this plan can be made without network.
pub fn needs_network(plan: &PythonPlan) -> bool {
    plan.install != Install::Nothing || plan.adds_pytest
}

/// The digest of one of a starter's files as it is written.
pub fn file_digest(file: &StarterFile) -> Digest {
    Digest::of(file.text.as_bytes())
}
