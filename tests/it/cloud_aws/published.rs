//! The cases that AWS publishes with its SDK for Rust, read from the crates' own packages (`aws_packages/`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use devboot::base::secret::Secret;
use devboot::base::time::Timestamp;
use devboot::cloud::aws::config::{self, Section};
use devboot::cloud::aws::sigv4::{self, Keys};
use devboot::cloud::skew::Skew;
use serde_json::Value;

/// Where the sources of a package are.
fn package(name: &str) -> PathBuf {
    static METADATA: OnceLock<Value> = OnceLock::new();
    let metadata = METADATA.get_or_init(|| {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/aws_packages/Cargo.toml");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo.args(["metadata", "--locked", "--format-version=1", "--manifest-path", manifest]);
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    });
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|package| package["name"] == name).unwrap();
    Path::new(found["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}

fn cases(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(package("aws-runtime").join("test-data").join(file)).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    whole["tests"].as_array().unwrap().clone()
}

fn plain(sections: &BTreeMap<String, Section>) -> Value {
    let section = |section: &Section| -> Value {
        section.names().map(|name| (name.to_owned(), Value::from(section.get(name)))).collect()
    };
    sections.iter().map(|(name, properties)| (name.clone(), section(properties))).collect()
}

#[test]
fn every_published_case_of_the_parser_holds() {
    let cases = cases("profile-parser-tests.json");
    assert_eq!(cases.len(), 65);
    for case in cases {
        let text = |file| case["input"][file].as_str().unwrap_or_default();
        let read = config::parse(
            (Path::new("config"), text("configFile")),
            (Path::new("credentials"), text("credentialsFile")),
        );
        match (case["output"]["errorContaining"].as_str(), read) {
            (Some(wanted), Err(error)) => {
                let said = error.to_string();
                assert!(said.contains(&wanted.to_lowercase()), "{}: {said}", case["name"]);
                assert!(said.starts_with("config:"), "{said} does not name its place");
            }
            (None, Ok(read)) => {
                let wanted = &case["output"]["config"];
                assert_eq!(plain(&read.profiles), wanted["profiles"], "{}", case["name"]);
                if !wanted["sso_sessions"].is_null() {
                    assert_eq!(plain(&read.sso_sessions), wanted["sso_sessions"], "{}", case["name"]);
                }
            }
            (wanted, read) => panic!("{}: wanted error {wanted:?}, got {read:?}", case["name"]),
        }
    }
}

#[test]
fn every_published_case_of_the_locations_holds() {
    let cases = cases("file-location-tests.json");
    assert_eq!(cases.len(), 9);
    for case in cases {
        let var = |name: &str| case["environment"][name].as_str().map(str::to_owned);
        let found = config::locations(var, case["platform"] == "windows");
        assert_eq!(found.config.to_str(), case["configLocation"].as_str(), "{}", case["name"]);
        assert_eq!(found.credentials.to_str(), case["credentialsLocation"].as_str(), "{}", case["name"]);
        if let Some(profile) = case["profile"].as_str() {
            assert_eq!(found.profile, profile, "{}", case["name"]);
        }
    }
}

/// A request as it goes over the wire: method, target, headers, body.
struct Wire {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn wire(text: &str) -> Wire {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        match line.split_once(':').filter(|_| !line.starts_with(' ')) {
            Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
            None => headers.last_mut().unwrap().1.push_str(line),
        }
    }
    let target = rest.rsplit_once(' ').unwrap().0.to_owned();
    Wire { method: method.to_owned(), target, headers, body: body.to_owned() }
}

fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            byte => out.push(byte),
        }
    }
    String::from_utf8(out).unwrap()
}

#[test]
fn every_published_vector_of_the_signature_holds() {
    // The signer resolves no paths, signs every token, and two vectors have neither keys nor a signature.
    let not_ours = [
        "double-encode-path",
        "double-url-encode",
        "get-relative-normalized",
        "get-relative-relative-normalized",
        "get-slash-dot-slash-normalized",
        "get-slash-normalized",
        "get-slash-pointless-dot-normalized",
        "get-slashes-normalized",
        "post-sts-header-after",
    ];
    let suite = package("aws-sigv4").join("aws-signing-test-suite/v4");
    let mut held = 0;
    for entry in std::fs::read_dir(&suite).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if not_ours.contains(&name.as_str()) {
            continue;
        }
        let text = |file: &str| std::fs::read_to_string(suite.join(&name).join(file)).unwrap();
        let context: Value = serde_json::from_str(&text("context.json")).unwrap();
        let (asked, signed) = (wire(&text("request.txt")), wire(&text("header-signed-request.txt")));
        let credentials = &context["credentials"];
        let keys = Keys {
            access_key_id: credentials["access_key_id"].as_str().unwrap().into(),
            secret_access_key: Secret::new(credentials["secret_access_key"].as_str().unwrap().into()),
            session_token: credentials["token"].as_str().map(|token| Secret::new(token.to_owned())),
        };
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query: Vec<_> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect();
        let given = |wanted: &str| {
            signed.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, v)| v.as_str())
        };
        let mut headers: Vec<_> = asked.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        if let Some(digest) = given("x-amz-content-sha256") {
            headers.push(("x-amz-content-sha256", digest));
        }
        let request = sigv4::Unsigned {
            method: &asked.method,
            path: &decoded(path),
            query: &query,
            headers: &headers,
            body: asked.body.as_bytes(),
        };
        let scope = sigv4::Scope {
            region: context["region"].as_str().unwrap(),
            service: context["service"].as_str().unwrap(),
        };
        let at = Timestamp::parse(context["timestamp"].as_str().unwrap()).unwrap();
        let made = sigv4::sign(&request, &keys, scope, at);
        assert_eq!(Some(made.last().unwrap().1.as_str()), given("authorization"), "{name}");
        held += 1;
    }
    assert_eq!(held, 31);
}

#[test]
fn every_published_case_of_the_clock_holds() {
    let cases = cases("clock-skew-test-cases.json");
    assert_eq!(cases.len(), 10);
    for case in cases {
        let mut skew = Skew(0);
        for operation in case["operations"].as_array().unwrap() {
            if let Some(seconds) = operation["initialClientSkew"].as_i64() {
                skew = Skew(seconds);
            }
            let attempts = operation["attempts"].as_array().unwrap();
            for (at, attempt) in attempts.iter().enumerate() {
                let moment = |name: &str| Timestamp::parse(attempt[name].as_str().unwrap()).unwrap();
                assert_eq!(
                    skew.theirs(moment("clientTimeAtSend")),
                    moment("expectedSigningTime"),
                    "{}",
                    case["description"]
                );
                let headers = &attempt["response"]["headers"];
                let date = headers["Date"].as_str().filter(|_| headers["Age"].is_null());
                let date = date.and_then(Timestamp::parse_http);
                let used = skew;
                skew = Skew::measured(date, moment("clientTimeAtSend"), moment("clientTimeAtReceive"))
                    .unwrap_or(used);
                if let Some(code) = attempt["response"]["errorCode"].as_str() {
                    let tried_again = at + 1 < attempts.len();
                    let may = operation["maxAttempts"] != 1;
                    assert_eq!(
                        may && Skew(skew.0 - used.0).explains(code),
                        tried_again,
                        "{}",
                        case["description"]
                    );
                }
            }
            assert_eq!(Some(skew.0), operation["expectedClientSkew"].as_i64(), "{}", case["description"]);
        }
    }
}
