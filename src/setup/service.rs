//! Installing the service: as a unit of systemd's user session or an agent of launchd, where there is one; else the shell
//! hook starts it. The files are ours as a whole, on record before they are written, and taken away only as they were
//! written.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::record::{Record, RecordError, ServiceRecord};
use crate::base::digest::Digest;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::path::HomePath;
use crate::base::text::printable;
use crate::host::Capabilities;
use crate::ipc::client::{Probe, probe};
use crate::ipc::launch;
use crate::ipc::message::Request;
use crate::ipc::place::{MARK, Place};
use crate::sys::dirs::Dirs;
use crate::sys::process::{self, CommandSpec};
use crate::sys::system::{FileKind, ReadSystem, WriteSystem, replace};
use crate::sys::tree;

/// The name of the unit.
pub const UNIT: &str = "devboot.service";

/// How long systemd or launchd has for one act; starting includes that the service is ready.
const ACT: Duration = Duration::from_secs(20);

/// The largest file of ours.
const LARGEST: u64 = 64 << 10;

/// Who starts the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starter {
    /// systemd's user session.
    Systemd,
    /// launchd, on macOS.
    Launchd,
    /// A shell that starts, or a command that needs it.
    Hook,
}

impl Starter {
    /// What there is. Another home than the user's own is no business of the user's session.
    pub fn of(can: &Capabilities, other_home: bool) -> Self {
        match (other_home, can.systemd_user, cfg!(target_os = "macos")) {
            (true, _, _) => Self::Hook,
            (_, true, _) => Self::Systemd,
            (_, _, true) => Self::Launchd,
            _ => Self::Hook,
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
            Self::Hook => "hook",
        }
    }
}

/// What is to be installed.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Who starts it.
    pub starter: Starter,
    /// The program.
    pub program: PathBuf,
}

/// The service cannot be installed or taken away.
#[derive(Debug)]
pub enum ServiceError {
    /// Something is there that is not ours.
    Foreign(PathBuf),
    /// The program's path cannot be written into a unit.
    Path(PathBuf),
    /// Reading or writing failed.
    Io(PathBuf, io::Error),
    /// What was done could not be remembered.
    Record(RecordError),
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |path: &Path| printable(&path.to_string_lossy());
        match self {
            Self::Foreign(path) => write!(f, "{} is there already and not as devboot wrote it", shown(path)),
            Self::Path(path) => write!(f, "the path {} cannot be written into a unit", shown(path)),
            Self::Io(path, _) => write!(f, "cannot use {}", shown(path)),
            Self::Record(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Record(error) => error.source(),
            _ => None,
        }
    }
}

impl Diagnose for ServiceError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Foreign(_) => ErrorKind::NeedsUser,
            Self::Path(_) => ErrorKind::Refused,
            Self::Io(..) => ErrorKind::Failed,
            Self::Record(error) => error.kind(),
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Foreign(path) => {
                vec![format!("move it away, then: devboot daemon install ({})", path.display())]
            }
            Self::Path(_) => vec!["install devboot in a directory with a plain name".into()],
            Self::Io(..) => Vec::new(),
            Self::Record(error) => error.hints(),
        }
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ServiceError + '_ {
    move |error| ServiceError::Io(path.to_owned(), error)
}

/// What stands in the home for a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Files {
    files: BTreeMap<HomePath, Vec<u8>>,
    links: BTreeMap<HomePath, String>,
}

fn files(dirs: &Dirs, wish: &Wish) -> Result<Files, ServiceError> {
    let inside = |path: PathBuf| {
        let text = path.strip_prefix(&dirs.home).ok().and_then(Path::to_str).map(HomePath::parse);
        match text {
            Some(Ok(path)) => Ok(path),
            _ => Err(ServiceError::Path(path)),
        }
    };
    let program = wish.program.to_str().filter(|text| !text.contains(char::is_control));
    let program = program.ok_or_else(|| ServiceError::Path(wish.program.clone()))?;
    let mut found = Files::default();
    match wish.starter {
        Starter::Hook => {}
        Starter::Systemd => {
            let units = dirs.config_home.join("systemd/user");
            found.files.insert(inside(units.join(UNIT))?, unit(program).into_bytes());
            let link = inside(units.join("default.target.wants").join(UNIT))?;
            found.links.insert(link, format!("../{UNIT}"));
        }
        Starter::Launchd => {
            let path = inside(dirs.home.join("Library/LaunchAgents/devboot.plist"))?;
            found.files.insert(path, agent(program).into_bytes());
        }
    }
    Ok(found)
}

