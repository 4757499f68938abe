//! Versions of Python behind the keys of YAML files and in the images of Dockerfiles, line by line. Pure; what a
//! file refers to is looked up once and never unfolded, so that no file can make it long.

use std::collections::BTreeMap;

use super::evidence::{Rank, Said, Says};
use super::version::Minor;

/// One version that was found: its line from 0, and whether it stood among several.
type Found = (usize, Minor, bool);

/// The values of some keys: `key: 3.8`, `key: [3.7, 3.8]`, lists below the key, and `key: $(name)` or
/// `key: ${{ matrix.name }}` with what stands behind that name. `variables` are looked up even where nothing
/// refers to them.
pub(super) fn keyed(text: &str, keys: &[&str], variables: &[&str]) -> Said {
    let (mut found, names) = scan(text, keys);
    let mut names: Vec<&str> = names.iter().map(String::as_str).chain(variables.iter().copied()).collect();
    names.retain(|name| !keys.contains(name));
    names.sort_unstable();
    names.dedup();
    found.extend(scan(text, &names).0.into_iter().map(|(index, version, _)| (index, version, true)));
    found.sort_unstable();
    let several = found.iter().any(|(_, version, _)| *version != found[0].1);
    let rank = |listed: bool| if listed && several { Rank::Matrix } else { Rank::Deployed };
    found.iter().map(|(index, version, listed)| (index + 1, Says::Version(*version), rank(*listed))).collect()
}

/// The most names that the values of one file may refer to.
const NAMES: usize = 16;

/// What stands behind the keys, and the names that it refers to instead.
fn scan(text: &str, keys: &[&str]) -> (Vec<Found>, Vec<String>) {
    let (mut found, mut names) = (Vec::new(), Vec::new());
    let mut list: Option<usize> = None;
    for (index, line) in text.lines().enumerate() {
        let code = without_comment(line);
        let indent = code.len() - code.trim_start().len();
        let body = code.trim();
        if body.is_empty() {
            continue;
        }
        if let Some(depth) = list {
            if let Some(item) = body.strip_prefix("- ").filter(|_| indent >= depth) {
                found.extend(value(item).map(|version| (index, version, true)));
                continue;
            }
            list = None;
        }
        let Some((key, rest)) = body.trim_start_matches("- ").split_once(':') else { continue };
        if !keys.contains(&key.trim().trim_matches(['"', '\'']).to_ascii_lowercase().as_str()) {
            continue;
        }
        match rest.trim() {
            "" => list = Some(indent),
            rest => match rest.strip_prefix('[') {
                Some(items) => {
                    let items = items.trim_end_matches(']').split(',');
                    found.extend(items.filter_map(value).map(|version| (index, version, true)));
                }
                // An item of a matrix may begin with the key.
                None => found.extend(value(rest).map(|version| (index, version, body.starts_with("- ")))),
            },
        }
        if let Some(name) = reference(rest).filter(|name| names.len() < NAMES && !names.contains(name)) {
            names.push(name);
        }
    }
    (found, names)
}

/// The name in `$(name)`, `${{ matrix.name }}` or `${{ env.name }}`, in lower case.
fn reference(text: &str) -> Option<String> {
    let text = text.trim().trim_matches(['"', '\'']);
    let azure = || text.strip_prefix("$(")?.strip_suffix(')');
    let github = || {
        let inner = text.strip_prefix("${{")?.strip_suffix("}}")?.trim();
        inner.strip_prefix("matrix.").or_else(|| inner.strip_prefix("env."))
    };
    azure().or_else(github).map(|name| name.trim().to_ascii_lowercase())
}

fn without_comment(line: &str) -> &str {
    let at = line.match_indices('#').find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']));
    at.map_or(line, |(at, _)| &line[..at])
}

/// `3.8`, `'3.8'`, `python38`, `python3.8`, `python:3.8-slim`, `3.x` is none.
fn value(text: &str) -> Option<Minor> {
    let text = text.trim().trim_matches(['"', '\'']);
    if let Some(version) = Minor::parse(text) {
        return Some(version);
    }
    if let Some(version) = image_version(text) {
        return Some(version);
    }
    let rest = text.strip_prefix("python")?;
    Minor::parse(rest).or_else(|| {
        let digits = rest.strip_prefix('3')?;
        let whole = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        whole.then(|| digits.parse().ok().map(|minor| Minor(3, minor))).flatten()
    })
}

