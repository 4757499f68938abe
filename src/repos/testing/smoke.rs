//! What is tried where there are no tests: each module is imported, and an app is asked for its first page. It
//! shows that the pieces fit together, and is never green.

use serde::{Deserialize, Serialize};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smoke {
    /// Modules that could be imported.
    pub imported: Vec<String>,
    /// Those that could not, each with why.
    pub failed: Vec<(String, String)>,
    /// Those that print when they are imported: importing them does something.
    pub talkative: Vec<String>,
    /// The status that the app answered `GET /` with.
    pub answered: Option<u16>,
    /// The app that answered, such as `main.app`.
    pub app: Option<String>,
}

/// The program that does it, run by the environment's Python.
pub const PROGRAM: &str = include_str!("smoke.py");

/// Names under which frameworks keep their app.
pub const APPS: &str = "app,application,api,server";

/// Modules are not imported beyond this many.
const MODULES: usize = 40;

/// The modules at the top of a repository that can be imported: no tests, no set-up scripts, no names that an
/// import could not have. `names` are the paths of its files.
pub fn modules(names: &[String]) -> Vec<String> {
    const NEVER: [&str; 8] =
        ["setup", "conftest", "manage", "noxfile", "fabfile", "tasks", "wsgi_config", "__main__"];
    let mut found: Vec<String> = names
        .iter()
        .filter_map(|path| match path.split('/').collect::<Vec<_>>()[..] {
            [file] => file.strip_suffix(".py"),
            [package, "__init__.py"] => Some(package),
            _ => None,
        })
        .filter(|name| !NEVER.contains(name) && !name.starts_with("test") && !name.ends_with("_test"))
        .filter(|name| is_identifier(name))
        .map(str::to_owned)
        .collect();
    found.sort();
    found.truncate(MODULES);
    found
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Smoke {
    /// Reads what the program wrote.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Whether what matters went well: the app answers, or, without one, every module can be imported.
    pub fn is_well(&self) -> bool {
        match self.answered {
            Some(status) => status < 500,
            None => self.failed.is_empty() && !self.imported.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_to_be_imported_is() {
        let names = [
            "main.py",
            "lib/__init__.py",
            "lib/a.py",
            "test_x.py",
            "setup.py",
            "a-b.py",
            "1.py",
            "README.md",
        ];
        assert_eq!(modules(&names.map(str::to_owned)), ["lib", "main"]);
    }

    #[test]
    fn an_app_that_breaks_is_not_well() {
        let imported = Smoke { imported: vec!["main".into()], ..Smoke::default() };
        assert!(imported.is_well());
        assert!(Smoke { answered: Some(404), ..imported.clone() }.is_well());
        assert!(!Smoke { answered: Some(500), ..imported.clone() }.is_well());
        let failed = vec![("a".into(), "x".into())];
        assert!(!Smoke { failed: failed.clone(), ..imported.clone() }.is_well());
        assert!(Smoke { failed, answered: Some(200), ..imported }.is_well(), "a script beside the app");
        assert!(!Smoke::default().is_well());
    }
}
