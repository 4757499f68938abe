//! Asking a person. Without a terminal nothing is ever asked: the answer has to be on the command line.

use dialoguer::{Confirm, Input, Password, Select};

use crate::base::error::{ErrorKind, Fault};
use crate::base::secret::Secret;
use crate::sys::{hardening, terminal};

/// Asks for yes or no. `flag` is what would have answered it.
pub fn confirm(question: &str, flag: &str) -> Result<bool, Fault> {
    yes_or_no(question, flag, true)
}

/// The same where yes is dangerous: who only presses return says no.
pub fn confirm_danger(question: &str, flag: &str) -> Result<bool, Fault> {
    yes_or_no(question, flag, false)
}

fn yes_or_no(question: &str, flag: &str, usual: bool) -> Result<bool, Fault> {
    person(question, flag)?;
    Confirm::new()
        .with_prompt(question)
        .default(usual)
        .interact_opt()
        .map(|answer| answer.unwrap_or(false))
        .map_err(lost)
}

/// Asks for one of `choices`; `None` when the person leaves.
pub fn select(question: &str, choices: &[&str], flag: &str) -> Result<Option<usize>, Fault> {
    person(question, flag)?;
    Select::new().with_prompt(question).items(choices).default(0).interact_opt().map_err(lost)
}

/// Asks for a secret, which is not shown while it is typed. From now on we leave no core file.
pub fn secret(question: &str, flag: &str) -> Result<Secret<String>, Fault> {
    person(question, flag)?;
    hardening::close();
    Password::new().with_prompt(question).allow_empty_password(true).interact().map(Secret::new).map_err(lost)
}

/// Asks for a new secret, twice.
pub fn new_secret(question: &str, flag: &str) -> Result<Secret<String>, Fault> {
    person(question, flag)?;
    hardening::close();
    let again = Password::new().with_prompt(question).with_confirmation("Once more", "they differ");
    again.interact().map(Secret::new).map_err(lost)
}

/// Asks for a line of text; what stands there already is the answer of who only presses return.
pub fn line(question: &str, there: &str, flag: &str) -> Result<String, Fault> {
    person(question, flag)?;
    let input = Input::new().with_prompt(question).allow_empty(true);
    let input = if there.is_empty() { input } else { input.default(there.to_owned()) };
    input.interact_text().map_err(lost)
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
