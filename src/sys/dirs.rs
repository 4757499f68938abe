//! Where devboot keeps its own files.

use std::path::{Path, PathBuf};

use directories::BaseDirs;

/// The directories of one home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirs {
    /// The home directory.
    pub home: PathBuf,
    /// devboot's configuration and the generated shell files: `~/.config/devboot`.
    pub config: PathBuf,
    /// Ledger, journals and backups: `~/.local/state/devboot`.
    pub state: PathBuf,
    /// What can be made again: `~/.cache/devboot`.
    pub cache: PathBuf,
    /// Python environments and other long-lived data: `~/.local/share/devboot`.
    pub data: PathBuf,
    /// The parent of `config` for other programs: `~/.config`.
    pub config_home: PathBuf,
}

/// Makes a directory of devboot's own with those above it, for us alone; one that is there stays as it is.
pub fn make(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

impl Dirs {
    /// The directories of the person who runs this process, by the XDG variables where they are set to
    /// something inside the home directory. `None` without a home directory.
    pub fn of_user() -> Option<Self> {
        let base = BaseDirs::new()?;
        let home = base.home_dir().to_path_buf();
        if !home.is_absolute() {
            return None;
        }
        let plain = Self::of_home(&home);
        // An XDG directory elsewhere may be shared or temporary; uninstall must find everything in one home.
        let inside = |path: Option<&Path>, plain: PathBuf| match path {
            Some(path) if path.starts_with(&home) => path.to_path_buf(),
            _ => plain,
        };
        let linux = cfg!(target_os = "linux");
        let config_home = inside(linux.then(|| base.config_dir()), home.join(".config"));
        let own = |path: Option<&Path>, plain: &Path| {
            inside(path.map(|p| p.join("devboot")).as_deref(), plain.to_path_buf())
        };
        Some(Self {
            config: config_home.join("devboot"),
            state: own(linux.then(|| base.state_dir()).flatten(), &plain.state),
            cache: own(linux.then(|| base.cache_dir()), &plain.cache),
            data: own(linux.then(|| base.data_local_dir()), &plain.data),
            config_home,
            home,
        })
    }

    /// The directories of another home, `--home DIR`: always the plain ones, whatever XDG says about ours.
    pub fn of_home(home: &Path) -> Self {
        Self {
            home: home.to_path_buf(),
            config: home.join(".config/devboot"),
            state: home.join(".local/state/devboot"),
            cache: home.join(".cache/devboot"),
            data: home.join(".local/share/devboot"),
            config_home: home.join(".config"),
        }
    }
}
