//! What the watcher knows of its files: the stamp of each, as a number, and of those that were read what they held. Most
//! names are in one list that is shared with whoever works with the project's files; what has come since is beside it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::base::names::{Names, Pile};

/// The files.
#[derive(Debug, Default)]
pub(super) struct Known {
    names: Arc<Names>,
    /// Of each name; [`NONE`]: the file has gone.
    stamps: Vec<u64>,
    /// Of each name, as soon as one is known; [`NONE`]: it is not.
    contents: Vec<u64>,
    gone: usize,
    added: BTreeMap<Box<str>, Row>,
}

/// No stamp and no content has this number.
const NONE: u64 = 0;

#[derive(Clone, Copy, Debug)]
struct Row {
    stamp: u64,
    content: u64,
}

impl Known {
    /// These files with their stamps; one without is not there any more.
    pub fn of(files: &Pile, stamps: &[Option<u64>]) -> Self {
        let stamped = stamps.iter().enumerate().filter(|(_, stamp)| stamp.is_some());
        let mut order: Vec<usize> = stamped.map(|(place, _)| place).collect();
        order.sort_unstable_by_key(|place| files.get(*place));
        order.dedup_by_key(|place| files.get(*place));
        let names = Arc::new(Names::sorted(order.iter().filter_map(|place| files.get(*place))));
        // Not out of the order itself, whose memory would be kept.
        let stamps = order.iter().filter_map(|place| stamps[*place]).collect();
        Self { names, stamps, ..Self::default() }
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.stamps.len() - self.gone + self.added.len()
    }

    fn place(&self, file: &str) -> Option<usize> {
        self.names.find(file).ok().filter(|place| self.stamps[*place] != NONE)
    }

    /// The stamp of a file that is known.
    pub fn stamp(&self, file: &str) -> Option<u64> {
        let listed = self.place(file).map(|place| self.stamps[place]);
        listed.or_else(|| self.added.get(file).map(|row| row.stamp))
    }

    /// A file has this stamp now.
    pub fn set(&mut self, file: &str, stamp: u64) {
        match self.place(file) {
            Some(place) => self.stamps[place] = stamp,
            None => match self.added.get_mut(file) {
                Some(row) => row.stamp = stamp,
                None => drop(self.added.insert(file.into(), Row { stamp, content: NONE })),
            },
        }
    }

    /// A file is there no longer, or matters no longer.
    pub fn remove(&mut self, file: &str) {
        if let Some(place) = self.place(file) {
            self.stamps[place] = NONE;
            self.gone += 1;
            self.set_at(place, NONE);
        }
        self.added.remove(file);
    }

    /// What a file held when it was last read, as a number.
    pub fn content(&self, file: &str) -> Option<u64> {
        let content = match self.place(file) {
            Some(place) => self.contents.get(place).copied(),
            None => self.added.get(file).map(|row| row.content),
        };
        content.filter(|content| *content != NONE)
    }

    /// What a file that is known holds; `None`: it could not be read.
    pub fn set_content(&mut self, file: &str, content: Option<u64>) {
        let content = content.unwrap_or(NONE);
        match self.place(file) {
            Some(place) => self.set_at(place, content),
            None => {
                if let Some(row) = self.added.get_mut(file) {
                    row.content = content;
                }
            }
        }
    }

    /// What files hold that nobody has read yet, as far as `content` knows. The list stays the one that others share.
    pub fn learn(&mut self, content: impl Fn(&str) -> Option<u64>) {
        for place in 0..self.stamps.len() {
            let is_open =
                self.stamps[place] != NONE && self.contents.get(place).is_none_or(|old| *old == NONE);
            if is_open && let Some(now) = self.names.get(place).and_then(&content) {
                self.set_at(place, now);
            }
        }
        for (name, row) in self.added.iter_mut().filter(|(_, row)| row.content == NONE) {
            row.content = content(name).unwrap_or(NONE);
        }
    }

