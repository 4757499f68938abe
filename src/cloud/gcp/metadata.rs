//! Google's metadata server, as far as its libraries and gcloud ask: what is answered to whom. Pure; the socket, and who
//! may connect to it, are the caller's. The protocol knows no secret, so the caller must look at the peer's user.

use serde::Serialize;
use serde_json::json;

use crate::base::secret::Secret;
use crate::base::time::Timestamp;
use crate::cloud::head::{Head, decoded};
use crate::cloud::token::TokenLease;

/// Whose account the server stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The account; libraries show it, and gcloud asks for tokens by this name.
    pub email: String,
    /// The project.
    pub project: Option<String>,
    /// What its tokens are for, parted by blanks.
    pub scopes: String,
}

/// An answer. Beside the type, two headers belong to it: [`FLAVOR`] and [`NO_STORE`].
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: Secret<String>,
}

/// The header by which a metadata server is known, in requests and in answers.
pub const FLAVOR: (&str, &str) = ("Metadata-Flavor", "Google");

/// The header that keeps tokens out of caches.
pub const NO_STORE: (&str, &str) = ("Cache-Control", "no-store");

const ROOT: &str = "/computeMetadata/v1";
const ACCOUNTS: &str = "instance/service-accounts";

/// Answers a request that came to `host`. Without a lease, the token is refused with advice and everything else is
/// answered.
pub fn answer(
    head: &Head<'_>,
    host: &str,
    account: &Account,
    lease: Option<&TokenLease>,
    now: Timestamp,
) -> Answer {
    if let Some((status, why)) = refusal(head, host) {
        return refused(status, why);
    }
    let (path, query) = head.path_and_query();
    if path == "/" {
        return text("computeMetadata/\n");
    }
    let Some(path) = path.strip_prefix(ROOT) else { return not_found() };
    let is_recursive = query.split('&').any(|pair| pair.eq_ignore_ascii_case("recursive=true"));
    match path.strip_prefix('/').unwrap_or(path) {
        "" => text("instance/\nproject/\nuniverse/\n"),
        "project/" => text("numeric-project-id\nproject-id\n"),
        "project/project-id" => account.project.as_deref().map_or_else(not_found, text),
        // gcloud takes a host for one of Google's when this is a number, and makes no other use of it.
        "project/numeric-project-id" => text("0"),
        "universe/universe-domain" => text("googleapis.com"),
        // Node's library asks for this one, without the slash, to see whether a server is there.
        "instance" | "instance/" => text("service-accounts/\n"),
        path => match path.strip_prefix(ACCOUNTS) {
            Some("") | Some("/") => text(&format!("default/\n{}/\n", account.email)),
            Some(rest) => of_account(rest, is_recursive, account, lease, now),
            None => not_found(),
        },
    }
}

/// Why a request is refused, whatever it asks for: the status and the words of the answer.
pub fn refusal(head: &Head<'_>, host: &str) -> Option<(u16, &'static str)> {
    let forbidden = |why| Some((403, why));
    if head.method != "GET" {
        Some((405, "only GET is answered"))
    } else if head.is_of_web_page() {
        forbidden("web pages are not answered")
    } else if !head.is_for(host) {
        forbidden("the Host header is not this server's")
    } else if !head.values("x-forwarded-for").is_empty() {
        forbidden("forwarded requests are not answered")
    } else if head.values(FLAVOR.0) != [FLAVOR.1] {
        forbidden("the header Metadata-Flavor: Google is missing")
    } else {
        None
    }
}

fn of_account(
    rest: &str,
    is_recursive: bool,
    account: &Account,
    lease: Option<&TokenLease>,
    now: Timestamp,
) -> Answer {
    let Some((name, leaf)) = rest.strip_prefix('/').and_then(|rest| rest.split_once('/')) else {
        return not_found();
    };
    let is_meant = |name: &str| name == "default" || name == account.email;
    if !is_meant(name) && !decoded(name).is_some_and(|name| is_meant(&name)) {
        return not_found();
    }
    let scopes: Vec<_> = account.scopes.split(' ').filter(|scope| !scope.is_empty()).collect();
    match leaf {
        "" if is_recursive => {
            json(&json!({ "aliases": ["default"], "email": account.email, "scopes": scopes }))
        }
        "" => text("aliases\nemail\nidentity\nscopes\ntoken\n"),
        "aliases" => text("default\n"),
        "email" => text(&account.email),
        "scopes" => text(&scopes.iter().map(|scope| format!("{scope}\n")).collect::<String>()),
        "token" => token(lease, now),
        "identity" => {
            refused(404, "devboot gives no identity tokens; ask for one with gcloud and your own account")
        }
        _ => not_found(),
    }
}

#[derive(Serialize)]
struct Token<'a> {
    access_token: &'a str,
    expires_in: i64,
    token_type: &'static str,
}

fn token(lease: Option<&TokenLease>, now: Timestamp) -> Answer {
    let Some(lease) = lease.filter(|lease| lease.left(now) > 0) else {
        return refused(503, "devboot has no token to give now; run: devboot cloud current");
    };
    let (access_token, expires_in) = (lease.token.expose(), lease.left(now));
    json(&Token { access_token, expires_in, token_type: "Bearer" })
}

fn text(body: &str) -> Answer {
    Answer { status: 200, content_type: "application/text", body: Secret::new(body.to_owned()) }
}

