//! Which Python a repository gets: from what its files say, what its pins exist for, and what the machine has. Pure.

use std::collections::BTreeMap;

use super::evidence::{Finding, Rank, Says};
use super::index::{Fit, Pin};
use super::interpreter::{Interpreter, Inventory};
use super::version::Minor;

/// A Python and why it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which one.
    pub python: Interpreter,
    /// Why, in a sentence.
    pub why: String,
    /// The version that the files ask for, when it is not on this machine.
    pub missing: Option<Minor>,
    /// The version that a file states, and which file.
    pub asked: Option<(Minor, String)>,
}

/// Chooses; `None` when the machine has no Python 3.
///
/// What the project or its pins exclude is out. Of the rest a version that a file states wins, the strongest kind of
/// statement first; then the one that most pins have wheels for; then one of a matrix; then the machine's own.
pub fn choose(inventory: &Inventory, findings: &[Finding], pins: &[Pin]) -> Option<Choice> {
    let asked = stated(findings).first().map(|(minor, finding)| (*minor, finding.file.clone()));
    chosen(inventory, findings, pins).map(|choice| Choice { asked, ..choice })
}

fn chosen(inventory: &Inventory, findings: &[Finding], pins: &[Pin]) -> Option<Choice> {
    let own = inventory.own()?;
    let allowed: Vec<Minor> =
        inventory.minors().into_iter().filter(|minor| exclusion(*minor, findings, pins).is_none()).collect();
    let stated = stated(findings);
    // The best statement that can be followed here.
    let followed = stated.iter().find(|(minor, _)| allowed.contains(minor));
    if let Some((minor, finding)) = followed {
        let overruled = stated.iter().take_while(|(other, _)| other != minor).find_map(|(other, finding)| {
            exclusion(*other, findings, pins)
                .map(|why| format!("{} says {other}, but {why}; ", place(finding)))
        });
        let why = format!(
            "{}{} says {minor}{}",
            overruled.unwrap_or_default(),
            place(finding),
            wheels(*minor, pins)
        );
        return made(inventory, *minor, why, None);
    }
    let missing =
        stated.iter().map(|(minor, _)| *minor).find(|minor| exclusion(*minor, findings, pins).is_none());
    let best = allowed.iter().copied().max_by_key(|minor| {
        let named = findings.iter().any(|finding| finding.says == Says::Version(*minor));
        let near = missing.map_or(0, |missing| -(i64::from(missing.1) - i64::from(minor.1)).abs());
        let is_own = own.minor() == Some(*minor);
        (with_wheels(*minor, pins), near, named, is_own, minor.1)
    });
    let Some(minor) = best else {
        // Nothing that is here will do; the machine's own shows it best.
        let minor = own.minor()?;
        let reason = exclusion(minor, findings, pins).unwrap_or_default();
        let why = format!("none that is here fits: {reason}");
        return made(inventory, minor, why, missing.or_else(|| fitting(findings, pins)));
    };
    let ground = match &missing {
        Some(missing) => {
            let finding =
                stated.iter().find(|(minor, _)| minor == missing).map(|(_, finding)| place(finding));
            format!(
                "{} says {missing}, which is not here (uv python install {missing})",
                finding.unwrap_or_default()
            )
        }
        None => match findings.iter().find(|finding| finding.says == Says::Version(minor)) {
            Some(finding) => format!("{} names it", place(finding)),
            None if own.minor() == Some(minor) => match ranges(findings) {
                Some(range) => format!("the machine's own, and {range}"),
                None => "the machine's own, for nothing asks for another".to_owned(),
            },
            None => own.minor().and_then(|own| exclusion(own, findings, pins)).map_or_else(
                || "most of its pins have wheels for it".to_owned(),
                |why| format!("the machine's own does not do: {why}"),
            ),
        },
    };
    made(inventory, minor, format!("{ground}{}", wheels(minor, pins)), missing)
}

fn made(inventory: &Inventory, minor: Minor, why: String, missing: Option<Minor>) -> Option<Choice> {
    Some(Choice { python: inventory.of(minor)?.clone(), why, missing, asked: None })
}

/// A version that would do, were it here: one that most pins have wheels for.
fn fitting(findings: &[Finding], pins: &[Pin]) -> Option<Minor> {
    let fits =
        (6..=20).map(|minor| Minor(3, minor)).filter(|minor| exclusion(*minor, findings, pins).is_none());
    fits.max_by_key(|minor| (with_wheels(*minor, pins), minor.1))
}

