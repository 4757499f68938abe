//! Starters: small example projects that live in the program and need no network to be laid out.

/// One file of a starter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StarterFile {
    /// Its path inside the project.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
    /// Its permission bits.
    pub mode: u32,
}

/// One starter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Starter {
    /// What it is called.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub about: &'static str,
    /// Its files.
    pub files: &'static [StarterFile],
}

macro_rules! file {
    ($starter:literal, $path:literal) => {
        StarterFile {
            path: $path,
            text: include_str!(concat!("../../profiles/starters/", $starter, "/", $path)),
            mode: 0o644,
        }
    };
}

/// Every starter.
pub const ALL: &[Starter] = &[Starter {
    name: "hello-ml",
    about: "a linear regression in plain Python, served by Flask, with tests",
    files: &[
        file!("hello-ml", "Makefile"),
        file!("hello-ml", "README.md"),
        file!("hello-ml", "app.py"),
        file!("hello-ml", "devboot.toml"),
        file!("hello-ml", "hello.py"),
        file!("hello-ml", "requirements.txt"),
        file!("hello-ml", "test_app.py"),
        file!("hello-ml", "test_hello.py"),
    ],
}];

/// The files of a starter; `None` when there is none of this name.
pub fn files(name: &str) -> Option<&'static [StarterFile]> {
    ALL.iter().find(|starter| starter.name == name).map(|starter| starter.files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods, clippy::disallowed_types)]
    use super::*;

    #[test]
    fn every_file_of_a_starter_is_in_the_table() {
        for starter in ALL {
            let dir = format!("{}/profiles/starters/{}", env!("CARGO_MANIFEST_DIR"), starter.name);
            let mut names: Vec<String> = std::fs::read_dir(dir)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| !name.starts_with(['.', '_']))
                .collect();
            names.sort();
            let mut listed: Vec<&str> = starter.files.iter().map(|file| file.path).collect();
            listed.sort();
            assert_eq!(names, listed);
        }
        assert!(files("nope").is_none());
    }
}