/// The unit for systemd. What a stage takes too much of is ended alone, not the service with it.
fn unit(program: &str) -> String {
    let word = program.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!(
        "# Written by devboot; `devboot daemon uninstall` takes it away.\n\
         [Unit]\n\
         Description=devboot: keeps projects and the home\n\
         StartLimitIntervalSec=60\n\
         StartLimitBurst=3\n\
         \n\
         [Service]\n\
         Type=notify\n\
         ExecStart=\"{word}\" daemon run\n\
         Restart=on-failure\n\
         RestartSec=100ms\n\
         TimeoutStopSec=20\n\
         KillMode=mixed\n\
         OOMPolicy=continue\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n"
    )
}

/// The agent for launchd.
fn agent(program: &str) -> String {
    let word = program.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n\
         <dict>\n\
         \t<key>Label</key>\n\t<string>devboot</string>\n\
         \t<key>ProgramArguments</key>\n\t<array>\n\t\t<string>{word}</string>\n\t\t<string>daemon</string>\n\t\t<string>run</string>\n\t</array>\n\
         \t<key>RunAtLoad</key>\n\t<true/>\n\
         \t<key>KeepAlive</key>\n\t<dict>\n\t\t<key>SuccessfulExit</key>\n\t\t<false/>\n\t</dict>\n\
         \t<key>ProcessType</key>\n\t<string>Background</string>\n\
         </dict>\n\
         </plist>\n"
    )
}

/// Whether a wish is fulfilled already.
pub fn is_installed(system: &dyn ReadSystem, dirs: &Dirs, record: &Record, wish: &Wish) -> bool {
    let Ok(wanted) = files(dirs, wish) else { return false };
    let there = |path: &HomePath| path.under(&dirs.home);
    record.service.as_ref().is_some_and(|service| service.starter == wish.starter.word())
        && matches!(system.meta(&dirs.state.join(MARK)), Ok(Some(_)))
        && wanted
            .files
            .iter()
            .all(|(path, bytes)| system.read(&there(path), LARGEST).is_ok_and(|is| is == *bytes))
        && wanted.links.iter().all(|(path, to)| is_link(system, &there(path), to))
}

fn is_link(system: &dyn ReadSystem, path: &Path, to: &str) -> bool {
    matches!(system.meta(path), Ok(Some(meta)) if meta.kind == FileKind::Symlink(to.into()))
}

/// Writes what a wish asks for; what an earlier one left and this one does not ask for is taken away. The home's lock is
/// held.
pub fn install(
    system: &dyn WriteSystem,
    dirs: &Dirs,
    record: &mut Record,
    wish: &Wish,
) -> Result<(), ServiceError> {
    let wanted = files(dirs, wish)?;
    if record.service.as_ref().is_some_and(|service| service.starter != wish.starter.word()) {
        uninstall(system, dirs, record)?;
    }
    let known = record.service.clone().unwrap_or_default();
    for (path, bytes) in &wanted.files {
        let at = path.under(&dirs.home);
        let is = match system.meta(&at).map_err(io_at(&at))? {
            None => continue,
            Some(_) => system.read(&at, LARGEST).map_err(io_at(&at))?,
        };
        if is != *bytes && known.files.get(path) != Some(&Digest::of(&is)) {
            return Err(ServiceError::Foreign(at));
        }
    }
    for (path, to) in &wanted.links {
        let at = path.under(&dirs.home);
        if system.meta(&at).map_err(io_at(&at))?.is_some() && !is_link(system, &at, to) {
            return Err(ServiceError::Foreign(at));
        }
    }
    // On record first: a file of unknown origin would stay for ever.
    let before = record.clone();
    for path in wanted.files.keys().chain(wanted.links.keys()) {
        record.note_dirs(system, &dirs.home, &path.under(&dirs.home));
    }
    record.service = Some(ServiceRecord {
        starter: wish.starter.word().to_owned(),
        files: wanted.files.iter().map(|(path, bytes)| (path.clone(), Digest::of(bytes))).collect(),
        links: wanted.links.clone(),
    });
    record.service_wanted = true;
    record.save(system, &dirs.state, &before).map_err(ServiceError::Record)?;
    for (path, bytes) in &wanted.files {
        let at = path.under(&dirs.home);
        make_parent(&at)?;
        replace(system, &at, bytes, 0o644).map_err(io_at(&at))?;
    }
    for (path, to) in &wanted.links {
        let at = path.under(&dirs.home);
        make_parent(&at)?;
        if !is_link(system, &at, to) {
            system.symlink(Path::new(to), &at).map_err(io_at(&at))?;
        }
    }
    let mark = dirs.state.join(MARK);
    replace(system, &mark, format!("{}\n", wish.starter.word()).as_bytes(), 0o600).map_err(io_at(&mark))
}

