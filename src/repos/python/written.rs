//! Dependencies that are written for another tool, as requirements: Pipfile.lock, Pipfile, environment.yml. What
//! pip cannot do is left out and named. Pure.

use std::collections::BTreeMap;

use crate::base::text::printable;

/// What a file says, as requirements.
pub(super) struct Written {
    /// The file.
    pub file: &'static str,
    /// Its text.
    pub text: String,
    /// Requirements, one a line.
    pub lines: Vec<String>,
    /// What is not done, each in words.
    pub left_out: Vec<String>,
}

/// The first such file that is there and can be read.
pub(super) fn written(read: &dyn Fn(&str) -> Option<String>) -> Option<Written> {
    type Reader = fn(&str) -> Option<(Vec<String>, Vec<String>)>;
    let files: [(&'static str, Reader); 4] = [
        ("Pipfile.lock", pipfile_lock),
        ("Pipfile", pipfile),
        ("environment.yml", conda),
        ("environment.yaml", conda),
    ];
    files.into_iter().find_map(|(file, reader)| {
        let text = read(file)?;
        let (mut lines, left_out) = reader(&text)?;
        // What could be an option of pip, or two lines, is none.
        lines.retain(|line| !line.starts_with('-') && !line.chars().any(char::is_control));
        Some(Written { file, text, lines, left_out })
    })
}

fn pipfile_lock(text: &str) -> Option<(Vec<String>, Vec<String>)> {
    let lock: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let (mut lines, mut left_out) = (Vec::new(), Vec::new());
    for part in ["default", "develop"] {
        let packages = lock.get(part).and_then(serde_json::Value::as_object);
        for (name, package) in packages.into_iter().flatten() {
            let word = |key: &str| package.get(key).and_then(serde_json::Value::as_str);
            let Some(version) = word("version") else {
                left_out.push(format!("{} of Pipfile.lock: it is no package of an index", printable(name)));
                continue;
            };
            let extras: Vec<&str> = package
                .get("extras")
                .and_then(serde_json::Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(serde_json::Value::as_str)
                .collect();
            let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
            let markers = word("markers").map_or_else(String::new, |markers| format!("; {markers}"));
            lines.push(format!("{name}{extras}{version}{markers}"));
        }
    }
    (!lines.is_empty()).then_some((lines, left_out))
}

fn pipfile(text: &str) -> Option<(Vec<String>, Vec<String>)> {
    let table: toml::Table = text.parse().ok()?;
    let (mut lines, mut left_out) = (Vec::new(), Vec::new());
    for part in ["packages", "dev-packages"] {
        for (name, wanted) in table.get(part).and_then(toml::Value::as_table).into_iter().flatten() {
            let (version, markers) = match wanted {
                toml::Value::String(version) => (version.as_str(), ""),
                toml::Value::Table(parts) if parts.contains_key("version") => {
                    let word = |key: &str| parts.get(key).and_then(toml::Value::as_str).unwrap_or_default();
                    (word("version"), word("markers"))
                }
                _ => {
                    left_out
                        .push(format!("{} of the Pipfile: it is no package of an index", printable(name)));
                    continue;
                }
            };
            let version = if version == "*" { "" } else { version };
            let markers = if markers.is_empty() { String::new() } else { format!("; {markers}") };
            lines.push(format!("{name}{version}{markers}"));
        }
    }
    (!lines.is_empty()).then_some((lines, left_out))
}

/// Packages of conda that pip has under another name.
const RENAMED: [(&str, &str); 6] = [
    ("pytorch", "torch"),
    ("tensorflow-gpu", "tensorflow"),
    ("py-xgboost", "xgboost"),
    ("matplotlib-base", "matplotlib"),
    ("opencv", "opencv-python-headless"),
    ("pytables", "tables"),
];

/// Packages of conda that are no Python, or Python itself: pip cannot install them.
const FOREIGN: [&str; 16] = [
    "python",
    "pip",
    "setuptools",
    "wheel",
    "cudatoolkit",
    "cudnn",
    "mkl",
    "blas",
    "openblas",
    "libgcc",
    "gcc",
    "gxx",
    "nodejs",
    "r-base",
    "ffmpeg",
    "git",
];

fn conda(text: &str) -> Option<(Vec<String>, Vec<String>)> {
    let (mut lines, mut left_out) = (Vec::new(), Vec::new());
    let (mut inside, mut pip) = (false, None::<usize>);
    for line in text.lines() {
        let code = line.split(" #").next().unwrap_or_default().trim_end();
        let body = code.trim_start();
        let indent = code.len() - body.len();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        if !body.starts_with('-') {
            inside = body == "dependencies:";
            pip = None;
            continue;
        }
        let item = body.trim_start_matches('-').trim().trim_matches(['"', '\'']);
        if !inside {
            continue;
        }
        if pip.is_some_and(|depth| indent > depth) {
            lines.push(item.to_owned());
            continue;
        }
        pip = None;
        if item == "pip:" {
            pip = Some(indent);
            continue;
        }
        match from_conda(item) {
            Some(line) => lines.push(line),
            None if ["python", "pip"].iter().any(|own| name_of(item) == *own) => {}
            None => left_out.push(format!("{} of environment.yml: pip cannot install it", printable(item))),
        }
    }
    (!lines.is_empty() || !left_out.is_empty()).then_some((lines, left_out))
}

fn name_of(item: &str) -> String {
    let item = item.rsplit("::").next().unwrap_or(item);
    let end = item.find(|c: char| "=<>!~ ".contains(c)).unwrap_or(item.len());
    item[..end].to_ascii_lowercase()
}

/// `numpy=1.21.2=py38_0` as `numpy==1.21.2`; a version with two parts means every one that begins so.
fn from_conda(item: &str) -> Option<String> {
    let name = name_of(item);
    if name.is_empty() || name.starts_with('_') || name.starts_with("lib") || FOREIGN.contains(&name.as_str())
    {
        return None;
    }
    let item = item.rsplit("::").next().unwrap_or(item);
    let rest = item[name.len()..].replace(' ', "");
    let name =
        RENAMED.iter().find(|(conda, _)| *conda == name).map_or(name.as_str(), |(_, pip)| pip).to_owned();
    let version = match rest.strip_prefix('=').filter(|rest| !rest.starts_with('=')) {
        Some(pinned) => {
            let version = pinned.split('=').next().unwrap_or_default().trim_end_matches(".*");
            let any = if version.matches('.').count() < 2 { ".*" } else { "" };
            format!("=={version}{any}")
        }
        None => rest,
    };
    Some(format!("{name}{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &'static str, text: &str) -> Option<(Vec<String>, Vec<String>)> {
        let read = |name: &str| (name == file).then(|| text.to_owned());
        written(&read).map(|found| (found.lines, found.left_out))
    }

    #[test]
    fn a_pipfile_and_its_lock_are_read() {
        let (lines, left) = of(
            "Pipfile",
            "[packages]\nflask='*'\nnumpy='==1.2'\nmine={path='.'}\nx={version='>1', markers=\"os_name=='nt'\"}\n[dev-packages]\npytest='*'\n",
        )
        .unwrap();
        assert_eq!(lines, ["flask", "numpy==1.2", "x>1; os_name=='nt'", "pytest"]);
        assert_eq!(left, ["mine of the Pipfile: it is no package of an index"]);
        let lock = r#"{"_meta": {}, "default": {"flask": {"version": "==1.0"}, "g": {"git": "x"}},
            "develop": {"a": {"version": "==2", "extras": ["b"], "markers": "os_name == 'nt'"}}}"#;
        let (lines, left) = of("Pipfile.lock", lock).unwrap();
        assert_eq!(lines, ["flask==1.0", "a[b]==2; os_name == 'nt'"]);
        assert_eq!(left.len(), 1);
        assert_eq!(of("Pipfile", "[packages]\n"), None);
        assert_eq!(of("Pipfile", "not toml ["), None);
    }

    #[test]
    fn of_a_conda_environment_pip_does_what_it_can() {
        let text = "name: ml\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.8\n  - numpy=1.21.2=py38_0\n  \
                    - conda-forge::scikit-learn>=0.24\n  - pandas=1.3\n  - cudatoolkit=11\n  - pytorch\n  - pip\n  - pip:\n    \
                    - flask==1.0  # web\n    - --index-url http://evil\n  - scipy\n";
        let (lines, left) = of("environment.yml", text).unwrap();
        assert_eq!(
            lines,
            ["numpy==1.21.2", "scikit-learn>=0.24", "pandas==1.3.*", "torch", "flask==1.0", "scipy"]
        );
        assert_eq!(left, ["cudatoolkit=11 of environment.yml: pip cannot install it"]);
        assert_eq!(of("environment.yml", "name: x\n"), None);
    }
}
