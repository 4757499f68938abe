//! The six digits that a second factor shows: RFC 6238 with SHA-1, six digits and 30 seconds, as AWS and most others
//! have it. Pure.

use std::fmt;

use ring::hmac;
use zeroize::Zeroizing;

use crate::base::error::{Diagnose, ErrorKind};
use crate::base::secret::Secret;
use crate::base::time::Timestamp;

/// For how long a code holds, in seconds.
const PERIOD: i64 = 30;

/// The shortest seed, in bytes: what is shorter is a code, or half of a seed.
const SHORTEST: usize = 10;

/// The longest text of a seed, in bytes.
const LONGEST: usize = 4096;

/// Why a text is no seed. The text is not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotpError {
    /// A character that base32 has not, or too many of them.
    Base32,
    /// Too short to be a seed.
    Short,
    /// An `otpauth:` address that cannot be read, or without a secret.
    Address,
    /// It is for codes of another kind: which part differs.
    Kind(&'static str),
}

impl fmt::Display for TotpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base32 => f.write_str("the secret of the second factor is not in base32"),
            Self::Short => f.write_str("the secret of the second factor is too short"),
            Self::Address => f.write_str("the otpauth address cannot be read"),
            Self::Kind(what) => write!(f, "the second factor is of another kind: {what}"),
        }
    }
}

impl std::error::Error for TotpError {}

impl Diagnose for TotpError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::Base32 | Self::Short | Self::Address => {
                "give the secret key that is shown beside the QR code, not a code of six digits".into()
            }
            Self::Kind(_) => "devboot makes codes of six digits, every 30 seconds, with SHA-1".into(),
        }]
    }
}

/// What codes are made from.
#[derive(Clone, Debug)]
pub struct Seed(Secret<Vec<u8>>);

impl Seed {
    /// Reads a secret in base32, as sites show it, or the `otpauth://` address of a QR code.
    ///
    /// # Errors
    /// It is neither, or for codes of another kind.
    pub fn read(text: &Secret<String>) -> Result<Self, TotpError> {
        let text = text.expose().trim();
        if text.len() > LONGEST {
            return Err(TotpError::Base32);
        }
        let is_address = text.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("otpauth:"));
        let secret = if is_address { in_address(text)? } else { Zeroizing::new(text.to_owned()) };
        let bytes = Secret::new(base32(&secret).ok_or(TotpError::Base32)?);
        if bytes.expose().len() < SHORTEST { Err(TotpError::Short) } else { Ok(Self(bytes)) }
    }

    /// The code of this moment.
    pub fn code(&self, at: Timestamp) -> Secret<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.expose());
        let tag = hmac::sign(&key, &step(at).to_be_bytes());
        let tag = tag.as_ref();
        // RFC 4226, 5.3: the last four bits say where the number begins, and its sign is left out.
        let start = usize::from(tag[tag.len() - 1] & 15);
        let number = tag[start..start + 4].iter().fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
        Secret::new(format!("{:06}", (number & 0x7fff_ffff) % 1_000_000))
    }
}

/// Which code a moment has: servers take the code of a step once.
pub fn step(at: Timestamp) -> i64 {
    at.0.div_euclid(PERIOD)
}

/// For how many seconds the code of a moment still holds, 1 to 30.
pub fn left(at: Timestamp) -> i64 {
    PERIOD - at.0.rem_euclid(PERIOD)
}

/// The secret in an address such as `otpauth://totp/LABEL?secret=BASE32&issuer=NAME`.
fn in_address(address: &str) -> Result<Zeroizing<String>, TotpError> {
    let rest = address.get(8..).and_then(|rest| rest.strip_prefix("//")).ok_or(TotpError::Address)?;
    let (kind, rest) = rest.split_once('/').ok_or(TotpError::Address)?;
    if !kind.eq_ignore_ascii_case("totp") {
        return Err(TotpError::Kind("it does not go by the clock"));
    }
    let (_, query) = rest.split_once('?').ok_or(TotpError::Address)?;
    let query = query.split('#').next().unwrap_or_default();
    let mut secret = None;
    for (name, value) in query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, ""))) {
        match name.to_ascii_lowercase().as_str() {
            "secret" if secret.is_some() => return Err(TotpError::Address),
            "secret" => {
                // Of base32's signs only the padding is ever escaped.
                let plain = Zeroizing::new(value.replace("%3D", "="));
                secret = Some(Zeroizing::new(plain.replace("%3d", "=")));
            }
            "algorithm" if !value.eq_ignore_ascii_case("SHA1") => {
                return Err(TotpError::Kind("another algorithm than SHA-1"));
            }
            "digits" if value != "6" => return Err(TotpError::Kind("not six digits")),
            "period" if value != "30" => return Err(TotpError::Kind("another period than 30 seconds")),
            _ => {}
        }
    }
    secret.ok_or(TotpError::Address)
}

