//! From the merged tree to a resolved profile: what must be there is there, and every value has its type.

use std::collections::BTreeMap;

use crate::base::error::ErrorKind;
use crate::base::path::HomePath;

use super::layers::{DIR, VENV, merged};
use super::resolved::{Content, Dotfile, Kit, Profile, Provenance, Repo, Resolved, ShellPart, Tool};
use super::rules::{parse_mode, relative_path};
use super::schema::{self, DotfileKind, HOST_KINDS, ProfileFile};
use super::source::{Reader, Sources};
use super::variables::{Context, Expanded, Scope};
use crate::base::shorthand::expanded;
use crate::document::problem::{DocumentError as ProfileError, Problem, Severity, in_order};
use crate::document::tree::Node;

/// Resolves the given sources (names, paths, git addresses) into one profile, later ones over earlier ones.
///
/// # Errors
/// Every problem of every file at once. The kind is `Failed` when something could not be read or fetched,
/// `Usage` when a profile is wrong.
pub fn resolve(sources: &[String], reader: &Reader<'_>) -> Result<Resolved, ProfileError> {
    let read = Sources::read(sources, reader);
    let (profile, problems) = build(&read, reader);
    if problems.iter().any(|problem| problem.severity == Severity::Error) {
        let kind = if read.world_failed { ErrorKind::Failed } else { ErrorKind::Usage };
        return Err(ProfileError { kind, problems });
    }
    Ok(Resolved { profile, warnings: problems, bundles: read.bundles(), files: read.files() })
}

/// Every problem the given sources have on any host kind, warnings included.
pub fn check(sources: &[String], reader: &Reader<'_>) -> Vec<Problem> {
    let read = Sources::read(sources, reader);
    let mut problems = Vec::new();
    for host in HOST_KINDS {
        let there = Reader { host: host.to_owned(), facts: reader.facts.clone(), ..*reader };
        problems.extend(build(&read, &there).1);
    }
    in_order(problems)
}

fn build(read: &Sources<'_>, reader: &Reader<'_>) -> (Profile, Vec<Problem>) {
    let mut problems = read.problems.clone();
    let merged = merged(read, reader, &mut problems);
    let mut build = Build { read, tree: &merged.tree, scope: &merged.scope, problems: &mut problems };
    let profile = build.profile(reader);
    (profile, in_order(problems))
}

struct Build<'a> {
    read: &'a Sources<'a>,
    tree: &'a Node,
    scope: &'a Scope,
    problems: &'a mut Vec<Problem>,
}

