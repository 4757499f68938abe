//! Many names in one piece of memory: a project of a hundred thousand files has as many paths, and each of them as a
//! text of its own would take several times its length.

use std::cmp::Ordering;
use std::ops::Range;

/// Names in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pile {
    text: String,
    /// Where each name ends in the text.
    ends: Vec<u32>,
}

impl Pile {
    /// Adds a name; whether it could be added. It cannot beyond 4 GiB: no project has that many.
    pub fn push(&mut self, name: &str) -> bool {
        let end = self.text.len().checked_add(name.len()).and_then(|end| u32::try_from(end).ok());
        let Some(end) = end else { return false };
        self.text.push_str(name);
        self.ends.push(end);
        true
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The name at a place.
    pub fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let begin = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(begin as usize..end as usize)
    }

    /// All names, as they were added.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

/// Names in the order of their bytes, each of them once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Pile);

impl Names {
    /// Names that come in their order. One that does not come after the one before is left out.
    pub fn sorted<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut this = Self::default();
        for name in names {
            this.push(name.as_ref());
        }
        this.0.text.shrink_to_fit();
        this.0.ends.shrink_to_fit();
        this
    }

    /// Adds a name behind the others; whether it could be added.
    pub fn push(&mut self, name: &str) -> bool {
        self.last().is_none_or(|last| last < name) && self.0.push(name)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name at a place.
    pub fn get(&self, at: usize) -> Option<&str> {
        self.0.get(at)
    }

    fn last(&self) -> Option<&str> {
        self.get(self.len().checked_sub(1)?)
    }

    /// All names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.range(0..self.len())
    }

    /// The names at these places.
    pub fn range(&self, places: Range<usize>) -> impl Iterator<Item = &str> {
        places.map_while(|at| self.get(at))
    }

    /// The place of a name, or the place that it would have.
    pub fn find(&self, name: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle).map_or(Ordering::Greater, |found| found.cmp(name)) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Whether a name is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }
}

impl FromIterator<String> for Names {
    fn from_iter<I: IntoIterator<Item = String>>(names: I) -> Self {
        let mut names: Vec<String> = names.into_iter().collect();
        names.sort_unstable();
        Self::sorted(names)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_does_not_come_in_its_order_is_left_out() {
        let names = Names::sorted(["", "a", "a", "c", "b", "ç"]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["", "a", "c", "ç"]);
        assert_eq!((names.len(), names.get(4)), (4, None));
        assert!(Names::default().is_empty() && !Names::default().contains(""));
    }

    proptest! {
        #[test]
        fn they_are_a_set_in_its_order(set in prop::collection::btree_set("[a-c/é]{0,3}", 0..12), other in "[a-c/é]{0,3}") {
            let names: Names = set.iter().rev().cloned().collect();
            prop_assert_eq!(names.iter().map(str::to_owned).collect::<BTreeSet<_>>(), set.clone());
            prop_assert_eq!(names.len(), set.len());
            prop_assert_eq!(names.contains(&other), set.contains(&other));
            let place = names.find(&other).unwrap_or_else(|place| place);
            prop_assert_eq!(place, set.iter().filter(|name| **name < other).count());
            prop_assert!(names.range(1..3).eq(set.iter().skip(1).take(2).map(String::as_str)));
        }
    }
}
