//! The protocol by which AWS's SDKs get credentials from a program: running such a program, and answering as one.

use std::fmt;
use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lease::AwsLease;
use super::sigv4::Keys;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::redact;
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::time::Timestamp;
use crate::sys::process::{CommandSpec, Ending, run};

/// The largest answer that is read, in bytes.
const LIMIT: usize = 64 << 10;

/// How much of the program's complaint is shown, in characters.
const WORDS: usize = 300;

/// Why a program gave no credentials. What it wrote on standard output is in none of them.
#[derive(Debug)]
pub enum ProgramError {
    /// Its command line cannot be split: a quote is not closed, or nothing is there.
    CommandLine,
    /// It cannot be started; its name.
    Start(String, io::Error),
    /// It took too long; its name.
    Slow(String),
    /// It failed: its name, and the last line of its complaint.
    Failed(String, String),
    /// What it printed is no answer: its name, and what is wrong.
    Answer(String, &'static str),
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("the credential_process of the profile is no command line"),
            Self::Start(name, _) => write!(f, "the credential_process '{name}' cannot be started"),
            Self::Slow(name) => write!(f, "the credential_process '{name}' took too long"),
            Self::Failed(name, said) if said.is_empty() => {
                write!(f, "the credential_process '{name}' failed")
            }
            Self::Failed(name, said) => write!(f, "the credential_process '{name}' failed: {said}"),
            Self::Answer(name, what) => write!(f, "the answer of the credential_process '{name}' {what}"),
        }
    }
}

impl std::error::Error for ProgramError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(_, error) => Some(error),
            _ => None,
        }
    }
}

impl Diagnose for ProgramError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::CommandLine => ErrorKind::Usage,
            _ => ErrorKind::Failed,
        }
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::CommandLine => "close the quotes in credential_process".into(),
            Self::Start(..) => "credential_process names a program and is run without a shell".into(),
            Self::Slow(_) => "it must not ask anything: nobody is there to answer".into(),
            Self::Failed(..) => "run its command line by hand to see all it says".into(),
            Self::Answer(..) => "it must print one JSON object with \"Version\": 1".into(),
        }]
    }
}

/// Runs a program and reads its answer. It has no input, no terminal and `timeout`.
///
/// # Errors
/// It cannot be started, fails, takes too long, or prints no answer.
pub fn obtain(
    command_line: &Secret<String>,
    timeout: Duration,
    clock: fn() -> Timestamp,
) -> Result<AwsLease, ProgramError> {
    let words = split(command_line.expose()).filter(|words| !words.is_empty());
    let words = words.ok_or(ProgramError::CommandLine)?;
    let name = printable(&words[0]);
    let spec = CommandSpec::new(&words[0]).args(&words[1..]).timeout(timeout).new_session();
    let done = run(&spec).map_err(|error| ProgramError::Start(name.clone(), error))?;
    let stdout = Secret::new(done.stdout);
    match done.ending {
        Ending::Exited(0) => {}
        Ending::TimedOut => return Err(ProgramError::Slow(name)),
        _ => return Err(ProgramError::Failed(name, last_words(&done.stderr))),
    }
    read(stdout.expose(), clock()).map_err(|what| ProgramError::Answer(name, what))
}

/// The last line with words in it, harmless and without what looks like a secret.
fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    printable(&redact::line(&line.trim().chars().take(WORDS).collect::<String>()))
}

/// Splits a command line as Python's `shlex` does for botocore: blanks, both quotes, the backslash, and no shell's
/// other signs. `None` when a quote is not closed.
pub fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(chars.next()?),
            '\'' => loop {
                let word = word.get_or_insert_default();
                match chars.next()? {
                    '\'' => break,
                    c => word.push(c),
                }
            },
            '"' => loop {
                let word = word.get_or_insert_default();
                match chars.next()? {
                    '"' => break,
                    '\\' => match chars.next()? {
                        c @ ('"' | '\\') => word.push(c),
                        c => word.extend(['\\', c]),
                    },
                    c => word.push(c),
                }
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    version: serde_json::Value,
    #[serde(default)]
    access_key_id: String,
    #[serde(default)]
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
    account_id: Option<String>,
}

