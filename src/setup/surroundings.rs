//! Looking at a home directory before deciding what it should hold: its rc files, its shells.

use std::path::{Path, PathBuf};

use super::desired::Surroundings;
use crate::base::error::{ErrorKind, Fault};
use crate::base::path::HomePath;
use crate::profile::Profile;
use crate::shell::{PerShell, RcFacts, SHELLS, Shell, placement};
use crate::sys::dirs::Dirs;
use crate::sys::system::ReadSystem;
use crate::sys::{env, process};

/// A shell reads longer start files than this; nobody sets ZDOTDIR so far down.
const ZSHENV: u64 = 1 << 20;

/// Gathers what [`super::desired::entries`] has to know. `other_home`: it is not the home of the person who runs
/// this, so our environment says nothing about it.
pub fn gather(
    system: &dyn ReadSystem,
    dirs: &Dirs,
    profile: &Profile,
    completions: PerShell<Option<String>>,
    other_home: bool,
) -> Result<Surroundings, Fault> {
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| not_unicode(path));
    let home = text(&dirs.home)?;
    let config = relative(dirs, &dirs.config)?;
    let there = |name: &str| system.meta(&dirs.home.join(name)).ok().flatten().is_some();
    let zshenv = system.read(&dirs.home.join(".zshenv"), ZSHENV).unwrap_or_default();
    let zshenv_zdotdir = placement::zdotdir_in(&String::from_utf8_lossy(&zshenv), &home);
    let rc = RcFacts {
        home: home.clone(),
        config_dir: text(&dirs.config)?,
        existing: [".bash_profile", ".bash_login", ".profile"]
            .iter()
            .filter(|n| there(n))
            .map(|n| (*n).into())
            .collect(),
        zdotdir: if other_home { None } else { env::var("ZDOTDIR") },
        zshenv_zdotdir,
        fish_dir: Some(text(&dirs.config_home.join("fish"))?),
    };
    let rc_names = |shell: Shell| match shell {
        Shell::Bash => [".bashrc", ".bash_profile"],
        Shell::Zsh => [".zshrc", ".zshenv"],
        Shell::Fish => [".config/fish/config.fish", ".config/fish"],
    };
    // bash is always set up: a login shell may come later with another image.
    let wanted = |shell: Shell| {
        shell == Shell::Bash
            || process::find(shell.name()).is_some()
            || rc_names(shell).iter().any(|name| there(name))
    };
    let shells = SHELLS.iter().map(|(shell, _)| *shell).filter(|shell| wanted(*shell)).collect();
    let mut programs: Vec<String> = profile.kits.values().flat_map(|kit| kit.needs.iter().cloned()).collect();
    programs.sort();
    programs.dedup();
    programs.retain(|program| process::find(program).is_some());
    let state = text(&dirs.state)?;
    Ok(Surroundings {
        home,
        config,
        state,
        own_dirs: own_dirs(dirs, profile)?,
        shells,
        rc,
        completions,
        programs,
    })
}

fn not_unicode(path: &Path) -> Fault {
    Fault::new(ErrorKind::Refused, format!("the path {} is not Unicode", path.display()))
        .hint("devboot writes the path into shell files and cannot do that for this one")
}

fn relative(dirs: &Dirs, path: &Path) -> Result<HomePath, Fault> {
    let inside =
        path.strip_prefix(&dirs.home).ok().and_then(Path::to_str).and_then(|text| HomePath::parse(text).ok());
    inside.ok_or_else(|| not_unicode(path))
}

/// The directories that later phases fill: made by the home phase, so that uninstall knows they are ours.
fn own_dirs(dirs: &Dirs, profile: &Profile) -> Result<Vec<HomePath>, Fault> {
    let mut found: Vec<PathBuf> = Vec::new();
    if !profile.kits.is_empty() || !profile.repos.is_empty() || !profile.starters.is_empty() {
        found.push(dirs.data.clone());
        found.push(dirs.cache.clone());
    }
    let mut paths = found.iter().map(|path| relative(dirs, path)).collect::<Result<Vec<_>, _>>()?;
    // Only parents that clones will need; a clone directly in the home needs none.
    for dir in profile.kits.values().map(|kit| &kit.dir).chain(profile.repos.values().map(|repo| &repo.dir)) {
        if let Some((parent, _)) = dir.as_str().rsplit_once('/')
            && let Ok(parent) = HomePath::parse(parent)
            && !paths.contains(&parent)
        {
            paths.push(parent);
        }
    }
    Ok(paths)
}
