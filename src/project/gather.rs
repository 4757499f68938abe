//! Gathering what a stage depends on, now: its files are looked at (and read where they may have changed), never taken
//! from anyone's memory alone.

use std::collections::BTreeMap;
use std::path::Path;

use super::contents::{Content, Contents};
use super::fingerprint::{Fingerprint, Kind, State};
use super::inputs::Inputs;
use super::model::{Action, Command, HttpCheck, Ready, Stage, StageId};
use super::params;
use super::python::Python;
use super::tools::Tools;
use crate::base::digest::Digest;
use crate::base::text::printable;

/// What is known before the files are looked at.
#[derive(Debug)]
pub struct Around<'a> {
    /// The project's root.
    pub root: &'a Path,
    /// The stage's inputs, relative to the root.
    pub inputs: &'a Inputs,
    /// The environment that the stage is given.
    pub env: &'a BTreeMap<String, String>,
    /// The interpreter, for a stage that may use one.
    pub python: Option<&'a Python>,
    /// What else runs it.
    pub tools: &'a Tools,
    /// The credential profile of the project.
    pub cloud: Option<&'a str>,
    /// What the stages that it needs have made, or what they are.
    pub upstream: &'a BTreeMap<StageId, Digest>,
}

/// The fingerprint of a stage.
///
/// # Errors
/// A sentence: which input cannot be read, which parameter is not there.
pub fn fingerprint(
    stage: &Stage,
    around: &Around<'_>,
    contents: &mut Contents,
) -> Result<Fingerprint, String> {
    let mut found = Fingerprint::new();
    command(stage, &mut found);
    found.add(Kind::Platform, "", format!("{} {}", std::env::consts::OS, crate::sys::env::ARCH));
    if let Some(python) = around.python {
        found.add(Kind::Python, "", python.identity.clone());
        for (package, version) in &python.packages {
            found.add(Kind::Package, package.as_str(), version.as_str());
        }
    }
    for (program, identity) in &around.tools.programs {
        found.add(Kind::Program, program.as_str(), identity.as_str());
    }
    for (place, digest) in &around.tools.packages {
        found.add(Kind::Installed, place.as_str(), digest.as_str());
    }
    for (file, keys) in &stage.params {
        for (key, value) in params::read(around.root, file, keys)? {
            let name = if key.is_empty() { file.clone() } else { format!("{file}: {key}") };
            found.add(Kind::Param, name, value);
        }
    }
    let paths: Vec<&str> = around.inputs.iter().collect();
    let state = |(path, content): (&&str, Content)| match content {
        Content::File { digest, executable } => Ok(State::File { digest, executable }),
        Content::Absent => Ok(State::Missing),
        Content::Dir => Ok(State::Dir),
        Content::Unreadable(why) => Err(format!("its input {} cannot be read: {why}", printable(path))),
    };
    let states = paths.iter().zip(contents.of_all(&paths)).map(state).collect::<Result<_, _>>()?;
    found.set_inputs(around.inputs.clone(), states);
    for name in stage.env.keys().chain(&stage.pass_env) {
        if let Some(value) = around.env.get(name) {
            found.add(Kind::Variable, name.as_str(), Digest::of(value.as_bytes()).to_string());
        }
    }
    if let Some(cloud) = around.cloud.filter(|_| stage.wants_cloud) {
        found.add(Kind::Variable, "DEVBOOT_CLOUD", cloud);
    }
    for (stage, digest) in around.upstream {
        found.add(Kind::Upstream, stage.0.as_str(), digest.to_string());
    }
    Ok(found)
}

/// What is run, and what decides how that is judged.
fn command(stage: &Stage, found: &mut Fingerprint) {
    let text = match &stage.action {
        Action::Run(command) => words(command),
        Action::Pytest(pytest) => {
            if let Some(memory) = pytest.memory_mb {
                found.add(Kind::Command, "memory", memory.to_string());
            }
            format!("pytest {}", pytest.args.join(" "))
        }
        Action::Http(check) => http(check),
        Action::Service(service) => {
            let ready = match &service.ready {
                None => String::new(),
                Some(Ready::Http(check)) => http(check),
                Some(Ready::Port(port)) => port.to_string(),
                Some(Ready::Log(text)) => text.clone(),
            };
            found.add(Kind::Command, "readiness", ready);
            words(&service.command)
        }
    };
    found.add(Kind::Command, "command", text);
    found.add(Kind::Command, "directory", stage.cwd.as_str());
    found.add(
        Kind::Command,
        "outputs",
        stage.outputs.iter().chain(&stage.metrics).cloned().collect::<Vec<_>>().join("\n"),
    );
}

fn words(command: &Command) -> String {
    match command {
        Command::Shell(text) => text.clone(),
        Command::Words(words) => format!("{words:?}"),
    }
}

