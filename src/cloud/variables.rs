//! The variables that a switch may touch, and no others.

use super::aws::environment::CLEARED as AWS;
use super::azure::environment::CLEARED as AZURE;
use super::gcp::environment::CLEARED as GCP;
use crate::base::error::{ErrorKind, Fault};
use crate::base::text::printable;

/// What a switch sets beyond those that it takes away.
const SET: [&str; 9] = [
    "CLOUDSDK_CONFIG",
    "CLOUDSDK_COMPUTE_REGION",
    "CLOUDSDK_COMPUTE_ZONE",
    "AZURE_CONFIG_DIR",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_EC2_METADATA_DISABLED",
];

/// What devboot says of a switch in the environment itself.
pub const OWN: [&str; 6] = [
    "DEVBOOT_CLOUD",
    "DEVBOOT_CLOUD_HERE",
    "DEVBOOT_CLOUD_GUARD",
    "DEVBOOT_CLOUD_UNTIL",
    "DEVBOOT_CLOUD_ENDS",
    "DEVBOOT_CLOUD_SETS",
];

/// All of them.
pub fn all() -> impl Iterator<Item = &'static str> {
    AWS.into_iter().chain(GCP).chain(AZURE).chain(SET).chain(OWN)
}

/// Refuses a variable that is none of them, and a value that no shell should be given.
///
/// # Errors
/// There is one; nothing of the switch is carried out.
pub fn check(changes: &[(&str, Option<&str>)]) -> Result<(), Fault> {
    for (name, value) in changes {
        if !all().any(|known| known == *name) {
            let words =
                format!("the service wants to change {}, which is no variable of a switch", printable(name));
            return Err(Fault::new(ErrorKind::Refused, words));
        }
        if value.is_some_and(|value| value.contains(char::is_control)) {
            return Err(Fault::new(
                ErrorKind::Refused,
                format!("the value of {name} has a control character"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_belongs_to_a_switch_is_changed() {
        assert!(check(&[("AWS_PROFILE", Some("x")), ("AWS_REGION", None)]).is_ok());
        assert!(check(&[("PATH", Some("/evil"))]).is_err());
        assert!(check(&[("AWS_PROFILE", Some("x\nexport PATH=/evil"))]).is_err());
    }
}
