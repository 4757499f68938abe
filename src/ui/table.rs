//! Columns of text.

use self::cells::width;

/// Rows as lines with aligned columns, two spaces between them. The last column is not padded.
pub fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|i| rows.iter().filter_map(|row| row.get(i)).map(|cell| width(cell)).max().unwrap_or(0))
        .collect();
    rows.iter()
        .map(|row| {
            let mut line = String::new();
            for (i, cell) in row.iter().enumerate() {
                line.push_str(cell);
                if i + 1 < row.len() {
                    line.push_str(&" ".repeat(widths[i] - width(cell) + 2));
                }
            }
            line.trim_end().to_owned()
        })
        .collect()
}

mod cells {
    /// The columns that a text takes on a terminal, styles not counted.
    pub fn width(text: &str) -> usize {
        unicode_width::UnicodeWidthStr::width(plain(text).as_str())
    }

    fn plain(text: &str) -> String {
        let mut out = String::new();
        let mut inside = false;
        for c in text.chars() {
            match c {
                '\u{1b}' => inside = true,
                'm' if inside => inside = false,
                _ if inside => {}
                c => out.push(c),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::Style;

    #[test]
    fn columns_line_up_whatever_the_letters() {
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        let bold = Style::Heading.paint("x", true);
        let lines = columns(&[row("ab", "1"), row("日本", "2"), row(&bold, "3")]);
        assert_eq!(lines[0], "ab    1");
        assert_eq!(lines[1], "日本  2");
        assert_eq!(lines[2], format!("{bold}     3"));
    }
}
