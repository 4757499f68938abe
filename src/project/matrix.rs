//! A matrix written out: its cells, their names, and `{axis}` in the texts of a stage.

use std::collections::BTreeMap;

use super::model::StageId;

/// One cell: axis → value as written.
pub type Cell = BTreeMap<String, String>;

/// No matrix has more cells.
pub const MOST: usize = 256;

/// Every combination of values, the last axis changing fastest; one empty cell without axes. `None` when there are
/// more than [`MOST`].
pub fn cells(axes: &BTreeMap<String, Vec<String>>) -> Option<Vec<Cell>> {
    let count = axes.values().try_fold(1_usize, |count, values| count.checked_mul(values.len()))?;
    if count > MOST {
        return None;
    }
    let mut cells = vec![Cell::new()];
    for (axis, values) in axes {
        cells = cells
            .iter()
            .flat_map(|cell| {
                values.iter().map(|value| {
                    let mut cell = cell.clone();
                    cell.insert(axis.clone(), value.clone());
                    cell
                })
            })
            .collect();
    }
    Some(cells)
}

/// The name of a cell: `train@0.01-adam`; the stage's own name without a matrix. What a name cannot hold is `_`.
pub fn id(stage: &str, cell: &Cell) -> StageId {
    if cell.is_empty() {
        return StageId(stage.to_owned());
    }
    let values: Vec<String> = cell.values().map(|value| in_a_name(value)).collect();
    StageId(format!("{stage}@{}", values.join("-")))
}

/// A value as it stands in the name of a cell.
pub fn in_a_name(value: &str) -> String {
    value
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-') { c } else { '_' })
        .collect()
}

/// The text with every `{axis}` of the cell replaced; all other braces, and those after a `$`, stay as they are.
pub fn filled(text: &str, cell: &Cell) -> String {
    let mut out = String::with_capacity(text.len());
    each_part(text, cell, |part| match part {
        Part::Text(text) => out.push_str(text),
        Part::Value { value, .. } => out.push_str(value),
    });
    out
}

/// The same for a text that a shell reads: the value arrives there as one word, whatever it holds.
///
/// # Errors
/// The axis whose value cannot stand where it is written, because what surrounds it quotes in its own way.
pub fn filled_for_shell(text: &str, cell: &Cell) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut place = Place::default();
    let mut wrong = None;
    each_part(text, cell, |part| match part {
        Part::Text(text) => {
            place.pass(text);
            out.push_str(text);
        }
        Part::Value { axis, value } => match quoted(value, &place) {
            Some(value) => out.push_str(&value),
            None => wrong = wrong.take().or_else(|| Some(axis.to_owned())),
        },
    });
    wrong.map_or(Ok(out), Err)
}

enum Part<'a> {
    Text(&'a str),
    Value { axis: &'a str, value: &'a str },
}

fn each_part<'a>(text: &'a str, cell: &'a Cell, mut see: impl FnMut(Part<'a>)) {
    let mut start = 0;
    for (open, _) in text.match_indices('{') {
        if open < start || text[..open].ends_with('$') {
            continue;
        }
        let Some(length) = text[open + 1..].find('}') else { break };
        let Some((axis, value)) = cell.get_key_value(&text[open + 1..open + 1 + length]) else { continue };
        see(Part::Text(&text[start..open]));
        see(Part::Value { axis, value });
        start = open + length + 2;
    }
    see(Part::Text(&text[start..]));
}

/// Where in a shell's text we are.
#[derive(Default)]
struct Place {
    quote: Option<char>,
    escaped: bool,
    /// Something was met inside which a shell quotes by other rules than these.
    unclear: bool,
    before: Option<char>,
}

