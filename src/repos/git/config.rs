//! What git's own configuration says about the way to a server: other addresses, proxies, authorities, headers, the
//! ssh command. Reading is one function; deciding is pure over the values.

use std::fmt;
use std::path::{Path, PathBuf};

use git2::Config;

use super::url::{BadUrl, GitUrl};
use crate::base::text::printable;
use crate::sys::http::Header;
use crate::sys::route::Route;

/// The values of git's configuration in the order in which later ones win; never shown, for some are secrets.
#[derive(Clone, Default)]
pub struct Settings {
    /// Section and key in lower case, the part between them as it was written.
    entries: Vec<(String, String)>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Settings({} values)", self.entries.len())
    }
}

/// Where a repository is for its user, and where it is for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address as it was given, without a password; what a clone keeps as its origin.
    pub origin: String,
    /// The address that is really used.
    pub real: GitUrl,
}

/// What holds for requests to one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpRules {
    /// Proxy and authorities.
    pub route: Route,
    /// Lines to add to each request.
    pub headers: Vec<Header>,
    /// git is told not to check certificates, which is not followed.
    pub unverified: bool,
}

/// The most variables that `GIT_CONFIG_COUNT` may announce.
const COUNTED: usize = 1000;

impl Settings {
    /// Settings from names and values, the later ones winning.
    pub fn from_entries(entries: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { entries: entries.into_iter().collect() }
    }

    /// Reads the files that git reads without a repository, and then the environment. An error is what is wrong
    /// with a file, in libgit2's words. `var` looks an environment variable up.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut files: Vec<PathBuf> = Vec::new();
        match var("GIT_CONFIG_SYSTEM") {
            _ if var("GIT_CONFIG_NOSYSTEM").is_some_and(|value| is_true(&value)) => {}
            Some(file) => files.push(file.into()),
            None => files.extend(Config::find_system()),
        }
        match var("GIT_CONFIG_GLOBAL") {
            Some(file) => files.push(file.into()),
            None => {
                files.extend(Config::find_xdg());
                files.extend(Config::find_global());
            }
        }
        let mut entries = Vec::new();
        for file in files {
            read_file(&file, &mut entries).map_err(|error| printable(error.message()))?;
        }
        let count = var("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
        for number in 0..count.min(COUNTED) {
            let pair = (var(&format!("GIT_CONFIG_KEY_{number}")), var(&format!("GIT_CONFIG_VALUE_{number}")));
            if let (Some(name), value) = pair {
                entries.push((lowered(&name), value.unwrap_or_default()));
            }
        }
        Ok(Self { entries })
    }

    /// Reads an address and applies `url.BASE.insteadOf`, the longest match winning.
    pub fn place(&self, text: &str) -> Result<Place, BadUrl> {
        let given = GitUrl::parse(text)?;
        let mut best: Option<(&str, &str)> = None;
        for (name, start) in &self.entries {
            let base = name.strip_prefix("url.").and_then(|name| name.strip_suffix(".insteadof"));
            let Some(base) = base.filter(|_| text.starts_with(start.as_str())) else { continue };
            if best.is_none_or(|(_, longest)| start.len() > longest.len()) {
                best = Some((base, start));
            }
        }
        let real = match best {
            Some((base, start)) => GitUrl::parse(&format!("{base}{}", &text[start.len()..]))?,
            None => given.clone(),
        };
        Ok(Place { origin: given.shown(), real })
    }

    /// What holds for requests to `url`. `var` looks an environment variable up.
    pub fn http(&self, url: &str, var: impl Fn(&str) -> Option<String>) -> HttpRules {
        let last = |key| self.http_values(url, key).pop();
        let mut headers = Vec::new();
        for line in self.http_values(url, "extraheader") {
            // As in git, an empty value forgets those before it.
            if line.is_empty() {
                headers.clear();
            } else if let Some((name, value)) =
                line.split_once(':').filter(|_| !line.contains(char::is_control))
            {
                headers.push(Header { name: name.trim().to_owned(), value: value.trim().to_owned() });
            }
        }
        let authorities = var("GIT_SSL_CAINFO").or_else(|| last("sslcainfo").map(str::to_owned));
        let folder = var("GIT_SSL_CAPATH").or_else(|| last("sslcapath").map(str::to_owned));
        let at_home = |path: String| match (path.strip_prefix("~/"), var("HOME")) {
            (Some(rest), Some(home)) => Path::new(&home).join(rest),
            _ => PathBuf::from(path),
        };
        HttpRules {
            route: Route {
                proxy: last("proxy").map(str::to_owned),
                authorities: authorities.filter(|path| !path.is_empty()).map(at_home),
                more_authorities: folder.filter(|path| !path.is_empty()).map(at_home),
            },
            headers,
            unverified: var("GIT_SSL_NO_VERIFY").is_some()
                || last("sslverify").is_some_and(|value| !is_true(value)),
        }
    }

