//! The forms in which requests carry text: percent-encoding, and base 64 for addresses. Pure.

/// Percent-encoded, as AWS wants it: everything but letters, digits and `-._~`.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Names and values as a query string or the body of a form.
pub fn form(pairs: &[(String, String)]) -> String {
    pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// Base 64 in the alphabet for addresses, without padding (RFC 4648, section 5).
pub fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

/// Reads base 64 in either alphabet, with or without padding; blanks and line ends are passed over, as in PEM files.
/// `None` when another sign is in it, or when a letter is left over.
pub fn decode64(text: &str) -> Option<Vec<u8>> {
    let letters = text.trim_end().trim_end_matches('=');
    let (mut out, mut bits, mut held) = (Vec::with_capacity(letters.len() * 3 / 4), 0_u32, 0);
    for byte in letters.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    (held < 6).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|text| base64url(text.as_bytes())),
            ["", "Zg", "Zm8", "Zm9v", "Zm9vYg"]
        );
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
        for length in 0..=64 {
            let bytes: Vec<u8> = (0..length).map(|at: u8| at.wrapping_mul(73)).collect();
            assert_eq!(decode64(&base64url(&bytes)), Some(bytes));
        }
        assert_eq!(decode64("+/8=\n").as_deref(), Some(&[0xfb, 0xff][..]));
        assert_eq!([decode64("A"), decode64("AA.A"), decode64("A=A=")], [None, None, None]);
    }

    #[test]
    fn forms_are_encoded_to_the_last_byte() {
        let pairs = [("a b".to_owned(), "é&=+%~*".to_owned())];
        assert_eq!(form(&pairs), "a%20b=%C3%A9%26%3D%2B%25~%2A");
    }
}
