//! Environment markers of requirements, as far as the choice of a Python needs them: for which Pythons does a line
//! hold on this machine? Pure.

use super::version::Minor;

/// When a requirement holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// With every Python.
    Always,
    /// With the Pythons within these PEP 440 bounds.
    With(String),
    /// Not on this machine.
    Never,
    /// It cannot be told.
    Unknown,
}

/// Reads a marker, such as `python_version < "3.8" and sys_platform != "win32"`. Alternatives are not taken apart.
pub(super) fn read(marker: &str, is_mac: bool) -> Holds {
    let marker = marker.trim();
    if marker.is_empty() {
        return Holds::Always;
    }
    if marker.contains(" or ") {
        return Holds::Unknown;
    }
    let mut bounds = Vec::new();
    for part in marker.split(" and ") {
        let part = part.trim().trim_start_matches('(').trim_end_matches(')').trim();
        let Some((variable, sign, value)) = comparison(part) else { return Holds::Unknown };
        let here = match (variable, is_mac) {
            // The variable has two parts: what is above 3.7 is 3.8, and not 3.7.1.
            ("python_version", _) if sign == ">" => {
                let Some(Minor(major, minor)) = Minor::parse(value) else { return Holds::Unknown };
                bounds.push(format!(">={major}.{}", minor + 1));
                continue;
            }
            ("python_version" | "python_full_version", _) => {
                bounds.push(format!("{sign}{value}"));
                continue;
            }
            ("os_name", _) => "posix",
            ("sys_platform", false) => "linux",
            ("sys_platform", true) => "darwin",
            ("platform_system", false) => "Linux",
            ("platform_system", true) => "Darwin",
            ("platform_python_implementation", _) => "CPython",
            ("implementation_name", _) => "cpython",
            _ => return Holds::Unknown,
        };
        match sign {
            "==" if value != here => return Holds::Never,
            "!=" if value == here => return Holds::Never,
            "==" | "!=" => {}
            _ => return Holds::Unknown,
        }
    }
    if bounds.is_empty() { Holds::Always } else { Holds::With(bounds.join(",")) }
}

/// `VARIABLE SIGN "VALUE"`.
fn comparison(text: &str) -> Option<(&str, &str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    let (variable, rest) = text.split_at(end);
    let value = rest.trim_start().trim_start_matches(['=', '!', '<', '>', '~']).trim();
    let sign = rest.trim().strip_suffix(value)?.trim();
    let value = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))?;
    let is_plain = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '*' | '_' | '-'));
    (is_plain && !sign.is_empty()).then_some((variable, sign, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_bounds_on_pythons_where_they_hold_at_all() {
        let with = |bounds: &str| Holds::With(bounds.to_owned());
        for (marker, holds) in [
            ("", Holds::Always),
            ("python_version < '3.8'", with("<3.8")),
            ("python_version>=\"3.8\" and python_version < \"4.0\"", with(">=3.8,<4.0")),
            ("(python_full_version >= '3.6.2') and os_name == \"posix\"", with(">=3.6.2")),
            ("sys_platform != 'win32' and python_version ~= '3.7'", with("~=3.7")),
            ("python_version > '3.7'", with(">=3.8")),
            ("platform_system == 'Windows'", Holds::Never),
            ("sys_platform == 'darwin'", Holds::Never),
            ("platform_python_implementation != 'PyPy'", Holds::Always),
            ("python_version < '3' or python_version > '3.5'", Holds::Unknown),
            ("python_version in '3.6 3.7'", Holds::Unknown),
            ("platform_machine == 'x86_64'", Holds::Unknown),
            ("python_version", Holds::Unknown),
            ("python_version < 3.8", Holds::Unknown),
            ("extra == 'test'", Holds::Unknown),
        ] {
            assert_eq!(read(marker, false), holds, "{marker}");
        }
        assert_eq!(read("sys_platform == 'darwin'", true), Holds::Always);
    }
}
