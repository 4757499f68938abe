//! The text of a vault's file. Pure.
//!
//! ```text
//! devboot-vault 1
//! recipient age1…      the vault's own identity, in its public form
//! unlock passphrase    or the recipient whose identity opens it
//! key
//! (base64: the vault's own identity, sealed by age to the line before)
//! body
//! (base64: the entries, sealed by age to the vault's own identity)
//! seal (a code over all above that only the vault's own identity can make)
//! end (BLAKE3 of all above: tells damage from a wrong passphrase)
//! ```

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::error::VaultError;
use super::key::{Key, Unlock, VaultKey};
use super::unlocked::Unlocked;
use crate::base::secret::Secret;

/// The largest vault, in bytes.
pub const LIMIT: usize = 4 << 20;

/// The version of the format that is written, and the only one that is read.
const VERSION: u32 = 1;

const NAME: &str = "devboot-vault ";
const WIDTH: usize = 64;

/// A vault as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    recipient: String,
    unlock: Unlock,
    wrapped: Vec<u8>,
    body: Vec<u8>,
    seal: blake3::Hash,
}

impl Sealed {
    /// Reads a vault's file. Damage is told here, before anyone is asked for a passphrase.
    ///
    /// # Errors
    /// The bytes are no vault, of another version, too large, cut off or damaged.
    pub fn read(bytes: &[u8]) -> Result<Self, VaultError> {
        if bytes.len() > LIMIT {
            return Err(VaultError::TooLarge);
        }
        check_version(bytes)?;
        let text = std::str::from_utf8(bytes).map_err(|_| VaultError::Corrupt("it is not text"))?;
        let (covered, end) = text.rsplit_once("\nend ").ok_or(VaultError::Truncated)?;
        if end.len() < 65 {
            return Err(VaultError::Truncated);
        }
        let covered = &text[..=covered.len()];
        if end != format!("{}\n", blake3::hash(covered.as_bytes())) {
            return Err(VaultError::Corrupt("its bytes have changed"));
        }
        let sealed = parse(covered).ok_or(VaultError::Corrupt("a line of it cannot be read"))?;
        if sealed.text() == text { Ok(sealed) } else { Err(VaultError::Corrupt("it is written otherwise")) }
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut text = covered(&self.recipient, &self.unlock, &self.wrapped, &self.body);
        let _ = writeln!(text, "seal {}", self.seal);
        let end = blake3::hash(text.as_bytes());
        let _ = writeln!(text, "end {end}");
        text
    }

    /// How it is opened.
    pub fn unlock_with(&self) -> &Unlock {
        &self.unlock
    }

    /// Opens it.
    ///
    /// # Errors
    /// The key is not this vault's, or the file's parts were not written together.
    pub fn unlock(self, key: &Key) -> Result<Unlocked, VaultError> {
        let own = VaultKey::unwrap(&self.wrapped, &self.unlock, key)?;
        Unlocked::of(own, self)
    }

    /// Makes one: the entries sealed for `own`, which is sealed as `unlock` says.
    pub(super) fn seal(
        own: &VaultKey,
        unlock: Unlock,
        wrapped: Vec<u8>,
        plain: &Secret<Vec<u8>>,
    ) -> Result<Self, VaultError> {
        let (recipient, body) = (own.recipient(), own.seal(plain)?);
        let seal = own.code(covered(&recipient, &unlock, &wrapped, &body).as_bytes());
        let sealed = Self { recipient, unlock, wrapped, body, seal };
        if sealed.text().len() > LIMIT { Err(VaultError::TooLarge) } else { Ok(sealed) }
    }

    /// The entries, once it is sure that all parts were written together by a holder of the identity.
    pub(super) fn open(&self, own: &VaultKey) -> Result<Secret<Vec<u8>>, VaultError> {
        let code = own.code(covered(&self.recipient, &self.unlock, &self.wrapped, &self.body).as_bytes());
        if own.recipient() != self.recipient || code != self.seal {
            return Err(VaultError::Mixed);
        }
        own.open(&self.body)
    }

