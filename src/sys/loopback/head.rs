//! The head of a request, read strictly. Pure.

use std::fmt;

use crate::base::redact::MASK;
use crate::base::text::printable;

/// The most headers.
const HEADERS: usize = 64;

/// The most that is repeated of a refused head, in characters.
const NAMED: usize = 80;

/// Why a request is refused before anyone looks at what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It comes from a program of another user.
    User,
    /// The head cannot be read: what is wrong.
    Head(&'static str),
    /// Neither GET nor POST.
    Method,
    /// The `Host` is not this server's: another name was made to lead here.
    Host,
    /// A web page asks: it has an `Origin` or a `Sec-Fetch-` header.
    WebPage,
    /// The head or the body is too large.
    Large,
    /// It took too long to come.
    Slow,
}

impl Refusal {
    /// The status to answer with.
    pub fn status(self) -> u16 {
        match self {
            Self::User | Self::Host | Self::WebPage => 403,
            Self::Head(_) => 400,
            Self::Method => 405,
            Self::Large => 413,
            Self::Slow => 408,
        }
    }
}

impl Refusal {
    /// In words, which hold nothing of the request.
    pub fn words(self) -> &'static str {
        match self {
            Self::User => "programs of other users are not answered",
            Self::Head(what) => what,
            Self::Method => "only GET and POST are answered",
            Self::Host => "the Host header is not this server's",
            Self::WebPage => "web pages are not answered",
            Self::Large => "the request is too large",
            Self::Slow => "the request took too long",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// The head of a request that may be answered.
pub struct Head<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The path and query.
    pub target: &'a str,
    /// Names and values.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The length of the body that follows, in bytes.
    pub body: usize,
}

impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {MASK}", self.method)
    }
}

impl<'a> Head<'a> {
    /// Reads a head, its empty line included, that came to this port of 127.0.0.1. What two readers could read in two
    /// ways is refused.
    ///
    /// # Errors
    /// It is no head, or not one to be answered.
    pub fn read(bytes: &'a [u8], port: u16) -> Result<Self, Refusal> {
        let plain = |byte: &u8| matches!(byte, b'\r' | b'\n' | b'\t' | b' '..=b'~');
        let text = std::str::from_utf8(bytes).ok().filter(|_| bytes.iter().all(plain));
        let text = text.ok_or(Refusal::Head("a character that does not belong in a head"))?;
        let text = text.strip_suffix("\r\n\r\n").ok_or(Refusal::Head("the head has no end"))?;
        let mut lines = text.split("\r\n");
        let (method, target) = request_line(lines.next().unwrap_or_default())?;
        let headers = lines.map(header).collect::<Result<Vec<_>, _>>()?;
        if headers.len() > HEADERS {
            return Err(Refusal::Large);
        }
        let values = |name: &str| -> Vec<&str> {
            let of_name = headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
            of_name.map(|(_, value)| *value).collect()
        };
        let [host] = values("host")[..] else { return Err(Refusal::Host) };
        let ours = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
        if !ours.iter().any(|our| host.eq_ignore_ascii_case(our)) {
            return Err(Refusal::Host);
        }
        if headers.iter().any(|(name, _)| is_page(name)) {
            return Err(Refusal::WebPage);
        }
        if !values("transfer-encoding").is_empty() {
            return Err(Refusal::Head("a body must say its length"));
        }
        let body = match values("content-length")[..] {
            [] => 0,
            // No sign, and nothing that overflows.
            [length] if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().map_err(|_| Refusal::Large)?
            }
            _ => return Err(Refusal::Head("a Content-Length that is none")),
        };
        Ok(Self { method, target, headers, body })
    }
}

/// The host that a refused head asks for, or the page that it comes from, as far as that is the reason. Nothing else of a head is
/// repeated: it may hold a secret.
pub fn named(sent: &[u8], why: Refusal) -> Option<String> {
    let wanted = match why {
        Refusal::Host => "host",
        Refusal::WebPage => "origin",
        _ => return None,
    };
    let text = String::from_utf8_lossy(sent);
    let mut pairs = text.lines().skip(1).filter_map(|line| line.split_once(':'));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    let shown: String = printable(value.trim()).chars().take(NAMED).collect();
    (!shown.is_empty()).then_some(shown)
}

/// Whether browsers alone send this header.
fn is_page(name: &str) -> bool {
    let starts = |start: &str| name.get(..start.len()).is_some_and(|s| s.eq_ignore_ascii_case(start));
    name.eq_ignore_ascii_case("origin") || starts("sec-fetch-")
}

fn request_line(line: &str) -> Result<(&str, &str), Refusal> {
    let parts: Vec<&str> = line.split(' ').collect();
    let [method, target, version] = parts[..] else {
        return Err(Refusal::Head("the first line is none of a request"));
    };
    if !matches!(version, "HTTP/1.1" | "HTTP/1.0") {
        return Err(Refusal::Head("the first line is none of HTTP/1.1"));
    }
    if !matches!(method, "GET" | "POST") {
        return Err(Refusal::Method);
    }
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Refusal::Head("the target is no path"));
    }
    Ok((method, target))
}

