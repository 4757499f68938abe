//! The table behind [`super::contents`], as small as it can be: a project may have a hundred thousand files.
//!
//! It keeps no path and no stamp, only numbers made of them. Two paths of one number would be told apart by their stamps,
//! for the file's own number is in those, and be read again each time.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::base::digest::Digest;
use crate::sys::content::Stamp;

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The number of its stamp.
    pub stamp: u64,
    /// The digest of its bytes.
    pub digest: Digest,
    /// When it was last changed, in seconds since 1970; what lies beyond 2106 is then.
    pub changed: u32,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// It was read so soon after its last change that its stamp might not show the next one.
    pub racy: bool,
}

/// The clocks of file systems tick this slowly, in nanoseconds: a second change within one tick leaves the stamp as it
/// is, so what was read so soon after its last change is read again (git calls such an entry racy).
const TICK: i64 = 20_000_000;

/// The number of a path or a stamp.
pub(super) fn number(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Known {
    /// What is known of a file that was read at this time of the clock, in nanoseconds since 1970.
    pub fn of(stamp: &Stamp, digest: Digest, read: i64) -> Self {
        let (seconds, nanoseconds) = stamp.changed;
        let changed = seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanoseconds));
        Self {
            stamp: number(stamp),
            digest,
            changed: u32::try_from(seconds.max(0)).unwrap_or(u32::MAX),
            executable: stamp.executable,
            racy: changed.saturating_add(TICK) > read,
        }
    }
}

/// What is known by the numbers of paths.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Sorted.
    keys: Vec<u64>,
    /// What is known of each.
    rows: Vec<Known>,
    /// What has been learnt since and is not among the rows yet; `None`: nothing is known any more.
    fresh: HashMap<u64, Option<Known>>,
}

/// So much may be fresh, whatever the size of the table.
const FRESH: usize = 4096;

/// The form of a file: this line, the rows, and a digest of both. Another build of devboot may make other numbers: then
/// nothing is found, and everything is read again.
const FORM: &[u8] = b"devboot contents 2\n";
const ROW: usize = 8 + 8 + 32 + 4 + 1;

impl Table {
    /// What is known by this number.
    pub fn get(&self, key: u64) -> Option<Known> {
        match self.fresh.get(&key) {
            Some(known) => *known,
            None => self.keys.binary_search(&key).ok().and_then(|place| self.rows.get(place)).copied(),
        }
    }

    /// This is known, or nothing any more.
    pub fn set(&mut self, key: u64, known: Option<Known>) {
        self.fresh.insert(key, known);
        if self.fresh.len() > FRESH.max(self.rows.len() / 4) {
            self.fold();
        }
    }

    /// Puts what is fresh among the rows.
    fn fold(&mut self) {
        let mut fresh: Vec<_> = std::mem::take(&mut self.fresh).into_iter().collect();
        if fresh.is_empty() {
            return;
        }
        fresh.sort_unstable_by_key(|(key, _)| *key);
        let old = std::mem::take(&mut self.keys).into_iter().zip(std::mem::take(&mut self.rows));
        let (mut old, mut fresh) = (old.peekable(), fresh.into_iter().peekable());
        let most = old.len() + fresh.len();
        (self.keys, self.rows) = (Vec::with_capacity(most), Vec::with_capacity(most));
        loop {
            let next = match (old.peek(), fresh.peek()) {
                (None, None) => break,
                (Some((one, _)), Some((other, _))) if one == other => {
                    old.next();
                    fresh.next()
                }
                (Some((one, _)), Some((other, _))) if one > other => fresh.next(),
                (None, Some(_)) => fresh.next(),
                _ => old.next().map(|(key, known)| (key, Some(known))),
            };
            if let Some((key, Some(known))) = next {
                self.keys.push(key);
                self.rows.push(known);
            }
        }
        self.keys.shrink_to_fit();
        self.rows.shrink_to_fit();
    }

