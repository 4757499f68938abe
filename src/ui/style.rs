//! What a piece of text means, and how that looks.

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A heading.
    Heading,
    /// It went well; a line that is added.
    Good,
    /// It needs attention.
    Warn,
    /// It failed; a line that is removed.
    Bad,
    /// A hint, a command to type next.
    Hint,
    /// Less important.
    Faint,
}

impl Style {
    fn code(self) -> &'static str {
        match self {
            Style::Heading => "1",
            Style::Good => "32",
            Style::Warn => "33",
            Style::Bad => "31",
            Style::Hint => "36",
            Style::Faint => "2",
        }
    }

    /// The text in this style, or as it is without colours.
    pub fn paint(self, text: &str, colours: bool) -> String {
        if colours { format!("\u{1b}[{}m{text}\u{1b}[0m", self.code()) } else { text.to_owned() }
    }
}

/// Whether a stream gets colours: a terminal that knows them, and nobody said no (<https://no-color.org>).
pub fn wanted(is_terminal: bool, no_color: bool, term: Option<&str>) -> bool {
    is_terminal && !no_color && term != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_they_are_wanted() {
        assert!(wanted(true, false, Some("xterm")));
        assert!(!wanted(false, false, Some("xterm")));
        assert!(!wanted(true, true, Some("xterm")));
        assert!(!wanted(true, false, Some("dumb")));
        assert_eq!(Style::Bad.paint("x", false), "x");
        assert_eq!(Style::Bad.paint("x", true), "\u{1b}[31mx\u{1b}[0m");
    }
}
