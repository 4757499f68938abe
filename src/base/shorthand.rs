//! `owner/name`, the short address of a repository on GitHub.

/// Whether a text has the form `owner/name`.
pub fn is_shorthand(text: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
    };
    text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

/// The address that a short one stands for; every other text as it is.
pub fn expanded(text: &str) -> String {
    if is_shorthand(text) { format!("https://github.com/{text}.git") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_owner_and_name_is_short() {
        assert_eq!(expanded("a/b.c"), "https://github.com/a/b.c.git");
        for text in ["a/b/c", "../b", "/a/b", "a", "-a/b", "a/-b", "https://h/x", "me@h:a/b"] {
            assert_eq!(expanded(text), text);
        }
    }
}
