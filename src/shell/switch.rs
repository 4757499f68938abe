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

/// A switch. First everything is as it was before any switch, then the variables' values are kept, then they change. Names
/// are of the list in `base/env_vars.rs`; values are any text without NUL.
pub fn switch(shell: Shell, changes: &[Change<'_>], own: &Own) -> String {
    let dialect = shell.dialect();
    let names: Vec<&str> = changes.iter().map(|(name, _)| *name).collect();
    let mut lines = vec![MARK.to_owned(), "_devboot_back".to_owned()];
    if !names.is_empty() {
        lines.push(format!("_devboot_keep {}", names.join(" ")));
    }
    for (name, value) in changes {
        lines.push(match value {
            Some(value) => dialect.set_env(name, value),
            None => unset(shell, dialect, name),
        });
    }
    lines.extend(own_lines(shell, dialect, own));
    lines.join("\n") + "\n"
}

/// In fish a variable of the universal scope would show again.
fn unset(shell: Shell, dialect: &dyn Dialect, name: &str) -> String {
    match shell {
        Shell::Fish => format!("set -eg {name}"),
        _ => dialect.unset_env(name),
    }
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
        let text = switch(Shell::Bash, &[("A", Some("x 'y'")), ("B", None)], &own);
        assert_eq!(
            text,
            "# devboot use 1\n_devboot_back\n_devboot_keep A B\n\\builtin export A='x '\\''y'\\'''\n\\builtin unset -v B\n\
             _devboot_previous='old'\n_devboot_auto=''\n_devboot_before=''\n"
        );
        let off = switch(Shell::Fish, &[], &Own::default());
        assert_eq!(
            off,
            "# devboot use 1\n_devboot_back\nset -g _devboot_auto ''\nset -g _devboot_before ''\n"
        );
    }
}
