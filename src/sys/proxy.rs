//! Which proxy stands between us and a host: one that git's configuration names, else what the environment says.

/// Whether a host is reached without a proxy. `var` looks an environment variable up.
fn is_excepted(host: &str, var: &impl Fn(&str) -> Option<String>) -> bool {
    let excepted = either("NO_PROXY", var).unwrap_or_default();
    let matches = |pattern: &str| {
        let pattern = pattern.trim().trim_start_matches("*.").trim_start_matches('.');
        let inner = host.strip_suffix(pattern);
        pattern == "*"
            || !pattern.is_empty() && inner.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    excepted.split(',').any(matches)
}

fn either(upper: &str, var: &impl Fn(&str) -> Option<String>) -> Option<String> {
    var(&upper.to_ascii_lowercase()).or_else(|| var(upper))
}

/// The host and port that a request for `host` really connects to when there is a proxy for it; `None` without
/// one. `named` is a proxy that goes before the environment's; empty means none at all. `var` looks a variable up.
pub fn place(
    named: Option<&str>,
    https: bool,
    host: &str,
    var: impl Fn(&str) -> Option<String>,
) -> Option<(String, u16)> {
    if is_excepted(host, &var) {
        return None;
    }
    let from_env = || {
        either(if https { "HTTPS_PROXY" } else { "HTTP_PROXY" }, &var).or_else(|| either("ALL_PROXY", &var))
    };
    let named = named.map(str::to_owned).or_else(from_env).filter(|named| !named.is_empty())?;
    let (scheme, rest) = named.split_once("://").unwrap_or(("http", &named));
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        _ => 1080,
    };
    match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => Some((bare(host), port.parse().ok()?)),
        _ => Some((bare(place), default)),
    }
}

fn bare(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_what_is_named_or_what_the_environment_says() {
        let env = |name: &str| match name {
            "https_proxy" => Some("http://me:pw@proxy.corp:3128/".into()),
            "NO_PROXY" => Some("localhost, .inner.corp".into()),
            _ => None,
        };
        assert_eq!(place(None, true, "github.com", env), Some(("proxy.corp".into(), 3128)));
        assert_eq!(place(None, false, "github.com", env), None);
        assert_eq!(place(None, true, "git.inner.corp", env), None);
        assert_eq!(place(None, true, "notlocalhost", env), Some(("proxy.corp".into(), 3128)));
        assert_eq!(
            place(None, true, "x", |name| (name == "ALL_PROXY").then(|| "[::1]:8".into())),
            Some(("::1".into(), 8))
        );
        assert_eq!(place(Some("http://other:1"), true, "github.com", env), Some(("other".into(), 1)));
        assert_eq!(place(Some(""), true, "github.com", env), None, "an empty name switches proxies off");
        assert_eq!(place(Some("http://other:1"), true, "a.inner.corp", env), None);
    }
}