    fn set_at(&mut self, place: usize, content: u64) {
        if content != NONE && self.contents.is_empty() {
            self.contents = vec![NONE; self.names.len()];
        }
        if let Some(old) = self.contents.get_mut(place) {
            *old = content;
        }
    }

    /// All names, as one list.
    pub fn names(&mut self) -> Arc<Names> {
        if self.gone > 0 || !self.added.is_empty() {
            let names = Names::sorted(self.from(""));
            let stamps = names.iter().map(|name| self.stamp(name).unwrap_or(NONE)).collect();
            let contents =
                match self.contents.is_empty() && self.added.values().all(|row| row.content == NONE) {
                    true => Vec::new(),
                    false => names.iter().map(|name| self.content(name).unwrap_or(NONE)).collect(),
                };
            *self = Self { names: Arc::new(names), stamps, contents, gone: 0, added: BTreeMap::new() };
        }
        Arc::clone(&self.names)
    }

    /// The names from this one on, in their order.
    pub fn from<'a>(&'a self, first: &str) -> impl Iterator<Item = &'a str> {
        let begin = self.names.find(first).unwrap_or_else(|place| place);
        let is_there = |place: &usize| self.stamps[*place] != NONE;
        let mut listed =
            (begin..self.names.len()).filter(is_there).filter_map(|place| self.names.get(place)).peekable();
        let added = self.added.range::<str, _>((Bound::Included(first), Bound::Unbounded));
        let mut added = added.map(|(name, _)| &**name).peekable();
        std::iter::from_fn(move || match (listed.peek(), added.peek()) {
            (Some(one), Some(other)) if one > other => added.next(),
            (None, _) => added.next(),
            _ => listed.next(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(String, u64),
        Read(String, Option<u64>),
        Remove(String),
        Learn(u64),
        List,
    }

    fn step() -> impl Strategy<Value = Step> {
        let name = || "[a-c/]{1,2}";
        prop_oneof![
            (name(), 1_u64..9).prop_map(|(name, stamp)| Step::Set(name, stamp)),
            (name(), prop::option::of(1_u64..9)).prop_map(|(name, content)| Step::Read(name, content)),
            name().prop_map(Step::Remove),
            (1_u64..9).prop_map(Step::Learn),
            Just(Step::List),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_table(first in prop::collection::btree_map("[a-c/]{1,2}", 1_u64..9, 0..6), steps in prop::collection::vec(step(), 0..40)) {
            let mut files = Pile::default();
            let stamps: Vec<Option<u64>> = first.iter().rev().map(|(name, stamp)| files.push(name).then_some(*stamp)).collect();
            let mut known = Known::of(&files, &stamps);
            let mut model: BTreeMap<String, (u64, Option<u64>)> =
                first.into_iter().map(|(name, stamp)| (name, (stamp, None))).collect();
            for step in steps {
                match step {
                    Step::Set(name, stamp) => {
                        known.set(&name, stamp);
                        model.entry(name).or_insert((stamp, None)).0 = stamp;
                    }
                    Step::Read(name, content) => {
                        known.set_content(&name, content);
                        model.entry(name).and_modify(|row| row.1 = content);
                    }
                    Step::Remove(name) => {
                        known.remove(&name);
                        model.remove(&name);
                    }
                    Step::Learn(content) => {
                        let names = Arc::clone(&known.names);
                        known.learn(|name| (name < "b").then_some(content));
                        prop_assert!(Arc::ptr_eq(&names, &known.names));
                        let open = model.range_mut(.."b".to_owned());
                        open.for_each(|(_, row)| row.1 = row.1.or(Some(content)));
                    }
                    Step::List => prop_assert!(known.names().iter().eq(model.keys().map(String::as_str))),
                }
                prop_assert_eq!(known.len(), model.len());
                prop_assert!(known.from("b").eq(model.range("b".to_owned()..).map(|(name, _)| name.as_str())));
                for (name, (stamp, content)) in &model {
                    prop_assert_eq!((known.stamp(name), known.content(name)), (Some(*stamp), *content));
                }
                prop_assert!(known.from("").all(|name| model.contains_key(name)));
            }
        }
    }
}
