//! Chains, contradictions and precedence.

use std::path::Path;

use super::*;
use crate::base::error::Diagnose;
use crate::cloud::aws::config;

fn of(config: &str, credentials: &str, name: &str) -> Result<Profile, ProfileError> {
    let files =
        config::parse((Path::new("config"), config), (Path::new("credentials"), credentials)).unwrap();
    resolve(&files, name)
}

fn trouble(config: &str, name: &str) -> (String, Trouble) {
    let error = of(config, "", name).unwrap_err();
    (error.profile, error.trouble)
}

/// The links of a source, the outermost first.
fn links(source: &Source) -> String {
    match source {
        Source::Static(keys) => format!("keys {}", keys.access_key_id),
        Source::Role(role, from) => format!("role {} < {}", role.arn, links(from)),
        Source::WebIdentity(web) => format!("web {}", web.role_arn),
        Source::Sso(sso) => format!("sso {} {} {}", sso.start_url, sso.account, sso.role),
        Source::Program(_) => "program".into(),
        Source::Login(session) => format!("login {session}"),
        Source::Host(host) => format!("{host:?}"),
    }
}

const KEYS: &str = "aws_access_key_id = AK\naws_secret_access_key = SK\n";

#[test]
fn chains_end_at_credentials() {
    let config = "[profile a]\nrole_arn = A\nsource_profile = b\nmfa_serial = m2\nduration_seconds = 7200\n\
        [profile b]\nrole_arn = B\nsource_profile = c\nmfa_serial = m1\nduration_seconds = 7200\n\
        [profile c]\nrole_arn = C\nsource_profile = a\n";
    let found = of(config, &format!("[c]\n{KEYS}"), "a").unwrap();
    assert_eq!(links(&found.source), "role A < role B < keys AK", "keys of a source come before its role");
    assert_eq!(found.source.mfa_devices(), ["m1", "m2"]);
    let Source::Role(outer, from) = &found.source else { panic!() };
    let Source::Role(inner, _) = &**from else { panic!() };
    assert_eq!((outer.duration, inner.duration), (Some(3600), Some(7200)), "a role from a role has an hour");
}

#[test]
fn a_profile_may_be_its_own_source_with_keys_only() {
    let with_keys = format!("[profile a]\nrole_arn = A\nsource_profile = a\n{KEYS}");
    assert_eq!(links(&of(&with_keys, "", "a").unwrap().source), "role A < keys AK");
    let without = "[profile a]\nrole_arn = A\nsource_profile = a\n";
    assert_eq!(trouble(without, "a"), ("a".into(), Trouble::Loop(vec!["a".into(), "a".into()])));
}

#[test]
fn a_circle_is_named_where_it_closes() {
    let config = "[profile a]\nrole_arn = A\nsource_profile = b\n[profile b]\nrole_arn = B\nsource_profile = c\n\
        [profile c]\nrole_arn = C\nsource_profile = b\n";
    let (name, found) = trouble(config, "a");
    assert_eq!((name.as_str(), found), ("c", Trouble::Loop(vec!["b".into(), "c".into(), "b".into()])));
}

#[test]
fn contradictions_are_errors_with_names() {
    let role = "[profile a]\nrole_arn = A\n";
    assert_eq!(trouble(role, "a").1, Trouble::NoSource);
    let two = format!("{role}source_profile = a\ncredential_source = Environment\n");
    assert_eq!(trouble(&two, "a").1, Trouble::TwoSources);
    let odd = format!("{role}credential_source = Elsewhere\n");
    assert_eq!(trouble(&odd, "a").1, Trouble::UnknownHost("Elsewhere".into()));
    let gone = format!("{role}source_profile = x\n");
    assert_eq!(trouble(&gone, "a").1, Trouble::UnknownSource("x".into(), vec!["a".into()]));
    assert_eq!(
        trouble("[profile a]\naws_access_key_id = A\n", "a").1,
        Trouble::HalfKeys("aws_secret_access_key")
    );
    assert_eq!(trouble("[profile a]\nregion = x\n", "a").1, Trouble::Nothing);
    let split = "[profile a]\nregion = x\n y\naws_access_key_id = A\naws_secret_access_key = S\n";
    assert_eq!(trouble(split, "a").1, Trouble::ControlCharacter("region"));
}

