//! What is worth knowing of a repository's CI files before somebody pushes to it: runtimes that no cloud offers any
//! more, scripts that are called and not there. Pure but for [`of`].

use std::path::Path;

use serde::Serialize;

use crate::base::text::printable;
use crate::repos::files::{file_names, read_text};
use crate::sys::system::ReadSystem;

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// What kind, a stable word.
    pub class: &'static str,
    /// The file.
    pub file: String,
    /// In words.
    pub text: String,
}

/// The files that are looked at, besides those of `.github/workflows`.
pub const FILES: [&str; 5] =
    ["buildspec.yml", "azure-pipelines.yml", "cloudbuild.yaml", "app.yaml", ".travis.yml"];

/// The newest Python that the clouds no longer offer.
const RETIRED: [&str; 3] = ["3.5", "3.6", "3.7"];

/// What there is to know of a repository.
pub fn of(system: &dyn ReadSystem, repo: &Path) -> Vec<Notice> {
    let workflows = system.list(&repo.join(".github/workflows")).unwrap_or_default();
    let workflows =
        workflows.iter().filter_map(|name| name.to_str()).map(|name| format!(".github/workflows/{name}"));
    let files = FILES.into_iter().map(str::to_owned).chain(workflows.take(50));
    let texts = files.filter_map(|file| read_text(system, &repo.join(&file)).map(|text| (file, text)));
    let mut names = file_names(system, repo);
    // Scripts may be hidden, and then they are no names of theirs.
    let top = system.list(repo).unwrap_or_default();
    names.extend(top.iter().filter_map(|name| name.to_str()).map(str::to_owned));
    notices(&texts.collect::<Vec<_>>(), &names)
}

/// Reads CI files, given as path and text; `names` are the paths of the repository's files.
pub fn notices(files: &[(String, String)], names: &[String]) -> Vec<Notice> {
    let mut found = Vec::new();
    for (file, text) in files {
        let retired = text.lines().find_map(|line| retired(line.split('#').next().unwrap_or_default()));
        found.extend(retired.map(|version| Notice {
            class: "retired-runtime",
            file: printable(file),
            text: format!("names Python {version}, which is retired"),
        }));
        let missing =
            scripts(text).find(|script| !names.iter().any(|name| name == script.trim_start_matches("./")));
        found.extend(missing.map(|script| Notice {
            class: "missing-helper-script",
            file: printable(file),
            text: format!("calls {}, which is not in the repository", printable(script)),
        }));
    }
    found
}

/// A Python version where such files name one: `key: value`, a list of values, or `{key: value}`.
fn retired(line: &str) -> Option<&'static str> {
    line.split(['{', '}']).find_map(|part| {
        let (key, values) = part.trim().trim_start_matches("- ").split_once(':')?;
        let key = key.trim_matches(['"', '\'', ' ']).to_ascii_lowercase();
        let is_image = key == "name" && values.trim_start_matches([' ', '"', '\'']).starts_with("python:");
        let is_version = ["python-version", "python", "versionspec", "runtime", "image", "vmimage"]
            .contains(&key.as_str());
        (is_version || is_image).then(|| values.split(['[', ']', ',']).find_map(retired_version)).flatten()
    })
}

fn retired_version(value: &str) -> Option<&'static str> {
    let value = value.trim().trim_matches(['"', '\'']).trim_start_matches("python");
    let value = value.trim_start_matches([':', ' ', '"', '\'']);
    RETIRED.into_iter().find(|version| {
        let rest = value.strip_prefix(version).or_else(|| value.strip_prefix(&version.replace('.', "")));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
    })
}

/// The words that stand for a script in the folder itself.
fn scripts(text: &str) -> impl Iterator<Item = &str> {
    let quotes = |c: char| c.is_whitespace() || "\"'[],`()".contains(c);
    let words = text
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default())
        .flat_map(move |line| line.split(quotes));
    words.filter(|word| {
        let name = word.strip_prefix("./").unwrap_or_default();
        !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '$', '*', '<', '{'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, text: &str) -> Vec<&'static str> {
        let names = ["run.sh".to_owned()];
        notices(&[(file.into(), text.into())], &names).into_iter().map(|notice| notice.class).collect()
    }

    #[test]
    fn retired_runtimes_are_seen_where_files_name_them() {
        assert_eq!(found("app.yaml", "runtime: python37\n"), ["retired-runtime"]);
        assert_eq!(found("azure-pipelines.yml", "    versionSpec: '3.7'\n"), ["retired-runtime"]);
        assert_eq!(found("buildspec.yml", "      python: 3.7\n"), ["retired-runtime"]);
        assert_eq!(found("w.yml", "        python-version: \"3.6\" # old\n"), ["retired-runtime"]);
        assert_eq!(found("w.yml", "        python-version: [3.8, \"3.7\"]\n"), ["retired-runtime"]);
        assert_eq!(found("w.yml", "    - with: {python-version: 3.6}\n"), ["retired-runtime"]);
        assert_eq!(found("cloudbuild.yaml", "- name: 'python:3.7'\n"), ["retired-runtime"]);
        for text in ["name: Python 3.7", "python-version: ${{ matrix.python }}"] {
            assert_eq!(found("w.yml", text), [""; 0], "{text}");
        }
        for text in
            ["runtime: python312", "python-version: 3.70", "# python: 3.7", "other: 3.7", "python: 3.11"]
        {
            assert_eq!(found("w.yml", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn scripts_that_are_called_must_be_there() {
        assert_eq!(
            found("cloudbuild.yaml", "  args: ['-c', './pylint_runner']\n"),
            ["missing-helper-script"]
        );
        assert_eq!(found("w.yml", "run: ./run.sh --all\n"), [""; 0]);
        assert_eq!(found("w.yml", "run: cd ./$DIR && ./*.sh\n"), [""; 0]);
    }
}
