//! What commands share: the streams, the home, the host. Everything beyond the directories is looked at only when
//! a command asks for it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::args::{Global, ProfileArgs};
use super::command::completions;
use super::fetched::{Scratch, Use};
use crate::base::error::{ErrorKind, Fault};
use crate::home::Home;
use crate::home::check::Judge;
use crate::home::entry::Entry;
use crate::home::prepare::prepare;
use crate::home::recover::recover;
use crate::host::{self, Facts};
use crate::profile::{self, Resolved};
use crate::setup::desired::{self, Surroundings};
use crate::setup::record::Record;
use crate::setup::surroundings;
use crate::sys::dirs::Dirs;
use crate::sys::lock::{Lock, LockError};
use crate::sys::real::{RealSystem, real_path};
use crate::sys::system::{FileKind, ReadSystem};
use crate::sys::{env, process};
use crate::ui::Printer;

/// What commands share.
pub struct Context {
    /// Options of every command.
    pub global: Global,
    /// The streams.
    pub printer: Printer,
    /// The machine's file system.
    pub system: RealSystem,
    /// Where everything is.
    pub dirs: Dirs,
    /// The home engine's view of the home.
    pub home: Home,
    /// How profiles from git addresses are used.
    pub profiles: Use,
    /// Where they are fetched to.
    pub scratch: Scratch,
    /// The shells' judgement of new files.
    pub judge: Judge,
}

/// A profile, resolved, and the home entries that follow from it.
pub struct Target {
    /// The profiles as they were asked for.
    pub sources: Vec<String>,
    /// The profile.
    pub resolved: Resolved,
    /// What is known of the home.
    pub around: Surroundings,
    /// The entries.
    pub entries: Vec<Entry>,
    /// The host.
    pub facts: Facts,
}

impl Context {
    /// For the home of the person who runs this, or for `--home`.
    pub fn new(global: Global, printer: Printer) -> Result<Self, Fault> {
        let system = RealSystem;
        let dirs = match &global.home {
            None => Dirs::of_user().ok_or_else(|| {
                Fault::new(ErrorKind::Usage, "there is no home directory")
                    .hint("set HOME, or name a directory with --home")
            })?,
            Some(home) => Dirs::of_home(&chosen(home)?),
        };
        let real = real_path(&dirs.home).map_err(|error| {
            Fault::new(ErrorKind::Usage, format!("cannot use the home directory {}", dirs.home.display()))
                .cause(error)
        })?;
        if !matches!(system.meta(&real), Ok(Some(meta)) if meta.kind == FileKind::Dir) {
            return Err(Fault::new(ErrorKind::Usage, format!("{} is not a directory", dirs.home.display())));
        }
        let home = Home::new(&dirs.home, &real, &dirs.state);
        Ok(Self {
            global,
            printer,
            system,
            dirs,
            home,
            profiles: Use::Look,
            scratch: Scratch::default(),
            judge: Judge::default(),
        })
    }

    /// The same with another use of profiles from git addresses.
    pub fn using(self, profiles: Use) -> Self {
        Self { profiles, ..self }
    }

    /// The host, by its evidence.
    pub fn facts(&self) -> Result<Facts, Fault> {
        host::detect(&self.system, &env::vars(), &self.dirs.home)
    }

    /// What setup remembers.
    pub fn record(&self) -> Result<Record, Fault> {
        Ok(Record::load(&self.system, &self.dirs.state)?)
    }

    /// The profiles of the command line, else those of the last setup, else `default`.
    pub fn sources(&self, args: &ProfileArgs) -> Result<Vec<String>, Fault> {
        if !args.profiles.is_empty() {
            return args.profiles.iter().map(|source| self.lasting(source)).collect();
        }
        let remembered = self.record()?.profiles;
        Ok(if remembered.is_empty() { vec!["default".into()] } else { remembered })
    }

    /// A path is remembered for later runs from elsewhere, so it is made absolute.
    fn lasting(&self, source: &str) -> Result<String, Fault> {
        let path = PathBuf::from(source);
        let is_path = !source.contains("://") && (source.contains('/') || source.ends_with(".toml"));
        let shorthand = source.contains('@') && source.contains(':');
        if !is_path || shorthand || path.is_absolute() {
            return Ok(source.to_owned());
        }
        Ok(absolute(&path)?.to_string_lossy().into_owned())
    }

    /// Resolves profiles into home entries.
    pub fn target(&self, sources: Vec<String>, trust: Option<&str>) -> Result<Target, Fault> {
        let facts = self.facts()?;
        let resolved = self.resolve(&sources, &facts)?;
        super::command::profile::approve(self, &resolved, trust)?;
        let mut around = surroundings::gather(
            &self.system,
            &self.dirs,
            &resolved.profile,
            completions::loaders(),
            self.global.home.is_some(),
        )?;
        let cache = self.home.home_path(&self.dirs.cache);
        // Approved profiles are kept there.
        around
            .own_dirs
            .extend(cache.filter(|dir| !resolved.bundles.is_empty() && !around.own_dirs.contains(dir)));
        let entries = desired::entries(&resolved.profile, &around)?;
        Ok(Target { sources, resolved, around, entries, facts })
    }

