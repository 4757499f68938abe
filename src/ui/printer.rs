//! Printing: data to standard output, talk to standard error.

use std::io::{self, Write};

use super::style::{self, Style};
use crate::base::error::{ErrorKind, Fault};
use crate::base::text::{plain_json, printable};
use crate::sys::{env, terminal};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only what went wrong.
    Quiet,
    /// What a person wants to know.
    Normal,
    /// Everything.
    Verbose,
}

/// The two streams.
#[derive(Clone, Debug)]
pub struct Printer {
    level: Level,
    out_colours: bool,
    talk_colours: bool,
}

impl Printer {
    /// A printer for this process's streams.
    pub fn new(level: Level) -> Self {
        let no_color = env::var_os("NO_COLOR").is_some();
        let term = env::var("TERM");
        let wanted = |is_terminal| style::wanted(is_terminal, no_color, term.as_deref());
        Self {
            level,
            out_colours: wanted(terminal::stdout_is_terminal()),
            talk_colours: wanted(terminal::stderr_is_terminal()),
        }
    }

    /// A printer whose styles are nothing, for texts that go to a file.
    pub fn plain() -> Self {
        Self { level: Level::Normal, out_colours: false, talk_colours: false }
    }

    /// How much is said.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Data, as it is. A reader that has gone is no error: it has seen enough.
    pub fn data(&self, text: &str) -> Result<(), Fault> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Fault::new(ErrorKind::Failed, "cannot write to standard output").cause(error)),
            Ok(()) => Ok(()),
        }
    }

    /// One JSON value and a line feed on standard output.
    pub fn json(&self, value: &serde_json::Value) -> Result<(), Fault> {
        self.data(&format!("{}\n", plain_json(&format!("{value:#}"))))
    }

    /// A line of talk.
    pub fn say(&self, text: &str) {
        if self.level >= Level::Normal {
            self.line(text);
        }
    }

    /// A line of talk that only the curious want.
    pub fn detail(&self, text: &str) {
        if self.level >= Level::Verbose {
            self.line(text);
        }
    }

    /// A line that is said even when quiet is asked for.
    pub fn warn(&self, text: &str) {
        let text = printable(text);
        // A text with a place in a file says so itself, after the place.
        if text.contains(": warning: ") {
            return self.line(&text);
        }
        self.line(&format!("{} {text}", self.paint(Style::Warn, "warning:")));
    }

    /// A line on standard error, whatever the level. `text` may hold styles, so what comes from outside must have
    /// passed [`printable`].
    pub fn line(&self, text: &str) {
        // Nobody is left to tell when standard error cannot be written.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Talk in a style.
    pub fn paint(&self, style: Style, text: &str) -> String {
        style.paint(text, self.talk_colours)
    }

    /// Data in a style.
    pub fn paint_data(&self, style: Style, text: &str) -> String {
        style.paint(text, self.out_colours)
    }

    /// Whether standard output gets colours.
    pub fn out_colours(&self) -> bool {
        self.out_colours
    }

    /// An error: what failed, why, what to do next.
    pub fn error(&self, fault: &Fault) {
        self.line(&format!("{} {}", self.paint(Style::Bad, "error:"), multi_line(&fault.message)));
        for cause in &fault.causes {
            self.line(&format!("  because: {}", multi_line(cause)));
        }
        for hint in &fault.hints {
            self.line(&format!("  {} {}", self.paint(Style::Hint, "next:"), multi_line(hint)));
        }
    }
}

/// Escapes control characters but for line feeds: an error may list several problems.
fn multi_line(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}
