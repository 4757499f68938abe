//! Packages that depend on each other, and what a change of one affects. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Parts;

/// How many reasons are told of.
const REASONS: usize = 5;

/// The packages of a project.
#[derive(Clone, Debug, Default)]
pub(super) struct Packages {
    /// By name: the names of those that it depends on.
    pub(super) depends: BTreeMap<String, BTreeSet<String>>,
    /// Those whose tests the command runs.
    pub(super) tested: BTreeSet<String>,
}

impl Packages {
    /// Divides the tests. `changed` names packages, each with a file of it that changed.
    pub(super) fn parts(&self, changed: &BTreeMap<String, String>) -> Parts {
        let ways = self.ways(changed);
        let mut affected: Vec<(usize, &String)> =
            self.tested.iter().filter_map(|name| Some((ways.get(name.as_str())?.len(), name))).collect();
        affected.sort_unstable();
        let because = affected.iter().take(REASONS).filter_map(|(_, name)| {
            let way = ways.get(name.as_str())?;
            Some(format!("{} ({} changed)", way.join(" -> "), changed.get(*way.last()?)?))
        });
        Parts {
            because: because.collect(),
            rest: self.tested.iter().filter(|name| !ways.contains_key(name.as_str())).cloned().collect(),
            affected: affected.into_iter().map(|(_, name)| name.clone()).collect(),
        }
    }

    /// The shortest way from each affected package to one that changed.
    fn ways<'a>(&'a self, changed: &'a BTreeMap<String, String>) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (user, used) in &self.depends {
            used.iter().for_each(|used| users.entry(used).or_default().push(user));
        }
        let mut ways: BTreeMap<&str, Vec<&str>> =
            changed.keys().map(|name| (name.as_str(), vec![name.as_str()])).collect();
        let mut waiting: VecDeque<&str> = ways.keys().copied().collect();
        while let Some(used) = waiting.pop_front() {
            for user in users.get(used).into_iter().flatten() {
                if !ways.contains_key(user) {
                    let way = std::iter::once(*user).chain(ways[used].iter().copied()).collect();
                    ways.insert(user, way);
                    waiting.push_back(user);
                }
            }
        }
        ways
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(depends: &[(&str, &[&str])]) -> Packages {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let depends: BTreeMap<String, BTreeSet<String>> =
            depends.iter().map(|(name, used)| ((*name).to_owned(), owned(used))).collect();
        Packages { tested: depends.keys().cloned().collect(), depends }
    }

    #[test]
    fn users_of_what_changed_are_affected_near_ones_first() {
        let found =
            packages(&[("app", &["mid"]), ("mid", &["base"]), ("base", &[]), ("other", &["base", "app"])]);
        let changed = |names: &[&str]| -> BTreeMap<String, String> {
            names.iter().map(|name| ((*name).to_owned(), format!("{name}/x"))).collect()
        };
        let parts = found.parts(&changed(&["mid"]));
        assert_eq!(
            (parts.affected, parts.rest),
            (vec!["mid".into(), "app".into(), "other".into()], vec!["base".into()])
        );
        assert_eq!(parts.because[2], "other -> app -> mid (mid/x changed)");
        assert_eq!(found.parts(&changed(&["base"])).rest, [""; 0]);
        assert_eq!(found.parts(&changed(&["base", "other"])).affected[..2], ["base", "other"]);
        assert_eq!(found.parts(&changed(&[])).affected, [""; 0]);
    }

    #[test]
    fn a_ring_ends_and_only_what_is_tested_is_named() {
        let mut ring = packages(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]);
        ring.tested.remove("b");
        let parts = ring.parts(&[("a".to_owned(), "a/x".to_owned())].into());
        assert_eq!((parts.affected, parts.rest), (vec!["a".to_owned()], vec!["c".to_owned()]));
    }
}
