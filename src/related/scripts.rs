//! JavaScript and TypeScript, whatever runs the tests: which changes a module graph knows of, and how a tool is started.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Asked, Changed, Parts, name_of};
use crate::base::text::printable;

/// What starts an installed tool.
const STARTERS: [&[&str]; 5] = [&["npx"], &["pnpm", "exec"], &["yarn", "run"], &["yarn"], &["bunx"]];

/// Ends of the names of files that modules are made of.
const MODULES: [&str; 8] = [".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts"];

/// The longest list of names that a command is given, in bytes.
const LONGEST: usize = 512 << 10;

/// How many reasons are told of.
const REASONS: usize = 5;

/// The words after the tool, when a command starts it, by whatever starter.
pub(super) fn after<'a>(words: &'a [&'a str], tool: &str) -> Option<&'a [&'a str]> {
    let rest = STARTERS.iter().find_map(|starter| words.strip_prefix(*starter)).unwrap_or(words);
    let (first, rest) = rest.split_first()?;
    (*first == tool || *first == format!("node_modules/.bin/{tool}")).then_some(rest)
}

/// The words up to the tool, with it.
pub(super) fn up_to<'a>(words: &'a [&'a str], tool: &str) -> &'a [&'a str] {
    let rest = after(words, tool).map_or(0, <[&str]>::len);
    &words[..words.len() - rest]
}

/// Why a module graph cannot say what these changes affect; `None` when it can.
pub(super) fn unknown(changed: &[Changed]) -> Option<String> {
    let is_known = |changed: &Changed| {
        let name = name_of(&changed.path);
        let is_setting =
            name.starts_with('.') || name.contains(".config.") || name.to_lowercase().contains("setup");
        let is_mock = changed.path.split('/').any(|part| part == "__mocks__");
        let is_module = MODULES.iter().any(|end| name.ends_with(end));
        changed.is_there && is_module && !is_setting && !is_mock
    };
    let one = changed.iter().find(|one| !is_known(one))?;
    let path = printable(&one.path);
    Some(if one.is_there {
        format!("{path} changed, which the imports do not show")
    } else {
        format!("{path} is gone")
    })
}

/// The changed files as a tool is given them.
pub(super) fn paths(asked: &Asked<'_>) -> Vec<String> {
    let full = |changed: &Changed| asked.root.join(&changed.path).to_string_lossy().into_owned();
    asked.changed.iter().map(full).collect()
}

/// The reasons: the tool says what is affected, not by which way.
fn reasons(asked: &Asked<'_>) -> Vec<String> {
    asked
        .changed
        .iter()
        .take(REASONS)
        .map(|changed| format!("{} changed", printable(&changed.path)))
        .collect()
}

/// Names of files as a tool says them, for a command that runs in `cwd`; `None` when they are too many for one.
fn names(files: &[&String], cwd: &Path) -> Option<Vec<String>> {
    let inside = |file: &&String| {
        // What begins with a dash would be an option.
        let inside = Path::new(file).strip_prefix(cwd).ok().and_then(Path::to_str);
        let inside = inside.filter(|inside| !inside.starts_with('-'));
        inside.map_or_else(|| (*file).clone(), str::to_owned)
    };
    let names: Vec<String> = files.iter().map(inside).collect();
    (names.iter().map(|name| name.len() + 1).sum::<usize>() < LONGEST).then_some(names)
}

/// Divides the tests that there are by those that a tool calls related.
pub(super) fn parts(asked: &Asked<'_>, related: &[String], all: &[String]) -> Result<Parts, String> {
    let related: BTreeSet<&String> = related.iter().collect();
    let all: BTreeSet<&String> = all.iter().collect();
    if related.is_empty() {
        let path = asked.changed.first().map_or("", |changed| changed.path.as_str());
        return Err(format!("no test is known to import {}", printable(path)));
    }
    let (affected, rest): (Vec<&String>, Vec<&String>) =
        all.iter().partition(|file| related.contains(**file));
    let names = |files: &[&String]| names(files, asked.cwd).ok_or("there are too many test files to name");
    Ok(Parts { affected: names(&affected)?, rest: names(&rest)?, because: reasons(asked) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_found_behind_what_starts_it() {
        let words = ["pnpm", "exec", "vitest", "run"];
        assert_eq!(after(&words, "vitest"), Some(&["run"][..]));
        assert_eq!(up_to(&words, "vitest"), ["pnpm", "exec", "vitest"]);
        assert_eq!(after(&words, "jest"), None);
        assert_eq!(after(&["npx"], "jest"), None);
    }

    #[test]
    fn only_modules_that_are_there_have_a_place_in_the_graph() {
        let why = |path: &str, is_there| unknown(&[Changed { path: path.into(), is_there }]);
        for known in ["src/a.ts", "b.test.mjs", "lib/c.jsx"] {
            assert_eq!(why(known, true), None);
            assert_eq!(why(known, false), Some(format!("{known} is gone")));
        }
        let others = [
            "package.json",
            "data/a.json",
            "vite.config.ts",
            ".eslintrc.js",
            "test/setupTests.js",
            "src/__mocks__/a.js",
        ];
        for other in others {
            assert!(why(other, true).is_some(), "{other}");
        }
    }

    #[test]
    fn tests_are_named_from_where_the_command_runs_and_never_as_options() {
        let files = ["/p/web/a.test.js", "/p/web/-b.test.js", "/p/c.test.js"].map(str::to_owned);
        let named = |files: &[String]| names(&files.iter().collect::<Vec<_>>(), Path::new("/p/web"));
        assert_eq!(named(&files).unwrap(), ["a.test.js", "/p/web/-b.test.js", "/p/c.test.js"]);
        assert_eq!(named(&vec!["/p/web/x".repeat(100); 10_000]), None);
    }
}