fn http(check: &HttpCheck) -> String {
    let HttpCheck { url, method, headers, body, status, contains, json, .. } = check;
    // Headers may hold tokens.
    let headers = Digest::of(format!("{headers:?}").as_bytes()).short();
    format!("{method} {url} {headers} {body} {status} {contains:?} {json:?}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]

    use std::fs;

    use super::super::model::fixture;
    use super::*;
    use crate::base::names::Names;

    struct Desk {
        dir: tempfile::TempDir,
        stage: Stage,
        env: BTreeMap<String, String>,
        python: Python,
        upstream: BTreeMap<StageId, Digest>,
        contents: Contents,
    }

    impl Desk {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("a.py"), "1").unwrap();
            fs::write(dir.path().join("params.yaml"), "train:\n  lr: 0.1\nother: 1\n").unwrap();
            let mut stage = fixture::stage("train");
            stage.params = [("params.yaml".to_owned(), vec!["train.lr".to_owned()])].into();
            stage.pass_env = vec!["SEED".into()];
            let env = [("SEED", "7"), ("HOME", "/home/me")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
            let python = Python { identity: "3.11.7".into(), ..Python::default() };
            let contents = Contents::new(dir.path());
            Self { stage, env, python, upstream: BTreeMap::new(), contents, dir }
        }

        fn take(&mut self) -> Fingerprint {
            let around = Around {
                root: self.dir.path(),
                cloud: None,
                inputs: &Inputs::of(Names::sorted(["a.py"])),
                env: &self.env,
                python: Some(&self.python),
                tools: &Tools::default(),
                upstream: &self.upstream,
            };
            fingerprint(&self.stage, &around, &mut self.contents).unwrap()
        }

        /// What differs first after a change.
        fn after(change: impl FnOnce(&mut Self)) -> String {
            let mut desk = Self::new();
            let before = desk.take();
            change(&mut desk);
            let difference = desk.take().first_difference(&before);
            difference.map_or_else(|| "nothing".into(), |difference| difference.to_string())
        }
    }

    #[test]
    fn everything_that_can_change_a_result_is_seen_and_nothing_else() {
        let write =
            |desk: &Desk, name: &str, text: &str| fs::write(desk.dir.path().join(name), text).unwrap();
        assert_eq!(Desk::after(|desk| write(desk, "a.py", "1")), "nothing");
        assert!(Desk::after(|desk| write(desk, "a.py", "2")).starts_with("a.py changed ("));
        assert!(
            Desk::after(|desk| fs::remove_file(desk.dir.path().join("a.py")).unwrap()).contains("missing")
        );
        let other = "train:\n  lr: 0.1\nother: 2\n";
        assert_eq!(Desk::after(|desk| write(desk, "params.yaml", other)), "nothing");
        let lr = "train:\n  lr: 0.2\nother: 1\n";
        assert_eq!(Desk::after(|desk| write(desk, "params.yaml", lr)), "params.yaml: train.lr 0.1 → 0.2");
        assert_eq!(Desk::after(|desk| drop(desk.env.insert("SEED".into(), "8".into()))), "$SEED changed");
        assert_eq!(Desk::after(|desk| drop(desk.env.insert("HOME".into(), "/x".into()))), "nothing");
        assert_eq!(
            Desk::after(|desk| desk.python.identity = "3.12.1".into()),
            "Python changed: 3.11.7 → 3.12.1"
        );
        let install = |desk: &mut Desk| drop(desk.python.packages.insert("numpy".into(), "2.0".into()));
        assert_eq!(Desk::after(install), "package numpy 2.0 was installed");
        let run = |desk: &mut Desk| desk.stage.action = Action::Run(Command::Shell("false".into()));
        assert_eq!(Desk::after(run), "its command changed: true → false");
        let upstream = |desk: &mut Desk| {
            desk.upstream.insert(StageId("prepare".into()), Digest::of(b"x"));
        };
        assert!(Desk::after(upstream).starts_with("what it gets from prepare changed"));
        let executable = |desk: &mut Desk| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(desk.dir.path().join("a.py"), fs::Permissions::from_mode(0o755)).unwrap();
        };
        assert!(Desk::after(executable).contains("executable"));
    }

    #[test]
    fn an_input_that_cannot_be_read_and_a_parameter_that_is_not_there_are_said() {
        let mut desk = Desk::new();
        fs::remove_file(desk.dir.path().join("a.py")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(desk.dir.path().join("a.py")).status();
        assert!(made.unwrap().success());
        let around = Around {
            root: desk.dir.path(),
            cloud: None,
            inputs: &Inputs::of(Names::sorted(["a.py"])),
            env: &desk.env,
            python: None,
            tools: &Tools::default(),
            upstream: &desk.upstream,
        };
        let why = fingerprint(&desk.stage, &around, &mut desk.contents).unwrap_err();
        assert!(why.contains("a.py cannot be read"), "{why}");
        desk.stage.params = [("params.yaml".to_owned(), vec!["train.nope".to_owned()])].into();
        let why = fingerprint(&desk.stage, &around, &mut desk.contents).unwrap_err();
        assert!(why.contains("train.nope"), "{why}");
    }
}