#[test]
fn an_unknown_name_is_never_the_default() {
    let config = "[default]\nregion = x\n[profile alpha]\n[beta]\n";
    for name in ["", "Alpha", "alpha ", "$(id)", "ü", "beta", "default/../alpha"] {
        let error = of(config, "", name).unwrap_err();
        assert!(matches!(error.trouble, Trouble::Unknown(..)), "{name}");
    }
    assert_eq!(of(config, "", "alpah").unwrap_err().hints(), ["did you mean 'alpha'?"]);
    let hint = &of(config, "", "beta").unwrap_err().hints()[0];
    assert_eq!(hint, "config:4: [beta] does not count: a config file has [profile name], not [name]");
}

#[test]
fn the_order_of_sources_is_botocores() {
    let process = "credential_process = p\n";
    let plain = |config: &str, credentials: &str| links(&of(config, credentials, "a").unwrap().source);
    let a = "[profile a]\n";
    assert_eq!(plain(&format!("{a}{process}"), &format!("[a]\n{KEYS}")), "keys AK");
    assert_eq!(plain(&format!("{a}{process}{KEYS}"), ""), "program");
    assert_eq!(plain(&format!("{a}login_session = s\n{process}{KEYS}"), ""), "login s");
    assert_eq!(plain(&format!("{a}role_arn = R\nweb_identity_token_file = /t\n{process}"), ""), "web R");
    assert_eq!(
        plain(&format!("{a}role_arn = R\ncredential_source = EcsContainer\n"), &format!("[a]\n{KEYS}")),
        "role R < EcsContainer"
    );
}

#[test]
fn sso_comes_with_and_without_a_session() {
    let roles = "sso_account_id = 1\nsso_role_name = R\n";
    let old = format!("[profile a]\n{roles}sso_start_url = U\nsso_region = eu\n");
    assert_eq!(links(&of(&old, "", "a").unwrap().source), "sso U 1 R");
    let session = "[sso-session s]\nsso_start_url = U\nsso_region = eu\nsso_registration_scopes = x, y\n";
    let new = format!("[profile a]\nsso_session = s\n{roles}{session}");
    let Source::Sso(found) = of(&new, "", "a").unwrap().source else { panic!() };
    assert_eq!((found.session.as_deref(), found.scopes), (Some("s"), vec!["x".to_owned(), "y".to_owned()]));
    let differs = format!("[profile a]\nsso_session = s\nsso_region = us\n{roles}{session}");
    assert_eq!(trouble(&differs, "a").1, Trouble::Differs("sso_region"));
    let gone = format!("[profile a]\nsso_session = t\n{roles}{session}");
    assert_eq!(trouble(&gone, "a").1, Trouble::UnknownSession("t".into()));
    let part = "[profile a]\nsso_account_id = 1\nsso_region = eu\n";
    assert_eq!(
        trouble(part, "a").1,
        Trouble::Missing("a part of what SSO needs", vec!["sso_role_name", "sso_start_url"])
    );
}

#[test]
fn a_span_that_is_no_number_does_not_count() {
    let config = format!("[profile a]\nrole_arn = A\nsource_profile = a\nduration_seconds = 1h\n{KEYS}");
    let Source::Role(role, _) = of(&config, "", "a").unwrap().source else { panic!() };
    assert_eq!(role.duration, None);
}

#[test]
fn the_role_at_the_end_lasts_as_short_as_sts_lets_it() {
    let duration = |own: &str, seconds| {
        let config = format!(
            "[profile a]\nrole_arn = A\nsource_profile = b\n{own}[profile b]\nrole_arn = B\nsource_profile = c\n"
        );
        let mut found = of(&config, &format!("[c]\n{KEYS}"), "a").unwrap().source;
        found.last_at_most(seconds);
        let Source::Role(outer, from) = found else { panic!() };
        let Source::Role(inner, _) = *from else { panic!() };
        assert_eq!(inner.duration, None);
        outer.duration
    };
    assert_eq!([duration("", 0), duration("", 120), duration("", 900)], [Some(900); 3]);
    assert_eq!([duration("", 1800), duration("", 36_000)], [Some(1800), Some(3600)]);
    assert_eq!(duration("duration_seconds = 1200\n", 1800), Some(1200));
}