/// Versions that single statements name, the strongest first; of one rank the one that most files name, then the
/// newest.
fn stated(findings: &[Finding]) -> Vec<(Minor, &Finding)> {
    let mut count: BTreeMap<(Rank, Minor), (usize, &Finding)> = BTreeMap::new();
    for finding in findings {
        if let (Says::Version(minor), true) = (&finding.says, finding.rank >= Rank::Deployed) {
            count.entry((finding.rank, *minor)).or_insert((0, finding)).0 += 1;
        }
    }
    let mut all: Vec<_> = count.iter().map(|((rank, minor), (count, _))| (*rank, *count, *minor)).collect();
    all.sort_by_key(|one| std::cmp::Reverse(*one));
    let first = |(rank, _, minor)| count.get(&(rank, minor)).map(|(_, finding)| (minor, *finding));
    all.into_iter().filter_map(first).collect()
}

/// Why a version cannot be it.
fn exclusion(minor: Minor, findings: &[Finding], pins: &[Pin]) -> Option<String> {
    let by_range = findings.iter().find_map(|finding| match &finding.says {
        Says::Range(range) if !range.admits(minor) => Some(format!("{} says {range}", place(finding))),
        _ => None,
    });
    let by_pin = || {
        let pin = pins.iter().find(|pin| pin.applies(minor) && pin.fit(minor) == Fit::No)?;
        Some(match &pin.requires {
            Some(range) => format!("{}=={} needs Python {range}", pin.name, pin.version),
            None => format!("{}=={} has nothing for it", pin.name, pin.version),
        })
    };
    by_range.or_else(by_pin)
}

fn with_wheels(minor: Minor, pins: &[Pin]) -> usize {
    // What is not asked for with this version stands in no one's way.
    pins.iter().filter(|pin| !pin.applies(minor) || pin.fit(minor) == Fit::Wheel).count()
}

/// `, and 14 of 14 pins have wheels for it`.
fn wheels(minor: Minor, pins: &[Pin]) -> String {
    let asked: Vec<Pin> = pins.iter().filter(|pin| pin.applies(minor)).cloned().collect();
    if asked.is_empty() {
        return String::new();
    }
    format!(", and {} of {} pins have wheels for it", with_wheels(minor, &asked), asked.len())
}

fn ranges(findings: &[Finding]) -> Option<String> {
    findings.iter().find_map(|finding| match &finding.says {
        Says::Range(range) => Some(format!("{} says {range}", place(finding))),
        Says::Version(_) => None,
    })
}

