//! Environment variables as data, for programs that read files and not shell code.

/// One JSON object, names to values, in the given order.
pub fn json(environment: &[(String, String)]) -> String {
    let mut out = String::from("{");
    for (at, (name, value)) in environment.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        out.push_str(&format!("{comma}\n  {}: {}", json_text(name), json_text(value)));
    }
    out.push_str(if environment.is_empty() { "}\n" } else { "\n}\n" });
    out
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `NAME='value'` lines. A value with an apostrophe, a backslash or a control character is written between
/// quotation marks with `\\`, `\"`, `\$`, `\n`, `\r`, `\t`, as most readers of such files undo them; the
/// format has no standard, so a program's own reader decides about those.
pub fn dotenv(environment: &[(String, String)]) -> String {
    environment.iter().map(|(name, value)| format!("{name}={}\n", dotenv_text(value))).collect()
}

/// The same for values that a shell and every reader of such files must take for the same bytes, and none may run; the name of the
/// first that has no such form is the error.
pub fn dotenv_exact(environment: &[(String, String)]) -> Result<String, &str> {
    let line = |(name, value): &'_ (String, String)| {
        // Python's reader undoes these two, a shell does not.
        let is_plain =
            !value.contains(['\'', '\n', '\r']) && !value.contains("\\\\") && !value.ends_with('\\');
        let quote = match is_plain {
            true => '\'',
            false if !value.contains(['"', '$', '`', '\\', '\n', '\r']) => '"',
            false => return None,
        };
        Some(format!("{name}={quote}{value}{quote}\n"))
    };
    environment.iter().map(|pair| line(pair).ok_or(pair.0.as_str())).collect()
}

fn dotenv_text(text: &str) -> String {
    if !text.contains(|c: char| c == '\'' || c == '\\' || c.is_control()) {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\\' | '"' | '$' | '`' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(value: &str) -> Vec<(String, String)> {
        vec![("A".into(), value.into())]
    }

    #[test]
    fn json_is_read_back() {
        let value = "a\"\\\n\u{1}é";
        let read: serde_json::Value = serde_json::from_str(&json(&pairs(value))).unwrap();
        assert_eq!(read["A"], value);
        assert_eq!(json(&[]), "{}\n");
    }

    #[test]
    fn an_exact_dotenv_has_no_sign_that_two_readers_take_for_two_things() {
        let exact = |value: &str| dotenv_exact(&pairs(value)).map_err(str::to_owned);
        assert_eq!(exact("a$c\\d`x` \"y\"#"), Ok("A='a$c\\d`x` \"y\"#'\n".into()));
        assert_eq!(exact("it's"), Ok("A=\"it's\"\n".into()));
        for value in ["a'b`touch x`", "a'$(x)", "it's \"x\"", "a'\\", "two\\\\", "end\\", "line\n"] {
            assert_eq!(exact(value), Err("A".into()), "{value}");
        }
    }

    #[test]
    fn dotenv_keeps_one_line_each() {
        assert_eq!(dotenv(&pairs("a $b \"c\"")), "A='a $b \"c\"'\n");
        assert_eq!(dotenv(&pairs("it's\n$x")), "A=\"it's\\n\\$x\"\n");
    }
}
