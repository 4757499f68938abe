//! The generated shell files in the real bash, zsh, fish and dash.

mod hook;
mod modes;
mod quoting;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use devboot::shell::generate::generation;
use devboot::shell::posix::Posix;
use devboot::shell::{
    Alias, Dialect, Function, PerShell, Position, RcFacts, SHELLS, Shell, ShellSpec, Slot, Snippet, generate,
    placements,
};

/// A home whose path has a space, quotes, a dollar and a glob in it, with all blocks spliced in.
struct Home {
    _root: tempfile::TempDir,
    path: PathBuf,
}

impl Home {
    fn new(spec: &ShellSpec, rc: &[(&str, &str)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a b'c\"$d[e]*");
        fs::create_dir(&path).unwrap();
        let home = Home { _root: root, path };
        for (name, text) in rc {
            home.write(name, text);
        }
        home.apply(spec);
        let facts = RcFacts {
            home: home.text(),
            config_dir: home.config_text(),
            existing: rc.iter().map(|(name, _)| (*name).to_owned()).collect(),
            ..Default::default()
        };
        for placement in SHELLS.iter().flat_map(|(shell, _)| placements(*shell, &facts)) {
            let old = fs::read_to_string(home.path.join(&placement.file)).unwrap_or_default();
            let id = placement.id;
            let block = format!("# >>> {id} >>>\n{}# <<< {id} <<<\n", placement.body);
            let new = match placement.position {
                Position::Top => block + &old,
                Position::Bottom => old + &block,
            };
            assert_syntax(placement.check, &new);
            home.write(&placement.file, &new);
        }
        home
    }

    fn text(&self) -> String {
        self.path.to_str().unwrap().to_owned()
    }

    fn config_text(&self) -> String {
        self.text() + "/.config/devboot"
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The spec with this home's places and the right generation.
    fn place(&self, spec: &ShellSpec) -> ShellSpec {
        let mut spec = ShellSpec { home: self.text(), config_dir: self.config_text(), ..spec.clone() };
        spec.path_prepend.iter_mut().for_each(|entry| *entry = entry.replace("@", &self.text()));
        spec.generation = generation(&spec, &ALL).unwrap();
        spec
    }

    fn apply_to(&self, spec: &ShellSpec, folder: &str) {
        let spec = self.place(spec);
        for file in generate(&spec, &ALL).unwrap() {
            assert_syntax(file.check, &file.text);
            self.write(&format!("{folder}/{}", file.name), &file.text);
        }
        self.write(&format!("{folder}/generation"), &(spec.generation + "\n"));
    }

    fn apply(&self, spec: &ShellSpec) {
        self.apply_to(spec, ".config/devboot");
    }

    /// A command in this home with a bare environment.
    fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]).env_clear().current_dir(&self.path);
        command.env("HOME", &self.path).env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TERM", "dumb");
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    fn run(&self, argv: &[&str], input: &str) -> String {
        stdout(feed(self.command(argv), input))
    }
}

const ALL: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

fn feed(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A shell that ends early closes the pipe; what it printed is judged, not this.
    let _ = writer.join().unwrap();
    output
}

fn stdout(output: Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    for complaint in
        ["unbound", "not found", "syntax", "parse error", "readonly", "read-only", "No such", "Unknown"]
    {
        assert!(!errors.contains(complaint), "stdout: {text}\nstderr: {errors}");
    }
    text
}

fn assert_syntax(check: &[&str], text: &str) {
    let mut command = Command::new(check[0]);
    command.args(&check[1..]);
    let output = feed(command, text);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{check:?}: {errors}\n{text}");
}

fn alias(name: &str, body: &str) -> Alias {
    Alias { name: name.into(), body: body.into(), ..Default::default() }
}

fn spec() -> ShellSpec {
    let snippet = |shell, slot, text: &str| Snippet { shell, slot, name: "a\nkit".into(), text: text.into() };
    let mut snippets = Vec::new();
    for shell in [Shell::Bash, Shell::Zsh] {
        snippets.push(snippet(shell, Slot::Early, "early=${early-}e; alias gs='echo kit'\nreturn 3"));
        snippets.push(snippet(shell, Slot::Late, "late=\"${late-}$(alias gs)\""));
    }
    snippets.push(snippet(Shell::Fish, Slot::Early, "set -ga early e"));
    snippets.push(snippet(Shell::Fish, Slot::Late, "set -g late (functions gs)"));
    ShellSpec {
        environment: vec![
            ("GREETING".into(), "it's \"$HOME\" `id` \\ !".into()),
            ("EDITOR".into(), "vim".into()),
        ],
        path_prepend: vec!["@/.local/bin".into(), "/opt/x [y]*".into()],
        path_append: vec!["/opt/z".into()],
        aliases: vec![alias("gs", "echo status"), alias("..", "cd .."), alias("ls", "ls -d")],
        functions: vec![Function {
            name: "hello-you".into(),
            body: PerShell {
                bash: Some("echo \"hello $1\"".into()),
                zsh: Some("echo \"hello $1\"".into()),
                fish: Some("echo \"hello $argv[1]\"".into()),
            },
        }],
        snippets,
        completions: PerShell {
            bash: Some("_devboot() { COMPREPLY=(setup); }\ncomplete -F _devboot devboot\n".into()),
            zsh: Some("#compdef devboot\n_devboot() { compadd setup }\n".into()),
            fish: Some("complete -c devboot -f -a setup\n".into()),
        },
        ..Default::default()
    }
}

/// The same spec with one alias changed, one gone, one new, and another environment.
fn next() -> ShellSpec {
    let mut next = spec();
    next.aliases =
        vec![alias("gs", "echo changed"), alias("fresh", "echo fresh"), alias("mine", "echo theirs2")];
    next.environment[1].1 = "emacs".into();
    next
}
