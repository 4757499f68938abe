//! The shape of a profile file. These types are the only place where a key is declared: the JSON Schema, the
//! check of unknown keys and wrong types, and reading all follow from them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A devboot environment profile: what a home should be.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct ProfileFile {
    /// One sentence for `devboot profile list`.
    pub description: String,
    /// Profiles this one builds on, by name or as `./file.toml` beside this one; later ones win over earlier
    /// ones, and this one wins over all of them.
    pub extends: Vec<String>,
    /// What a home should be on every host.
    #[serde(flatten)]
    pub layer: Layer,
    /// What differs on some hosts, laid over the rest of this profile.
    pub host: Hosts,
}

/// Overlays by host kind.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct Hosts {
    /// AWS CloudShell: a home of 1 GB.
    pub aws_cloudshell: Layer,
    /// Google Cloud Shell: a home of 5 GB.
    pub google_cloud_shell: Layer,
    /// Azure Cloud Shell: a home on a file share, no root.
    pub azure_cloud_shell: Layer,
    /// GitHub Codespaces.
    pub codespaces: Layer,
    /// Gitpod.
    pub gitpod: Layer,
    /// AWS Cloud9.
    pub cloud9: Layer,
    /// Any other container.
    pub container: Layer,
    /// Any other machine.
    pub vm: Layer,
}

/// The host kinds that may have an overlay, as they are written in a profile.
pub const HOST_KINDS: [&str; 8] = [
    "aws-cloudshell",
    "google-cloud-shell",
    "azure-cloud-shell",
    "codespaces",
    "gitpod",
    "cloud9",
    "container",
    "vm",
];

/// What a profile says of a home; every part may be left out, and a later layer replaces single entries.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Layer {
    /// Values for `{name}` in other texts of the profile. They win over host facts of the same name.
    pub variables: BTreeMap<String, String>,
    /// Environment variables. Values are data: `$` means nothing in them; write `{home}`, not `$HOME`.
    pub environment: BTreeMap<String, String>,
    /// Directories for the program search path.
    pub path: PathLists,
    /// Aliases: name to command line.
    pub aliases: BTreeMap<String, String>,
    /// Shell functions for bash and zsh: name to body, without the braces around it.
    pub functions: BTreeMap<String, String>,
    /// What only some shells get.
    pub shell: Shells,
    /// Files, blocks in files, and links in the home directory.
    pub dotfile: Vec<Dotfile>,
    /// Configuration kits kept as git clones, such as oh-my-zsh.
    pub kit: BTreeMap<String, Kit>,
    /// Project repositories to clone.
    pub repo: BTreeMap<String, Repo>,
    /// Names of cloud credential profiles this environment uses. Names only, never secrets.
    pub credential_profiles: Vec<String>,
    /// Programs that should be there, with how to install them.
    pub tool: BTreeMap<String, Tool>,
    /// Names of the starter projects to lay out.
    pub starters: Vec<String>,
    /// The background service that keeps projects.
    pub service: Service,
}

/// The background service that keeps projects.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Service {
    /// Whether setup installs it, and shells start it; yes, unless it says no.
    pub enabled: Option<bool>,
}

/// Directories for the program search path: absolute, or beginning with `~/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct PathLists {
    /// Searched first, in this order.
    pub prepend: Vec<String>,
    /// Searched last, in this order.
    pub append: Vec<String>,
}

/// What only some shells get.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Shells {
    /// For bash alone.
    pub bash: ShellPart,
    /// For zsh alone.
    pub zsh: ShellPart,
    /// For fish alone.
    pub fish: ShellPart,
}

/// What one shell gets besides the parts for all shells.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct ShellPart {
    /// Environment variables for this shell alone.
    pub environment: BTreeMap<String, String>,
    /// Aliases for this shell alone.
    pub aliases: BTreeMap<String, String>,
    /// Functions for this shell alone: name to body in this shell's language.
    pub functions: BTreeMap<String, String>,
    /// Code to run before aliases and functions are defined. Texts of several profiles follow each other.
    pub early: String,
    /// Code to run after everything else. Texts of several profiles follow each other.
    pub late: String,
}

/// A file, a block in a file, or a link. Exactly one of `source`, `text` and `link` is given.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Dotfile {
    /// Where it goes, as `~/...`.
    pub target: Option<String>,
    /// A file beside the profile (or below `dotfiles/` for embedded profiles) that holds the content.
    pub source: Option<String>,
    /// The content itself.
    pub text: Option<String>,
    /// Makes the target a symbolic link to this path, written as `~/...`.
    pub link: Option<String>,
    /// `file`: devboot owns the whole file; `block`: devboot owns a marked block in it.
    pub kind: Option<DotfileKind>,
    /// What starts a comment in the target's language; needed for the marks of a block.
    pub comment: Option<String>,
    /// Whether `{name}` is expanded in the content. Without it the content is taken as it is.
    pub template: bool,
    /// Permission bits of a whole file, octal, such as "0600". Without it "0644".
    pub mode: Option<String>,
}

/// How much of the target belongs to devboot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DotfileKind {
    /// The whole file.
    #[default]
    File,
    /// A marked block; every other byte of the file is the user's.
    Block,
}

/// A configuration kit kept as a git clone.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Kit {
    /// The git address, or `owner/name` for GitHub.
    pub url: Option<String>,
    /// The full hash of the commit to check out; a branch or tag works but may change under you.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Where the clone goes, as `~/...`. Without it `~/.local/share/devboot/kits/NAME`.
    pub dir: Option<String>,
    /// How many commits of history to fetch; 0 is all of them. Without it 1.
    pub depth: Option<u32>,
    /// How the kit is loaded.
    pub source: KitSource,
    /// Programs without which the kit is left out.
    pub needs: Vec<String>,
    /// Leaves the kit out, such as on a host with a small home.
    pub skip: bool,
}