    /// The command that git would start instead of ssh.
    pub fn ssh_command(&self) -> Option<&str> {
        let found = self.entries.iter().rev().find(|(name, _)| name == "core.sshcommand");
        found.map(|(_, command)| command.as_str()).filter(|command| !command.is_empty())
    }

    /// The values of `http.KEY` and `http.URL.KEY` that hold for an address: one that fits it worse than an
    /// earlier one does not count.
    fn http_values(&self, url: &str, key: &str) -> Vec<&str> {
        let mut best = Fit::default();
        let mut values = Vec::new();
        for (name, value) in &self.entries {
            let Some(rest) = name.strip_prefix("http.").and_then(|name| name.strip_suffix(key)) else {
                continue;
            };
            let fit = match rest.strip_suffix('.') {
                None if rest.is_empty() => Some(Fit::default()),
                None => None,
                Some(pattern) => fit(pattern, url),
            };
            if let Some(fit) = fit.filter(|fit| *fit >= best) {
                best = fit;
                values.push(value.as_str());
            }
        }
        values
    }
}

fn read_file(file: &Path, entries: &mut Vec<(String, String)>) -> Result<(), git2::Error> {
    let config = Config::open(file)?;
    config.entries(None)?.for_each(|entry| {
        // A name alone means yes.
        let value = if entry.has_value() { entry.value().ok() } else { Some("true") };
        if let (Ok(name), Some(value)) = (entry.name(), value) {
            entries.push((lowered(name), value.to_owned()));
        }
    })
}

/// A name with section and key in lower case, as libgit2 gives them.
fn lowered(name: &str) -> String {
    match (name.split_once('.'), name.rsplit_once('.')) {
        (Some((section, _)), Some((start, key))) => {
            let middle = start.get(section.len()..).unwrap_or_default();
            format!("{}{middle}.{}", section.to_lowercase(), key.to_lowercase())
        }
        _ => name.to_lowercase(),
    }
}

fn is_true(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}

/// How well a pattern fits an address: letters of the host that are no wildcard, letters of the path, the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Fit(usize, usize, bool);

struct Parts<'a> {
    scheme: String,
    user: Option<&'a str>,
    host: String,
    port: &'a str,
    path: &'a str,
}

fn parts(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (user.split(':').next(), place),
        None => (None, authority),
    };
    let default = if scheme == "https" { "443" } else { "80" };
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (place, default),
    };
    Some(Parts { scheme, user, host: host.to_ascii_lowercase(), port, path: path.trim_end_matches('/') })
}