/// Reads an answer; what is wrong with it is the end of a sentence.
pub fn read(answer: &[u8], now: Timestamp) -> Result<AwsLease, &'static str> {
    if answer.len() > LIMIT {
        return Err("is too long");
    }
    let wire: Wire = serde_json::from_slice(answer).map_err(|_| "is not the JSON that it must be")?;
    let secret_access_key = Secret::new(wire.secret_access_key);
    let session_token = wire.session_token.filter(|token| !token.is_empty()).map(Secret::new);
    if wire.version != 1 {
        return Err("is not of version 1");
    }
    let token = session_token.as_ref().map_or("-", |token| token.expose());
    let account = wire.account_id.filter(|account| !account.is_empty());
    let texts = [&wire.access_key_id, secret_access_key.expose(), token, account.as_deref().unwrap_or("-")];
    if texts.iter().any(|text| text.is_empty()) {
        return Err("has no AccessKeyId or no SecretAccessKey");
    }
    if !texts.iter().all(|text| text.chars().all(|c| c.is_ascii_graphic())) {
        return Err("has a key with blanks or control characters");
    }
    let expiration = wire.expiration.map(|text| Timestamp::parse(&text)).transpose();
    Ok(AwsLease {
        keys: Keys { access_key_id: wire.access_key_id, secret_access_key, session_token },
        account,
        obtained: now,
        expiration: expiration.map_err(|_| "has an Expiration that is no time")?,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    version: u8,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

/// The answer that hands a lease over: one line.
pub fn answer(lease: &AwsLease) -> Secret<String> {
    let answer = Answer {
        version: 1,
        access_key_id: &lease.keys.access_key_id,
        secret_access_key: lease.keys.secret_access_key.expose(),
        session_token: lease.keys.session_token.as_ref().map(|token| token.expose().as_str()),
        expiration: lease.expiration.map(|end| end.to_string()),
        account_id: lease.account.as_deref(),
    };
    let mut text = serde_json::to_string(&answer).unwrap_or_default();
    text.push('\n');
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::aws::lease::tests::lease;

    fn now() -> Timestamp {
        Timestamp(0)
    }

    fn run_line(line: &str) -> Result<AwsLease, ProgramError> {
        obtain(&Secret::new(line.to_owned()), Duration::from_secs(60), now)
    }

    #[test]
    fn lines_are_split_as_python_does() {
        let words = |line: &str| split(line);
        let some = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(r#""/my dir/p"  a\ b 'c "d' e"f"g"#), some(&["/my dir/p", "a b", "c \"d", "efg"]));
        assert_eq!(
            words(r#""a\"b\\c\$d" '' #x $(id) `w` a;b|c"#),
            some(&[r#"a"b\c\$d"#, "", "#x", "$(id)", "`w`", "a;b|c"])
        );
        assert_eq!(words("  \t "), some(&[]));
        for open in ["a 'b", "a \"b", "a\\", "\"a\\"] {
            assert_eq!(words(open), None, "{open}");
        }
    }

    #[test]
    fn what_is_answered_is_read_back() {
        let read = read(answer(&lease(Some(3600))).expose().as_bytes(), now()).unwrap();
        assert_eq!(read.expiration, Some(Timestamp(3600)));
        assert_eq!(read.keys.session_token.unwrap().expose(), "FwoG+/==");
        assert!(!answer(&lease(None)).expose().contains("Expiration"), "no end is no field");
    }

    #[test]
    fn a_program_is_run_without_a_shell() {
        let answer = r#"{"Version":1,"AccessKeyId":"AK$(id)","SecretAccessKey":"S"}"#;
        let found = run_line(&format!("printf %s '{answer}'")).unwrap();
        assert_eq!(found.keys.access_key_id, "AK$(id)");
    }

    #[test]
    fn failures_say_why_and_never_what_was_printed() {
        let say = |line: &str| {
            let error = run_line(line).unwrap_err();
            let text = format!("{error} {error:?} {:?}", error.hints());
            assert!(!text.contains("hidden1"), "{text}");
            error.to_string()
        };
        assert!(
            say("sh -c 'echo hidden1; echo ask your admin >&2; exit 3'").ends_with("failed: ask your admin")
        );
        assert!(say("sh -c 'echo token=hidden1 >&2; exit 1'").contains("token="));
        assert!(say("printf hidden1").contains("not the JSON"));
        assert!(say("/nowhere/hidden").contains("cannot be started"));
        assert!(say("'open").contains("no command line"));
    }

    #[test]
    fn a_slow_program_is_ended() {
        let line = Secret::new("sleep 600".to_owned());
        let slow = obtain(&line, Duration::from_millis(100), now);
        assert!(matches!(slow, Err(ProgramError::Slow(_))));
    }

    #[test]
    fn odd_answers_are_refused() {
        let good =
            r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"S","SessionToken":"","Expiration":null}"#;
        assert!(read(good.as_bytes(), now()).unwrap().keys.session_token.is_none());
        for (from, to) in [
            ("1", "2"),
            ("1", "\"1\""),
            ("1", "1.0"),
            ("\"A\"", "\"\""),
            ("\"S\"", "\"S\\n\""),
            ("null", "\"soon\""),
            ("{", "["),
        ] {
            assert!(read(good.replacen(from, to, 1).as_bytes(), now()).is_err(), "{from} -> {to}");
        }
        assert!(read(&vec![b' '; LIMIT + 1], now()).is_err());
    }
}
