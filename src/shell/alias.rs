//! Alias bodies for fish, where an alias is a function and the language differs.
//!
//! Only what means the same in both languages is carried over: words, quoted text without escapes, `$NAME`,
//! `&&`, `||`, `;` and `|`. Three things are rewritten, because the plain case would break without them:
//! arguments are passed on as `$argv`, a command that has the alias's own name becomes `command NAME` or
//! `builtin NAME` (else it would call itself for ever), and sourcing `…/bin/activate` of a Python environment
//! becomes `activate.fish`. For everything else the profile gives a body for fish.

/// fish builtins that people wrap in an alias of the same name; `command` would not find them.
const BUILTINS: [&str; 14] = [
    "cd", "echo", "pwd", "type", "kill", "printf", "history", "jobs", "fg", "bg", "wait", "ulimit", "random",
    "bind",
];

/// The fish body for a POSIX alias body, or `None` when it is more than the plain case.
pub fn to_fish(name: &str, body: &str) -> Option<String> {
    let mut out = String::new();
    let mut command_next = true;
    let mut sources = false;
    for token in tokens(body)? {
        if ["&&", "||", ";", "|"].contains(&token) {
            if command_next {
                return None;
            }
            out.push_str(if token == ";" { "; " } else { " " });
            if token != ";" {
                out.push_str(token);
                out.push(' ');
            }
            command_next = true;
            continue;
        }
        if command_next {
            sources = token == "source" || token == ".";
            let assignment = token.split_once('=').is_some_and(|(left, _)| super::names::is_identifier(left));
            if assignment || super::names::RESERVED.contains(&token) && token != "source" {
                return None;
            }
            if token == name {
                out.push_str(if BUILTINS.contains(&name) { "builtin " } else { "command " });
            }
            out.push_str(if token == "." { "source" } else { token });
        } else {
            out.push(' ');
            out.push_str(token);
            if sources && token.ends_with("bin/activate") {
                out.push_str(".fish");
            }
        }
        command_next = false;
    }
    (!command_next).then_some(out)
}

/// The body with `$argv` at its end, unless it names `argv` itself or its end takes no arguments.
pub(super) fn with_arguments(body: &str) -> String {
    let body = body.trim_end();
    let closed = body.ends_with([';', '&', '|', ')', '\\', '{', '}']) || body.is_empty();
    match closed || body.contains(['\n', '#']) || body.contains("argv") || body.ends_with("end") {
        true => body.to_owned(),
        false => format!("{body} $argv"),
    }
}

/// Whether the body is one plain command, whose completions the alias can share.
pub(super) fn is_one_command(body: &str) -> bool {
    tokens(body).is_some_and(|tokens| {
        !tokens.is_empty() && tokens.iter().all(|token| !["&&", "||", ";", "|"].contains(token))
    })
}

/// Words and operators of a plain body; `None` for anything that the two languages read differently.
fn tokens(body: &str) -> Option<Vec<&str>> {
    let mut found = Vec::new();
    let mut rest = body.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let operator = ["&&", "||", ";", "|"].into_iter().find(|operator| rest.starts_with(operator));
        let length = match operator {
            Some(operator) => operator.len(),
            None => word_length(rest)?,
        };
        found.push(&rest[..length]);
        rest = rest[length..].trim_start_matches([' ', '\t']);
    }
    Some(found)
}

fn word_length(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().peekable();
    let mut quote = None;
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (_, '\\') => return None,
            (_, c) if c.is_control() && c != '\t' => return None,
            (Some(open), c) if c == open => quote = None,
            (Some('\''), _) => {}
            (_, '$') => {
                if !chars.peek().is_some_and(|(_, next)| next.is_ascii_alphabetic() || *next == '_') {
                    return None;
                }
                // Unquoted, sh splits the value into words and fish does not.
                quote?;
            }
            (Some(_), '`') => return None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ' | '\t' | ';' | '|') => return Some(at),
            (None, '&') => return if text[at..].starts_with("&&") && at > 0 { Some(at) } else { None },
            (None, c) if c.is_alphanumeric() || "_-./,:=+@%~".contains(c) => {}
            (None, _) => return None,
        }
    }
    if quote.is_some() { None } else { Some(text.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_case_is_carried_over() {
        assert_eq!(to_fish("gs", "git status -sb").as_deref(), Some("git status -sb"));
        assert_eq!(to_fish("ls", "ls --color=auto").as_deref(), Some("command ls --color=auto"));
        assert_eq!(to_fish("cd", "cd -P").as_deref(), Some("builtin cd -P"));
        assert_eq!(
            to_fish("v", "cd ~/x && source .venv/bin/activate").as_deref(),
            Some("cd ~/x && source .venv/bin/activate.fish")
        );
        assert_eq!(
            to_fish("e", "echo 'a $(b)'; echo \"$HOME\"").as_deref(),
            Some("echo 'a $(b)'; echo \"$HOME\"")
        );
    }

    #[test]
    fn the_rest_is_refused_not_guessed() {
        for body in [
            "",
            "a $(b)",
            "a `b`",
            "a $x",
            "a \"${x}\"",
            "a \\n",
            "A=1 b",
            "a &",
            "a; ",
            "&& a",
            "a > f",
            "a *.py",
            "for x in y; do z; done",
            "a 'b",
            "a\nb",
            "! a",
            "a \"$(b)\"",
            "a $?",
            "(a)",
            "a && ",
            "a #b",
            "{ a; }",
        ] {
            assert_eq!(to_fish("n", body), None, "{body:?}");
        }
    }

    #[test]
    fn arguments_go_to_the_last_command() {
        assert_eq!(with_arguments("ls -l"), "ls -l $argv");
        assert_eq!(with_arguments("ls $argv | head"), "ls $argv | head");
        assert_eq!(with_arguments("a; and b\n"), "a; and b $argv");
        assert_eq!(with_arguments("begin\na\nend"), "begin\na\nend");
    }
}