impl Place {
    fn pass(&mut self, text: &str) {
        for c in text.chars() {
            if std::mem::take(&mut self.escaped) {
                self.before = Some(c);
                continue;
            }
            match (self.quote, c) {
                (Some('\''), '\'') | (Some('"'), '"') => self.quote = None,
                (Some('\''), _) => {}
                (_, '\\') => self.escaped = true,
                (Some('"'), '(' | '{') if self.before == Some('$') => self.unclear = true,
                (_, '`') => self.unclear = true,
                (None, '\'') if self.before == Some('$') => self.unclear = true,
                (None, '<') if self.before == Some('<') => self.unclear = true,
                (None, '#') => self.unclear = true,
                (None, '\'' | '"') => self.quote = Some(c),
                _ => {}
            }
            self.before = Some(c);
        }
    }
}

fn quoted(value: &str, place: &Place) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return Some(value.to_owned());
    }
    if place.unclear || place.escaped {
        return None;
    }
    match place.quote {
        None => Some(format!("'{}'", value.replace('\'', "'\\''"))),
        Some(_) => (!value.contains(['\'', '"', '`', '$', '\\', '!'])).then(|| value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]
    use super::*;

    fn cell(pairs: &[(&str, &str)]) -> Cell {
        pairs.iter().map(|(axis, value)| ((*axis).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_combination_has_a_cell_and_a_name() {
        let axes = BTreeMap::from([
            ("lr".to_owned(), vec!["0.01".to_owned(), "0.1".into()]),
            ("opt".to_owned(), vec!["adam".to_owned(), "s g/d".into()]),
        ]);
        let names: Vec<String> = cells(&axes).unwrap().iter().map(|cell| id("train", cell).0).collect();
        assert_eq!(names, ["train@0.01-adam", "train@0.01-s_g_d", "train@0.1-adam", "train@0.1-s_g_d"]);
        assert_eq!(cells(&BTreeMap::new()).unwrap(), [Cell::new()]);
        let many = (0..10).map(|i| (format!("a{i}"), vec!["x".to_owned(); 100])).collect();
        assert_eq!(cells(&many), None);
    }

    #[test]
    fn only_declared_names_in_braces_are_ours() {
        let cell = cell(&[("lr", "0.1")]);
        for (text, expected) in [
            ("a {lr} b", "a 0.1 b"),
            ("${lr} {lr2} {a,b} ${X:-{lr}} {", "${lr} {lr2} {a,b} ${X:-0.1} {"),
            ("{{lr}}", "{0.1}"),
            ("awk '{print $1}' {lr}", "awk '{print $1}' 0.1"),
            ("{ {lr}; }", "{ 0.1; }"),
        ] {
            assert_eq!(filled(text, &cell), expected);
        }
    }

    #[test]
    fn hostile_values_stay_one_word_of_a_real_shell() {
        for value in [
            "a b",
            "$(echo no)",
            "`echo no`",
            "'; echo no; '",
            "\"",
            "\\",
            "*",
            "a\tb",
            "#",
            "~",
            "!x",
            "-n x",
        ] {
            let cell = cell(&[("v", value)]);
            let text = filled_for_shell("printf %s {v}; : '{' \"}\"", &cell).unwrap();
            let ran = std::process::Command::new("sh").args(["-c", &text]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&ran.stdout), value, "{text}");
        }
    }

    #[test]
    fn a_value_that_could_break_out_of_what_surrounds_it_is_refused() {
        let cell = cell(&[("v", "$(id) b")]);
        for text in [
            "echo \"{v}\"",
            "echo '{v}'",
            "echo `echo {v}`",
            "echo \"$(echo {v})\"",
            "cat <<E\n{v}\nE",
            "echo $'\\'{v}'",
            "echo \\{v}",
        ] {
            let spaced = super::tests::cell(&[("v", "a b")]);
            assert_eq!(filled_for_shell(text, &cell), Err("v".into()), "{text}");
            let plain = super::tests::cell(&[("v", "0.1")]);
            assert!(filled_for_shell(text, &plain).is_ok(), "{text}");
            if text.contains("<<") || text.contains("$(") {
                assert_eq!(filled_for_shell(text, &spaced), Err("v".into()), "{text}");
            }
        }
        let spaced = super::tests::cell(&[("v", "a b")]);
        assert_eq!(filled_for_shell("echo \"{v}\"", &spaced).as_deref(), Ok("echo \"a b\""));
    }
}
