//! What a home should hold, from a resolved profile: the one place where profiles, shells and home entries meet.
//!
//! Pure: which shells there are and which rc files exist come in as facts.

use std::collections::BTreeMap;

use crate::base::error::{ErrorKind, Fault};
use crate::base::path::HomePath;
use crate::home::entry::{Block, Entry, EntryKind, Position};
use crate::ipc::place::MARK;
use crate::profile::{self, Profile};
use crate::shell::{self, Alias, Function, PerShell, RcFacts, Shell, ShellSpec, Slot, Snippet};

/// What has to be known besides the profile.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The home directory, absolute.
    pub home: String,
    /// devboot's config directory, relative to home.
    pub config: HomePath,
    /// The state directory, absolute.
    pub state: String,
    /// Directories of devboot's own that setup will fill.
    pub own_dirs: Vec<HomePath>,
    /// The shells to set up.
    pub shells: Vec<Shell>,
    /// Which rc files exist, and where zsh and fish look.
    pub rc: RcFacts,
    /// The completion scripts of devboot, read on the first TAB.
    pub completions: PerShell<Option<String>>,
    /// Programs that are there, of those that kits need.
    pub programs: Vec<String>,
}

/// devboot's own origin in plans and messages.
const OWN: &str = "devboot";

/// Every entry, in the order in which they are written: what a file names comes before it.
pub fn entries(profile: &Profile, around: &Surroundings) -> Result<Vec<Entry>, Fault> {
    let mut found = Vec::new();
    for dir in &around.own_dirs {
        found.push(entry(dir.clone(), EntryKind::Dir, OWN));
    }
    for dotfile in &profile.dotfiles {
        found.push(dotfile_entry(profile, dotfile));
    }
    if speaks_to_shells(profile) {
        found.extend(shell_entries(profile, around)?);
    }
    Ok(found)
}

/// Whether a profile has anything for a shell to read. One that only places files leaves the rc files alone.
fn speaks_to_shells(profile: &Profile) -> bool {
    let silent = profile.environment.is_empty()
        && profile.path.prepend.is_empty()
        && profile.path.append.is_empty()
        && profile.aliases.is_empty()
        && profile.functions.is_empty()
        && profile.shells.values().all(|part| *part == profile::ShellPart::default())
        && profile.kits.values().all(|kit| kit.source.is_empty());
    !silent
}

fn entry(path: HomePath, kind: EntryKind, origin: &str) -> Entry {
    Entry { path, kind, origin: origin.to_owned(), generated: false, check: Vec::new(), own: false }
}

fn dotfile_entry(profile: &Profile, dotfile: &profile::Dotfile) -> Entry {
    let origin =
        profile.origins.get(&format!("dotfile.{}", dotfile.target)).map_or(OWN, |origin| &origin.profile);
    let kind = match &dotfile.content {
        profile::Content::File { bytes, mode } => EntryKind::File { bytes: bytes.clone(), mode: *mode },
        profile::Content::Block { text, comment } => EntryKind::Block(Block {
            id: OWN.to_owned(),
            position: Position::Bottom,
            comment: comment.clone(),
            body: if text.ends_with('\n') || text.is_empty() { text.clone() } else { format!("{text}\n") },
        }),
        profile::Content::Link { to } => EntryKind::Symlink(relative(&dotfile.target, to)),
    };
    entry(dotfile.target.clone(), kind, origin)
}

/// The text of a link from one place in home to another, so that it survives a moved home.
fn relative(from: &HomePath, to: &HomePath) -> String {
    let up = from.as_str().matches('/').count();
    format!("{}{}", "../".repeat(up), to.as_str())
}