fn make_parent(path: &Path) -> Result<(), ServiceError> {
    path.parent().map_or(Ok(()), |dir| tree::create(dir).map_err(io_at(dir)))
}

/// Installs and starts it, and says in words what was done. A session that does not start it is no reason to fail: then
/// the shell hook does. The home's lock is held.
pub fn put_in_place(
    system: &dyn WriteSystem,
    dirs: &Dirs,
    record: &mut Record,
    wish: &Wish,
) -> Result<String, ServiceError> {
    install(system, dirs, record, wish)?;
    let hook = "a shell that starts, or a command that needs it, starts it";
    if wish.starter == Starter::Hook {
        // One that runs already keeps the home from now on.
        if let Ok(Probe::Ready(mut client)) = probe(&Place::of(dirs)) {
            let _ = client.ask(Request::LookAtHome);
        }
        return Ok(hook.to_owned());
    }
    // One that runs already would keep the session's from its place.
    let ended = launch::end(&Place::of(dirs)).map_err(|error| error.to_string());
    match ended.and_then(|_| activate(wish.starter, dirs)) {
        Ok(()) => Ok(format!("{} starts it, and has", wish.starter.word())),
        Err(why) => Ok(format!("{} does not start it ({why}); until it does, {hook}", wish.starter.word())),
    }
}

/// Takes away what was installed; what is no longer as it was written stays, and is returned. The home's lock is held.
pub fn uninstall(
    system: &dyn WriteSystem,
    dirs: &Dirs,
    record: &mut Record,
) -> Result<Vec<HomePath>, ServiceError> {
    let mark = dirs.state.join(MARK);
    system.remove_file(&mark).map_err(io_at(&mark))?;
    let before = record.clone();
    let Some(service) = record.service.take() else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    for (path, to) in &service.links {
        let at = path.under(&dirs.home);
        match system.meta(&at).map_err(io_at(&at))? {
            None => {}
            Some(_) if is_link(system, &at, to) => system.remove_file(&at).map_err(io_at(&at))?,
            Some(_) => kept.push(path.clone()),
        }
    }
    for (path, digest) in &service.files {
        let at = path.under(&dirs.home);
        match system.meta(&at).map_err(io_at(&at))? {
            None => {}
            Some(_) if system.read(&at, LARGEST).is_ok_and(|is| Digest::of(&is) == *digest) => {
                system.remove_file(&at).map_err(io_at(&at))?;
            }
            Some(_) => kept.push(path.clone()),
        }
    }
    for path in service.links.keys().chain(service.files.keys()) {
        record.forget_dirs(system, &dirs.home, path);
    }
    record.service_wanted = false;
    record.save(system, &dirs.state, &before).map_err(ServiceError::Record)?;
    Ok(kept)
}

/// Has the session take what was installed, and start it. No service may run: it would hold the place of this one.
///
/// # Errors
/// The session does not; the words say why.
pub fn activate(starter: Starter, dirs: &Dirs) -> Result<(), String> {
    match starter {
        Starter::Hook => Ok(()),
        Starter::Systemd => {
            act("systemctl", &["--user", "daemon-reload"])?;
            act("systemctl", &["--user", "start", UNIT])
        }
        Starter::Launchd => {
            let path = dirs.home.join("Library/LaunchAgents/devboot.plist");
            act("launchctl", &["load", "-w", &path.to_string_lossy()])
        }
    }
}

/// Has the session end and forget it; best effort, for it may have gone.
pub fn deactivate(record: &Record, dirs: &Dirs) {
    match record.service.as_ref().map(|service| service.starter.as_str()) {
        Some("systemd") => {
            let _ = act("systemctl", &["--user", "stop", UNIT]);
        }
        Some("launchd") => {
            let path = dirs.home.join("Library/LaunchAgents/devboot.plist");
            let _ = act("launchctl", &["unload", "-w", &path.to_string_lossy()]);
        }
        _ => {}
    }
}

/// After its files have gone.
pub fn forget(starter: &str) {
    if starter == "systemd" {
        let _ = act("systemctl", &["--user", "daemon-reload"]);
    }
}

