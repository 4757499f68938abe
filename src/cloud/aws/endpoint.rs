//! Which server a call goes to: the region's own, or what the environment or the files name instead. Pure.

use std::fmt;

use super::config::AwsConfig;
use crate::base::error::{Diagnose, ErrorKind};
use crate::base::redact;
use crate::base::text::printable;
use crate::cloud::address::Address;

/// The region of a call for which none is named.
pub const DEFAULT_REGION: &str = "us-east-1";

/// A server cannot be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// A region that is no part of a host name.
    Region(String),
    /// An address that is not `http(s)://host[:port][/path]`; who names it, and the address.
    Address(&'static str, String),
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(region) => write!(f, "'{}' is no region of AWS", printable(region)),
            Self::Address(who, address) => {
                write!(f, "the address '{}' of {who} cannot be used", printable(&redact::url(address)))
            }
        }
    }
}

impl std::error::Error for EndpointError {}

impl Diagnose for EndpointError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Usage
    }

    fn hints(&self) -> Vec<String> {
        vec![match self {
            Self::Region(_) => "a region is a name such as eu-west-1".into(),
            Self::Address(..) => {
                "an address is http:// or https://, a host, and at most a port and a path".into()
            }
        }]
    }
}

/// A service that devboot calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Security Token Service.
    Sts,
    /// The portal of IAM Identity Center.
    Sso,
    /// Its OIDC server.
    SsoOidc,
}

impl Service {
    fn variable(self) -> &'static str {
        match self {
            Self::Sts => "AWS_ENDPOINT_URL_STS",
            Self::Sso => "AWS_ENDPOINT_URL_SSO",
            Self::SsoOidc => "AWS_ENDPOINT_URL_SSO_OIDC",
        }
    }

    /// The name of its group in a `[services]` section.
    fn group(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Sso => "sso",
            Self::SsoOidc => "sso_oidc",
        }
    }

    fn host(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Sso => "portal.sso",
            Self::SsoOidc => "oidc",
        }
    }
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Host and port as the `Host` header has them.
    pub host: String,
    /// What stands before the path of a request; empty or with a slash at its start and none at its end.
    pub base: String,
    /// The region that requests are signed for.
    pub region: String,
}

impl Endpoint {
    /// The address of a path below it.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{}{path}", self.scheme, self.host, self.base)
    }
}

/// Whether a text is the name of a region, and so safe as a part of a host name.
pub fn is_region(text: &str) -> bool {
    let letters = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    letters && (1..=40).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-')
}

/// What follows the region in the host names of its partition.
pub fn suffix(region: &str) -> &'static str {
    const SUFFIXES: [(&str, &str); 6] = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov"),
    ];
    SUFFIXES.iter().find(|(start, _)| region.starts_with(start)).map_or("amazonaws.com", |(_, suffix)| suffix)
}

/// The server of a service in a region. A variable of the service comes before the one of all, then the profile's
/// `services` section, then the profile.
///
/// # Errors
/// The region or the address that is named cannot be one.
pub fn endpoint(
    service: Service,
    region: &str,
    var: &dyn Fn(&str) -> Option<String>,
    config: &AwsConfig,
    profile: &str,
) -> Result<Endpoint, EndpointError> {
    if !is_region(region) {
        return Err(EndpointError::Region(region.to_owned()));
    }
    let var = |name: &str| var(name).filter(|value| !value.is_empty());
    let section = config.profiles.get(profile);
    let property =
        |name: &str| section.and_then(|section| section.get(name)).filter(|value| !value.is_empty());
    let is_true = |value: &str| value.eq_ignore_ascii_case("true");
    let ignored = match var("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
        Some(value) => is_true(&value),
        None => property("ignore_configured_endpoint_urls").is_some_and(is_true),
    };
    let of_services = || {
        let services = config.services.get(property("services")?)?;
        services.nested(service.group(), "endpoint_url").filter(|url| !url.is_empty())
    };
    let named = if ignored {
        None
    } else if let Some(url) = var(service.variable()) {
        Some((service.variable(), url))
    } else if let Some(url) = var("AWS_ENDPOINT_URL") {
        Some(("AWS_ENDPOINT_URL", url))
    } else {
        of_services().or_else(|| property("endpoint_url")).map(|url| ("endpoint_url", url.to_owned()))
    };
    match named {
        Some((who, url)) => address(&url, region).ok_or(EndpointError::Address(who, url)),
        None => Ok(Endpoint {
            scheme: "https",
            host: format!("{}.{region}.{}", service.host(), suffix(region)),
            base: String::new(),
            region: region.to_owned(),
        }),
    }
}

/// Reads `http(s)://host[:port][/path]` and nothing more, so that what is signed is what is sent.
pub fn address(url: &str, region: &str) -> Option<Endpoint> {
    let Address { scheme, host, base } = Address::parse(url)?;
    Some(Endpoint { scheme, host, base, region: region.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::cloud::aws::config::parse;

    fn sts(region: &str, vars: &[(&str, &str)], file: &str) -> Result<String, EndpointError> {
        let config = parse((Path::new("c"), file), (Path::new("k"), "")).unwrap();
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        endpoint(Service::Sts, region, &var, &config, "a").map(|endpoint| endpoint.url("/"))
    }

    #[test]
    fn regions_have_their_partitions_names() {
        let url = |region| sts(region, &[], "").unwrap();
        assert_eq!(url("eu-west-1"), "https://sts.eu-west-1.amazonaws.com/");
        assert_eq!(url("cn-north-1"), "https://sts.cn-north-1.amazonaws.com.cn/");
        assert_eq!(url("eusc-de-east-1"), "https://sts.eusc-de-east-1.amazonaws.eu/");
        assert_eq!(url("us-gov-west-1"), "https://sts.us-gov-west-1.amazonaws.com/");
    }

    #[test]
    fn a_region_cannot_lead_to_another_host() {
        for region in ["", "eu.evil.example/", "eu@evil", "eu west", "EU", "-", "$(id)", "a\n", "é"] {
            assert_eq!(sts(region, &[], ""), Err(EndpointError::Region(region.into())), "{region:?}");
        }
    }

    #[test]
    fn what_is_named_comes_in_its_order() {
        let file = "[profile a]\nservices = s\nendpoint_url = http://d\n[services s]\nsts =\n  endpoint_url = http://c\n";
        let url = |vars: &[(&str, &str)]| sts("eu-west-1", vars, file).unwrap();
        let all = [("AWS_ENDPOINT_URL_STS", "http://A:80"), ("AWS_ENDPOINT_URL", "http://b:5000/x/")];
        assert_eq!(url(&all), "http://a/");
        assert_eq!(url(&all[1..]), "http://b:5000/x/");
        assert_eq!(url(&[]), "http://c/");
        let ignore = [("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True"), all[0]];
        assert_eq!(url(&ignore), "https://sts.eu-west-1.amazonaws.com/");
        assert_eq!(sts("x", &[], "[profile a]\nendpoint_url = http://d\n").unwrap(), "http://d/");
    }

    #[test]
    fn odd_addresses_are_refused() {
        for url in [
            "ftp://h",
            "h",
            "http://",
            "http://u:p@h",
            "http://h/?x",
            "http://h/a/../b",
            "http://h//b",
            "http://h /",
        ] {
            let found = sts("x", &[("AWS_ENDPOINT_URL", url)], "");
            assert!(matches!(found, Err(EndpointError::Address("AWS_ENDPOINT_URL", _))), "{url}");
        }
    }
}
