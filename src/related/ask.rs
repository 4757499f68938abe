//! Asking a tool: commands whose output is read and shown to nobody.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::project::model::Command;
use crate::run::event::Verdict;
use crate::run::local::{self, GRACE};
use crate::run::unit::{Prepared, Stop, Unit};
use crate::sys::offspring::{Happening, Offspring, Written};
use crate::sys::process::{CommandSpec, Ending};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest answer, in bytes.
const LIMIT: usize = 128 << 20;

/// Why there is no answer.
pub(super) enum Mute {
    /// The attempt is to end, with this verdict.
    Stopped(Verdict),
    /// It cannot say; a sentence says why.
    Cannot(String),
}

/// Asks all at once; the answers in the order of the questions. They are asked as the stage would run, but without its
/// credentials.
pub(super) async fn ask(
    (tool, unit): (&str, &Unit),
    questions: Vec<Vec<String>>,
    mut stop: Stop,
) -> Result<Vec<Vec<u8>>, Mute> {
    let prepared = Prepared { through: Vec::new(), ..unit.prepared.clone() };
    let mut answers = vec![Vec::new(); questions.len()];
    let mut asking = JoinSet::new();
    for (at, question) in questions.into_iter().enumerate() {
        let spec = local::spec(&Command::Words(question), &prepared);
        asking.spawn(async move { (at, one(&spec).await) });
    }
    loop {
        tokio::select! {
            answered = asking.join_next() => match answered {
                None => return Ok(answers),
                Some(Ok((at, Ok(answer)))) => answers[at] = answer,
                Some(Ok((_, Err(why)))) => return Err(Mute::Cannot(format!("{tool} {why}"))),
                Some(Err(error)) => return Err(Mute::Cannot(error.to_string())),
            },
            verdict = stop.asked() => return Err(Mute::Stopped(verdict)),
        }
    }
}

async fn one(spec: &CommandSpec) -> Result<Vec<u8>, String> {
    let mut offspring = Offspring::start(spec).map_err(|error| format!("could not be asked: {error}"))?;
    let deadline = Instant::now() + PATIENCE;
    let (mut answer, mut is_late) = (Vec::new(), false);
    loop {
        tokio::select! {
            happening = offspring.next() => match happening {
                Happening::Wrote(Written::Out, bytes) if answer.len() + bytes.len() <= LIMIT => answer.extend(bytes),
                Happening::Wrote(Written::Out, _) => return Err("said too much".into()),
                Happening::Wrote(Written::Err, _) => {}
                Happening::Ended(_) if is_late => return Err(format!("did not answer within {} s", PATIENCE.as_secs())),
                Happening::Ended(Ending::Exited(0)) => return Ok(answer),
                Happening::Ended(ending) => return Err(format!("could not say what is affected ({})", crate::run::outcome::ending(ending))),
            },
            () = local::until(Some(deadline)), if !is_late => {
                is_late = true;
                offspring.end(GRACE);
            }
        }
    }
}
