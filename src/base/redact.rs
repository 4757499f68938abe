//! Hiding values that look like secrets from what is shown: diffs, logs, reports.

/// What stands where a secret was.
pub const MASK: &str = "********";

const SECRET_WORDS: &[&str] = &[
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "apikey",
    "api_key",
    "access_key",
    "private_key",
    "client_secret",
    "auth_key",
    "account_key",
    "connection_string",
];

/// Starts of values that are secrets whatever their name is: AWS key ids, GitHub and Slack tokens, Google
/// API keys, PEM keys.
const SECRET_STARTS: &[&str] = &[
    "AKIA",
    "ASIA",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "AIza",
    "sk-",
    "hf_",
    "-----BEGIN",
];

/// Whether a variable of this name holds a secret as a rule.
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// The line with the value of every secret-looking assignment (`NAME=value`, `name: value`, `"name": "value"`)
/// and every secret-looking word replaced by [`MASK`]. The shape of the line stays, so a diff stays readable.
pub fn line(line: &str) -> String {
    let line = without_logins(line);
    let mut out = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some(at) = rest.find(['=', ':']) {
        let (head, tail) = rest.split_at(at + 1);
        out.push_str(&words(head));
        let name = head[..at].trim_end_matches(['"', '\'', ' ', '\t']);
        let start = name
            .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .map_or(0, |i| i + name[i..].chars().next().map_or(1, char::len_utf8));
        let of_sentence = tail.starts_with(' ') && head.ends_with(':') && is_of_sentence(name, start);
        if !is_secret_name(&name[start..]) || of_sentence {
            rest = tail;
            continue;
        }
        let value_at = tail.len() - tail.trim_start_matches([' ', '\t']).len();
        out.push_str(&tail[..value_at]);
        let value = &tail[value_at..];
        let end = match value.chars().next() {
            None => 0,
            Some(quote @ ('"' | '\'')) => value[1..].find(quote).map_or(value.len(), |i| i + 2),
            // A bare value may hold spaces (`token: a b`); what follows it cannot be told from it, so all goes.
            Some(_) => value.find([';', '&', '#']).unwrap_or(value.len()),
        };
        if end > 0 {
            out.push_str(MASK);
        }
        rest = &value[end..];
    }
    out.push_str(&words(rest));
    out
}

/// Whether what stands before a colon and a blank is no name of a value but the subject of a sentence about an error: an
/// operation of a cloud (`GetRoleCredentials: No access`), or a file by its whole path.
fn is_of_sentence(text: &str, start: usize) -> bool {
    const VERBS: [&str; 6] = ["Assume", "Create", "Decode", "Generate", "Get", "Register"];
    let is_operation = |name: &str| {
        let noun = VERBS.iter().find_map(|verb| name.strip_prefix(verb));
        noun.is_some_and(|noun| noun.starts_with(|c: char| c.is_ascii_uppercase()))
            && name.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let word = text.rfind([' ', '\t', '"', '\'', '=', '(']).map_or(text, |at| &text[at + 1..]);
    is_operation(&text[start..]) || word.starts_with('/') || word.starts_with("~/")
}

/// Every address in the line loses its user and password.
fn without_logins(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let start = rest[..at]
            .rfind(|c: char| !c.is_ascii_alphanumeric())
            .map_or(0, |i| i + rest[i..].chars().next().map_or(1, char::len_utf8));
        let length = rest[start..].find(|c: char| c.is_whitespace() || "\"'<>`".contains(c));
        let end = length.map_or(rest.len(), |length| start + length).max(at + 3);
        out.push_str(&rest[..start]);
        out.push_str(&url(&rest[start..end]));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let separator = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ',' | ';' | '@' | '/');
    let mut word_start = 0;
    let flush = |word: &str, out: &mut String| {
        let secret =
            SECRET_STARTS.iter().any(|start| word.starts_with(start) && word.len() >= start.len() + 6);
        out.push_str(if secret { MASK } else { word });
    };
    for (i, c) in text.char_indices() {
        if separator(c) {
            flush(&text[word_start..i], &mut out);
            out.push(c);
            word_start = i + c.len_utf8();
        }
    }
    flush(&text[word_start..], &mut out);
    out
}

/// A URL without its user and password part: `https://name:token@host/x` → `https://host/x`.
pub fn url(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let host = &rest[..end];
            let kept = match host.rsplit_once('@') {
                // The user name of an ssh address is not a secret and is needed to read it.
                Some((user, host)) if scheme == "ssh" && !user.contains(':') => format!("{user}@{host}"),
                Some((_, host)) => host.to_owned(),
                None => host.to_owned(),
            };
            format!("{scheme}://{kept}{}", &rest[end..])
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_names_are_hidden() {
        assert_eq!(
            line("export AWS_SECRET_ACCESS_KEY='abc d'"),
            format!("export AWS_SECRET_ACCESS_KEY={MASK}")
        );
        assert_eq!(line("  \"api_token\": \"x\", \"b\": 1"), format!("  \"api_token\": {MASK}, \"b\": 1"));
        assert_eq!(line("GITHUB_TOKEN=abc; echo ok"), format!("GITHUB_TOKEN={MASK}; echo ok"));
        assert_eq!(line("alias gs='git status'"), "alias gs='git status'");
    }

    #[test]
    fn a_sentence_about_an_operation_or_a_file_stays_and_its_values_do_not() {
        for kept in [
            "AWS refused GetRoleCredentials: No access (ForbiddenException)",
            "AWS refused GetSessionToken: no (AccessDenied)",
            "AWS refused CreateToken: it has ended",
            "cannot read ~/.aws/credentials: permission denied",
            "cannot read '/h/application_default_credentials.json: it is a directory",
        ] {
            assert_eq!(line(kept), kept);
        }
        for (text, shown) in [
            ("AWS refused CreateToken: token=abc", "AWS refused CreateToken: token="),
            ("GetToken=a b", "GetToken="),
            ("GetToken:a b", "GetToken:"),
            ("Gettoken: a b", "Gettoken: "),
            ("SecretAccessKey: a b", "SecretAccessKey: "),
            ("user/password: a b", "user/password: "),
            ("token: a b", "token: "),
            ("x-amz-security-token: a", "x-amz-security-token: "),
        ] {
            assert_eq!(line(text), format!("{shown}{MASK}"));
        }
    }

    #[test]
    fn known_token_shapes_are_hidden_wherever_they_stand() {
        assert_eq!(line("curl -H AKIAIOSFODNN7EXAMPLE"), format!("curl -H {MASK}"));
        assert_eq!(line("key=ghp_0123456789"), format!("key={MASK}"));
    }

    #[test]
    fn urls_lose_their_credentials() {
        assert_eq!(url("https://me:tok@host/x@y"), "https://host/x@y");
        assert_eq!(url("ssh://git@host/x"), "ssh://git@host/x");
        assert_eq!(url("git@host:x"), "git@host:x");
        assert_eq!(line("see 'https://me:tok@host/x', http://h"), "see 'https://host/x', http://h");
        assert_eq!(line("://"), "://");
    }
}
