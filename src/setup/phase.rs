//! The phases of setup, in order.

use std::fmt;
use std::str::FromStr;

use crate::base::text::nearest;

/// One phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Find out where we are.
    Host,
    /// Read the profiles, compare, show.
    Plan,
    /// Files, blocks, links.
    Home,
    /// Clone oh-my-zsh, awesome vim and their like.
    Kits,
    /// Clone repositories, lay out starters.
    Repos,
    /// Make Python environments.
    Python,
    /// Run the repositories' tests.
    Tests,
    /// The background service.
    Service,
}

impl Phase {
    /// All phases with what `--help` says of them, in the order in which they run.
    pub const ALL: [(Phase, &'static str, &'static str); 8] = [
        (Phase::Host, "host", "find out where we are"),
        (Phase::Plan, "plan", "read the profiles and compare"),
        (Phase::Home, "home", "write files, blocks and links"),
        (Phase::Kits, "kits", "clone oh-my-zsh, awesome vim and their like"),
        (Phase::Repos, "repos", "clone repositories, lay out starters"),
        (Phase::Python, "python", "make Python environments"),
        (Phase::Tests, "tests", "run the repositories' own tests"),
        (Phase::Service, "service", "the background service"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(phase, _, _)| *phase == self).map_or("", |(_, name, _)| name)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Phase {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.iter().map(|(_, name, _)| *name);
        match Self::ALL.iter().find(|(_, name, _)| *name == text) {
            Some((phase, _, _)) => Ok(*phase),
            None => Err(match nearest(text, names()) {
                Some(near) => format!("no such phase; did you mean '{near}'?"),
                None => format!("no such phase; there are {}", names().collect::<Vec<_>>().join(", ")),
            }),
        }
    }
}

/// Which phases a run has: all, some, or all but some. Host and plan are always there.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these.
    pub only: Vec<Phase>,
    /// Not these.
    pub skip: Vec<Phase>,
}

impl Selection {
    /// Whether the phase runs.
    pub fn has(&self, phase: Phase) -> bool {
        phase <= Phase::Plan
            || (self.only.is_empty() || self.only.contains(&phase)) && !self.skip.contains(&phase)
    }

    /// Whether the phase was asked for by name.
    pub fn names(&self, phase: Phase) -> bool {
        self.only.contains(&phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_and_skip() {
        let selection = Selection { only: vec![Phase::Home, Phase::Kits], skip: vec![Phase::Kits] };
        assert!(selection.has(Phase::Plan) && selection.has(Phase::Home));
        assert!(!selection.has(Phase::Kits) && !selection.has(Phase::Tests));
        assert!(Selection::default().has(Phase::Service));
    }

    #[test]
    fn every_phase_parses_from_its_name() {
        for (phase, name, _) in Phase::ALL {
            assert_eq!(name.parse(), Ok(phase));
        }
        assert!("pyton".parse::<Phase>().unwrap_err().contains("'python'"));
    }
}
