//! Lines at the bottom of the terminal that change in place while others scroll past above them.

use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

/// The lines at the bottom; on anything but a terminal there are none.
#[derive(Debug, Default)]
pub struct Footer {
    shown: Vec<String>,
    width: usize,
}

impl Footer {
    /// A footer for a terminal of `width` columns.
    pub fn new(width: u16) -> Self {
        Self { shown: Vec::new(), width: usize::from(width) }
    }

    /// The terminal has another width now.
    pub fn resize(&mut self, width: u16) {
        self.width = usize::from(width);
    }

    /// What to write so that `above` scrolls past and `footer` stands below it. Nothing when nothing changed.
    pub fn draw(&mut self, above: &[String], footer: Vec<String>) -> String {
        let footer: Vec<String> = footer.iter().map(|line| cut(line, self.width.saturating_sub(1))).collect();
        if above.is_empty() && footer == self.shown {
            return String::new();
        }
        let mut out = self.erase();
        for line in above {
            out.push_str(line);
            out.push_str("\r\n");
        }
        for (i, line) in footer.iter().enumerate() {
            out.push_str(if i > 0 { "\r\n" } else { "" });
            out.push_str(line);
        }
        self.shown = footer;
        out
    }

    /// What to write to take the footer away.
    pub fn erase(&mut self) -> String {
        let lines = std::mem::take(&mut self.shown).len();
        match lines {
            0 => String::new(),
            1 => "\r\u{1b}[J".into(),
            more => format!("\r\u{1b}[{}A\u{1b}[J", more - 1),
        }
    }
}

/// Writes to the terminal at once. Nobody is left to tell when it has gone.
pub fn put(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// The start of a line that takes at most so many columns, its styles closed.
fn cut(line: &str, columns: usize) -> String {
    let (mut out, mut used, mut styled, mut inside) = (String::new(), 0, false, false);
    for c in line.chars() {
        if inside {
            out.push(c);
            inside = c != 'm';
            continue;
        }
        if c == '\u{1b}' {
            (inside, styled) = (true, true);
            out.push(c);
            continue;
        }
        let width = c.width().unwrap_or(0);
        if used + width > columns {
            if styled {
                out.push_str("\u{1b}[0m");
            }
            return out;
        }
        used += width;
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands on a terminal after these bytes: enough of one for carriage return, line feed, up and erase.
    fn screen(bytes: &str) -> Vec<String> {
        let (mut lines, mut row) = (vec![String::new()], 0);
        let mut rest = bytes;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\r' => {}
                '\n' => {
                    row += 1;
                    if row == lines.len() {
                        lines.push(String::new());
                    }
                }
                '\u{1b}' if rest.starts_with("[J") => {
                    rest = &rest[2..];
                    lines.truncate(row + 1);
                    lines[row].clear();
                }
                '\u{1b}' => {
                    let end = rest.find('A').unwrap();
                    row -= rest[1..end].parse::<usize>().unwrap();
                    rest = &rest[end + 1..];
                }
                c => lines[row].push(c),
            }
        }
        lines
    }

    #[test]
    fn lines_scroll_past_above_and_the_footer_stays_below() {
        let mut footer = Footer::new(80);
        let words = |list: &[&str]| -> Vec<String> { list.iter().map(|word| (*word).to_owned()).collect() };
        let mut all = footer.draw(&[], words(&["running"]));
        all += &footer.draw(&words(&["one"]), words(&["running", "keys"]));
        assert_eq!(screen(&all), ["one", "running", "keys"]);
        assert_eq!(footer.draw(&[], words(&["running", "keys"])), "");
        all += &footer.draw(&words(&["two", "three"]), words(&["idle"]));
        assert_eq!(screen(&all), ["one", "two", "three", "idle"]);
        all += &footer.erase();
        assert_eq!(screen(&all), ["one", "two", "three", ""]);
    }

    #[test]
    fn a_footer_never_wraps() {
        assert_eq!(cut("\u{1b}[31mlong text\u{1b}[0m", 4), "\u{1b}[31mlong\u{1b}[0m");
        assert_eq!(cut("日本", 3), "日");
        assert_eq!(cut("short", 10), "short");
    }
}