fn json(body: &impl Serialize) -> Answer {
    let body = Secret::new(serde_json::to_string(body).unwrap_or_default());
    Answer { status: 200, content_type: "application/json", body }
}

/// A refusal.
pub fn refused(status: u16, why: &str) -> Answer {
    Answer { status, content_type: "text/plain", body: Secret::new(format!("{why}\n")) }
}

fn not_found() -> Answer {
    refused(404, "there is nothing at this path")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::token::tests::lease;

    const HOST: &str = "127.0.0.1:4000";
    const GOOD: [(&str, &str); 2] = [("host", HOST), ("metadata-flavor", "Google")];

    fn account() -> Account {
        Account {
            email: "r@p.iam".into(),
            project: Some("p-1".into()),
            scopes: "https://s/a https://s/b".into(),
        }
    }

    fn asked(method: &str, target: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let head = Head { method, target, headers };
        let answer = answer(&head, HOST, &account(), Some(&lease(3600)), Timestamp(600));
        (answer.status, answer.body.expose().clone())
    }

    fn get(path: &str) -> (u16, String) {
        asked("GET", path, &GOOD)
    }

    fn ok(text: &str) -> (u16, String) {
        (200, text.to_owned())
    }

    #[test]
    fn every_question_of_the_libraries_has_its_answer() {
        assert_eq!(get("/"), ok("computeMetadata/\n"));
        let v1 = |path: &str| get(&format!("/computeMetadata/v1/{path}"));
        assert_eq!(v1("instance"), ok("service-accounts/\n"));
        assert_eq!(v1("project/project-id"), ok("p-1"));
        assert_eq!(v1("project/numeric-project-id"), ok("0"));
        assert_eq!(v1("universe/universe-domain"), ok("googleapis.com"));
        assert_eq!(v1("instance/service-accounts/"), ok("default/\nr@p.iam/\n"));
        let whole: serde_json::Value =
            serde_json::from_str(&v1("instance/service-accounts/default/?recursive=true").1).unwrap();
        assert_eq!(whole["email"], "r@p.iam");
        assert_eq!(whole["scopes"], json!(["https://s/a", "https://s/b"]));
        for name in ["default", "r@p.iam", "r%40p.iam"] {
            let of = |leaf: &str| v1(&format!("instance/service-accounts/{name}/{leaf}"));
            assert_eq!(of("email"), ok("r@p.iam"));
            assert_eq!(of("scopes"), ok("https://s/a\nhttps://s/b\n"));
            let token: serde_json::Value = serde_json::from_str(&of("token?scopes=x").1).unwrap();
            assert_eq!(token["expires_in"], 3000);
            assert_eq!(of("identity?audience=x").0, 404);
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in [
            "/x",
            "/computeMetadata/v1beta1/instance/service-accounts/default/token",
            "/computeMetadata/v1/instance/service-accounts/other@p.iam/token",
            "/computeMetadata/v1/instance/service-accounts/default/token/",
            "/computeMetadata/v1/instance/service-accounts/%64efault%00/token",
            "/computeMetadata/v1/instance/service-accounts/../service-accounts/default/token",
            "/computeMetadata/v1x",
            "//computeMetadata/v1/instance/service-accounts/default/token",
            "/computeMetadata/v1/instance/zone",
        ] {
            assert_eq!(get(path).0, 404, "{path}");
        }
    }

    #[test]
    fn strangers_get_nothing() {
        let path = "/computeMetadata/v1/instance/service-accounts/default/token";
        let refused = |method: &str, headers: &[(&str, &str)]| {
            let (status, body) = asked(method, path, headers);
            assert!(!body.contains("ya29"));
            status
        };
        assert_eq!(refused("POST", &GOOD), 405);
        assert_eq!(refused("GET", &GOOD[..1]), 403);
        assert_eq!(refused("GET", &GOOD[1..]), 403);
        assert_eq!(refused("GET", &[("Host", "evil.example:4000"), GOOD[1]]), 403);
        for more in [
            ("X-Forwarded-For", "10.0.0.1"),
            ("Origin", "http://evil.example"),
            ("Sec-Fetch-Mode", "cors"),
            ("host", "evil.example"),
            ("Metadata-Flavor", "Google"),
        ] {
            assert_eq!(refused("GET", &[GOOD[0], GOOD[1], more]), 403, "{more:?}");
        }
        assert_eq!(refused("GET", &[GOOD[0], ("metadata-flavor", "google")]), 403);
    }

    #[test]
    fn without_a_lease_only_the_token_is_missing() {
        let path = "/computeMetadata/v1/instance/service-accounts/default/";
        let at = |leaf: &str, lease: Option<&TokenLease>| {
            let target = format!("{path}{leaf}");
            let head = Head { method: "GET", target: &target, headers: &GOOD };
            answer(&head, HOST, &account(), lease, Timestamp(3600)).status
        };
        assert_eq!((at("token", None), at("email", None)), (503, 200));
        assert_eq!(at("token", Some(&lease(3600))), 503, "what is over is not given");
        let nowhere = Account { project: None, ..account() };
        let target = "/computeMetadata/v1/project/project-id";
        let head = Head { method: "GET", target, headers: &GOOD };
        assert_eq!(answer(&head, HOST, &nowhere, None, Timestamp(0)).status, 404);
    }
}
