//! git's own credential helpers: asked when a server wants a password, told afterwards whether it was right. What is
//! secret travels through pipes and is never shown.

use std::fmt;
use std::time::Duration;

use crate::sys::http::Login;
use crate::sys::process::{self, CommandSpec};

/// How long a helper may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What became of a server's question for a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The address has a password of its own, and it is wrong.
    Given,
    /// There is no `git` here, and so no helper.
    NoGit,
    /// No helper knows one.
    Unknown,
    /// A helper took too long.
    Slow,
    /// What a helper knew is wrong.
    Wrong,
    /// A server asked to which another one had sent us.
    Elsewhere,
}

/// A user and a password of a helper, and its own words, which it gets back with the verdict.
#[derive(Clone)]
pub struct Credential {
    /// What the server is told.
    pub login: Login,
    words: Vec<u8>,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?})", self.login)
    }
}

/// Asks git's helpers for the user and password of `url`. Nobody is asked who sits at a terminal.
pub fn fill(url: &str, user: Option<&str>) -> Result<Credential, Asked> {
    if process::find("git").is_none() {
        return Err(Asked::NoGit);
    }
    let question = question(url, user).ok_or(Asked::Unknown)?;
    let done = process::run(&command("fill").stdin(question)).map_err(|_| Asked::NoGit)?;
    if done.ending == process::Ending::TimedOut {
        return Err(Asked::Slow);
    }
    let login = if done.ok() { login(&done.stdout) } else { None };
    Ok(Credential { login: login.ok_or(Asked::Unknown)?, words: done.stdout })
}

impl Credential {
    /// Tells the helpers that the server took it.
    pub fn approve(&self) {
        self.tell("approve");
    }

    /// Tells the helpers that the server did not take it.
    pub fn reject(&self) {
        self.tell("reject");
    }

    fn tell(&self, verdict: &str) {
        // A helper that cannot keep or forget changes nothing for us.
        let _ = process::run(&command(verdict).stdin(self.words.clone()));
    }
}

fn command(verb: &str) -> CommandSpec {
    CommandSpec::new("git")
        .args(["credential", verb])
        .env("GIT_TERMINAL_PROMPT", "0")
        // Empty, it goes before core.askPass and asks nobody.
        .env("GIT_ASKPASS", "")
        .without("SSH_ASKPASS")
        .without("GIT_DIR")
        .cwd("/")
        .new_session()
        .timeout(LIMIT)
}

/// The question in git's format; `None` when a line could not be told from the next one.
fn question(url: &str, user: Option<&str>) -> Option<String> {
    let (protocol, rest) = url.split_once("://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut question = format!("protocol={protocol}\nhost={host}\n");
    // Without credential.useHttpPath, git leaves the path away by itself.
    if !path.is_empty() {
        question += &format!("path={path}\n");
    }
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        question += &format!("username={user}\n");
    }
    let lines = 2 + usize::from(!path.is_empty()) + usize::from(user.is_some_and(|user| !user.is_empty()));
    let clean = question.lines().count() == lines && !question.contains(['\0', '\r']);
    clean.then(|| question + "\n")
}

fn login(answer: &[u8]) -> Option<Login> {
    let answer = std::str::from_utf8(answer).ok()?;
    let value = |name: &str| answer.lines().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    let (user, password) = (value("username")?, value("password")?);
    (!password.is_empty()).then(|| Login { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_line_each() {
        assert_eq!(
            question("https://h:8443/a/b.git", Some("me")).unwrap(),
            "protocol=https\nhost=h:8443\npath=a/b.git\nusername=me\n\n"
        );
        assert_eq!(question("https://h", Some("")).unwrap(), "protocol=https\nhost=h\n\n");
        assert_eq!(question("https://h/x", Some("me\nhost=other")), None);
        assert_eq!(question("https://h/x", Some("me\n")), None);
        assert_eq!(question("https://h/x", Some("me\rhost=other")), None);
    }

    #[test]
    fn an_answer_needs_user_and_password_and_is_not_shown() {
        let answer = b"protocol=https\nhost=h\nusername=me\npassword=s3=cret\n";
        let found = login(answer).unwrap();
        assert_eq!(found, Login { user: "me".into(), password: "s3=cret".into() });
        assert_eq!(login(b"username=me\n"), None);
        assert_eq!(login(b"username=me\npassword=\n"), None);
        let credential = Credential { login: found, words: answer.to_vec() };
        assert!(!format!("{credential:?}").contains("s3"));
    }
}
