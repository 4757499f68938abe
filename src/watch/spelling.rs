//! Names of files as text, those too that are no UTF-8: a character that no name has stands for each byte that is none.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The first of 256 characters at the end of the private ones. A name that has one of them is spelled out, too.
const FIRST: char = '\u{10FF00}';

/// The name as text; one that is none only when `any` name is wanted.
pub(super) fn spelled(name: &OsStr, any: bool) -> Option<String> {
    match name.to_str() {
        Some(text) if !is_spelled(text) => Some(text.to_owned()),
        _ => any.then(|| spell(name.as_bytes())),
    }
}

fn spell(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    let one = |byte: &u8| char::from_u32(u32::from(FIRST) + u32::from(*byte));
    for chunk in name.utf8_chunks() {
        for part in chunk.valid().split_inclusive(|c| c >= FIRST) {
            match part.chars().next_back() {
                Some(last) if last >= FIRST => {
                    let (plain, last) = part.split_at(part.len() - last.len_utf8());
                    text.push_str(plain);
                    text.extend(last.as_bytes().iter().filter_map(one));
                }
                _ => text.push_str(part),
            }
        }
        text.extend(chunk.invalid().iter().filter_map(one));
    }
    text
}

/// The path that is spelled so, below a root.
pub(super) fn path(root: &Path, spelled: &str) -> PathBuf {
    root.join(plain(spelled))
}

/// The name for people: what cannot be shown is replaced.
pub fn shown(spelled: &str) -> String {
    plain(spelled).to_string_lossy().into_owned()
}

fn plain(spelled: &str) -> OsString {
    if !is_spelled(spelled) {
        return spelled.into();
    }
    let mut bytes = Vec::with_capacity(spelled.len());
    for c in spelled.chars() {
        match u8::try_from(u32::from(c).wrapping_sub(u32::from(FIRST))) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    OsString::from_vec(bytes)
}

fn is_spelled(text: &str) -> bool {
    // Only the last characters of all begin with this byte.
    text.as_bytes().contains(&0xF4) && text.chars().any(|c| c >= FIRST)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_name_comes_back(name in prop::collection::vec(any::<u8>(), 0..12), tail in "[a\u{10FEFF}-\u{10FFFF}]{0,3}") {
            let name = [name, tail.into_bytes()].concat();
            let text = spelled(OsStr::from_bytes(&name), true).unwrap();
            prop_assert_eq!(plain(&text).into_vec(), name);
        }
    }

    #[test]
    fn a_name_that_is_text_is_its_own_spelling() {
        assert_eq!(spelled("grün.py".as_ref(), false).as_deref(), Some("grün.py"));
        let latin = OsStr::from_bytes(b"gr\xfcn.py");
        assert_eq!(spelled(latin, false), None);
        let text = spelled(latin, true).unwrap();
        assert!(text.ends_with("n.py"));
        assert_eq!(
            (shown(&text).as_str(), path(Path::new("/p"), &text)),
            ("gr\u{FFFD}n.py", Path::new("/p").join(latin))
        );
    }
}
