//! What is sealed and used by no profile: left by a run that was cut short, or by a profile that was removed while the vault
//! was locked. Pure.

use super::desk::{AWS_SEALED, AZURE_SEALED, GCP_SEALED, sealed_names};
use super::profiles::Profiles;

/// The names in the vault that belong to a profile begin so; seeds of MFA devices and sealed files belong to none.
const OF_PROFILES: [&str; 3] = [AWS_SEALED, GCP_SEALED, AZURE_SEALED];

/// Of the names in the vault, those of profiles' secrets that no profile uses. `is_source` says whether AWS's files have a
/// profile that builds on the keys of this one.
pub fn orphans<'a>(
    names: &'a [String],
    profiles: &Profiles,
    is_source: &dyn Fn(&str) -> bool,
) -> Vec<&'a str> {
    let used: Vec<String> = profiles.values().flat_map(sealed_names).collect();
    let is_orphan = |name: &&String| {
        OF_PROFILES.iter().any(|prefix| name.starts_with(prefix))
            && !used.contains(name)
            && !name.strip_prefix(AWS_SEALED).is_some_and(is_source)
    };
    names.iter().filter(is_orphan).map(String::as_str).collect()
}

/// Of the names in the vault, those that are meant by `wanted`, a name in the vault itself or that of a profile which is not
/// there any more: those that no profile uses, and those that one does.
pub fn meant<'a>(names: &'a [String], profiles: &Profiles, wanted: &str) -> (Vec<&'a str>, Vec<&'a str>) {
    let used: Vec<String> = profiles.values().flat_map(sealed_names).collect();
    let is_meant = |name: &&String| {
        *name == wanted || OF_PROFILES.iter().any(|prefix| name.strip_prefix(prefix) == Some(wanted))
    };
    let (used, free): (Vec<&String>, Vec<&String>) =
        names.iter().filter(is_meant).partition(|name| used.contains(name));
    (free.into_iter().map(String::as_str).collect(), used.into_iter().map(String::as_str).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::profiles::{AwsPart, CredentialProfile};

    #[test]
    fn what_no_profile_uses_is_found_and_can_be_meant_by_two_names() {
        let part = AwsPart { profile: Some("base".into()), ..AwsPart::default() };
        let dev = CredentialProfile { aws: Some(part), ..CredentialProfile::default() };
        let profiles = Profiles::from([("dev".into(), dev)]);
        let names =
            ["aws/base", "aws/chained", "aws/x", "azure/x", "backup/c@1", "totp/d"].map(str::to_owned);
        assert_eq!(orphans(&names, &profiles, &|name| name == "chained"), ["aws/x", "azure/x"]);
        assert_eq!(meant(&names, &profiles, "x"), (vec!["aws/x", "azure/x"], vec![]));
        assert_eq!(meant(&names, &profiles, "azure/x"), (vec!["azure/x"], vec![]));
        assert_eq!(meant(&names, &profiles, "totp/d"), (vec!["totp/d"], vec![]));
        assert_eq!(meant(&names, &profiles, "base"), (vec![], vec!["aws/base"]));
    }
}