fn fit(pattern: &str, url: &str) -> Option<Fit> {
    let (pattern, url) = (parts(pattern)?, parts(url)?);
    if pattern.scheme != url.scheme || pattern.port != url.port {
        return None;
    }
    if pattern.user.is_some() && pattern.user != url.user {
        return None;
    }
    let (labels, others) = (pattern.host.split('.').count(), url.host.split('.').count());
    let same = |(label, other): (&str, &str)| label == "*" || label == other;
    if labels != others || !pattern.host.split('.').zip(url.host.split('.')).all(same) {
        return None;
    }
    let below = url.path.strip_prefix(pattern.path)?;
    let inside = below.is_empty() || below.starts_with('/');
    let letters = pattern.host.chars().filter(|letter| *letter != '*').count();
    inside.then_some(Fit(letters, pattern.path.len(), pattern.user.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(entries: &[(&str, &str)]) -> Settings {
        Settings::from_entries(entries.iter().map(|(name, value)| (lowered(name), (*value).to_owned())))
    }

    fn no(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_longest_instead_of_wins_and_the_origin_stays() {
        let settings = settings(&[
            ("url.https://short/.insteadOf", "https://h/"),
            ("url.https://tok@long/.insteadOf", "https://h/team/"),
            ("url.ssh://push/.pushInsteadOf", "https://h/team/x"),
            ("url.https://github.com/.InsteadOf", "gh:"),
        ]);
        let place = settings.place("https://me:pw@h/x").unwrap();
        assert_eq!((place.origin.as_str(), place.real.shown().as_str()), ("https://h/x", "https://h/x"));
        assert_eq!(settings.place("https://h/x").unwrap().real.shown(), "https://short/x");
        let place = settings.place("https://h/team/x").unwrap();
        assert_eq!(
            (place.origin.as_str(), place.real.shown().as_str()),
            ("https://h/team/x", "https://long/x")
        );
        assert!(matches!(place.real, GitUrl::Http { login: Some(_), .. }));
        let place = settings.place("gh:a/b").unwrap();
        assert_eq!(
            (place.origin.as_str(), place.real.shown().as_str()),
            ("gh:a/b", "https://github.com/a/b")
        );
        assert_eq!(settings.place("ext::x"), Err(BadUrl::Path));
    }

    #[test]
    fn what_fits_an_address_better_goes_first() {
        let settings = settings(&[
            ("http.proxy", "http://all:1"),
            ("http.https://*.corp.proxy", "http://wild:1"),
            ("http.https://git.corp.proxy", ""),
            ("http.https://git.corp/team.proxy", "http://team:1"),
            ("http.https://git.corp/.proxy", "http://late:1"),
        ]);
        let proxy = |url| settings.http(url, no).route.proxy.unwrap();
        assert_eq!(proxy("https://h/x"), "http://all:1");
        assert_eq!(proxy("http://git.corp/x"), "http://all:1");
        assert_eq!(proxy("https://a.corp/x"), "http://wild:1");
        assert_eq!(proxy("https://git.corp/teams/x"), "http://late:1");
        assert_eq!(proxy("https://git.corp:443/team/x"), "http://team:1");
        assert_eq!(proxy("https://git.corp:444/team/x"), "http://all:1");
    }

    #[test]
    fn headers_add_up_and_an_empty_one_begins_anew() {
        let settings = settings(&[
            ("http.extraHeader", "X-A: 1"),
            ("http.https://h/.extraheader", "AUTHORIZATION: basic c2VjcmV0"),
            ("http.https://g/.extraheader", ""),
            ("http.https://g/.extraheader", "X-B: a\r\nX-C: b"),
        ]);
        let names = |url| -> Vec<String> {
            settings.http(url, no).headers.into_iter().map(|header| header.name).collect()
        };
        assert_eq!(names("https://h/x"), ["X-A", "AUTHORIZATION"]);
        assert_eq!(names("https://g/x"), [""; 0]);
        let shown = format!("{settings:?} {:?}", settings.http("https://h/x", no));
        assert!(!shown.contains("c2VjcmV0"), "{shown}");
    }

    #[test]
    fn certificates_are_checked_against_what_git_is_told() {
        let settings = settings(&[("http.sslCAInfo", "~/ca.pem"), ("http.https://h.sslVerify", "false")]);
        let home = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        let rules = settings.http("https://h/x", home);
        assert_eq!(rules.route.authorities.as_deref(), Some(Path::new("/home/me/ca.pem")));
        assert!(rules.unverified && !settings.http("https://g/x", home).unverified);
        assert_eq!(rules.route.more_authorities, None);
        let env = |name: &str| (name == "GIT_SSL_CAPATH").then(|| "/cas".to_owned());
        let folder = settings.http("https://h/x", env).route.more_authorities;
        assert_eq!(folder.as_deref(), Some(Path::new("/cas")));
        let env = |name: &str| (name == "GIT_SSL_CAINFO").then(|| "/ca".to_owned());
        assert_eq!(settings.http("https://h/x", env).route.authorities.as_deref(), Some(Path::new("/ca")));
    }

    #[test]
    fn files_and_environment_are_read_in_gits_order() {
        let dir = tempfile::tempdir().unwrap();
        let (system, global) = (dir.path().join("system"), dir.path().join("global"));
        #[allow(clippy::disallowed_methods)]
        let write = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
        write(&system, "[core]\nsshCommand = one\n[http \"https://H/\"]\nextraHeader = A: 1\n");
        write(&global, "[Core]\nSSHCommand = two\n");
        let var = |name: &str| match name {
            "GIT_CONFIG_SYSTEM" => Some(system.to_str().unwrap().to_owned()),
            "GIT_CONFIG_GLOBAL" => Some(global.to_str().unwrap().to_owned()),
            _ => None,
        };
        let settings = Settings::read(var).unwrap();
        assert_eq!(settings.ssh_command(), Some("two"));
        assert_eq!(settings.http("https://h/x", no).headers.len(), 1);
        let counted = |name: &str| match name {
            "GIT_CONFIG_COUNT" => Some("1".into()),
            "GIT_CONFIG_KEY_0" => Some("core.sshCommand".into()),
            "GIT_CONFIG_VALUE_0" => Some("three".into()),
            "GIT_CONFIG_NOSYSTEM" => Some("1".into()),
            name => var(name),
        };
        let settings = Settings::read(counted).unwrap();
        assert_eq!(settings.ssh_command(), Some("three"));
        assert!(settings.http("https://h/x", no).headers.is_empty());
        write(&global, "[core\n");
        assert!(Settings::read(var).is_err());
    }
}