    /// Resolves profiles.
    pub fn resolve(&self, sources: &[String], facts: &Facts) -> Result<Resolved, Fault> {
        let here = current_dir()?;
        let fetch = |url: &str| super::fetched::fetch(self, url);
        let reader = self.reader(facts, &here, &fetch);
        Ok(profile::resolve(sources, &reader)?)
    }

    /// What reading profiles needs.
    pub fn reader<'a>(
        &'a self,
        facts: &Facts,
        here: &'a Path,
        fetch: &'a dyn Fn(&str) -> Result<PathBuf, Fault>,
    ) -> profile::Reader<'a> {
        profile::Reader {
            system: &self.system,
            dirs: &self.dirs,
            current_dir: here,
            facts: host::variables(facts, &self.dirs),
            host: facts.kind.name().to_owned(),
            fetch,
        }
    }

    /// Makes the state directory, one devboot at a time: two that build it together would spoil the note of what
    /// was made.
    pub fn prepare_state(&self) -> Result<(), Fault> {
        let _one = Lock::of_dir(&self.dirs.home);
        Ok(prepare(&self.system, &self.home)?)
    }

    /// What we would write into someone else's home they could neither read nor take back.
    pub fn own_home(&self) -> Result<(), Fault> {
        let owner = self.system.meta(&self.home.real).ok().flatten().map(|meta| meta.uid);
        if self.global.home.is_none() || owner.is_none_or(|owner| owner == process::owner().0) {
            return Ok(());
        }
        let home = self.dirs.home.display();
        Err(Fault::new(ErrorKind::Refused, format!("{home} belongs to another user"))
            .hint("run devboot as that user, with sudo -u or su"))
    }

    /// Becomes the one writer of this home: takes the lock and settles runs that were cut short.
    pub fn write_lock(&self) -> Result<Lock, Fault> {
        self.own_home()?;
        self.prepare_state()?;
        let path = self.dirs.state.join("lock");
        let lock = self.patient_lock(&path).map_err(|error| match error {
            LockError::Held(pid) => {
                let who = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
                Fault::new(ErrorKind::Failed, format!("another devboot{who} is changing this home"))
                    .hint("wait until it is done, then run the same command again")
            }
            LockError::Io(error) => {
                let fault =
                    Fault::new(ErrorKind::Failed, format!("cannot use {}", path.display())).cause(&error);
                if error.kind() == std::io::ErrorKind::StorageFull {
                    fault.hint("free some space and run the same command again; nothing is half done")
                } else {
                    fault
                }
            }
        })?;
        for run in recover(&self.system, &self.home)? {
            self.printer.say(&format!(
                "run {} had been cut short after {} of {} changes; that is settled now",
                run.id, run.finished, run.total
            ));
        }
        Ok(lock)
    }

    /// The lock at `path`. The service changes the home for a few milliseconds at a time, as after a saved profile: whoever
    /// comes just then waits.
    fn patient_lock(&self, path: &Path) -> Result<Lock, LockError> {
        let begun = Instant::now();
        let mut said = false;
        loop {
            let limit = if said { LOCK_PATIENCE } else { SILENCE };
            match Lock::take_within(path, limit.saturating_sub(begun.elapsed())) {
                Err(LockError::Held(holder)) if begun.elapsed() >= limit => {
                    if said {
                        return Err(LockError::Held(holder));
                    }
                    said = true;
                    self.printer.say("waiting for another devboot, which is changing this home");
                }
                // Somebody else was quicker.
                Err(LockError::Held(_)) => {}
                result => return result,
            }
        }
    }
}

/// How long another devboot may have the home before we say that we wait for it.
const SILENCE: Duration = Duration::from_millis(500);
/// How long we wait for another devboot in all: longer than any change of the home alone takes, and no clone.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// The directory this process stands in.
pub fn current_dir() -> Result<PathBuf, Fault> {
    env::current_dir()
        .map_err(|error| Fault::new(ErrorKind::Failed, "the current directory is gone").cause(error))
}

/// The directory of `--home`, absolute. A `..` would stay in the generated files, so it is followed now.
fn chosen(path: &Path) -> Result<PathBuf, Fault> {
    let path = absolute(path)?;
    if path.components().any(|part| part == std::path::Component::ParentDir) {
        return Ok(real_path(&path).unwrap_or(path));
    }
    Ok(path)
}

fn absolute(path: &Path) -> Result<PathBuf, Fault> {
    let path = if path.is_absolute() { path.to_path_buf() } else { current_dir()?.join(path) };
    // Without the `.` of `./x`.
    Ok(path.components().collect())
}
