//! The commands of pipelines as a person meets them: the real program, real stages, a sealed home.

mod bad_stages;
mod history;
mod run;
mod trust;
mod watch_any;
mod watch_project;
mod watch_terminal;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::world::{DEVBOOT, Ran, World, until};

/// The longest that anything awaited may take; a failure, not a measure.
const PATIENCE: Duration = Duration::from_secs(90);

/// A project `demo` in a home of its own.
pub struct Demo {
    pub world: World,
}

impl Demo {
    /// A project with this `devboot.toml`.
    pub fn new(toml: &str) -> Self {
        let demo = Self { world: World::new() };
        demo.write("devboot.toml", toml);
        demo
    }

    /// A project with only these files: what to run is inferred.
    pub fn inferred(files: &[(&str, &str)]) -> Self {
        let demo = Self { world: World::new() };
        files.iter().for_each(|(name, text)| demo.write(name, text));
        demo
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.world.path("demo").join(below)
    }

    /// Writes a file of the project, in place.
    pub fn write(&self, below: &str, text: &str) {
        self.world.write(&format!("demo/{below}"), text);
    }

    /// Writes a file of the project as editors do that never leave half a file: a new one takes its name.
    pub fn replace(&self, below: &str, text: &str) {
        let new = self.path(&format!("{below}.new~"));
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path(below)).unwrap();
    }

    pub fn text(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap()
    }

    /// How many lines a file beside the project has, where stages leave one for each time that they ran.
    pub fn times(&self, name: &str) -> usize {
        fs::read_to_string(self.world.path(name)).map_or(0, |text| text.lines().count())
    }

    /// One of devboot's commands, in the project.
    pub fn command<S: AsRef<OsStr>>(&self, name: &str, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.world.command(DEVBOOT);
        command
            .arg(name)
            .args(args)
            .current_dir(self.path(""))
            .env("VIRTUAL_ENV", environment())
            .env("TERM", "xterm-256color");
        command
    }

    /// `devboot run`, which trusts the project as it is.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.run_command(args).output().unwrap())
    }

    /// The same, not started yet.
    pub fn run_command(&self, args: &[&str]) -> Command {
        self.untrusted_run(&[&["--trust"], args].concat())
    }

    /// `devboot run`, which trusts nothing that it is not told to.
    pub fn untrusted_run(&self, args: &[&str]) -> Command {
        self.command("run", [&["--no-service"], args].concat())
    }

    /// `devboot watch`, not started yet.
    pub fn watch_command(&self, args: &[&str]) -> Command {
        let alone: &[&str] = if args.contains(&"--") { &[] } else { &["--no-service"] };
        self.command("watch", [alone, args].concat())
    }

    #[must_use]
    pub fn why(&self, args: &[&str]) -> Ran {
        Ran::of(self.command("why", args).output().unwrap())
    }

    #[must_use]
    pub fn logs(&self, args: &[&str]) -> Ran {
        Ran::of(self.command("logs", args).output().unwrap())
    }

    #[must_use]
    pub fn history(&self, args: &[&str]) -> Ran {
        Ran::of(self.command("history", args).output().unwrap())
    }

    /// The runs that the history lists, as it lists them.
    pub fn runs(&self) -> Vec<Value> {
        let listed = json(&self.history(&["--json"]).exits(0).stdout);
        listed["runs"].as_array().unwrap().clone()
    }

    /// `devboot watch` on a terminal, for whom keys can be typed.
    pub fn watch_on_terminal(&self, args: &[&str]) -> Live {
        let watch = self.watch_command(args);
        let mut command = self.world.command("python3");
        command.args(["-c", include_str!("terminal.py")]).arg(watch.get_program()).args(watch.get_args());
        for (name, value) in watch.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        command.current_dir(self.path("")).stdin(Stdio::piped());
        Live::start(command)
    }

    /// `devboot watch` while it works.
    pub fn watch(&self, args: &[&str]) -> Live {
        Live::start(self.watch_command(args))
    }
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}

/// A program at work, whose lines are read as they come.
pub struct Live {
    pub child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Live {
    pub fn start(mut command: Command) -> Self {
        let (sender, lines) = channel();
        // One pipe for both: what was written first is read first.
        let (output, both) = std::io::pipe().unwrap();
        let child = command.stdout(both.try_clone().unwrap()).stderr(both).spawn().unwrap();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(output);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Types on its terminal.
    pub fn types(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// The next line with this text in it, styles aside, and never one that was seen before.
    #[track_caller]
    pub fn until(&mut self, text: &str) -> String {
        let [line] = self.until_each([text]);
        line
    }

    /// The next line with each of these texts in it, in whatever order they come.
    #[track_caller]
    pub fn until_each<const N: usize>(&mut self, texts: [&str; N]) -> [String; N] {
        let deadline = Instant::now() + PATIENCE;
        let from = self.seen.len();
        let mut found = [const { None }; N];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let plain = plain(&line);
                    self.seen.push(line);
                    for (found, text) in found.iter_mut().zip(texts) {
                        if found.is_none() && plain.contains(text) {
                            *found = Some(plain.clone());
                        }
                    }
                    if found.iter().all(Option::is_some) {
                        return found.map(Option::unwrap);
                    }
                }
                Err(why) => panic!("not all of {texts:?} ({why}) in\n{}", self.seen[from..].join("\n")),
            }
        }
    }

    /// Waits until it has nothing to do: what a command that it started says may be here before it has come back from starting it.
    pub fn until_it_waits(&self) {
        // proc_pid_stat(5): the state follows the name, which stands in brackets.
        let state = || fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        until("it waits", || state().rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')));
    }

    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// How it ends by itself, and all that it said.
    #[track_caller]
    pub fn ends(mut self) -> Ran {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it does not end:\n{}", self.seen.join("\n"))
                }
            }
        }
        let status = self.child.wait().unwrap();
        let stdout = self.seen.join("\n");
        Ran::of(std::process::Output { status, stdout: stdout.into_bytes(), stderr: Vec::new() })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A line without what only a terminal reads.
fn plain(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |end| end + 1);
        out.push_str(&part[end..]);
    }
    out.replace('\r', "")
}

/// Sends a signal by its name.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

/// The processes that have this word on their command line, or in their environment.
pub fn processes_with(word: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let has = |file: &str| {
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(word)
        };
        if has("cmdline") || has("environ") {
            found.push(pid);
        }
    }
    found
}

/// The Python environment that has pytest and Flask.
pub fn environment() -> PathBuf {
    let path = crate::world::path_variable();
    let found = std::env::split_paths(&path)
        .find(|dir| dir.join("flask").exists() && dir.join("../pyvenv.cfg").exists());
    found.expect("flask is on the PATH").parent().unwrap().to_owned()
}