fn shell_entries(profile: &Profile, around: &Surroundings) -> Result<Vec<Entry>, Fault> {
    let mut spec = spec(profile, around);
    spec.generation = shell::generate::generation(&spec, &around.shells)?;
    let mut found = Vec::new();
    for file in shell::generate(&spec, &around.shells)? {
        let path = own_file(around, &file.name)?;
        let kind = EntryKind::File { bytes: file.text.into_bytes(), mode: 0o600 };
        found.push(Entry {
            generated: true,
            check: owned(file.check),
            own: file.own,
            ..entry(path, kind, OWN)
        });
    }
    // Open shells read everything again when this one changes, so it comes after what they will read.
    let kind = EntryKind::File { bytes: format!("{}\n", spec.generation).into_bytes(), mode: 0o600 };
    found.push(Entry { generated: true, ..entry(own_file(around, "generation")?, kind, OWN) });
    for shell in &around.shells {
        for placement in shell::placements(*shell, &around.rc) {
            let path = HomePath::parse(&placement.file).map_err(|why| {
                Fault::new(ErrorKind::Refused, format!("cannot place {}", placement.file)).cause(why)
            })?;
            let block = Block {
                id: placement.id.to_owned(),
                position: match placement.position {
                    shell::Position::Top => Position::Top,
                    shell::Position::Bottom => Position::Bottom,
                },
                comment: "#".into(),
                body: placement.body,
            };
            let check = owned(placement.check);
            found.push(Entry { check, own: true, ..entry(path, EntryKind::Block(block), OWN) });
        }
    }
    Ok(found)
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn own_file(around: &Surroundings, name: &str) -> Result<HomePath, Fault> {
    HomePath::parse(&format!("{}/{name}", around.config.as_str()))
        .map_err(|why| Fault::new(ErrorKind::Refused, "the config directory cannot be used").cause(why))
}

fn spec(profile: &Profile, around: &Surroundings) -> ShellSpec {
    ShellSpec {
        home: around.home.clone(),
        config_dir: format!("{}/{}", around.home, around.config.as_str()),
        generation: String::new(),
        environment: profile.environment.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        path_prepend: profile.path.prepend.clone(),
        path_append: profile.path.append.clone(),
        aliases: aliases(profile),
        functions: functions(profile),
        snippets: snippets(profile, around),
        completions: around.completions.clone(),
    }
}

fn aliases(profile: &Profile) -> Vec<Alias> {
    let mut found: BTreeMap<String, Alias> = profile
        .aliases
        .iter()
        .map(|(name, body)| {
            (name.clone(), Alias { name: name.clone(), body: body.clone(), ..Alias::default() })
        })
        .collect();
    for (shell, part) in &profile.shells {
        let Some(shell) = Shell::from_program(shell) else { continue };
        for (name, body) in part.aliases.iter().filter(|(name, _)| !belongs_to_some(profile, name)) {
            let alias =
                found.entry(name.clone()).or_insert_with(|| Alias { name: name.clone(), ..Alias::default() });
            set(&mut alias.instead, shell, body.clone());
        }
    }
    found.into_values().collect()
}

/// Whether only some of the shells have an alias of this name. An [`Alias`] is for all of them, so such a one is
/// defined in a snippet.
fn belongs_to_some(profile: &Profile, name: &str) -> bool {
    !profile.aliases.contains_key(name)
        && !profile.shells.values().all(|part| part.aliases.contains_key(name))
}

fn set<T>(values: &mut PerShell<Option<T>>, shell: Shell, value: T) {
    match shell {
        Shell::Bash => values.bash = Some(value),
        Shell::Zsh => values.zsh = Some(value),
        Shell::Fish => values.fish = Some(value),
    }
}

fn functions(profile: &Profile) -> Vec<Function> {
    let mut found: BTreeMap<String, Function> = BTreeMap::new();
    for (name, body) in &profile.functions {
        let body = PerShell { bash: Some(body.clone()), zsh: Some(body.clone()), fish: None };
        found.insert(name.clone(), Function { name: name.clone(), body });
    }
    for (shell, part) in &profile.shells {
        let Some(shell) = Shell::from_program(shell) else { continue };
        for (name, body) in &part.functions {
            let function = found
                .entry(name.clone())
                .or_insert_with(|| Function { name: name.clone(), ..Function::default() });
            set(&mut function.body, shell, body.clone());
        }
    }
    found.into_values().collect()
}

/// Kits first, then what the profile says itself; each shell's own environment goes before both.
fn snippets(profile: &Profile, around: &Surroundings) -> Vec<Snippet> {
    let mut found = Vec::new();
    for shell in &around.shells {
        let part = profile.shells.get(shell.name());
        let environment: String = part
            .iter()
            .flat_map(|part| &part.environment)
            .map(|(name, value)| shell.dialect().set_env(name, value) + "\n")
            .collect();
        let mut add = |slot, name: &str, text: &str| {
            if !text.trim().is_empty() {
                found.push(Snippet { shell: *shell, slot, name: name.to_owned(), text: text.to_owned() });
            }
        };
        // Aliases that not all shells have.
        let aliases: String = part
            .iter()
            .flat_map(|part| &part.aliases)
            .filter(|(name, _)| belongs_to_some(profile, name))
            .filter(|(name, _)| shell::names::valid_alias_name(name).is_ok())
            .map(|(name, body)| shell.dialect().alias(name, body) + "\n")
            .collect();
        add(Slot::Early, "environment of this shell", &environment);
        add(Slot::Late, "aliases of this shell", &aliases);
        for (name, kit) in wanted_kits(profile, &around.programs) {
            add(Slot::Early, name, kit.source.get(shell.name()).map_or("", String::as_str));
        }
        if let Some(part) = part {
            add(Slot::Early, "profile", &part.early);
            add(Slot::Late, "profile", &part.late);
        }
        if profile.service {
            add(Slot::Late, "the service", &start_service(*shell, around));
        }
        add(Slot::Late, "what an unattended setup has to say", &notice(*shell, around));
    }
    found
}

/// Says once, at the next interactive start, what a setup without a terminal left to say. Built-ins only.
fn notice(shell: Shell, around: &Surroundings) -> String {
    let path = format!("{}/{}/{NOTICE}", around.home, around.config.as_str());
    let word = shell.dialect().path_word(&around.home, &path);
    match shell {
        Shell::Fish => format!(
            "if test -s {word}\n    read -l _devboot_notice <{word}\n    echo \"devboot: $_devboot_notice\" >&2\n    \
             echo -n >{word}\nend\n"
        ),
        Shell::Bash | Shell::Zsh => format!(
            "if [ -s {word} ] && IFS= read -r _devboot_notice <{word}; then\n  \
             builtin printf 'devboot: %s\\n' \"$_devboot_notice\" >&2\n  {{ : >|{word}; }} 2>/dev/null\n  unset _devboot_notice\nfi\n"
        ),
    }
}

/// Starts the service where it is wanted, or has projects, and does not run. Built-ins only, unless it is started; that
/// goes on behind the shell, which does not wait. In a container nobody may collect the dead: a zombie is no service.
fn start_service(shell: Shell, around: &Surroundings) -> String {
    let word = |below: &str| {
        let path = format!("{}/{below}", around.state);
        shell.dialect().path_word(&around.home, &path)
    };
    let (mark, projects, address) = (word(MARK), word("projects.json"), word("run/address"));
    match shell {
        // fish has no kill of its own.
        Shell::Fish => format!(
            "if test -e {mark} -o -e {projects}\n    set -l pid\n    set -l socket\n    if test -r {address}\n        \
             begin\n            read pid\n            read socket\n        end <{address}\n    end\n    \
             if test -n \"$pid\" -a -r \"/proc/$pid/stat\"\n        read -l stat <\"/proc/$pid/stat\"\n        \
             string match -q '*) Z *' -- $stat; and set pid\n    end\n    \
             if not test -n \"$pid\" -a -S \"$socket\"; or begin; test -d /proc/self; and not test -d \"/proc/$pid\"; end\n        \
             if command -sq devboot\n            command devboot daemon start --no-wait </dev/null >/dev/null 2>&1 &\n            \
             disown 2>/dev/null\n        end\n    end\nend\n"
        ),
        Shell::Bash | Shell::Zsh => format!(
            "if [ -e {mark} ] || [ -e {projects} ]; then\n  _devboot_pid='' _devboot_socket=''\n  if [ -r {address} ]; then\n    \
             {{ IFS= read -r _devboot_pid && IFS= read -r _devboot_socket; }} <{address} || :\n  fi\n  _devboot_stat=''\n  \
             {{ IFS= read -r _devboot_stat </proc/\"$_devboot_pid\"/stat; }} 2>/dev/null || :\n  \
             case $_devboot_stat in *') Z '*) _devboot_pid='' ;; esac\n  \
             if ! {{ [ -n \"$_devboot_pid\" ] && [ -S \"$_devboot_socket\" ] && \\builtin kill -0 \"$_devboot_pid\"; }} 2>/dev/null; then\n    \
             (\\command devboot daemon start --no-wait &) </dev/null >/dev/null 2>&1\n  fi\n  \
             unset _devboot_pid _devboot_socket _devboot_stat\nfi\n"
        ),
    }
}

/// The file in the config directory that holds one line for the next login.
pub const NOTICE: &str = "notice";

/// The kits whose programs are there.
pub fn wanted_kits<'a>(
    profile: &'a Profile,
    programs: &'a [String],
) -> impl Iterator<Item = (&'a String, &'a profile::Kit)> {
    profile.kits.iter().filter(|(_, kit)| kit.needs.iter().all(|need| programs.contains(need)))
}