    /// Whether it is sealed for this identity.
    pub(super) fn is_for(&self, own: &VaultKey) -> bool {
        self.recipient == own.recipient()
    }

    /// How its identity is sealed.
    pub(super) fn wrapping(&self) -> (Unlock, Vec<u8>) {
        (self.unlock.clone(), self.wrapped.clone())
    }
}

fn check_version(bytes: &[u8]) -> Result<(), VaultError> {
    let Some(rest) = bytes.strip_prefix(NAME.as_bytes()) else {
        let cut_off = NAME.as_bytes().starts_with(bytes);
        return Err(if cut_off { VaultError::Truncated } else { VaultError::Foreign });
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match rest.get(digits) {
        None => return Err(VaultError::Truncated),
        Some(b'\n') => {}
        Some(_) => return Err(VaultError::Foreign),
    }
    let version = std::str::from_utf8(&rest[..digits]).ok().and_then(|digits| digits.parse::<u32>().ok());
    match version {
        Some(VERSION) => Ok(()),
        Some(newer) if newer > VERSION => Err(VaultError::Newer(newer)),
        _ => Err(VaultError::Foreign),
    }
}

/// All that the seal covers.
fn covered(recipient: &str, unlock: &Unlock, wrapped: &[u8], body: &[u8]) -> String {
    let unlock = match unlock {
        Unlock::Passphrase => "passphrase",
        Unlock::Recipient(recipient) => recipient,
    };
    let mut text = format!("{NAME}{VERSION}\nrecipient {recipient}\nunlock {unlock}\nkey\n");
    push_base64(&mut text, wrapped);
    text.push_str("body\n");
    push_base64(&mut text, body);
    text
}

fn push_base64(text: &mut String, bytes: &[u8]) {
    // 48 bytes are one line of 64 letters.
    for line in bytes.chunks(WIDTH / 4 * 3) {
        BASE64_STANDARD.encode_string(line, text);
        text.push('\n');
    }
}

fn parse(text: &str) -> Option<Sealed> {
    let mut lines = text.lines();
    lines.next()?;
    let recipient = lines.next()?.strip_prefix("recipient ")?.to_owned();
    let unlock = match lines.next()?.strip_prefix("unlock ")? {
        "passphrase" => Unlock::Passphrase,
        recipient => Unlock::Recipient(recipient.to_owned()),
    };
    let lines: Vec<&str> = lines.collect();
    let (seal, lines) = lines.split_last()?;
    let seal = blake3::Hash::from_hex(seal.strip_prefix("seal ")?).ok()?;
    let (start, lines) = lines.split_first()?;
    let middle = lines.iter().position(|line| *line == "body")?;
    let decode = |lines: &[&str]| BASE64_STANDARD.decode(lines.concat()).ok();
    let (wrapped, body) = (decode(&lines[..middle])?, decode(&lines[middle + 1..])?);
    (*start == "key").then_some(Sealed { recipient, unlock, wrapped, body, seal })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Timestamp;
    use crate::cloud::vault::{Contents, Wrap, export};

    fn key(text: &str) -> Key {
        Key::Passphrase(Secret::new(text.to_owned()))
    }

    fn contents() -> Contents {
        let mut contents = Contents::default();
        contents.put("work", Secret::new("canary".into()), Timestamp(1)).unwrap();
        contents
    }

    fn vault() -> Unlocked {
        let wrap = Wrap::Passphrase(Secret::new("right horse".into()));
        Unlocked::new(&wrap).unwrap().with(&contents()).unwrap()
    }

    /// The text with an `end` that fits, as a forger would write it.
    fn with_end(text: &str) -> String {
        let covered = &text[..text.rfind("end ").unwrap()];
        format!("{covered}end {}\n", blake3::hash(covered.as_bytes()))
    }

    #[test]
    fn a_vault_opens_with_its_passphrase_and_no_other() {
        let text = vault().sealed().text();
        let open = |passphrase: &str| Sealed::read(text.as_bytes()).unwrap().unlock(&key(passphrase));
        let opened = open("right horse").unwrap().contents().unwrap();
        assert_eq!(opened.get("work").unwrap().secret.expose(), "canary");
        for wrong in ["wrong", "right horse ", "Right horse"] {
            assert!(matches!(open(wrong), Err(VaultError::WrongPassphrase)), "{wrong}");
        }
        for empty in ["", "  ", "\n"] {
            assert!(matches!(open(empty), Err(VaultError::Passphrase("is empty"))));
            let wrap = Wrap::Passphrase(Secret::new(empty.into()));
            assert!(matches!(Unlocked::new(&wrap), Err(VaultError::Passphrase("is empty"))));
        }
        assert!(!text.contains("canary") && !text.contains("work"));
        let shown = format!("{:?} {:?} {:?}", vault(), key("right horse"), open("wrong horse"));
        assert!(!["canary", "horse", "AGE-SECRET"].iter().any(|secret| shown.contains(secret)), "{shown}");
    }

    #[test]
    fn a_vault_opens_with_the_identity_of_its_recipient() {
        let (ours, other) = (VaultKey::generate().unwrap(), VaultKey::generate().unwrap());
        let vault = Unlocked::new(&Wrap::Recipient(ours.recipient())).unwrap().with(&contents()).unwrap();
        let sealed = Sealed::read(vault.sealed().text().as_bytes()).unwrap();
        let open = |text: String| sealed.clone().unlock(&Key::Identities(Secret::new(text)));
        let file = |keys: &[&VaultKey]| {
            let keys: Vec<String> = keys.iter().map(|key| key.text().expose().clone()).collect();
            format!("# created: today\n\n{}\n", keys.join("\n"))
        };
        assert_eq!(open(file(&[&other, &ours])).unwrap().contents().unwrap().len(), 1);
        assert!(matches!(open(file(&[&other])), Err(VaultError::WrongIdentity(_))));
        assert!(matches!(open("# nothing\n".into()), Err(VaultError::Identities(_))));
        assert!(matches!(
            open("AGE-PLUGIN-../../x-1\n".into()),
            Err(VaultError::Identities("it is for a plugin"))
        ));
        assert!(matches!(sealed.clone().unlock(&key("x")), Err(VaultError::WantsIdentity(_))));
        let by_identity = Key::Identities(Secret::new(file(&[&ours])));
        let error = super::tests::vault().sealed().clone().unlock(&by_identity).unwrap_err();
        assert!(matches!(error, VaultError::WantsPassphrase));
        for wrong in ["", "age1", "ssh-ed25519 AAAA", "age1../../x"] {
            assert!(matches!(Unlocked::new(&Wrap::Recipient(wrong.into())), Err(VaultError::Recipient)));
        }
    }

    #[test]
    fn every_length_but_the_whole_is_truncated() {
        let text = vault().sealed().text();
        for length in 0..text.len() {
            let result = Sealed::read(&text.as_bytes()[..length]);
            assert!(matches!(result, Err(VaultError::Truncated)), "{length} of {}: {result:?}", text.len());
        }
        assert!(matches!(Sealed::read(format!("{text}x").as_bytes()), Err(VaultError::Corrupt(_))));
    }

    #[test]
    fn every_flipped_bit_is_seen_even_when_the_end_is_made_to_fit() {
        let vault = vault();
        let text = vault.sealed().text();
        let mut mended = 0;
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Sealed::read(&bytes).is_err(), "byte {at}");
            let Ok(forged) = String::from_utf8(bytes) else { continue };
            if at < text.rfind("end ").unwrap()
                && forged.contains("\nend ")
                && let Ok(sealed) = Sealed::read(with_end(&forged).as_bytes())
            {
                mended += 1;
                assert!(vault.renewed(sealed.clone()).is_err(), "byte {at}");
                if mended % 16 == 0 {
                    assert!(sealed.unlock(&key("right horse")).is_err(), "byte {at}");
                }
            }
        }
        assert!(mended > 400, "{mended}");
    }

    #[test]
    fn parts_of_two_vaults_do_not_make_one() {
        let (ours, theirs) = (vault(), vault());
        let mixed = Sealed { body: theirs.sealed().body.clone(), ..ours.sealed().clone() };
        assert!(matches!(mixed.unlock(&key("right horse")), Err(VaultError::Mixed)));
        // Anyone can seal a body for a recipient that stands in the header.
        let body = ours.sealed().body.clone();
        let planted = ours.with(&Contents::default()).unwrap().sealed().body.clone();
        assert_ne!(body, planted);
        let planted = Sealed { body: planted, ..ours.sealed().clone() };
        let planted = Sealed::read(planted.text().as_bytes()).unwrap();
        assert!(matches!(planted.unlock(&key("right horse")), Err(VaultError::Mixed)));
        let other_key = theirs.sealed().wrapped.clone();
        let swapped = Sealed { wrapped: other_key, ..ours.sealed().clone() };
        assert!(matches!(swapped.unlock(&key("right horse")), Err(VaultError::Mixed)));
    }

    #[test]
    fn other_files_and_other_versions_are_told_apart() {
        let text = vault().sealed().text();
        for foreign in ["age-encryption.org/v1\n", "\0\0\0", "devboot-vault x\n", "devboot-vault 0\n"] {
            assert!(matches!(Sealed::read(foreign.as_bytes()), Err(VaultError::Foreign)), "{foreign:?}");
        }
        let newer = text.replacen("vault 1", "vault 2", 1);
        assert!(matches!(Sealed::read(newer.as_bytes()), Err(VaultError::Newer(2))));
        let huge = text.replacen("vault 1", "vault 99999999999", 1);
        assert!(matches!(Sealed::read(huge.as_bytes()), Err(VaultError::Foreign)));
        assert!(matches!(Sealed::read(&vec![b'd'; LIMIT + 1]), Err(VaultError::TooLarge)));
        let mut large = contents();
        large.put("large", Secret::new("x".repeat(LIMIT)), Timestamp(0)).unwrap();
        assert!(matches!(vault().with(&large), Err(VaultError::TooLarge)));
        let with_returns = with_end(&text.replace('\n', "\r\n"));
        assert!(Sealed::read(with_returns.as_bytes()).is_err());
    }

    #[test]
    fn work_without_end_is_refused() {
        let text = vault().sealed().text();
        let wrapped = vault().sealed().wrapped.clone();
        let asked = String::from_utf8_lossy(&wrapped).replacen(" 2\n", " 30\n", 1);
        assert!(asked.contains(" 30\n") && text.contains("unlock passphrase"));
        let mut bytes = wrapped;
        let at = bytes.windows(3).position(|window| window == b" 2\n").unwrap();
        bytes.splice(at..at + 2, *b" 30");
        let greedy = Sealed { wrapped: bytes, ..vault().sealed().clone() };
        assert!(matches!(greedy.unlock(&key("right horse")), Err(VaultError::Corrupt(_))));
    }

    #[test]
    fn an_export_opens_with_its_own_passphrase() {
        let bytes = export(&contents(), &Wrap::Passphrase(Secret::new("carry".into()))).unwrap();
        let read = |passphrase: &str| {
            let key = Key::Passphrase(Secret::new(passphrase.into()));
            Sealed::read(bytes.as_bytes())?.unlock(&key)?.contents()
        };
        let mut mine = contents();
        mine.put("home", Secret::new("x".into()), Timestamp(0)).unwrap();
        assert_eq!(mine.add_missing(read("carry").unwrap()), ["work"]);
        assert_eq!(mine.len(), 2);
        assert!(matches!(read("right horse"), Err(VaultError::WrongPassphrase)));
    }
}