impl Build<'_> {
    fn profile(&mut self, reader: &Reader<'_>) -> Profile {
        let file: ProfileFile = match serde_json::from_value(self.tree.to_json()) {
            Ok(file) => file,
            Err(error) => {
                self.problems.push(Problem::new(format!("the profile cannot be read: {error}")));
                return Profile::default();
            }
        };
        let mut layer = file.layer;
        for list in [&mut layer.path.prepend, &mut layer.path.append] {
            for dir in list {
                if let Some(rest) = dir.strip_prefix("~/") {
                    *dir = reader.dirs.home.join(rest).to_string_lossy().into_owned();
                }
            }
        }
        let data = reader.dirs.data.strip_prefix(&reader.dirs.home).ok();
        let data = data
            .map_or_else(|| ".local/share/devboot".to_owned(), |path| path.to_string_lossy().into_owned());
        let mut vim = String::new();
        let kits = self.kits(layer.kit, &data, &mut vim);
        let mut shells: BTreeMap<&'static str, ShellPart> =
            [("bash", layer.shell.bash), ("zsh", layer.shell.zsh), ("fish", layer.shell.fish)]
                .map(|(name, part)| (name, shell_part(part)))
                .into();
        let repos = self.repos(layer.repo, &data, &layer.aliases, &mut shells);
        self.one_clone_per_directory(&kits, &repos);
        let dotfiles = self.dotfiles(layer.dotfile, &vim);
        Profile {
            description: file.description,
            names: self.read.loaded.iter().map(|loaded| loaded.name.clone()).collect(),
            environment: layer.environment,
            path: layer.path,
            aliases: layer.aliases,
            functions: layer.functions,
            shells,
            dotfiles,
            kits,
            repos,
            tools: layer.tool.into_iter().map(|(name, tool)| tool_of(name, tool)).collect(),
            credential_profiles: layer.credential_profiles,
            starters: layer.starters,
            service: layer.service.enabled.unwrap_or(true),
            origins: self.origins(),
        }
    }

    /// Blames the line of an entry.
    fn blame(&mut self, path: &[&str], problem: Problem) {
        let node = path.iter().try_fold(self.tree, |node, key| node.get(key));
        self.problems.push(match node {
            Some(node) => problem.at(node.key_at.place()),
            None => problem,
        });
    }

    /// The address of a kit or repo. One that is broken was reported and is not missing.
    fn url(&mut self, section: &str, name: &str, url: Option<String>) -> Option<String> {
        let given =
            self.tree.get(section).and_then(|table| table.get(name)).and_then(|entry| entry.get("url"));
        if given.is_none() {
            let message = format!("the {section} '{name}' has no url");
            self.blame(&[section, name], Problem::new(message));
        }
        url.map(|url| expanded(&url))
    }

    fn kits(
        &mut self,
        kits: BTreeMap<String, schema::Kit>,
        data: &str,
        vim: &mut String,
    ) -> BTreeMap<String, Kit> {
        let mut found = BTreeMap::new();
        for (name, kit) in kits.into_iter().filter(|(_, kit)| !kit.skip) {
            let Some(url) = self.url("kit", &name, kit.url) else { continue };
            let dir = kit.dir.unwrap_or_else(|| format!("~/{data}/kits/{name}"));
            let Ok(dir) = HomePath::parse(&dir) else { continue };
            let shown = dir.to_string();
            let code = |text: Option<String>| text.map(|text| text.replace(DIR, &shown));
            if let Some(text) = code(kit.source.vim) {
                vim.push_str(text.trim_end());
                vim.push('\n');
            }
            let source = [("bash", kit.source.bash), ("zsh", kit.source.zsh), ("fish", kit.source.fish)];
            let source = source.into_iter().filter_map(|(shell, text)| Some((shell, code(text)?))).collect();
            let depth = kit.depth.unwrap_or(1);
            let kit = Kit { url, reference: kit.reference, dir, depth, needs: kit.needs, source };
            found.insert(name, kit);
        }
        found
    }

    fn repos(
        &mut self,
        repos: BTreeMap<String, schema::Repo>,
        data: &str,
        aliases: &BTreeMap<String, String>,
        shells: &mut BTreeMap<&'static str, ShellPart>,
    ) -> BTreeMap<String, Repo> {
        let mut found = BTreeMap::new();
        for (name, repo) in repos.into_iter().filter(|(_, repo)| !repo.skip) {
            let Some(url) = self.url("repo", &name, repo.url) else { continue };
            let dir = HomePath::parse(&repo.dir.unwrap_or_else(|| format!("~/repos/{name}")));
            let venv = HomePath::parse(&format!("~/{data}/venvs/{name}"));
            let (Ok(dir), Ok(venv)) = (dir, venv) else { continue };
            for (shell, part) in shells.iter_mut() {
                let default = match (*shell, repo.python) {
                    (_, Some(false)) => format!("cd {DIR}"),
                    ("fish", _) => format!("cd {DIR}; and source {VENV}/bin/activate.fish"),
                    _ => format!("cd {DIR} && . {VENV}/bin/activate"),
                };
                let text = repo.alias.clone().unwrap_or(default);
                // The tilde form is right in every home, and clone directories hold only characters that are plain in code.
                let text = text.replace(DIR, &dir.to_string()).replace(VENV, &venv.to_string());
                if !text.is_empty() && !aliases.contains_key(&name) {
                    part.aliases.entry(name.clone()).or_insert(text);
                }
            }
            let depth = repo.depth.unwrap_or(1);
            let repo = Repo {
                url,
                reference: repo.reference,
                dir,
                venv,
                depth,
                python: repo.python,
                test: repo.test,
            };
            found.insert(name, repo);
        }
        found
    }

    fn one_clone_per_directory(&mut self, kits: &BTreeMap<String, Kit>, repos: &BTreeMap<String, Repo>) {
        let kits = kits.iter().map(|(name, kit)| ("kit", name, &kit.dir));
        let all = kits.chain(repos.iter().map(|(name, repo)| ("repo", name, &repo.dir)));
        let mut seen: BTreeMap<&HomePath, (&str, &String)> = BTreeMap::new();
        for (section, name, dir) in all {
            if let Some((other, first)) = seen.insert(dir, (section, name)) {
                let message = format!("the {section} '{name}' and the {other} '{first}' both go to {dir}");
                self.blame(&[section, name], Problem::new(message));
            }
        }
    }

    fn dotfiles(&mut self, entries: Vec<schema::Dotfile>, vim: &str) -> Vec<Dotfile> {
        let nodes: Vec<&Node> = self.tree.get("dotfile").map_or(&[][..], Node::items).iter().collect();
        let nodes = nodes.into_iter().filter(|node| node.table().is_some());
        let mut found: BTreeMap<HomePath, Content> = BTreeMap::new();
        for (entry, node) in entries.into_iter().zip(nodes) {
            match self.dotfile(entry, node) {
                Ok(Some((target, content))) => {
                    found.insert(target, content);
                }
                Ok(None) => {}
                Err(problem) => self.problems.push(problem.at(node.at.place())),
            }
        }
        if let (Ok(vimrc), false) = (HomePath::parse("~/.vimrc"), vim.is_empty()) {
            let block = |text: String| Content::Block { text, comment: "\"".into() };
            match found.remove(&vimrc) {
                None => {
                    found.insert(vimrc, block(vim.to_owned()));
                }
                // The user's own lines come after the kit's and so win.
                Some(Content::Block { text, .. }) => {
                    found.insert(vimrc, block(format!("{vim}{text}")));
                }
                Some(_) => {
                    let message = "a kit needs a block in ~/.vimrc, and an entry claims the whole file";
                    self.problems.push(
                        Problem::new(message).hint("make the entry for ~/.vimrc a block: kind = \"block\""),
                    );
                }
            }
        }
        found.into_iter().map(|(target, content)| Dotfile { target, content }).collect()
    }

    fn dotfile(
        &mut self,
        entry: schema::Dotfile,
        node: &Node,
    ) -> Result<Option<(HomePath, Content)>, Problem> {
        if node.get("target").is_none() {
            return Err(Problem::new("the dotfile has no target"));
        }
        let given = ["source", "text", "link"].iter().filter(|key| node.get(key).is_some()).count();
        if given != 1 {
            return Err(Problem::new("a dotfile has exactly one of source, text and link"));
        }
        let Some(Ok(target)) = entry.target.as_deref().map(HomePath::parse) else { return Ok(None) };
        if let Some(link) = entry.link {
            if entry.kind == Some(DotfileKind::Block) || entry.template || entry.mode.is_some() {
                return Err(Problem::new("a link takes no kind, template or mode"));
            }
            return Ok(HomePath::parse(&link).ok().map(|to| (target, Content::Link { to })));
        }
        let mut bytes = match (&entry.source, entry.text) {
            (Some(name), _) if relative_path(name).is_err() => return Ok(None),
            (Some(name), _) => self.read.file(node.at.layer, name)?,
            (None, Some(text)) => text.into_bytes(),
            (None, None) => return Ok(None),
        };
        let block = entry.kind == Some(DotfileKind::Block);
        if entry.template || block {
            let text = String::from_utf8(bytes)
                .map_err(|_| Problem::new("blocks and templates must be UTF-8 text"))?;
            bytes = if entry.template { self.template(&text, node).into_bytes() } else { text.into_bytes() };
        }
        if !block {
            let mode = entry.mode.as_deref().and_then(parse_mode).unwrap_or(0o644);
            return Ok(Some((target, Content::File { bytes, mode })));
        }
        let Some(comment) = entry.comment else {
            let missing = Problem::new(format!("the block in {target} has no comment"));
            return Err(missing.hint("say what starts a comment there, such as comment = \"#\""));
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if entry.mode.is_some() {
            return Err(Problem::new("a block takes no mode: the file is the user's"));
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(Problem::new(format!("the block in {target} has a control character")));
        }
        Ok(Some((target, Content::Block { text, comment })))
    }

    fn template(&mut self, text: &str, node: &Node) -> String {
        let mut found = Vec::new();
        let expanded = self.scope.expand(text, Context::Code, &mut found);
        self.problems.extend(found.into_iter().map(|problem| problem.at(node.at.place())));
        match expanded {
            Expanded::Text(text) => text,
            Expanded::Absent(fact) => {
                let problem = Problem::new(format!("this host does not know its '{fact}'"));
                self.problems.push(problem.at(node.at.place()));
                String::new()
            }
        }
    }

    fn origins(&self) -> BTreeMap<String, Provenance> {
        let mut origins = BTreeMap::new();
        self.tree.each(&mut Vec::new(), &mut |path, node| {
            let name = match path {
                [one] if node.table().is_none() && one != "dotfile" => one.clone(),
                [dotfile, _] if dotfile == "dotfile" => match super::merge::target_of(node) {
                    Some(target) => format!("dotfile.{target}"),
                    None => return,
                },
                [first, _] if first != "shell" => path.join("."),
                [shell, _, _] if shell == "shell" && node.table().is_none() => path.join("."),
                [shell, _, _, _] if shell == "shell" => path.join("."),
                _ => return,
            };
            let profile = self.read.loaded.get(node.key_at.layer).map(|loaded| loaded.name.clone());
            let place = node.key_at.place();
            origins.insert(name, Provenance { profile: profile.unwrap_or_default(), place });
        });
        origins
    }
}

fn shell_part(part: schema::ShellPart) -> ShellPart {
    let schema::ShellPart { environment, aliases, functions, early, late } = part;
    ShellPart { environment, aliases, functions, early, late }
}

fn tool_of(name: String, tool: schema::Tool) -> (String, Tool) {
    let packages = [
        ("apt", tool.apt),
        ("dnf", tool.dnf),
        ("tdnf", tool.tdnf),
        ("apk", tool.apk),
        ("pacman", tool.pacman),
        ("zypper", tool.zypper),
        ("brew", tool.brew),
        ("pip", tool.pip),
        ("npm", tool.npm),
        ("cargo", tool.cargo),
    ];
    let packages = packages.into_iter().filter_map(|(manager, package)| Some((manager, package?))).collect();
    (tool.command.unwrap_or(name), Tool { optional: tool.optional, packages })
}
