//! Asking a person. Without a terminal nothing is ever asked: the answer has to be on the command line.

use dialoguer::{Confirm, Select};

use crate::base::error::{ErrorKind, Fault};
use crate::sys::terminal;

/// Asks for yes or no. `flag` is what would have answered it.
pub fn confirm(question: &str, flag: &str) -> Result<bool, Fault> {
    person(question, flag)?;
    Confirm::new()
        .with_prompt(question)
        .default(true)
        .interact_opt()
        .map(|answer| answer.unwrap_or(false))
        .map_err(lost)
}

/// Asks for one of `choices`; `None` when the person leaves.
pub fn select(question: &str, choices: &[&str], flag: &str) -> Result<Option<usize>, Fault> {
    person(question, flag)?;
    Select::new().with_prompt(question).items(choices).default(0).interact_opt().map_err(lost)
}

fn person(question: &str, flag: &str) -> Result<(), Fault> {
    if terminal::can_ask() {
        return Ok(());
    }
    Err(Fault::new(ErrorKind::NeedsUser, format!("there is no terminal to ask: {question}"))
        .hint(format!("answer it on the command line with {flag}")))
}

fn lost(error: dialoguer::Error) -> Fault {
    let dialoguer::Error::IO(error) = error;
    let kind = if error.kind() == std::io::ErrorKind::Interrupted {
        ErrorKind::Interrupted
    } else {
        ErrorKind::Failed
    };
    Fault::new(kind, "the question was not answered").cause(error)
}
