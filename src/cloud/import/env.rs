//! AWS keys of the environment.

use super::{Findings, Found, Plain, Source, aws, is_key, short_id};
use crate::base::secret::Secret;
use crate::cloud::aws::sigv4::Keys;
use crate::cloud::profiles::{AwsPart, CredentialProfile};

/// The variables that hold them.
const VARIABLES: &[&str] = &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];

const PLACE: &str = "the environment";

/// What the environment has. `taken` says whether AWS's files have a profile of a name: keys that are sealed under it would
/// take the place of that one's.
pub fn find(var: &dyn Fn(&str) -> Option<String>, taken: &dyn Fn(&str) -> bool) -> Findings {
    let mut findings = Findings::default();
    let var = |name: &str| var(name).filter(|value| !value.is_empty());
    let (id, secret) = match (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY").map(Secret::new)) {
        (Some(id), Some(secret)) => (id, secret),
        (None, None) => return findings,
        (id, _) => {
            let missing = if id.is_none() { "AWS_ACCESS_KEY_ID" } else { "AWS_SECRET_ACCESS_KEY" };
            findings.pass(PLACE, format!("half a key pair: {missing} is not set"));
            return findings;
        }
    };
    if var("AWS_SESSION_TOKEN").or(var("AWS_SECURITY_TOKEN")).is_some() {
        findings.pass(PLACE, "its AWS keys are temporary: take over what they were made from");
        return findings;
    }
    if !is_key(&id) || !is_key(secret.expose()) {
        findings.pass(PLACE, "its AWS keys have signs that no key has");
        return findings;
    }
    let mut names = std::iter::once("env".to_owned()).chain((2..100).map(|at| format!("env-{at}")));
    let Some(name) = names.find(|name| !taken(name)) else {
        findings.pass(PLACE, "there is no free name for its AWS keys");
        return findings;
    };
    let region = var("AWS_REGION").or(var("AWS_DEFAULT_REGION")).filter(|region| is_key(region));
    let part = AwsPart { profile: Some(name.clone()), region, account: None };
    findings.add(Found {
        source: Source::Env,
        place: PLACE.to_owned(),
        what: format!("key {}", short_id(&id)),
        wished: name,
        profile: CredentialProfile { aws: Some(part), ..CredentialProfile::default() },
        secret: Some(aws::sealed(Keys { access_key_id: id, secret_access_key: secret, session_token: None })),
        plain: Some(Plain::Variables(VARIABLES)),
        note: None,
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &'static [(&str, &str)], taken: &[&str]) -> Findings {
        let var =
            |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        find(&var, &|name| taken.contains(&name))
    }

    #[test]
    fn a_pair_is_taken_over_under_a_name_that_is_free() {
        const PAIR: &[(&str, &str)] = &[
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_REGION", "eu"),
        ];
        let findings = of(PAIR, &["env"]);
        let found = &findings.found[0];
        assert_eq!((found.wished.as_str(), found.what.as_str()), ("env-2", "key AKIA…MPLE"));
        assert_eq!(found.profile.aws.as_ref().unwrap().region.as_deref(), Some("eu"));
        assert!(found.secret.is_some());
    }

    #[test]
    fn half_a_pair_temporary_and_odd_keys_are_passed_over() {
        let why = |pairs| of(pairs, &[]).passed.pop().map(|passed| passed.why).unwrap_or_default();
        assert!(why(&[("AWS_SECRET_ACCESS_KEY", "s")]).contains("AWS_ACCESS_KEY_ID"));
        assert!(why(&[("AWS_ACCESS_KEY_ID", "a")]).contains("AWS_SECRET_ACCESS_KEY"));
        assert!(
            why(&[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SECURITY_TOKEN", "t")])
                .contains("temporary")
        );
        assert!(why(&[("AWS_ACCESS_KEY_ID", "a b"), ("AWS_SECRET_ACCESS_KEY", "s")]).contains("signs"));
        let nothing = of(&[("AWS_ACCESS_KEY_ID", "")], &[]);
        assert!(nothing.found.is_empty() && nothing.passed.is_empty());
    }
}
