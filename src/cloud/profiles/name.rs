//! What a credential profile may be called: it stands in prompts, variables and messages.

use std::fmt;

use crate::base::error::{Diagnose, ErrorKind};
use crate::base::text::printable;

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// A name that no profile can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadName(pub String);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = printable(&self.0).chars().take(LONGEST).collect();
        write!(f, "'{short}' cannot be the name of a credential profile")
    }
}

impl std::error::Error for BadName {}

impl Diagnose for BadName {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![format!("up to {LONGEST} of: letters, digits, and . _ - + @ : / ; a letter or digit first")]
    }
}

/// Refuses a name that a prompt, a shell or a path could take for something else.
///
/// # Errors
/// It is empty, too long, or has a sign beyond letters, digits and `._-+@:/` of ASCII.
pub fn check_name(name: &str) -> Result<(), BadName> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-+@:/".contains(c);
    if begins && name.len() <= LONGEST && name.chars().all(fits) {
        Ok(())
    } else {
        Err(BadName(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_elsewhere_are_refused() {
        for good in ["dev", "Aws-Dev_1", "a@b.c:d/e+f", "1", &"x".repeat(64)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "-",
            "-x",
            ".",
            "../x",
            "a b",
            "a$(id)",
            "a`b",
            "a%b",
            "a\nb",
            "ä",
            "a\\b",
            "a'b",
            &"x".repeat(65),
        ] {
            assert_eq!(check_name(bad), Err(BadName(bad.to_owned())), "{bad}");
        }
        assert!(!BadName("\u{1b}[2J".into()).to_string().contains('\u{1b}'));
    }
}