    /// The table as bytes, to be kept.
    pub fn bytes(&mut self) -> Vec<u8> {
        self.fold();
        let mut bytes = Vec::with_capacity(FORM.len() + self.rows.len() * ROW + 32);
        bytes.extend_from_slice(FORM);
        for (key, known) in self.keys.iter().zip(&self.rows) {
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.extend_from_slice(&known.stamp.to_le_bytes());
            bytes.extend_from_slice(known.digest.as_bytes());
            bytes.extend_from_slice(&known.changed.to_le_bytes());
            bytes.push(u8::from(known.executable) | u8::from(known.racy) << 1);
        }
        bytes.extend_from_slice(Digest::of(&bytes).as_bytes());
        bytes
    }

    /// The table from bytes; `None` when they are damaged, or of another form.
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (kept, digest) = bytes.split_last_chunk::<32>()?;
        let rows = kept.strip_prefix(FORM)?;
        if Digest::of(kept).as_bytes() != digest || rows.len() % ROW != 0 {
            return None;
        }
        let number = |row: &[u8], at: usize| Some(u64::from_le_bytes(*row.get(at..)?.first_chunk()?));
        let row = |row: &[u8]| {
            let flags = *row.last()?;
            let known = Known {
                stamp: number(row, 8)?,
                digest: Digest::from_bytes(*row.get(16..)?.first_chunk()?),
                changed: u32::from_le_bytes(*row.get(48..)?.first_chunk()?),
                executable: flags & 1 != 0,
                racy: flags & 2 != 0,
            };
            Some((number(row, 0)?, known))
        };
        let (keys, rows): (Vec<u64>, Vec<Known>) = rows.chunks(ROW).map(row).collect::<Option<_>>()?;
        keys.is_sorted().then(|| Self { keys, rows, fresh: HashMap::new() })
    }

    /// Changes what is known of every file.
    #[cfg(test)]
    pub fn each(&mut self, change: impl FnMut(&mut Known)) {
        self.fold();
        self.rows.iter_mut().for_each(change);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_read_right_after_its_change_is_racy() {
        let stamp = Stamp { file: (1, 2), size: 3, modified: (100, 0), changed: (100, 5), executable: false };
        let is_racy = |read: i64| Known::of(&stamp, Digest::of(b""), read).racy;
        let changed = 100_000_000_005;
        assert!(is_racy(changed) && is_racy(changed + TICK - 1) && !is_racy(changed + TICK));
    }

    fn known() -> impl Strategy<Value = Known> {
        let known = |(stamp, changed, executable, racy): (u64, u32, bool, bool)| Known {
            stamp,
            digest: Digest::of(&stamp.to_le_bytes()),
            changed,
            executable,
            racy,
        };
        any::<(u64, u32, bool, bool)>().prop_map(known)
    }

    proptest! {
        #[test]
        fn it_is_a_table_and_its_bytes_are_it(
            steps in prop::collection::vec((0_u64..20, prop::option::of(known()), any::<bool>()), 0..40),
            damage in any::<prop::sample::Index>(),
        ) {
            let (mut table, mut model) = (Table::default(), BTreeMap::new());
            for (key, known, fold) in steps {
                table.set(key, known);
                match known {
                    Some(known) => model.insert(key, known),
                    None => model.remove(&key),
                };
                if fold {
                    table.fold();
                }
                for key in 0..20 {
                    prop_assert_eq!(table.get(key), model.get(&key).copied());
                }
            }
            let bytes = table.bytes();
            prop_assert_eq!(table.rows.len(), model.len());
            let again = Table::of_bytes(&bytes).unwrap();
            prop_assert!((0..20).all(|key| again.get(key) == model.get(&key).copied()));
            let mut damaged = bytes.clone();
            damaged[damage.index(bytes.len())] ^= 1;
            prop_assert!(Table::of_bytes(&damaged).is_none());
            prop_assert!(Table::of_bytes(&bytes[..damage.index(bytes.len())]).is_none());
        }
    }
}
