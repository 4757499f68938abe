//! What is wrong with a project, in words.

use crate::base::error::Fault;

/// How many problems one line has room for.
const ROOM: usize = 3;

/// All of it, a line each.
pub(super) fn lines(fault: &Fault) -> Vec<String> {
    fault.one_line().lines().map(str::to_owned).collect()
}

/// As much as a line holds.
pub(super) fn in_short(fault: &Fault) -> String {
    let lines = lines(fault);
    let shown = lines.iter().take(ROOM).map(String::as_str).collect::<Vec<_>>().join("; ");
    match lines.len().saturating_sub(ROOM) {
        0 => shown,
        more => format!("{shown} (and {more} more)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::ErrorKind;

    #[test]
    fn a_line_has_the_first_problems_and_says_how_many_more_there_are() {
        let fault = |text: &str| Fault::new(ErrorKind::Usage, text);
        assert_eq!(in_short(&fault("a")), "a");
        assert_eq!(in_short(&fault("a\nb\nc")), "a; b; c");
        assert_eq!(in_short(&fault("a\nb\nc\nd\ne")), "a; b; c (and 2 more)");
        assert_eq!(lines(&fault("a\nb")), ["a", "b"]);
    }
}
