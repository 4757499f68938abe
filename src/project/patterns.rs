//! The patterns that say which files a stage depends on.
//!
//! A pattern is matched against paths from the project's root, whole: `train.py` is the one beside `devboot.toml`.
//! `*` and `?` stay within one name, `**` is any directories, `[a-z]` and `{a,b}` are choices, `\` takes a character as
//! it is. What matches a directory takes all that is in it. A later pattern wins over an earlier one; `!` in front takes
//! away. A pattern that begins with `**` is *wide*: it never takes what a stage makes, nor `devboot.toml` itself.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::names;

/// A pattern that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPattern(pub String);

/// How a path was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Not at all.
    No,
    /// By a wide pattern.
    Widely,
    /// By a pattern that begins with a name or a part of one.
    ByName,
}

/// Several patterns, ready for use.
#[derive(Clone, Debug)]
pub struct Patterns {
    rows: Vec<Row>,
    /// Two globs a row: what it matches, and what is in the directories that it matches.
    set: GlobSet,
    /// The row of each glob of `reach`.
    reach_rows: Vec<usize>,
    /// The beginnings of each row that takes by name.
    reach: GlobSet,
}

#[derive(Clone, Debug)]
struct Row {
    text: String,
    takes: bool,
    wide: bool,
}

/// A pattern in its plainest form: no `./`, no doubled or final `/`, no final `/**`; the root is `**`.
///
/// # Errors
/// It leads out of the project, or is none.
pub fn normal(text: &str) -> Result<String, BadPattern> {
    let (mark, rest) = text.strip_prefix('!').map_or(("", text), |rest| ("!", rest));
    let mut path = names::path(rest).map_err(BadPattern)?;
    while let Some(dir) = path.strip_suffix("/**") {
        path = dir.to_owned();
    }
    if path.is_empty() {
        path = "**".into();
    }
    glob(&path)?;
    Ok(format!("{mark}{path}"))
}

fn glob(text: &str) -> Result<globset::Glob, BadPattern> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| BadPattern(format!("'{text}' is no pattern: {}", error.kind())))
}

