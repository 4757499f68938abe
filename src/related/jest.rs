//! jest: what depends on what, by its own map of the modules.

use super::{Asked, Parts, Tool, scripts};
use crate::run::event::Portion;

/// `jest`.
pub(super) struct Jest;

/// Files that may hold its settings.
const SETTINGS: [&str; 7] = [
    "package.json",
    "jest.config.js",
    "jest.config.cjs",
    "jest.config.mjs",
    "jest.config.ts",
    "jest.config.cts",
    "jest.config.json",
];

impl Tool for Jest {
    fn name(&self) -> &'static str {
        "jest"
    }

    fn portion(&self) -> Portion {
        Portion::File
    }

    fn is_plain(&self, words: &[&str]) -> bool {
        scripts::after(words, "jest").is_some_and(|rest| rest.iter().all(|word| *word == "--ci"))
    }

    fn has_choice(&self, _: &mut dyn Iterator<Item = &str>) -> bool {
        true
    }

    fn questions(&self, asked: &Asked<'_>) -> Result<Vec<Vec<String>>, String> {
        if let Some(why) = scripts::unknown(asked.changed) {
            return Err(why);
        }
        let measures = |file: &&&str| {
            SETTINGS.contains(&super::name_of(file))
                && (asked.read)(file)
                    .is_none_or(|text| text.contains("collectCoverage") || text.contains("coverageThreshold"))
        };
        if asked.files.iter().any(|file| measures(&file)) {
            return Err("jest measures the coverage of all tests together".into());
        }
        let jest = scripts::up_to(asked.words, "jest").iter().map(|word| (*word).to_owned());
        // Its own look at the files is of now; watchman's may be of a moment before the save.
        let all: Vec<String> = jest.chain(["--listTests", "--no-watchman"].map(str::to_owned)).collect();
        let mut related = all.clone();
        related.push("--findRelatedTests".to_owned());
        related.extend(scripts::paths(asked));
        Ok(vec![related, all])
    }

    fn answer(&self, asked: &Asked<'_>, answers: &[Vec<u8>]) -> Result<Parts, String> {
        // A line for each file; what starts jest may say something, too.
        let files = |at: usize| -> Vec<String> {
            let text = answers.get(at).map(|answer| String::from_utf8_lossy(answer)).unwrap_or_default();
            text.lines().filter(|line| line.starts_with('/')).map(str::to_owned).collect()
        };
        scripts::parts(asked, &files(0), &files(1))
    }

    fn command(&self, words: &[&str], part: &[String]) -> Vec<String> {
        let words = words.iter().map(|word| (*word).to_owned());
        words.chain(["--runTestsByPath".to_owned()]).chain(part.iter().cloned()).collect()
    }
}
