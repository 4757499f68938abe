//! What a profile of the user's own files sets beside credentials, for another config file. Pure.
//!
//! The settings are named here, each of them: one that is not known may be a new way to get credentials, and in the file of a
//! switch it would win over what is handed over.

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

/// Settings with others below them, in indented lines.
const BLOCKS: [&str; 4] = ["api_versions", "dynamodb", "emr", "s3"];

/// The setting that names a section of endpoints.
const SERVICES: &str = "services";

/// Settings as they stand in a config file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The lines of the profile.
    pub lines: String,
    /// The section that they name, if they do.
    pub section: String,
}

impl AwsConfig {
    /// What a profile sets beside credentials and the region. A value with a control character is left out.
    pub fn settings(&self, profile: &str) -> Settings {
        let mut settings = Settings::default();
        let Some(own) = self.profiles.get(profile) else { return settings };
        for name in LINES {
            // An empty one counts: with it, the CLI has no pager.
            if let Some(value) = own.get(name).filter(|value| !value.chars().any(char::is_control)) {
                line(&mut settings.lines, name, value);
            }
        }
        for name in BLOCKS {
            if let Some(value) = own.get(name) {
                settings.lines.push_str(&block(name, value).unwrap_or_default());
            }
        }
        if let Some(name) = own.get(SERVICES).filter(|name| is_identifier(name))
            && let Some(services) = self.services.get(name)
        {
            line(&mut settings.lines, SERVICES, name);
            settings.section = format!("[services {name}]\n");
            for name in services.names() {
                let block = services.get(name).and_then(|value| block(name, value));
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

/// A setting with those below it, of which there must be one.
fn block(name: &str, value: &str) -> Option<String> {
    let below = value.strip_prefix('\n')?;
    let mut text = format!("{name} =\n");
    for pair in below.split('\n') {
        let (key, value) = pair.split_once('=')?;
        let key = key.trim_matches(BLANK);
        if is_identifier(key) && !value.chars().any(|c| c.is_control() && c != '\t') {
            text.push_str("  ");
            line(&mut text, key, value.trim_matches(BLANK));
        }
    }
    Some(text)
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
                    s3 =\n  addressing_style = path\n  max_bandwidth =\nservices = mine\n";
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
        assert_eq!(config.settings("gone"), Settings::default());
    }

    #[test]
    fn what_is_taken_cannot_break_the_file_open() {
        let config = of(
            "[profile a]\noutput = json\n  role_arn = x\nendpoint_url = a\u{1b}[2J\ns3 = path\nservices = gone\n\
             emr =\n  b\u{7}ell = x\n  log_uri = a\u{1b}b\n  variant = EMR\n[profile b]\nservices = a]\n",
        );
        assert_eq!(config.settings("a").lines, "emr =\n  variant = EMR\n");
        assert_eq!(config.settings("b"), Settings::default());
    }

    #[test]
    fn the_names_are_in_order_and_none_is_of_credentials() {
        assert!(LINES.is_sorted() && BLOCKS.is_sorted());
        let of_credentials =
            ["aws_", "sso_", "role_", "source", "credential", "web_identity", "login", "mfa", "external"];
        for name in LINES.iter().chain(&BLOCKS) {
            assert!(!of_credentials.iter().any(|start| name.starts_with(start)), "{name}");
        }
    }
}
