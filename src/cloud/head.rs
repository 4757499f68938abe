//! The head of a request that a tool makes to an endpoint of this machine, and what can be told from it. Pure.

use subtle::ConstantTimeEq;

use crate::base::secret::Secret;

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a str,
    /// The target, as it was sent.
    pub target: &'a str,
    /// Names and values of the headers.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Head<'a> {
    /// Every value of a header.
    pub fn values(&self, name: &str) -> Vec<&'a str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| *value).collect()
    }

    /// Whether a web page asks: it has an `Origin` or a `Sec-Fetch-` header.
    pub fn is_of_web_page(&self) -> bool {
        self.headers.iter().any(|(name, _)| {
            name.eq_ignore_ascii_case("origin")
                || name.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("sec-fetch-"))
        })
    }

    /// Whether `Host` is there once and is this one: if not, another name was made to lead here.
    pub fn is_for(&self, host: &str) -> bool {
        self.values("host") == [host]
    }

    /// The target's path and its query.
    pub fn path_and_query(&self) -> (&'a str, &'a str) {
        self.target.split_once('?').unwrap_or((self.target, ""))
    }
}

/// A value of a query or a form, decoded; `None` when it is missing, doubled, or not plain text.
pub fn value_of(pairs: &str, name: &str) -> Option<String> {
    let mut values = pairs.split('&').filter_map(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        (found == name).then_some(value)
    });
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    decoded(value)
}

/// Percent-decoded text without control characters.
pub fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    String::from_utf8(out).ok().filter(|text| !text.chars().any(char::is_control))
}

/// Whether what a client sent is the secret, in a time that does not tell how much of it is right. An empty secret is
/// nobody's.
pub fn is_secret(sent: &str, secret: &Secret<String>) -> bool {
    let secret = secret.expose().as_bytes();
    !secret.is_empty() && bool::from(sent.as_bytes().ct_eq(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_once_and_doubled_ones_are_none() {
        let found = |pairs: &str| value_of(pairs, "resource");
        assert_eq!(found("a=b&resource=https%3A%2F%2Fx%20y%2Bz").as_deref(), Some("https://x y+z"));
        for odd in
            ["", "a", "resource=a&resource=b", "resource=%0a", "resource=%f", "resource=%ff", "resource=%zz"]
        {
            assert_eq!(found(odd), None, "{odd}");
        }
        assert_eq!(found("resource").as_deref(), Some(""));
    }

    #[test]
    fn an_empty_secret_is_nobody_s() {
        let is = |sent: &str, secret: &str| is_secret(sent, &Secret::new(secret.to_owned()));
        assert!(is("abc", "abc"));
        assert!(!is("", "") && !is("abd", "abc") && !is("ab", "abc") && !is("abcd", "abc"));
    }
}
