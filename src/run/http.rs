//! Web requests as stages: asked until the answer is as expected or the time is up.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::event::Verdict;
use super::unit::{Attempt, Stop};
use crate::base::redact;
use crate::base::text::{printable, size};
use crate::project::model::HttpCheck;
use crate::sys::web::{self, Answer, Ask, BODY};

/// The first and the longest pause before a request is repeated.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How much of a body is shown.
const SHOWN: usize = 200;

/// Asks, and says in a sentence what came of it.
pub async fn check(check: &HttpCheck, mut stop: Stop) -> Attempt {
    tokio::select! {
        found = until_expected(check) => match found {
            Ok(said) => Attempt { verdict: Some(Verdict::Passed), note: Some(said), ..Attempt::default() },
            Err(why) => {
                let note = format!("{} {}: {why}", printable(&check.method), printable(&redact::url(&check.url)));
                Attempt { verdict: Some(Verdict::Failed), note: Some(note), ..Attempt::default() }
            }
        },
        verdict = stop.asked() => Attempt { verdict: Some(verdict), ..Attempt::default() },
    }
}

/// Asks until the answer is as expected; in the end, what was wrong with the last one.
pub(super) async fn until_expected(check: &HttpCheck) -> Result<String, String> {
    let end = Instant::now() + check.retry_for;
    let mut pause = PAUSES.0;
    loop {
        let found = once(check).await;
        let left = end.saturating_duration_since(Instant::now());
        if found.is_ok() || left.is_zero() {
            return found;
        }
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

async fn once(check: &HttpCheck) -> Result<String, String> {
    let headers = check.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let ask =
        Ask { url: &check.url, method: &check.method, headers, body: &check.body, timeout: check.timeout };
    let answer = web::ask(&ask).await.map_err(|error| error.to_string())?;
    judge(check, &answer)
}

/// Whether an answer is as expected: what came, or what was expected and what came instead. Pure.
fn judge(check: &HttpCheck, answer: &Answer) -> Result<String, String> {
    let came = format!("{} {}", answer.status, answer.reason);
    if answer.status != check.status {
        let body = beginning(&answer.body);
        let body = if body.is_empty() { String::new() } else { format!("; the body begins: {body}") };
        return Err(format!("expected status {}, got {}{body}", check.status, came.trim()));
    }
    let text = String::from_utf8_lossy(&answer.body);
    let cut = || if answer.whole { String::new() } else { format!(" (its first {})", size(BODY as u64)) };
    if let Some(wanted) = &check.contains
        && !text.contains(wanted.as_str())
    {
        let begins = match beginning(&answer.body) {
            begins if begins.is_empty() => "it is empty".to_owned(),
            begins => format!("it begins: {begins}"),
        };
        return Err(format!("expected the text '{}' in the body{}; {begins}", printable(wanted), cut()));
    }
    if !check.json.is_empty() {
        if !answer.whole {
            return Err(format!("expected JSON, got a body of more than {}", size(BODY as u64)));
        }
        let json: Value = serde_json::from_slice(&answer.body)
            .map_err(|_| format!("expected JSON; the body begins: {}", beginning(&answer.body)))?;
        for (path, wanted) in &check.json {
            match at(&json, path) {
                Some(found) if found == wanted => {}
                Some(found) => {
                    return Err(format!(
                        "expected {} to be {wanted}, got {}",
                        printable(path),
                        short(&found.to_string())
                    ));
                }
                None => {
                    return Err(format!(
                        "expected {} to be {wanted}; it is not in the answer",
                        printable(path)
                    ));
                }
            }
        }
    }
    Ok(format!("answered {}", came.trim()))
}

/// The value at a dotted path: `a.0.b`.
fn at<'v>(json: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(json, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        Value::Object(fields) => fields.get(part),
        _ => None,
    })
}

fn beginning(body: &[u8]) -> String {
    short(String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]).trim())
}

fn short(text: &str) -> String {
    let words: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", printable(&words[..end])),
        None => printable(&words),
    }
}