fn place(finding: &Finding) -> String {
    format!("{} line {}", finding.file, finding.line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repos::python::evidence::findings;
    use std::collections::BTreeSet;

    fn machine(minors: &[u32], own: u32) -> Inventory {
        let all: Vec<Interpreter> = minors
            .iter()
            .map(|minor| Interpreter {
                program: format!("/py/3.{minor}").into(),
                version: format!("3.{minor}.1"),
                platform: "x".into(),
                venv: true,
            })
            .collect();
        let own = all.iter().position(|python| python.minor() == Some(Minor(3, own)));
        Inventory { all, own }
    }

    fn pin(name: &str, requires: &str, minors: &[u32]) -> Pin {
        Pin {
            name: name.into(),
            version: "1".into(),
            requires: Some(requires.into()),
            any: false,
            minors: minors.iter().copied().collect::<BTreeSet<u32>>(),
            stable_from: None,
            source: true,
            only: None,
        }
    }

    fn chosen_of(files: &[(&str, &str)], pins: &[Pin], minors: &[u32]) -> (String, String, Option<Minor>) {
        let found: Vec<Finding> = files.iter().flat_map(|(file, text)| findings(file, text)).collect();
        let choice = choose(&machine(minors, 11), &found, pins).unwrap();
        (choice.python.version, choice.why, choice.missing)
    }

    const ALL: &[u32] = &[6, 7, 8, 9, 10, 11, 12];

    #[test]
    fn what_a_file_states_is_taken() {
        let (version, why, _) =
            chosen_of(&[("Dockerfile", "FROM python:3.8\n")], &[pin("a", ">=3.6", &[7, 8])], ALL);
        assert_eq!(version, "3.8.1");
        assert_eq!(why, "Dockerfile line 1 says 3.8, and 1 of 1 pins have wheels for it");
        let (version, _, _) =
            chosen_of(&[("Dockerfile", "FROM python:3.8\n"), (".python-version", "3.9\n")], &[], ALL);
        assert_eq!(version, "3.9.1", "the project's own pin is stronger");
        let flow = |version| (".github/workflows/a.yml", version);
        let files =
            [flow("python-version: 3.6"), flow("python-version: 3.7"), ("app.yaml", "runtime: python37")];
        assert_eq!(chosen_of(&files, &[], ALL).0, "3.7.1", "most files name it");
    }

    #[test]
    fn a_pin_overrules_a_file() {
        let files = [("app.yaml", "runtime: python37\n"), ("README.md", "Python 3.7\n")];
        let (version, why, missing) = chosen_of(&files, &[pin("numpy", ">=3.8", &[8, 9])], ALL);
        assert_eq!((version.as_str(), missing), ("3.9.1", None));
        assert!(why.contains("numpy==1 needs Python >=3.8") || why.contains("wheels"), "{why}");
        let files = [("app.yaml", "runtime: python37\n"), ("Dockerfile", "FROM python:3.8\n")];
        let (version, why, _) = chosen_of(&files, &[pin("numpy", ">=3.8", &[8, 9])], ALL);
        assert_eq!(version, "3.8.1");
        assert!(
            why.starts_with("Dockerfile line 1 says 3.8") || why.contains("app.yaml line 1 says 3.7, but"),
            "{why}"
        );
    }

    #[test]
    fn wheels_decide_where_nothing_is_stated() {
        let (version, why, _) =
            chosen_of(&[], &[pin("a", ">=3.6", &[7, 8]), pin("b", ">=3.6", &[8, 9])], ALL);
        assert_eq!(
            (version.as_str(), why.as_str()),
            ("3.8.1", "most of its pins have wheels for it, and 2 of 2 pins have wheels for it")
        );
        let (version, why, _) = chosen_of(&[], &[], ALL);
        assert_eq!(
            (version.as_str(), why.as_str()),
            ("3.11.1", "the machine's own, for nothing asks for another")
        );
        let (version, why, _) =
            chosen_of(&[("pyproject.toml", "[project]\nrequires-python = '>=3.9'\n")], &[], ALL);
        assert_eq!(
            (version.as_str(), why.as_str()),
            ("3.11.1", "the machine's own, and pyproject.toml line 2 says >=3.9")
        );
        let (version, _, _) =
            chosen_of(&[("pyproject.toml", "[project]\nrequires-python = '<3.10'\n")], &[], ALL);
        assert_eq!(version, "3.9.1");
    }

    #[test]
    fn a_pin_counts_for_the_pythons_that_it_is_asked_for() {
        let of = |only: &str, pin: Pin| Pin { only: Some(only.into()), ..pin };
        let pins = [of("<3.9", pin("numpy", ">=3.7", &[7, 8])), of(">=3.9", pin("numpy", ">=3.9", &[9, 10]))];
        let files = [("Dockerfile", "FROM python:3.8\n")];
        let (version, why, _) = chosen_of(&files, &pins, ALL);
        assert_eq!(version, "3.8.1");
        assert_eq!(why, "Dockerfile line 1 says 3.8, and 1 of 1 pins have wheels for it");
        assert_eq!(chosen_of(&[], &pins, ALL).0, "3.10.1", "the newest that all of its pins have wheels for");
    }

    #[test]
    fn what_is_not_here_is_said_with_what_to_install() {
        let (version, why, missing) = chosen_of(&[("Dockerfile", "FROM python:3.8\n")], &[], &[6, 10, 11]);
        assert_eq!((version.as_str(), missing), ("3.10.1", Some(Minor(3, 8))));
        assert_eq!(why, "Dockerfile line 1 says 3.8, which is not here (uv python install 3.8)");
        let (version, why, missing) = chosen_of(&[], &[pin("old", "<3.9", &[7, 8])], &[11, 12]);
        assert_eq!((version.as_str(), missing), ("3.11.1", Some(Minor(3, 8))));
        assert!(why.contains("old==1 needs Python <3.9"), "{why}");
        assert_eq!(choose(&Inventory::default(), &[], &[]), None);
    }
}
