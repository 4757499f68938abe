//! The text that switches a shell's cloud credentials, and back: what `devboot use` prints for the function of the same
//! name in `dotfiles/shell/use.*`, which keeps what there was before. Pure.

use super::dialect::{Dialect, Shell};

/// The first line of a text that the shell's function carries out; anything else it prints.
pub const MARK: &str = "# devboot use 1";

/// What a shell keeps for itself about the switch, not exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The profile before this one, for `use -`; `None` leaves what is known.
    pub previous: Option<String>,
    /// The profile that is active because of the directory; empty for none.
    pub auto: String,
    /// The profile that was active before that; empty for none.
    pub before: String,
}

/// One variable: its name, and its value or `None` to take it away.
pub type Change<'a> = (&'a str, Option<&'a str>);

/// A switch.
#[derive(Clone, Debug, Default)]
pub struct Steps<'a> {
    /// What another shell's switch has left in the environment, which nobody here can give back: it is taken away, and what
    /// is kept is what there is without it.
    pub inherited: &'a [&'a str],
    /// What changes.
    pub changes: &'a [Change<'a>],
    /// What the shell keeps for itself.
    pub own: Own,
    /// What is printed when all is done.
    pub output: Option<String>,
}

/// The text of a switch. First everything is as it was before any switch, then the variables' values are kept, then they change.
/// Names are of the list in `base/env_vars.rs`; values are any text without NUL.
pub fn switch(shell: Shell, steps: &Steps<'_>) -> String {
    let dialect = shell.dialect();
    let names: Vec<&str> = steps.changes.iter().map(|(name, _)| *name).collect();
    let mut lines = vec![MARK.to_owned(), "_devboot_back".to_owned()];
    lines.extend(steps.inherited.iter().map(|name| match shell {
        // What is universal shows again: it is there without the switch, too.
        Shell::Fish => format!("set -eg {name}"),
        _ => dialect.unset_env(name),
    }));
    if !names.is_empty() {
        lines.push(format!("_devboot_keep {}", names.join(" ")));
    }
    for (name, value) in steps.changes {
        lines.push(match value {
            Some(value) => dialect.set_env(name, value),
            None => dialect.unset_env(name),
        });
    }
    lines.extend(own_lines(shell, dialect, &steps.own));
    if let Some(output) = &steps.output {
        let printf = if shell == Shell::Fish { "printf" } else { "\\builtin printf" };
        lines.push(format!("{printf} '%s\\n' {}", dialect.quote(output)));
    }
    if shell == Shell::Fish {
        // Nothing that fish sets changes the status that an earlier line has left.
        lines.push("true".to_owned());
    }
    lines.join("\n") + "\n"
}

fn own_lines(shell: Shell, dialect: &dyn Dialect, own: &Own) -> Vec<String> {
    let set = |name: &str, value: &str| match shell {
        Shell::Fish => format!("set -g {name} {}", dialect.quote(value)),
        _ => format!("{name}={}", dialect.quote(value)),
    };
    let previous = own.previous.as_ref().map(|previous| set("_devboot_previous", previous));
    previous
        .into_iter()
        .chain([set("_devboot_auto", &own.auto), set("_devboot_before", &own.before)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_gives_back_keeps_and_changes_in_this_order() {
        let own = Own { previous: Some("old".into()), ..Own::default() };
        let steps = Steps {
            inherited: &["A"],
            changes: &[("A", Some("x 'y'")), ("B", None)],
            own,
            output: Some("{}".into()),
        };
        let text = switch(Shell::Bash, &steps);
        assert_eq!(
            text,
            "# devboot use 1\n_devboot_back\n\\builtin unset -v A\n_devboot_keep A B\n\
             \\builtin export A='x '\\''y'\\'''\n\\builtin unset -v B\n\
             _devboot_previous='old'\n_devboot_auto=''\n_devboot_before=''\n\\builtin printf '%s\\n' '{}'\n"
        );
        let off = switch(Shell::Fish, &Steps::default());
        assert_eq!(
            off,
            "# devboot use 1\n_devboot_back\nset -g _devboot_auto ''\nset -g _devboot_before ''\ntrue\n"
        );
    }
}
