//! vitest: what depends on what, by its own module graph.

use serde::Deserialize;

use super::{Asked, Parts, Tool, scripts};
use crate::run::event::Portion;

/// `vitest run`.
pub(super) struct Vitest;

/// What `vitest.mjs` says.
#[derive(Deserialize)]
struct Answer {
    related: Vec<String>,
    all: Vec<String>,
    coverage: bool,
}

impl Tool for Vitest {
    fn name(&self) -> &'static str {
        "vitest"
    }

    fn portion(&self) -> Portion {
        Portion::File
    }

    fn is_plain(&self, words: &[&str]) -> bool {
        matches!(scripts::after(words, "vitest"), Some(["run" | "--run"]))
    }

    fn has_choice(&self, _: &mut dyn Iterator<Item = &str>) -> bool {
        true
    }

    fn questions(&self, asked: &Asked<'_>) -> Result<Vec<Vec<String>>, String> {
        if let Some(why) = scripts::unknown(asked.changed) {
            return Err(why);
        }
        let mut words = ["node", "--input-type=module", "-e", include_str!("vitest.mjs"), "--"]
            .map(str::to_owned)
            .to_vec();
        words.extend(scripts::paths(asked));
        Ok(vec![words])
    }

    fn answer(&self, asked: &Asked<'_>, answers: &[Vec<u8>]) -> Result<Parts, String> {
        // What the project's configuration prints comes before it.
        let lines =
            answers.first().map(|answer| String::from_utf8_lossy(answer).into_owned()).unwrap_or_default();
        let answer: Answer = lines
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str(line).ok())
            .ok_or("vitest did not say what is affected")?;
        if answer.coverage {
            return Err("vitest measures the coverage of all tests together".into());
        }
        scripts::parts(asked, &answer.related, &answer.all)
    }

    fn command(&self, words: &[&str], part: &[String]) -> Vec<String> {
        let words = scripts::up_to(words, "vitest").iter().map(|word| (*word).to_owned());
        words.chain(["run".to_owned()]).chain(part.iter().cloned()).collect()
    }
}
