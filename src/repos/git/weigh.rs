//! What unpacking a pack may cost, known before it is done: no pack may make gix-pack take memory without bounds.

use gix_error::{Error, message};
use gix_pack::data::entry::Header;
use gix_pack::data::input::Entry;
use gix_zlib::Inflate;

use super::memory::LARGEST;

/// The most memory for objects that are unpacked at the same time, in bytes: what a single one may take.
const HEAVIEST: u64 = LARGEST as u64;

/// Why a pack is not for gix-pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An object is too large for anybody.
    Large,
    /// Too much may have to be in memory at once.
    Heavy,
}

/// The entries of a pack, weighed before they are unpacked. gix-pack holds an object for as long as there is another
/// one to be made of it, and goes into the depth: the objects from an undivided one to the one being made are the most
/// that it holds, and a few bytes of a pack can ask for any number of large ones.
pub(super) struct Weighed<'a, I> {
    entries: I,
    tell: &'a dyn Fn(usize, usize),
    total: usize,
    /// For each entry so far: where it begins, and the bytes of the object and all that it is made of.
    paths: Vec<(u64, u64)>,
    inflate: Inflate,
    /// Why there are no more entries, if that is because of their weight.
    pub(super) verdict: Option<Verdict>,
}

impl<'a, I: Iterator<Item = Result<Entry, Error>>> Weighed<'a, I> {
    /// `tell` hears of each entry that came: how many there are now, and how many are to come in all.
    pub(super) fn new(entries: I, tell: &'a dyn Fn(usize, usize)) -> Self {
        let total = entries.size_hint().0;
        Self { entries, tell, total, paths: Vec::new(), inflate: Inflate::default(), verdict: None }
    }

    fn weigh(&mut self, entry: &Entry) -> Result<(), Verdict> {
        let (base, size) = match entry.header {
            Header::OfsDelta { base_distance } => {
                let base = entry.pack_offset.checked_sub(base_distance).ok_or(Verdict::Heavy)?;
                let base =
                    self.paths.binary_search_by_key(&base, |path| path.0).map_err(|_| Verdict::Heavy)?;
                let delta = entry.compressed.as_deref().unwrap_or_default();
                (self.paths[base].1, made_size(&mut self.inflate, delta).ok_or(Verdict::Heavy)?)
            }
            // Named by its hash, the base may be anywhere.
            Header::RefDelta { .. } => return Err(Verdict::Heavy),
            _ => (0, entry.decompressed_size),
        };
        if size.max(entry.decompressed_size) > HEAVIEST {
            return Err(Verdict::Large);
        }
        let path = base + size;
        self.paths.push((entry.pack_offset, path));
        if path > HEAVIEST { Err(Verdict::Heavy) } else { Ok(()) }
    }
}

impl<I: Iterator<Item = Result<Entry, Error>>> Iterator for Weighed<'_, I> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.entries.next()?;
        let weighed = entry.and_then(|mut entry| match self.weigh(&entry) {
            Ok(()) => {
                entry.compressed = None;
                Ok(entry)
            }
            Err(verdict) => {
                self.verdict = Some(verdict);
                Err(message("the pack asks for too much memory").into())
            }
        });
        (self.tell)(self.paths.len(), self.total);
        Some(weighed)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

/// The size of the object that a delta makes: the second number in it, behind the size of its base. The last byte of a
/// number has its highest bit clear, and its first bytes are the lowest.
fn made_size(inflate: &mut Inflate, delta: &[u8]) -> Option<u64> {
    // Seven bits a byte: no number is longer than ten of them.
    let mut head = [0; 20];
    inflate.reset();
    let (_, _, length) = inflate.prefix(delta, &mut head).ok()?;
    let mut numbers = head[..length].split_inclusive(|byte| byte & 0x80 == 0);
    let size = numbers.nth(1)?;
    Some(size.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deflated(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut out = gix_zlib::stream::deflate::Write::new(Vec::new(), gix_zlib::Compression::DEFAULT);
        out.write_all(bytes).unwrap();
        out.flush().unwrap();
        out.into_inner()
    }

    fn number(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value > 0x7f {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    fn entry(header: Header, pack_offset: u64, size: u64) -> Entry {
        let is_base = header.as_kind().is_some();
        let delta = [number(1), number(size), vec![0x90; 40]].concat();
        Entry {
            header,
            header_size: 1,
            pack_offset,
            compressed: (!is_base).then(|| deflated(&delta)),
            compressed_size: 1,
            crc32: None,
            decompressed_size: if is_base { size } else { delta.len() as u64 },
            trailer: None,
        }
    }

    fn judged(entries: Vec<Entry>) -> (usize, Option<Verdict>) {
        let mut weighed = Weighed::new(entries.into_iter().map(Ok), &|_, _| {});
        let fine = weighed.by_ref().filter(Result::is_ok).count();
        (fine, weighed.verdict)
    }

    /// A blob and what is made of it, each of the one before.
    fn chain(length: u64, size: u64) -> Vec<Entry> {
        let delta = |at| entry(Header::OfsDelta { base_distance: 1 }, 12 + at, size);
        let base = entry(Header::Blob, 12, size);
        std::iter::once(base).chain((1..length).map(delta)).collect()
    }

    #[test]
    fn the_size_of_what_a_delta_makes_is_in_its_head() {
        let mut inflate = Inflate::default();
        for size in [0, 127, 128, 70_000, u64::MAX] {
            let delta = [number(300), number(size), b"and more".to_vec()].concat();
            assert_eq!(made_size(&mut inflate, &deflated(&delta)), Some(size));
        }
        assert_eq!(made_size(&mut inflate, &deflated(&number(300))), None);
        assert_eq!(made_size(&mut inflate, b"no zlib"), None);
    }

    #[test]
    fn long_chains_of_large_objects_are_too_heavy_and_side_by_side_they_are_not() {
        let most = HEAVIEST / 50;
        assert_eq!(judged(chain(50, most)), (50, None));
        assert_eq!(judged(chain(60, most)), (50, Some(Verdict::Heavy)));
        let side_by_side: Vec<Entry> = (0..60)
            .map(|at| match at {
                0 => entry(Header::Blob, 12, most),
                at => entry(Header::OfsDelta { base_distance: at }, 12 + at, most),
            })
            .collect();
        assert_eq!(judged(side_by_side), (60, None));
    }

    #[test]
    fn what_is_too_large_alone_is_too_large_for_anybody() {
        let larger = HEAVIEST + 1;
        assert_eq!(judged(vec![entry(Header::Blob, 12, larger)]), (0, Some(Verdict::Large)));
        let delta = entry(Header::OfsDelta { base_distance: 1 }, 13, larger);
        assert_eq!(judged(vec![entry(Header::Blob, 12, 1), delta]), (1, Some(Verdict::Large)));
    }

    #[test]
    fn a_base_that_is_not_known_may_be_of_any_weight() {
        for header in [
            Header::RefDelta { base_id: gix_hash::Kind::Sha1.null() },
            Header::OfsDelta { base_distance: 1 },
            Header::OfsDelta { base_distance: 99 },
        ] {
            assert_eq!(judged(vec![entry(header, 14, 1)]), (0, Some(Verdict::Heavy)), "{header:?}");
        }
    }
}