fn header(line: &str) -> Result<(&str, &str), Refusal> {
    let (name, value) = line.split_once(':').ok_or(Refusal::Head("a header without a colon"))?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(Refusal::Head("a header without a name"));
    }
    if value.contains(['\r', '\n']) {
        return Err(Refusal::Head("a line end inside of a line"));
    }
    Ok((name, value.trim_matches([' ', '\t'])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Head<'_>, Refusal> {
        Head::read(text.as_bytes(), 4000)
    }

    /// A GET with this first line and these headers.
    fn with(first: &str, headers: &str) -> Result<Head<'static>, Refusal> {
        read(format!("{first}\r\n{headers}\r\n\r\n").leak())
    }

    fn get(headers: &str) -> Result<Head<'static>, Refusal> {
        with("GET / HTTP/1.1", headers)
    }

    #[test]
    fn what_clients_send_is_read() {
        let head = with(
            "POST /v1?a=b HTTP/1.1",
            "hOST: LocalHost:4000\r\nAuthorization:\t s p \r\nEmpty:\r\nContent-Length: 12",
        )
        .unwrap();
        assert_eq!((head.method, head.target, head.body), ("POST", "/v1?a=b", 12));
        assert_eq!(head.headers[1..3], [("Authorization", "s p"), ("Empty", "")]);
        assert!(get("Host: 127.0.0.1:4000").is_ok());
        assert!(!format!("{head:?}").contains("s p"));
    }

    #[test]
    fn another_host_is_refused() {
        for host in [
            "Host: evil.example",
            "Host: evil.example:4000",
            "Host: 127.0.0.1",
            "Host: 127.0.0.1:4001",
            "Host: 127.0.0.1:04000",
            "Host: 127.0.0.1:4000.evil.example",
            "Host: 127.0.0.1:4000, evil.example",
            "Host: user@127.0.0.1:4000",
            "Host: [::1]:4000",
            "Host: 2130706433:4000",
            "Host:",
            "Host: 127.0.0.1:4000\r\nHost: 127.0.0.1:4000",
            "Host: 127.0.0.1:4000\r\nhost: evil.example",
            "X-Forwarded-Host: 127.0.0.1:4000",
        ] {
            assert_eq!(get(host).unwrap_err(), Refusal::Host, "{host}");
        }
    }

    #[test]
    fn web_pages_are_refused() {
        for header in
            ["Origin: null", "origin: http://127.0.0.1:4000", "Sec-Fetch-Site: same-origin", "SEC-FETCH-X:"]
        {
            let result = get(&format!("Host: 127.0.0.1:4000\r\n{header}"));
            assert_eq!(result.unwrap_err(), Refusal::WebPage, "{header}");
        }
        assert!(get("Host: 127.0.0.1:4000\r\nOriginal: x\r\nSec-Fetc: x").is_ok());
    }

    #[test]
    fn of_a_refused_head_no_more_is_repeated_than_its_reason() {
        let head = "GET /?t=hush HTTP/1.1\r\nAuthorization: hush\r\nhOST:  evil.example\u{1b}[2J \r\nOrigin: http://a.example\r\n\r\n";
        let named = |why| named(head.as_bytes(), why);
        let host = named(Refusal::Host).unwrap();
        assert!(host.starts_with("evil.example") && !host.contains('\u{1b}'), "{host}");
        assert_eq!(named(Refusal::WebPage).as_deref(), Some("http://a.example"));
        assert_eq!((named(Refusal::Method), named(Refusal::User)), (None, None));
        let long = format!("GET / HTTP/1.1\r\nHost: {}\r\n", "a".repeat(4000));
        assert_eq!(super::named(long.as_bytes(), Refusal::Host).map(|host| host.len()), Some(NAMED));
    }

    #[test]
    fn bad_first_lines_are_refused() {
        let host = "Host: 127.0.0.1:4000";
        for first in [
            "",
            "GET /",
            "GET / HTTP/2",
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET http://127.0.0.1:4000/ HTTP/1.1",
            "GET * HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET /a#b HTTP/1.1",
            "GET /\u{1} HTTP/1.1",
            "GET /\t HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
        ] {
            assert!(matches!(with(first, host), Err(Refusal::Head(_))), "{first:?}");
        }
        for first in ["PUT / HTTP/1.1", "get / HTTP/1.1", "OPTIONS / HTTP/1.1", "CONNECT / HTTP/1.1"] {
            assert_eq!(with(first, host).unwrap_err(), Refusal::Method, "{first}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for header in [
            "X : a",
            ": a",
            "X",
            "",
            " folded: a",
            "X: a\r\n folded",
            "X: a\nHost: evil",
            "X: a\rHost: evil",
            "X\u{0}: a",
            "X: \u{7f}",
            "Transfer-Encoding: chunked",
            "Content-Length: 1\r\nContent-Length: 1",
            "Content-Length: +1",
            "Content-Length: 1, 1",
            "Content-Length: -1",
            "Content-Length:",
        ] {
            let result = get(&format!("Host: 127.0.0.1:4000\r\n{header}"));
            assert!(matches!(result, Err(Refusal::Head(_))), "{header:?}");
        }
        let large = get("Host: 127.0.0.1:4000\r\nContent-Length: 99999999999999999999999");
        assert_eq!(large.unwrap_err(), Refusal::Large);
        let many = get(&format!("Host: 127.0.0.1:4000{}", "\r\nX: a".repeat(64)));
        assert_eq!(many.unwrap_err(), Refusal::Large);
        assert!(read("GET / HTTP/1.1\nHost: 127.0.0.1:4000\n\n").is_err());
    }
}
