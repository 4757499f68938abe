//! How a missing network sounds, in the words of pip, uv and Python's libraries. Pure.

/// Words that say it whatever the host is: names that are not found, routes that are not there.
const NO_NETWORK: [&str; 11] = [
    "Temporary failure in name resolution",
    "Name or service not known",
    "nodename nor servname provided",
    "No address associated with hostname",
    "Network is unreachable",
    "No route to host",
    "dns error",
    "error resolving DNS",
    "NameResolutionError",
    "Failed to resolve",
    "ProxyError",
];

/// Words about a connection that was not made; a service that a test expects on this machine sounds the same.
const NO_CONNECTION: [&str; 9] = [
    "Connection refused",
    "Failed to establish a new connection",
    "Max retries exceeded",
    "Connection timed out",
    "ConnectTimeout",
    "Read timed out",
    "error sending request",
    "tcp connect error",
    "SSLCertVerificationError",
];

const THIS_MACHINE: [&str; 4] = ["localhost", "127.0.0.1", "::1", "0.0.0.0"];

/// Whether a line says that a host elsewhere was not reached.
pub fn says_missing(line: &str) -> bool {
    let any = |words: &[&str]| words.iter().any(|word| line.contains(word));
    any(&NO_NETWORK) || any(&NO_CONNECTION) && !any(&THIS_MACHINE)
}

/// Whether pip or uv did not reach its index, wherever that is.
pub fn says_unreachable(line: &str) -> bool {
    NO_NETWORK.iter().chain(&NO_CONNECTION).any(|word| line.contains(word))
}

/// Whether a test failed for want of a network: by its message and the exception lines of its text, or all of
/// the text when it marks none. The source that pytest shows is no evidence.
pub fn is_missing(message: &str, text: &str) -> bool {
    let marked = text.lines().any(|line| line.starts_with("E "));
    let mut said = text.lines().filter(|line| !marked || line.starts_with("E "));
    let here = |line: &str| THIS_MACHINE.iter().any(|name| line.contains(name));
    // The host may stand only in the source that is shown: `urlopen("http://127.0.0.1:8080/")`.
    let local = text.lines().any(here) || here(message);
    let missing = |line: &str| {
        if local { NO_NETWORK.iter().any(|word| line.contains(word)) } else { says_missing(line) }
    };
    missing(message) || said.any(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_found_is_the_network() {
        let message = "urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>";
        assert!(is_missing(message, ""));
        let text = ">   assert result.exit_code == 0\nE   assert 1 == 0\nE    +  where 1 = <Result \
                    ConnectionError(MaxRetryError('Max retries exceeded with url: /w'))>.exit_code";
        assert!(is_missing("assert 1 == 0", text));
    }

    #[test]
    fn a_service_on_this_machine_is_not() {
        let text = ">       urlopen(\"http://127.0.0.1:1/\")\nE   URLError: [Errno 111] Connection refused";
        assert!(!is_missing("URLError: [Errno 111] Connection refused", text));
        assert!(!is_missing("assert 'a' == 'b'", "    # Max retries exceeded\nE   assert 'a' == 'b'"));
    }
}
