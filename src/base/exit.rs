//! The documented exit codes; `devboot --help` and the README print this table.

/// How a command ended, as the calling shell sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Something failed.
    Failed = 1,
    /// What was compared differs, or tests are red.
    Differs = 2,
    /// The user is needed: a conflict, or a question without a terminal.
    NeedsUser = 3,
    /// Refused for safety; nothing was changed.
    Refused = 4,
    /// The command line or an input file cannot be understood; nothing was changed.
    Usage = 64,
    /// Stopped by Ctrl-C or a termination signal.
    Interrupted = 130,
}

impl Exit {
    /// Every code with the words `--help` explains it with.
    pub const TABLE: [(Exit, &'static str); 7] = [
        (Exit::Done, "done, or nothing to do"),
        (Exit::Failed, "failed"),
        (Exit::Differs, "differs, or tests are red"),
        (Exit::NeedsUser, "needs you: a conflict, or a question without a terminal"),
        (Exit::Refused, "refused for safety, nothing changed"),
        (Exit::Usage, "usage: the command line or an input file is not understood"),
        (Exit::Interrupted, "interrupted"),
    ];

    /// The number given to the operating system.
    pub fn code(self) -> u8 {
        self as u8
    }
}
