//! What runs a stage besides Python: the programs that its command names and whose version decides what comes out, and what is
//! installed for Node. A program is told from others without being started, as an interpreter of Python is (`python`).

use std::collections::BTreeMap;
use std::path::Path;

use super::model::{Action, Command, Stage};
use super::python::identity;
use crate::base::digest::Digest;
use crate::sys::content::{self, Look};
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;

/// Compilers, interpreters and runners. What every system has and what changes nothing of a result, such as `cp`, is not among them:
/// an update of the system would run everything again.
const PROGRAMS: [&str; 26] = [
    "node", "npm", "npx", "yarn", "pnpm", "bun", "deno", "go", "cargo", "rustc", "make", "cmake", "gcc",
    "g++", "clang", "cc", "java", "mvn", "gradle", "ruby", "perl", "php", "Rscript", "julia", "dotnet",
    "tox",
];

/// Where npm, yarn (1 and later), pnpm and bun say what they have installed.
const INSTALLED: [&str; 5] =
    [".package-lock.json", ".yarn-integrity", ".yarn-state.yml", ".modules.yaml", ".bun-tag"];

const NODE: &str = "node_modules";

/// What a stage is run by, by name. Nothing of it for a check over the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// The programs that it names and that are there, with what tells each from others.
    pub programs: BTreeMap<String, String>,
    /// Directories of packages for Node, relative to the root, each with a digest of the names of what is there.
    pub packages: BTreeMap<String, String>,
}

impl Tools {
    /// What runs a stage of the project at `root`, whose `PATH` is that of `env`.
    pub fn of(stage: &Stage, root: &Path, env: &BTreeMap<String, String>) -> Self {
        let Some(command) = command(stage) else { return Self::default() };
        let path = env.get("PATH").map_or("", String::as_str);
        let identified = |name: &'static str| {
            let dirs = path.split(':').filter(|dir| dir.starts_with('/'));
            let found = dirs.filter_map(|dir| identity(&Path::new(dir).join(name), None)).next()?;
            Some((name.to_owned(), found))
        };
        let packages = places(stage).filter_map(|place| Some((installed(&root.join(&place))?, place)));
        let packages: BTreeMap<_, _> = packages.map(|(digest, place)| (place, digest)).collect();
        let named = PROGRAMS
            .into_iter()
            .filter(|name| names(command, name) || *name == "node" && !packages.is_empty());
        Self { programs: named.filter_map(identified).collect(), packages }
    }
}

/// The files in which a manager of packages for Node has written down what it has installed, relative to the root. They are inputs
/// of the stage like any other.
pub fn written_down(stage: &Stage, root: &Path) -> Vec<String> {
    if command(stage).is_none() {
        return Vec::new();
    }
    let there = |path: &String| matches!(content::look(&root.join(path)), Ok(Look::File(_)));
    places(stage).flat_map(|place| INSTALLED.map(|name| join(&place, name))).filter(there).collect()
}

fn command(stage: &Stage) -> Option<&Command> {
    match &stage.action {
        Action::Run(command) => Some(command),
        Action::Service(service) => Some(&service.command),
        Action::Pytest(_) | Action::Http(_) => None,
    }
}

/// Where packages for Node may be: a command may come to them by a Makefile or a script.
fn places(stage: &Stage) -> impl Iterator<Item = String> {
    let (root, own) = (NODE.to_owned(), join(&stage.cwd, NODE));
    let own = (own != root).then_some(own);
    std::iter::once(root).chain(own)
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() || dir == "." { name.to_owned() } else { format!("{dir}/{name}") }
}

/// Whether a command has a program's name as a word of its own.
fn names(command: &Command, name: &str) -> bool {
    let is = |word: &str| word == name;
    match command {
        Command::Shell(text) => {
            text.split(|c: char| c.is_whitespace() || ";&|()<>{}`$'\"".contains(c)).any(is)
        }
        Command::Words(words) => words.iter().any(|word| is(word)),
    }
}

/// A digest of which packages are in a directory of them.
fn installed(dir: &Path) -> Option<String> {
    let mut names = listed(dir)?;
    let scopes: Vec<String> = names.iter().filter(|name| name.starts_with('@')).cloned().collect();
    for scope in scopes {
        names.extend(
            listed(&dir.join(&scope)).unwrap_or_default().into_iter().map(|name| format!("{scope}/{name}")),
        );
    }
    names.sort();
    Some(Digest::of(names.join("\n").as_bytes()).short())
}

/// The packages in a directory; tools keep caches there too, in names that begin with a dot.
fn listed(dir: &Path) -> Option<Vec<String>> {
    let names = RealSystem.list(dir).ok()?.into_iter().map(|name| name.to_string_lossy().into_owned());
    Some(names.filter(|name| !name.starts_with('.')).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::model::fixture;
    use super::*;

    struct Desk {
        dir: tempfile::TempDir,
        stage: Stage,
    }

    impl Desk {
        fn new(command: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let mut stage = fixture::stage("test");
            stage.action = Action::Run(Command::Shell(command.into()));
            let desk = Self { dir, stage };
            for bin in ["old", "new"] {
                fs::create_dir(desk.dir.path().join(bin)).unwrap();
                for name in ["node", "go", "cat"] {
                    desk.write(&format!("{bin}/{name}"), bin);
                    let mode = fs::Permissions::from_mode(0o755);
                    fs::set_permissions(desk.dir.path().join(bin).join(name), mode).unwrap();
                }
            }
            desk
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn tools(&self, bin: &str) -> Tools {
            let path = format!("relative:{}", self.dir.path().join(bin).display());
            Tools::of(&self.stage, self.dir.path(), &[("PATH".to_owned(), path)].into())
        }
    }

    #[test]
    fn another_program_of_the_same_name_is_another_tool_and_what_every_system_has_is_none() {
        let desk = Desk::new("cat x | node --test && go(1) || gopher 'make'");
        let (old, new) = (desk.tools("old"), desk.tools("new"));
        assert_eq!(old.programs.keys().collect::<Vec<_>>(), ["go", "node"]);
        assert!(old.programs["node"].contains("/old/node ("), "{old:?}");
        assert_ne!(old, new);
        assert_eq!(desk.tools("old"), old);
        assert_eq!(desk.tools("nowhere"), Tools::default());
    }

    #[test]
    fn what_is_installed_for_node_counts_whatever_the_command_is() {
        let desk = Desk::new("sh all.sh");
        assert_eq!(desk.tools("old"), Tools::default());
        desk.write("node_modules/dep/package.json", "{}");
        desk.write("node_modules/.package-lock.json", "1");
        desk.write("node_modules/.cache/x", "1");
        let first = desk.tools("old");
        assert_eq!(first.programs.keys().collect::<Vec<_>>(), ["node"]);
        assert_eq!(written_down(&desk.stage, desk.dir.path()), ["node_modules/.package-lock.json"]);
        desk.write("node_modules/.cache/y", "2");
        assert_eq!(desk.tools("old"), first, "what a tool keeps for itself");
        desk.write("node_modules/@scope/other/package.json", "{}");
        let second = desk.tools("old");
        fs::remove_dir_all(desk.dir.path().join("node_modules/dep")).unwrap();
        let third = desk.tools("old");
        assert!(first != second && second != third && first != third);
    }
}