/// `FROM python:3.8-slim`, `FROM public.ecr.aws/lambda/python:3.8`; the value of an `ARG` is put in, once.
pub(super) fn dockerfile(text: &str) -> Said {
    let mut values: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        if first.eq_ignore_ascii_case("ARG") {
            for (name, value) in words.filter_map(|word| word.split_once('=')) {
                values.insert(name, value.trim_matches(['"', '\'']));
            }
        } else if first.eq_ignore_ascii_case("FROM") {
            let version = words
                .find(|word| !word.starts_with("--"))
                .and_then(|image| image_version(image).or_else(|| image_version(&filled(image, &values)?)));
            found.extend(version.map(|version| (index + 1, Says::Version(version), Rank::Deployed)));
        }
    }
    found
}

/// An image with the value of the first `$name`, `${name}` or `${name:-default}` in it.
fn filled(image: &str, values: &BTreeMap<&str, &str>) -> Option<String> {
    let (before, rest) = image.split_once('$')?;
    let (name, default, after) = if let Some(rest) = rest.strip_prefix('{') {
        let (inner, after) = rest.split_once('}')?;
        let (name, default) = inner.split_once(":-").map_or((inner, None), |(name, or)| (name, Some(or)));
        (name, default, after)
    } else {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        (&rest[..end], None, &rest[end..])
    };
    Some(format!("{before}{}{after}", values.get(name).copied().or(default)?))
}

fn image_version(image: &str) -> Option<Minor> {
    let (name, tag) = image.rsplit_once(':')?;
    let last = name.rsplit('/').next()?;
    last.starts_with("python").then(|| Minor::parse(tag)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(said: &Said) -> Vec<String> {
        let show = |(line, says, rank): &(usize, Says, Rank)| match says {
            Says::Version(version) => format!("{line} {version} {rank:?}"),
            Says::Range(range) => format!("{line} {range} {rank:?}"),
        };
        said.iter().map(show).collect()
    }

    #[test]
    fn what_a_value_refers_to_is_looked_up() {
        let azure =
            "variables:\n  pythonVersion: '3.7'\nsteps:\n- inputs:\n    versionSpec: '$(pythonVersion)'\n";
        assert_eq!(shown(&keyed(azure, &["versionspec"], &[])), ["2 3.7 Deployed"]);
        let matrix = "matrix:\n  py: [3.7, '3.10']\nwith:\n  python-version: ${{ matrix.py }}\n";
        assert_eq!(shown(&keyed(matrix, &["python-version"], &[])), ["2 3.7 Matrix", "2 3.10 Matrix"]);
        let env = "env:\n  PY: 3.8\nwith:\n  python-version: \"${{ env.PY }}\"\n";
        assert_eq!(shown(&keyed(env, &["python-version"], &[])), ["2 3.8 Deployed"]);
        let strategy = "matrix:\n  a:\n    python.version: '3.7'\n  b:\n    python.version: '3.8'\n";
        assert_eq!(
            shown(&keyed(strategy, &["versionspec"], &["python.version"])),
            ["3 3.7 Matrix", "5 3.8 Matrix"]
        );
        assert_eq!(
            shown(&keyed("python-version: ${{ matrix.python-version }}\n", &["python-version"], &[])),
            [""; 0]
        );
    }

    #[test]
    fn items_of_a_matrix_are_several() {
        let include = "include:\n  - python-version: 3.8\n    os: a\n  - python-version: 3.9\n";
        assert_eq!(shown(&keyed(include, &["python-version"], &[])), ["2 3.8 Matrix", "4 3.9 Matrix"]);
    }

    #[test]
    fn images_have_their_arguments_put_in() {
        for (text, version) in [
            ("ARG V=3.9\nFROM python:${V}\n", "2 3.9 Deployed"),
            ("ARG V=3.9\nFROM python:$V-slim\n", "2 3.9 Deployed"),
            ("FROM python:${V:-3.7}\n", "1 3.7 Deployed"),
            ("ARG A=1 IMAGE='python:3.8'\nFROM $IMAGE AS x\n", "2 3.8 Deployed"),
            ("from --platform=linux/amd64 python:3.8\n", "1 3.8 Deployed"),
        ] {
            assert_eq!(shown(&dockerfile(text)), [version], "{text}");
        }
        assert_eq!(dockerfile("FROM python:$\nFROM python:${V\nFROM $V\nFROM\n"), []);
    }

    #[test]
    fn arguments_that_double_each_other_stay_short() {
        let doubling = (100..200).map(|n| format!("ARG a{n}=$a{}$a{}\n", n + 1, n + 1));
        let text = doubling.collect::<String>() + "FROM $a100\nFROM python:3.8\n";
        assert_eq!(shown(&dockerfile(&text)), ["102 3.8 Deployed"]);
    }
}