/// Code that loads a kit. `{dir}` is the clone, written as `~/...`; leave it unquoted, it never needs quotes.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct KitSource {
    /// Code for bash.
    pub bash: Option<String>,
    /// Code for zsh.
    pub zsh: Option<String>,
    /// Code for fish.
    pub fish: Option<String>,
    /// Lines for the managed block in `~/.vimrc`.
    pub vim: Option<String>,
}

/// A project repository to clone.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Repo {
    /// The git address, or `owner/name` for GitHub.
    pub url: Option<String>,
    /// The full hash of the commit, or a branch or tag. Without it the default branch.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
    /// Where the clone goes, as `~/...`. Without it `~/repos/NAME`.
    pub dir: Option<String>,
    /// How many commits of history to fetch; 0 is all of them. Without it 1.
    pub depth: Option<u32>,
    /// Whether it gets a Python environment. Without it: when the repository looks like Python.
    pub python: Option<bool>,
    /// Whether its tests are run after cloning (true, false), or the command that runs them.
    pub test: Option<TestSetting>,
    /// The alias that enters the repository. Without it one that changes to `{dir}` and activates `{venv}`;
    /// empty for none.
    pub alias: Option<String>,
    /// Leaves the repository out, such as on a host with a small home.
    pub skip: bool,
}

/// Whether tests are run, or the command that runs them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum TestSetting {
    /// Run what the repository itself declares, or nothing.
    Run(bool),
    /// Run this command in the repository.
    Command(String),
}

/// A program that should be there. The package names tell how to install it where it is missing.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub struct Tool {
    /// The program's name, when it is not the name of this entry.
    pub command: Option<String>,
    /// Whether its absence is only mentioned, never a failure.
    pub optional: bool,
    /// Package for apt (Debian, Ubuntu).
    pub apt: Option<String>,
    /// Package for dnf (Fedora, Amazon Linux).
    pub dnf: Option<String>,
    /// Package for tdnf (Azure Linux).
    pub tdnf: Option<String>,
    /// Package for apk (Alpine).
    pub apk: Option<String>,
    /// Package for pacman (Arch).
    pub pacman: Option<String>,
    /// Package for zypper (openSUSE).
    pub zypper: Option<String>,
    /// Package for Homebrew.
    pub brew: Option<String>,
    /// Package for pip.
    pub pip: Option<String>,
    /// Package for npm.
    pub npm: Option<String>,
    /// Package for cargo.
    pub cargo: Option<String>,
}

/// The JSON Schema of a profile file, for editors.
pub fn json_schema() -> String {
    let mut text = schema_value().to_string();
    if let Ok(pretty) = serde_json::to_string_pretty(&schema_value()) {
        text = pretty;
    }
    text.push('\n');
    text
}

/// The same schema as a value, for the check that walks along it.
pub(super) fn schema_value() -> serde_json::Value {
    schemars::schema_for!(ProfileFile).to_value()
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Schema;

    use super::schema_value;
    use crate::document::tree::parse;
    use crate::document::walk::against_schema;

    fn problems(text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        let mut tree = parse(text, "x.toml", 0, &mut problems);
        against_schema(&schema_value(), &mut tree, &mut problems);
        let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.sort();
        lines
    }

    #[test]
    fn every_unknown_key_and_wrong_type_is_reported_at_once() {
        let text = r#"
alises = {}
[aliases]
ll = 3
[kit.vim]
deph = 1
depth = -1
[[dotfile]]
target = "~/x"
kind = "blok"
template = "yes"
[host.aws-cloudshel.environment]
A = "b"
[host.vm.repo.x]
test = 1
pyton = true
"#;
        let expected = [
            "x.toml:10:8: 'dotfile.kind' must be one of file, block (did you mean 'block'?)",
            "x.toml:11:12: 'dotfile.template' must be true or false, not a text",
            "x.toml:12:7: unknown key 'aws-cloudshel' (did you mean 'aws-cloudshell'?)",
            "x.toml:15:8: 'host.vm.repo.x.test' must be true or false or a text, not a whole number",
            "x.toml:16:1: unknown key 'pyton' (did you mean 'python'?)",
            "x.toml:2:1: unknown key 'alises' (did you mean 'aliases'?)",
            "x.toml:4:6: 'aliases.ll' must be a text, not a whole number",
            "x.toml:6:1: unknown key 'deph' (did you mean 'depth'?)",
            "x.toml:7:9: 'kit.vim.depth' must be at least 0, not -1",
        ];
        assert_eq!(problems(text), expected);
    }

    #[test]
    fn overlays_take_the_same_keys_but_no_overlays() {
        assert_eq!(problems("[host.vm.kit.vim]\ndepth = 1"), [""; 0]);
        assert_eq!(problems("[host.vm]\nextends = []"), ["x.toml:2:1: unknown key 'extends'"]);
    }

    #[test]
    fn every_key_has_a_description() {
        fn missing(schema: &Schema, at: &str, found: &mut Vec<String>) {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                if property["description"].as_str().is_none_or(str::is_empty) {
                    found.push(format!("{at}.{key}"));
                }
            }
        }
        let schema = schema_value();
        let mut found = Vec::new();
        missing(&schema, "", &mut found);
        for (name, part) in schema["$defs"].as_object().unwrap() {
            missing(part, name, &mut found);
        }
        assert_eq!(found, [""; 0]);
    }
}
