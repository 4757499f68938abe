//! What a profile of the user's own files sets beside credentials, for another config file. Pure.
//!
//! The settings are named here, each of them and those below another too: one that is not known may be a new way to get
//! credentials, and in the file of a switch it would win over what is handed over. A value that is an address with a user
//! or a password in it is left: such a file says no secret.

use std::fmt::Write;

use super::{AwsConfig, BLANK, is_identifier};

/// Settings of one line, in the words of AWS's SDKs and its CLI.
const LINES: [&str; 33] = [
    "account_id_endpoint_mode",
    "auth_scheme_preference",
    "ca_bundle",
    "cli_auto_prompt",
    "cli_binary_format",
    "cli_error_format",
    "cli_follow_urlparam",
    "cli_help_output",
    "cli_history",
    "cli_pager",
    "cli_timestamp_format",
    "defaults_mode",
    "disable_host_prefix_injection",
    "disable_request_compression",
    "endpoint_discovery_enabled",
    "endpoint_url",
    "ignore_configured_endpoint_urls",
    "max_attempts",
    "output",
    "parameter_validation",
    "request_checksum_calculation",
    "request_min_compression_size_bytes",
    "response_checksum_validation",
    "retry_mode",
    "s3_disable_express_session_auth",
    "s3_disable_multiregion_access_points",
    "s3_us_east_1_regional_endpoint",
    "sdk_ua_app_id",
    "sigv4a_signing_region_set",
    "sts_regional_endpoints",
    "tcp_keepalive",
    "use_dualstack_endpoint",
    "use_fips_endpoint",
];

/// Settings with others below them, in indented lines, and which those are.
const BLOCKS: [(&str, Below); 4] = [
    ("api_versions", Below::Versions),
    ("dynamodb", Below::Names(&ENDPOINT)),
    ("emr", Below::Names(&EMR)),
    ("s3", Below::Names(&S3)),
];

/// What may stand below a setting.
#[derive(Clone, Copy)]
enum Below {
    /// These.
    Names(&'static [&'static str]),
    /// A service each, with the date of its interface.
    Versions,
}

/// All that a service has in a section of endpoints.
const ENDPOINT: [&str; 1] = ["endpoint_url"];

/// What `aws emr` reads.
const EMR: [&str; 6] =
    ["enable_debugging", "instance_profile", "key_name", "key_pair_file", "log_uri", "service_role"];

/// What the SDKs, the CLI and its `aws s3` read.
const S3: [&str; 20] = [
    "addressing_style",
    "disable_multiregion_access_points",
    "io_chunksize",
    "max_bandwidth",
    "max_concurrent_requests",
    "max_in_memory_download_chunks",
    "max_in_memory_upload_chunks",
    "max_queue_size",
    "multipart_chunksize",
    "multipart_threshold",
    "payload_signing_enabled",
    "preferred_transfer_client",
    "s3_disable_multiregion_access_points",
    "should_stream",
    "signature_version",
    "target_bandwidth",
    "us_east_1_regional_endpoint",
    "use_accelerate_endpoint",
    "use_arn_region",
    "use_dualstack_endpoint",
];

/// The setting that names a section of endpoints.
const SERVICES: &str = "services";

/// Settings as they stand in a config file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The lines of the profile.
    pub lines: String,
    /// The section that they name, if they do.
    pub section: String,
    /// Whether an address with a login in it was left out: without it, clients go to another server.
    pub has_login: bool,
}