/// The bytes of a text in base32: small letters, and blanks and hyphens between groups, as sites show them.
fn base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut count, mut letters) = (0_u32, 0, 0);
    for letter in text.trim_end_matches('=').bytes().filter(|byte| !matches!(byte, b' ' | b'-')) {
        let value = match letter.to_ascii_uppercase() {
            letter @ b'A'..=b'Z' => letter - b'A',
            digit @ b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        bits = (bits << 5 | u32::from(value)) & 0xfff;
        count += 5;
        letters += 1;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    // RFC 4648: no whole bytes end after so many letters.
    (!matches!(letters % 8, 1 | 3 | 6)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seed of RFC 6238's tests, `12345678901234567890`.
    const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn read(text: &str) -> Result<Seed, TotpError> {
        Seed::read(&Secret::new(text.into()))
    }

    fn code(text: &str, at: i64) -> String {
        read(text).unwrap().code(Timestamp(at)).expose().clone()
    }

    #[test]
    fn the_codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, the last six of its eight digits.
        for (at, wanted) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(SEED, at), wanted, "{at}");
        }
    }

    #[test]
    fn a_code_holds_for_its_step() {
        assert_eq!((code(SEED, 30), left(Timestamp(59)), left(Timestamp(60))), (code(SEED, 59), 1, 30));
        assert_ne!(code(SEED, 59), code(SEED, 60));
        assert_eq!((step(Timestamp(59)), step(Timestamp(60)), step(Timestamp(-1))), (1, 2, -1));
    }

    #[test]
    fn seeds_are_read_as_sites_show_them() {
        for text in [
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
            " GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ\n",
            "otpauth://totp/Amazon%20Web%20Services:me@1234?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Amazon",
            "OTPAUTH://TOTP/a?Issuer=b&SECRET=gezdgnbvgy3tqojqgezdgnbvgy3tqojq&algorithm=sha1&digits=6&period=30#x",
        ] {
            assert_eq!(code(text, 59), "287082", "{text}");
        }
        assert_eq!(code("GEZDGNBVGY3TQOJQGEZDGNBV====", 0), code("GEZDGNBVGY3TQOJQGEZDGNBV", 0));
        assert_eq!(base32("MZXW6YTB"), Some(b"fooba".to_vec()));
        assert_eq!(base32("MZXW6YQ="), Some(b"foob".to_vec()));
    }

    #[test]
    fn what_is_no_seed_is_told_apart() {
        let address = |query: &str| read(&format!("otpauth://totp/a?{query}")).unwrap_err();
        let seed = format!("secret={SEED}");
        for (text, why) in [
            ("", TotpError::Short),
            ("234567", TotpError::Base32),
            ("23456723", TotpError::Short),
            ("GEZDGNBVGY3TQOJQ1EZDGNBV", TotpError::Base32),
            ("GEZDGNBVGY3TQOJQé", TotpError::Base32),
            ("GEZDGNBVGY3TQOJQG", TotpError::Base32),
            ("otpauth://hotp/a?secret=x", TotpError::Kind("it does not go by the clock")),
            ("otpauth://totp/a", TotpError::Address),
            ("otpauth:", TotpError::Address),
        ] {
            assert_eq!(read(text).unwrap_err(), why, "{text}");
        }
        assert_eq!(address("issuer=b"), TotpError::Address);
        assert_eq!(address(&format!("{seed}&{seed}")), TotpError::Address);
        for more in ["algorithm=SHA256", "digits=8", "period=60"] {
            assert!(matches!(address(&format!("{seed}&{more}")), TotpError::Kind(_)), "{more}");
        }
        assert_eq!(read(&"A".repeat(5000)).unwrap_err(), TotpError::Base32);
        assert!(!format!("{:?}", read(SEED)).contains("GEZD"));
    }
}
