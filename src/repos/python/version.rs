//! Versions of Python as far as wheels and projects care: `3.8`, and bounds on them. Pure.

use std::fmt;

/// A minor version, such as 3.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(pub u32, pub u32);

impl Minor {
    /// The version at the start of a text: `3.8`, `3.8.18`, `3.8-slim`. `None` without a minor part.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, rest) = text.trim().split_once('.')?;
        let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let ends = rest[minor.len()..].chars().next().is_none_or(|c| ".-+ ".contains(c) || c == '*');
        let plain = major == "3" && (1..=2).contains(&minor.len()) && ends;
        plain.then(|| minor.parse().ok().map(|minor| Self(3, minor))).flatten()
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Bounds that all hold, such as `>=3.7,<3.11` (PEP 440, and `^3.8` and `~3.8` as Poetry writes them).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges(Vec<Bound>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    sign: Sign,
    parts: Vec<u32>,
    any: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    AtLeast,
    Above,
    AtMost,
    Below,
    Is,
    Not,
}

impl Ranges {
    /// Reads bounds; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.contains('|') {
            // Poetry's alternatives: one of them alone would exclude what another one admits.
            return None;
        }
        let mut bounds = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if let Some(version) = part.strip_prefix('^') {
                bounds.extend(up_to(bound(Sign::AtLeast, version)?, 1)?);
            } else if let Some(version) = part.strip_prefix("~=") {
                let low = bound(Sign::AtLeast, version)?;
                // `~=3.8` is 3.8 and newer below 4; `~=3.8.1` stays at 3.8.
                let kept = low.parts.len().checked_sub(1).filter(|kept| *kept > 0)?;
                bounds.extend(up_to(low, kept.min(2))?);
            } else if let Some(version) = part.strip_prefix('~') {
                let low = bound(Sign::AtLeast, version)?;
                let kept = low.parts.len().min(2);
                bounds.extend(up_to(low, kept)?);
            } else {
                let signs = [
                    (">=", Sign::AtLeast),
                    ("<=", Sign::AtMost),
                    ("===", Sign::Is),
                    ("==", Sign::Is),
                    ("!=", Sign::Not),
                    (">", Sign::Above),
                    ("<", Sign::Below),
                    ("", Sign::Is),
                ];
                let (sign, rest) =
                    signs.iter().find_map(|(sign, means)| Some((*means, part.strip_prefix(sign)?)))?;
                bounds.push(bound(sign, rest)?);
            }
        }
        (!bounds.is_empty()).then_some(Self(bounds))
    }

    /// Whether some release of this minor version lies within.
    pub fn admits(&self, version: Minor) -> bool {
        self.0.iter().all(|bound| bound.admits(version))
    }
}

/// A lower bound, and the upper one that keeps its first parts as they are.
fn up_to(low: Bound, kept: usize) -> Option<[Bound; 2]> {
    let mut parts = low.parts.get(..kept)?.to_vec();
    let last = parts.last_mut()?;
    *last = last.checked_add(1)?;
    Some([low, Bound { sign: Sign::Below, parts, any: false }])
}

fn bound(sign: Sign, text: &str) -> Option<Bound> {
    let text = text.trim();
    let (plain, any) = text.strip_suffix(".*").map_or((text, false), |plain| (plain, true));
    let digits = plain.split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?;
    let parts: Vec<u32> = digits.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    (parts.len() <= 4).then_some(Bound { sign, parts, any })
}

impl Bound {
    fn admits(&self, version: Minor) -> bool {
        let minor = [version.0, self.parts.get(1).map_or(0, |_| version.1)];
        let here = &minor[..self.parts.len().min(2)];
        let there = &self.parts[..self.parts.len().min(2)];
        let deeper = self.parts.len() > 2 && self.parts[2..].iter().any(|part| *part > 0);
        match self.sign {
            // Above a release of a minor version there are others of it: `>3.7` admits 3.7.1.
            Sign::AtLeast | Sign::Above => here >= there,
            Sign::AtMost => here <= there,
            Sign::Below => here < there || here == there && deeper,
            Sign::Is => here == there,
            Sign::Not => here != there || self.parts.len() > 2 && !self.any,
        }
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, bound) in self.0.iter().enumerate() {
            let sign = match bound.sign {
                Sign::AtLeast => ">=",
                Sign::Above => ">",
                Sign::AtMost => "<=",
                Sign::Below => "<",
                Sign::Is => "==",
                Sign::Not => "!=",
            };
            let parts: Vec<String> = bound.parts.iter().map(u32::to_string).collect();
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{sign}{}{}", parts.join("."), if bound.any { ".*" } else { "" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minors_are_read() {
        assert_eq!(Minor::parse("3.8.18"), Some(Minor(3, 8)));
        assert_eq!(Minor::parse("3.12-slim"), Some(Minor(3, 12)));
        for text in ["3", "3.x", "2.7", "3.888", "", "a.b", "3.8a"] {
            assert_eq!(Minor::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ranges_admit_what_pip_would() {
        for (range, yes, no) in [
            (">=3.7", &[7, 8, 13][..], &[6][..]),
            (">=3.7,<3.11", &[7, 10], &[6, 11]),
            (">=3.6.1, <4", &[6, 13], &[5]),
            ("<3.8", &[7], &[8]),
            ("<=3.8", &[8], &[9]),
            ("==3.8.*", &[8], &[7, 9]),
            ("~=3.8", &[8, 12], &[7]),
            ("~=3.8.1", &[8], &[9]),
            ("^3.8", &[8, 12], &[7]),
            ("~3.8", &[8], &[9]),
            (">3.7", &[7, 8], &[6]),
            ("^2.7", &[], &[0, 8]),
            ("~=2.7", &[], &[0, 8]),
            ("~=2.7.1", &[], &[7, 8]),
            ("~3", &[6, 13], &[]),
            ("!=3.0.*,!=3.1.*,>=2.7", &[2, 8], &[0, 1]),
            ("<3.11.4", &[11, 10], &[12]),
        ] {
            let parsed = Ranges::parse(range).unwrap();
            for minor in yes {
                assert!(parsed.admits(Minor(3, *minor)), "{range} admits 3.{minor}");
            }
            for minor in no {
                assert!(!parsed.admits(Minor(3, *minor)), "{range} does not admit 3.{minor}");
            }
        }
        assert_eq!(Ranges::parse("whatever"), None);
        assert_eq!(Ranges::parse(""), None);
        assert_eq!(Ranges::parse("^2.7 || ^3.6"), None, "alternatives are no bounds that all hold");
        for text in ["~=3.4294967295.1", "~3.4294967295", "^4294967295.1", "~=3", ">=3.99999999999"] {
            assert_eq!(Ranges::parse(text), None, "{text}");
        }
    }
}