impl AwsConfig {
    /// What a profile sets beside credentials and the region. A value with a control character is left out, and an address with a
    /// login.
    pub fn settings(&self, profile: &str) -> Settings {
        let mut settings = Settings::default();
        let Some(own) = self.profiles.get(profile) else { return settings };
        for name in LINES {
            // An empty one counts: with it, the CLI has no pager.
            let Some(value) = own.get(name) else { continue };
            settings.has_login |= has_login(value);
            if fits(value) {
                line(&mut settings.lines, name, value);
            }
        }
        for (name, below) in BLOCKS {
            if let Some(value) = own.get(name) {
                settings.lines.push_str(&block(name, value, below).unwrap_or_default());
            }
        }
        if let Some(name) = own.get(SERVICES).filter(|name| is_identifier(name))
            && let Some(services) = self.services.get(name)
        {
            line(&mut settings.lines, SERVICES, name);
            settings.section = format!("[services {name}]\n");
            for name in services.names() {
                settings.has_login |= services.nested(name, ENDPOINT[0]).is_some_and(has_login);
                let block = services.get(name).and_then(|value| block(name, value, Below::Names(&ENDPOINT)));
                settings.section.push_str(&block.unwrap_or_default());
            }
        }
        settings
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    let value = if value.is_empty() { String::new() } else { format!(" {value}") };
    let _ = writeln!(text, "{name} ={value}");
}

/// Whether a value may stand in the file.
fn fits(value: &str) -> bool {
    !value.chars().any(|c| c.is_control() && c != '\t') && !has_login(value)
}

/// Whether a text is an address with a user or a password in it.
fn has_login(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("//") else { return false };
    // RFC 3986: the host and what stands before it end with the first of these.
    rest.split(['/', '?', '#']).next().is_some_and(|host| host.contains('@'))
}

/// A setting with those below it that are known. None when there is none.
fn block(name: &str, value: &str, known: Below) -> Option<String> {
    let below = value.strip_prefix('\n')?;
    let mut text = String::new();
    for pair in below.split('\n') {
        let (key, value) = pair.split_once('=')?;
        let (key, value) = (key.trim_matches(BLANK), value.trim_matches(BLANK));
        let is_known = match known {
            Below::Names(names) => names.iter().any(|name| name.eq_ignore_ascii_case(key)),
            Below::Versions => is_identifier(key) && is_date(value),
        };
        if is_known && fits(value) {
            text.push_str("  ");
            line(&mut text, key, value);
        }
    }
    (!text.is_empty()).then(|| format!("{name} =\n{text}"))
}

/// Whether a text has the form of `2006-03-01`.
fn is_date(text: &str) -> bool {
    let form =
        |text: &str| text.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b }).collect::<Vec<_>>();
    form(text) == b"0000-00-00"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{AwsConfig, parse};
    use super::*;

    fn of(config: &str) -> AwsConfig {
        parse((Path::new("/h/config"), config), (Path::new("/h/credentials"), "")).unwrap()
    }

    #[test]
    fn settings_are_taken_and_every_way_to_credentials_is_left() {
        let kept = "cli_pager =\nendpoint_url = http://h:1/a=b\nmax_attempts = 7\noutput = text\nuse_fips_endpoint = true\n\
                    api_versions =\n  ec2 = 2015-03-01\ns3 =\n  addressing_style = path\n  max_bandwidth =\nservices = mine\n";
        let section =
            "[services mine]\ndynamodb =\n  endpoint_url = http://h:2\nsts =\n  endpoint_url = http://h:3\n";
        let config = of(&format!(
            "[profile a]\nregion = x\n{kept}credential_process = p\nrole_arn = r\nsource_profile = b\ncredential_source = c\n\
             sso_session = s\nsso_account_id = 1\naws_access_key_id = A\naws_secret_access_key = hush\naws_session_token = t\n\
             web_identity_token_file = f\nlogin_session = l\nmfa_serial = m\nexternal_id = e\nrole_session_name = n\n\
             duration_seconds = 900\nnew_way_to_credentials = x\nnew_block =\n  role_arn = x\n\
             {section}[services other]\ns3 =\n  endpoint_url = http://other\n"
        ));
        let settings = config.settings("a");
        assert_eq!((settings.lines.as_str(), settings.section.as_str()), (kept, section));
        assert!(!settings.has_login);
        assert_eq!(config.settings("gone"), Settings::default());
    }

    #[test]
    fn what_is_taken_cannot_break_the_file_open() {
        let config = of(
            "[profile a]\noutput = json\n  role_arn = x\nendpoint_url = a\u{1b}[2J\ns3 = path\nservices = gone\n\
             emr =\n  b\u{7}ell = x\n  log_uri = a\u{1b}b\n  key_name = mine\n[profile b]\nservices = a]\n",
        );
        assert_eq!(config.settings("a").lines, "emr =\n  key_name = mine\n");
        assert_eq!(config.settings("b"), Settings::default());
    }

    #[test]
    fn below_a_setting_too_only_what_is_known_is_taken() {
        let secrets = "aws_access_key_id = AKIA1\n  aws_secret_access_key = hush\n  credential_process = hush\n  \
                       role_arn = hush\n  new = hush\n  endpoint_url = http://me:hush@h\n";
        let config = of(&format!(
            "[profile a]\nservices = mine\nendpoint_url = http://me:hush@h/x\napi_versions =\n  s3 = 2006-03-01\n  {secrets}\
             s3 =\n  {secrets}  use_arn_region = true\ndynamodb =\n  {secrets}emr =\n  {secrets}  log_uri = s3://me:hush@b/\n\
             [services mine]\ns3 =\n  {secrets}sts =\n  {secrets}  endpoint_url = http://h/a@b\naws_secret_access_key = hush\n\
             credential_process =\n  {secrets}"
        ));
        let settings = config.settings("a");
        let lines = "api_versions =\n  s3 = 2006-03-01\ns3 =\n  use_arn_region = true\nservices = mine\n";
        assert_eq!(settings.lines, lines);
        assert!(settings.has_login);
        assert_eq!(settings.section, "[services mine]\nsts =\n  endpoint_url = http://h/a@b\n");
    }

    #[test]
    fn a_login_is_seen_wherever_it_stands_before_a_host() {
        for (value, has) in [
            ("http://me@h", true),
            ("https://me:p/w@h", false),
            ("//me:pw@h/", true),
            ("http://:pw@h?x", true),
            ("http://h/me@x", false),
            ("http://h?a=b@c", false),
            ("me@h", false),
        ] {
            assert_eq!(has_login(value), has, "{value}");
        }
    }

    #[test]
    fn the_names_are_in_order_and_none_is_of_credentials() {
        let blocks = BLOCKS.map(|(name, _)| name);
        assert!(LINES.is_sorted() && blocks.is_sorted() && EMR.is_sorted() && S3.is_sorted());
        let of_credentials =
            ["aws_", "sso_", "role_", "source", "credential", "web_identity", "login", "mfa", "external"];
        for name in LINES.iter().chain(&blocks).chain(&ENDPOINT).chain(&EMR).chain(&S3) {
            assert!(!of_credentials.iter().any(|start| name.starts_with(start)), "{name}");
        }
    }
}
