//! Attempts on this machine: a command in a session of its own.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::event::{Stream, Verdict};
use super::recorder::Recorder;
use super::unit::{Attempt, Executor, Prepared, Stop, Unit};
use crate::base::text::printable;
use crate::base::time::span;
use crate::project::model::{Action, Command};
use crate::sys::offspring::{Happening, Offspring, Written};
use crate::sys::process::CommandSpec;

/// How long a stage that is to end has between the polite signal and the final one.
pub const GRACE: Duration = Duration::from_millis(300);

/// Runs stages here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Local;

impl Executor for Local {
    fn attempt<'a>(
        &'a self,
        unit: &'a Unit,
        recorder: &'a mut Recorder,
        stop: Stop,
    ) -> Pin<Box<dyn Future<Output = Attempt> + Send + 'a>> {
        Box::pin(attempt(unit, recorder, stop))
    }
}

async fn attempt(unit: &Unit, recorder: &mut Recorder, stop: Stop) -> Attempt {
    let spec = match &unit.stage.action {
        Action::Run(command) => spec(command, &unit.prepared),
        Action::Pytest(tests) => pytest(&tests.args, &unit.prepared),
        Action::Http(_) | Action::Service(_) => return Attempt::not_started("it is no command that ends"),
    };
    follow(&spec, recorder, (stop, Deadline::of(unit)), &mut |_, _| ()).await
}

/// When an attempt has taken too long.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<(Instant, Duration)>);

impl Deadline {
    /// Of an attempt that begins now.
    pub fn of(unit: &Unit) -> Self {
        Self(unit.stage.timeout.map(|limit| (Instant::now() + limit, limit)))
    }
}

/// Runs a command to its end, or until it is to end; what it writes goes to the recorder and to `heard`.
pub async fn follow(
    spec: &CommandSpec,
    recorder: &mut Recorder,
    (mut stop, Deadline(deadline)): (Stop, Deadline),
    heard: &mut (dyn FnMut(Stream, &[u8]) + Send),
) -> Attempt {
    let mut offspring = match start(spec) {
        Ok(offspring) => offspring,
        Err(why) => return Attempt::not_started(why),
    };
    let mut given = None;
    loop {
        tokio::select! {
            happening = offspring.next() => match happening {
                Happening::Wrote(written, bytes) => {
                    recorder.wrote(stream(written), bytes);
                    heard(stream(written), bytes);
                }
                Happening::Ended(ending) => {
                    let (verdict, note) = given.map_or((None, None), |(verdict, note)| (Some(verdict), note));
                    let ending = verdict.is_none().then_some(ending);
                    return Attempt { verdict, ending, note, ..Attempt::default() };
                }
            },
            verdict = stop.asked(), if given.is_none() => {
                given = Some((verdict, None));
                offspring.end(GRACE);
            }
            () = until(deadline.map(|(due, _)| due)), if given.is_none() => {
                let limit = deadline.map(|(_, limit)| format!("it took longer than {}", span(limit)));
                given = Some((Verdict::TimedOut, limit));
                offspring.end(GRACE);
            }
            () = until(recorder.due()) => recorder.tick(),
        }
    }
}

/// Starts a command, or says in a sentence why it cannot be.
pub fn start(spec: &CommandSpec) -> Result<Offspring, String> {
    // A missing directory and a missing program are the same error to the system.
    let cwd = spec.cwd.as_deref().unwrap_or(Path::new("/"));
    if !matches!(crate::sys::content::look(cwd), Ok(crate::sys::content::Look::Dir)) {
        return Err(format!("there is no directory {}", printable(&cwd.to_string_lossy())));
    }
    Offspring::start(spec)
        .map_err(|error| format!("cannot start {}: {error}", printable(&spec.program.to_string_lossy())))
}

/// The command as it is started: nothing of our environment, only what the stage is given.
pub fn spec(command: &Command, prepared: &Prepared) -> CommandSpec {
    let spec = match command {
        Command::Shell(text) => CommandSpec::new("sh").args(["-c", text]),
        Command::Words(words) => {
            let (program, args) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
            CommandSpec::new(program).args(args)
        }
    };
    given(spec, prepared)
}

fn pytest(args: &[String], prepared: &Prepared) -> CommandSpec {
    let python = prepared.python.as_deref().unwrap_or(Path::new("python3"));
    given(CommandSpec::new(python).args(["-m", "pytest"]).args(args), prepared)
}

/// A command as it is started for a stage: in its directory, with its environment alone, and through what gives it credentials.
pub fn given(spec: CommandSpec, prepared: &Prepared) -> CommandSpec {
    let mut spec = match prepared.through.split_first() {
        Some((program, args)) => CommandSpec::new(program).args(args).arg(&spec.program).args(&spec.args),
        None => spec,
    };
    spec.clear_env = true;
    prepared.env.iter().fold(spec.cwd(&prepared.cwd), |spec, (name, value)| spec.env(name, value))
}

/// Which output it was.
pub fn stream(written: Written) -> Stream {
    match written {
        Written::Out => Stream::Out,
        Written::Err => Stream::Err,
    }
}

/// Waits until then; for ever without a time.
pub async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pytest_runs_in_the_interpreter_of_its_environment() {
        let mut prepared = Prepared {
            known: None,
            fingerprint: None,
            why: String::new(),
            env: [("A".to_owned(), "b".to_owned())].into(),
            cwd: "/p".into(),
            python: None,
            tests: Vec::new(),
            force: false,
            through: Vec::new(),
        };
        let spec = |prepared: &Prepared| pytest(&["-k".into(), "a b".into()], prepared);
        assert_eq!((spec(&prepared).program, spec(&prepared).clear_env), ("python3".into(), true));
        prepared.python = Some("/env/bin/python".into());
        let spec = spec(&prepared);
        assert_eq!(spec.program, "/env/bin/python");
        assert_eq!(spec.args, ["-m", "pytest", "-k", "a b"]);
        assert_eq!(spec.env, [("A".into(), Some("b".into()))]);
        assert_eq!(spec.cwd.as_deref(), Some(Path::new("/p")));
        prepared.through = ["devboot", "cloud", "exec", "dev", "--"].map(Into::into).into();
        let spec = super::spec(&Command::Shell("a | b".into()), &prepared);
        assert_eq!(spec.program, "devboot");
        assert_eq!(spec.args, ["cloud", "exec", "dev", "--", "sh", "-c", "a | b"]);
    }
}
