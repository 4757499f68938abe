//! What every error of devboot can say of itself.
//!
//! Errors are typed where they are raised and implement [`Diagnose`]; only the command line's edge turns
//! them into text and an exit code. A [`Fault`] is such an error once its type no longer matters.

use std::error::Error;
use std::fmt;

use super::exit::Exit;

/// Who has to act, and so which exit code follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The outside world failed: disk, network, a program.
    Failed,
    /// A person must decide: a conflict, or a question that found no terminal.
    NeedsUser,
    /// Doing it would be unsafe; nothing was changed.
    Refused,
    /// The input cannot be understood; nothing was changed.
    Usage,
    /// Stopped on request.
    Interrupted,
}

impl ErrorKind {
    /// The exit code that belongs to this kind.
    pub fn exit(self) -> Exit {
        match self {
            ErrorKind::Failed => Exit::Failed,
            ErrorKind::NeedsUser => Exit::NeedsUser,
            ErrorKind::Refused => Exit::Refused,
            ErrorKind::Usage => Exit::Usage,
            ErrorKind::Interrupted => Exit::Interrupted,
        }
    }
}

/// An error that can name its kind and what to do next. The message (`Display`) says what failed, in lower
/// case and without a final stop; `source()` says why.
pub trait Diagnose: Error {
    /// Who has to act.
    fn kind(&self) -> ErrorKind;

    /// What to do next, one sentence or command each.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// An error whose type no longer matters: kind, message, the chain of causes, hints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Who has to act.
    pub kind: ErrorKind,
    /// What failed.
    pub message: String,
    /// Why, the nearest cause first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hints: Vec<String>,
}

impl Fault {
    /// A fault without causes or hints.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// The same fault with one more hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same fault with one more cause.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// The message and its causes on one line, for logs and summaries.
    pub fn one_line(&self) -> String {
        std::iter::once(&self.message).chain(&self.causes).cloned().collect::<Vec<_>>().join(": ")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: Diagnose> From<E> for Fault {
    fn from(error: E) -> Self {
        let mut causes = Vec::new();
        let mut next = error.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        Self { kind: error.kind(), message: error.to_string(), causes, hints: error.hints() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot read the profile")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    impl Diagnose for Outer {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Failed
        }
        fn hints(&self) -> Vec<String> {
            vec!["check the path".into()]
        }
    }

    #[test]
    fn a_fault_keeps_kind_causes_and_hints() {
        let fault = Fault::from(Outer(std::io::Error::other("gone")));
        assert_eq!(fault.kind.exit().code(), 1);
        assert_eq!(fault.one_line(), "cannot read the profile: gone");
        assert_eq!(fault.hints, ["check the path"]);
    }
}