/// Whether a pattern, `!` taken away, is a path as it stands.
fn is_literal(text: &str) -> bool {
    !text.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

impl Patterns {
    /// Makes patterns ready.
    ///
    /// # Errors
    /// The first that is none.
    pub fn new(texts: &[String]) -> Result<Self, BadPattern> {
        let mut rows = Vec::new();
        let (mut set, mut reach) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        let mut reach_rows = Vec::new();
        for text in texts {
            let text = normal(text)?;
            let (takes, text) = text.strip_prefix('!').map_or((true, text.as_str()), |rest| (false, rest));
            let wide = text.starts_with("**");
            let inside = format!("{text}/**");
            set.add(glob(text)?).add(glob(&inside)?);
            // What is made where the pattern only begins, or in what it takes, can be taken by it.
            let begins = text.match_indices('/').map(|(at, _)| &text[..at]).chain([text, inside.as_str()]);
            for begin in begins.filter(|begin| !wide && (takes || begin.len() >= text.len())) {
                if let Ok(glob) = glob(begin) {
                    reach.add(glob);
                    reach_rows.push(rows.len());
                }
            }
            rows.push(Row { text: text.to_owned(), takes, wide });
        }
        let built = |set: GlobSetBuilder| set.build().map_err(|error| BadPattern(error.to_string()));
        Ok(Self { rows, set: built(set)?, reach_rows, reach: built(reach)? })
    }

    /// How a path is taken.
    pub fn take(&self, path: &str) -> Taken {
        // Most stages depend on everything.
        if let [row] = self.rows.as_slice()
            && row.takes
            && row.text == "**"
        {
            return Taken::Widely;
        }
        match self.set.matches(path).last().and_then(|glob| self.rows.get(glob / 2)) {
            Some(Row { takes: true, wide: true, .. }) => Taken::Widely,
            Some(Row { takes: true, wide: false, .. }) => Taken::ByName,
            _ => Taken::No,
        }
    }

    /// Whether a file that is made, or something in a directory that is made, can be taken by name.
    pub fn reaches(&self, made: &str) -> bool {
        let rows = self.reach.matches(made);
        rows.last().and_then(|glob| self.rows.get(self.reach_rows[*glob])).is_some_and(|row| row.takes)
    }

    /// The paths that are named as they are, of files or directories.
    pub fn literals(&self) -> impl Iterator<Item = &str> {
        let named = |row: &&Row| row.takes && is_literal(&row.text) && self.take(&row.text) != Taken::No;
        self.rows.iter().filter(named).map(|row| row.text.as_str())
    }

    /// For each pattern that begins with the whole name of a file or directory, the path up to its first wildcard, and
    /// whether that is the whole pattern.
    pub fn places(&self) -> impl Iterator<Item = (&str, bool)> {
        self.rows.iter().filter(|row| row.takes && !row.wide).filter_map(|row| {
            if is_literal(&row.text) {
                return Some((row.text.as_str(), true));
            }
            let wild = row.text.split('/').take_while(|part| is_literal(part));
            let length: usize = wild.map(|part| part.len() + 1).sum();
            (length > 0).then(|| (&row.text[..length - 1], false))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(texts: &[&str]) -> Patterns {
        Patterns::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn paths_are_taken_from_the_root_and_the_last_pattern_wins() {
        use Taken::{ByName, No, Widely};
        for (texts, path, expected) in [
            (&["train.py"][..], "train.py", ByName),
            (&["train.py"], "src/train.py", No),
            (&["*.py"], "src/train.py", No),
            (&["**/*.py"], "src/train.py", Widely),
            (&["**/*.py"], "train.py", Widely),
            (&["data"], "data/a/b.csv", ByName),
            (&["data/"], "data/a/b.csv", ByName),
            (&["data/**"], "data/a/b.csv", ByName),
            (&["data"], "database", No),
            (&["data/*.csv"], "data/a.csv", ByName),
            (&["data/*.csv"], "data/a/b.csv", No),
            (&["data/*"], "data/a/b.csv", ByName),
            (&["{a,b}.txt"], "b.txt", ByName),
            (&["**", "!docs"], "docs/a.md", No),
            (&["**", "!docs", "docs/a.md"], "docs/a.md", ByName),
            (&["."], "anything/at/all", Widely),
            (&["!x"], "y", No),
            (&["./a//b"], "a/b", ByName),
            (&["a\\*"], "a*", ByName),
            (&["a\\*"], "ab", No),
            (&[], "a", No),
        ] {
            assert_eq!(patterns(texts).take(path), expected, "{texts:?} {path}");
        }
    }

    #[test]
    fn what_is_made_is_reached_by_name_only() {
        for (texts, made, expected) in [
            (&["data/*.csv"][..], "data/a.csv", true),
            (&["data/*.csv"], "data", true),
            (&["data/*.csv"], "data/raw", false),
            (&["data/**/x.csv"], "data/raw", true),
            (&["data"], "data/raw/x", true),
            (&["data/raw/x.csv"], "data", true),
            (&["model-*.pkl"], "model-0.1.pkl", true),
            (&["**/*.csv"], "data/a.csv", false),
            (&["data/*.csv", "!data/a.csv"], "data/a.csv", false),
            (&["data", "!data/a.csv"], "data", true),
        ] {
            assert_eq!(patterns(texts).reaches(made), expected, "{texts:?} {made}");
        }
    }

    #[test]
    fn places_and_literals() {
        let patterns = patterns(&["a/b.txt", "data/**/x.csv", "*.md", "**/*.py", "!no", "c[d]/e"]);
        assert_eq!(patterns.literals().collect::<Vec<_>>(), ["a/b.txt"]);
        assert_eq!(patterns.places().collect::<Vec<_>>(), [("a/b.txt", true), ("data", false)]);
    }

    #[test]
    fn patterns_that_are_none_are_refused() {
        for text in ["", "../x", "/etc/*", "a[", "{a", "a\n", "!", "!/x", "~/x"] {
            assert!(Patterns::new(&[text.to_owned()]).is_err(), "{text:?}");
        }
        let large = format!("{{{}}}", vec!["a"; 50_000].join(","));
        let _ = Patterns::new(&[large]);
    }
}