fn act(program: &str, args: &[&str]) -> Result<(), String> {
    match process::run(&CommandSpec::new(program).args(args).timeout(ACT)) {
        Ok(done) if done.ok() => Ok(()),
        Ok(done) => {
            let said = done.error_text();
            let said = said.lines().next().unwrap_or("it failed without a word");
            Err(format!("{program} {}: {}", args.join(" "), printable(said)))
        }
        Err(error) => Err(format!("{program}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::real::RealSystem;

    #[test]
    fn a_path_is_one_word_of_the_unit_whatever_it_holds() {
        let unit = unit("/a b/50%\"\\$x");
        assert!(unit.contains("ExecStart=\"/a b/50%%\\\"\\\\$$x\" daemon run\n"), "{unit}");
        for line in ["Type=notify", "Restart=on-failure", "WantedBy=default.target"] {
            assert!(unit.lines().any(|is| is == line), "{line}");
        }
    }

    #[test]
    fn the_agent_is_well_formed_and_has_the_program() {
        use quick_xml::events::Event;
        let text = agent("/a&b/<c>");
        let mut reader = quick_xml::Reader::from_str(&text);
        let mut texts = String::new();
        let (mut depth, mut deepest) = (0, 0);
        loop {
            match reader.read_event().unwrap() {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth -= 1,
                Event::Text(text) => texts.push_str(&text),
                Event::GeneralRef(name) => texts.push_str(&format!("[{}]", &*name)),
                Event::Eof => break,
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        assert_eq!((depth, deepest), (0, 4));
        assert!(texts.contains("/a[amp]b/[lt]c[gt]"), "{texts}");
    }

    fn home(starter: Starter) -> (tempfile::TempDir, Dirs, Wish) {
        let dir = tempfile::tempdir().unwrap();
        let dirs = Dirs::of_home(dir.path());
        tree::create(&dirs.state).unwrap();
        (dir, dirs, Wish { starter, program: "/bin/devboot".into() })
    }

    #[test]
    fn what_is_installed_is_taken_away_to_the_last_directory() {
        for starter in [Starter::Systemd, Starter::Launchd, Starter::Hook] {
            let (_dir, dirs, wish) = home(starter);
            let mut record = Record::default();
            install(&RealSystem, &dirs, &mut record, &wish).unwrap();
            assert!(is_installed(&RealSystem, &dirs, &record, &wish));
            assert_eq!(Record::load(&RealSystem, &dirs.state).unwrap(), record);
            install(&RealSystem, &dirs, &mut record, &wish).unwrap();
            assert_eq!(uninstall(&RealSystem, &dirs, &mut record).unwrap(), []);
            assert!(!is_installed(&RealSystem, &dirs, &record, &wish));
            let left: Vec<_> = RealSystem.list(&dirs.home).unwrap();
            assert_eq!(left, [".local"], "{starter:?}");
            assert!(record.dirs.is_empty());
        }
    }

    #[test]
    fn what_is_not_ours_stays() {
        let (_dir, dirs, wish) = home(Starter::Systemd);
        let at = dirs.config_home.join("systemd/user").join(UNIT);
        tree::create(at.parent().unwrap()).unwrap();
        replace(&RealSystem, &at, b"theirs", 0o644).unwrap();
        let mut record = Record::default();
        assert!(matches!(install(&RealSystem, &dirs, &mut record, &wish), Err(ServiceError::Foreign(_))));
        RealSystem.remove_file(&at).unwrap();
        install(&RealSystem, &dirs, &mut record, &wish).unwrap();
        replace(&RealSystem, &at, b"edited", 0o644).unwrap();
        assert!(matches!(install(&RealSystem, &dirs, &mut record, &wish), Err(ServiceError::Foreign(_))));
        let kept = uninstall(&RealSystem, &dirs, &mut record).unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(RealSystem.read(&at, 100).unwrap(), b"edited");
    }

    #[test]
    fn another_program_or_another_starter_takes_the_place_of_the_first() {
        let (_dir, dirs, wish) = home(Starter::Systemd);
        let mut record = Record::default();
        install(&RealSystem, &dirs, &mut record, &wish).unwrap();
        let moved = Wish { program: "/other/devboot".into(), ..wish.clone() };
        assert!(!is_installed(&RealSystem, &dirs, &record, &moved));
        install(&RealSystem, &dirs, &mut record, &moved).unwrap();
        let hook = Wish { starter: Starter::Hook, ..wish };
        install(&RealSystem, &dirs, &mut record, &hook).unwrap();
        assert!(!matches!(RealSystem.meta(&dirs.config_home), Ok(Some(_))));
    }
}
