//! Which name each thing that was found gets. A profile that is there already is never replaced. Pure.

use std::collections::BTreeSet;

use super::Found;
use crate::cloud::desk::{AWS_SEALED, AZURE_SEALED, GCP_SEALED};
use crate::cloud::profiles::{CredentialProfile, Profiles};

/// Something that was found, with its place among the profiles.
#[derive(Clone, Debug)]
pub struct Placed {
    /// What was found; its profile is complete now.
    pub found: Found,
    /// The profile's name.
    pub name: String,
    /// Whether a profile of this name is there already and says the same.
    pub is_there: bool,
    /// The name in the vault of what is to be sealed.
    pub sealed: Option<String>,
}

impl Placed {
    /// Whether it has another name than it would like.
    pub fn is_renamed(&self) -> bool {
        !self.is_there && self.name != self.found.wished
    }
}

/// Gives each its name: that of a profile which says the same, else the one it would like, else one with an ending.
pub fn place(found: Vec<Found>, there: &Profiles) -> Vec<Placed> {
    let mut taken: BTreeSet<String> = there.keys().cloned().collect();
    let mut placed = Vec::new();
    for mut found in found {
        let same = there.iter().find(|(_, profile)| says_the_same(profile, &found));
        let name = match same {
            Some((name, _)) => name.clone(),
            None => free(&found, &taken),
        };
        taken.insert(name.clone());
        let within = same.map(|(_, profile)| profile);
        let sealed = found.secret.is_some().then(|| seal_name(&mut found.profile, within, &name));
        placed.push(Placed { is_there: same.is_some(), sealed: sealed.flatten(), found, name });
    }
    placed
}

fn free(found: &Found, taken: &BTreeSet<String>) -> String {
    let wished = &found.wished;
    let numbered = (2_u64..).map(|at| format!("{wished}-{at}"));
    let mut names = [wished.clone(), format!("{wished}-{}", found.source.word())].into_iter().chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or_default()
}

/// Whether a profile leads to the same credentials already; what else it says is its own affair.
fn says_the_same(there: &CredentialProfile, found: &Found) -> bool {
    let (profile, seals) = (&found.profile, found.secret.is_some());
    if let Some(part) = &profile.aws {
        return there.aws.as_ref().is_some_and(|own| own.profile == part.profile);
    }
    if let Some(part) = &profile.gcp {
        return there.gcp.as_ref().is_some_and(|own| match seals {
            true => own.sealed.is_some() && own.account == part.account && own.project == part.project,
            false => own.configuration == part.configuration,
        });
    }
    let (Some(part), Some(own)) = (&profile.azure, &there.azure) else { return false };
    let same = own.tenant == part.tenant && own.subscription == part.subscription;
    if seals { own.sealed.is_some() && own.client == part.client } else { same }
}

/// The name in the vault, which the profile is told too.
fn seal_name(
    profile: &mut CredentialProfile,
    there: Option<&CredentialProfile>,
    name: &str,
) -> Option<String> {
    if let Some(part) = &profile.aws {
        return part.profile.as_ref().map(|profile| format!("{AWS_SEALED}{profile}"));
    }
    if let Some(part) = &mut profile.gcp {
        let own =
            there.and_then(|there| there.gcp.as_ref()?.sealed.clone()).unwrap_or_else(|| name.to_owned());
        part.sealed = Some(own.clone());
        return Some(format!("{GCP_SEALED}{own}"));
    }
    let part = profile.azure.as_mut()?;
    let own = there.and_then(|there| there.azure.as_ref()?.sealed.clone()).unwrap_or_else(|| name.to_owned());
    part.sealed = Some(own.clone());
    Some(format!("{AZURE_SEALED}{own}"))
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;
    use crate::base::secret::Secret;
    use crate::cloud::profiles::{AwsPart, GcpPart, Guard};

    fn aws(profile: &str) -> CredentialProfile {
        let part = AwsPart { profile: Some(profile.into()), ..AwsPart::default() };
        CredentialProfile { aws: Some(part), ..CredentialProfile::default() }
    }

    fn gcp(account: &str) -> CredentialProfile {
        let part = GcpPart { account: Some(account.into()), ..GcpPart::default() };
        CredentialProfile { gcp: Some(part), ..CredentialProfile::default() }
    }

    fn found(source: Source, wished: &str, profile: CredentialProfile) -> Found {
        Found {
            source,
            place: String::new(),
            what: String::new(),
            wished: wished.into(),
            profile,
            secret: Some(Secret::new("s".into())),
            plain: None,
            note: None,
        }
    }

    #[test]
    fn nothing_that_is_there_is_replaced() {
        let mut mine = aws("other");
        mine.guard = Some(Guard::Prod);
        let there = Profiles::from([("dev".into(), mine), ("own".into(), aws("base"))]);
        let placed = place(
            vec![
                found(Source::Aws, "dev", aws("dev")),
                found(Source::Aws, "base", aws("base")),
                found(Source::Gcp, "dev", gcp("a@b")),
                found(Source::Gcp, "dev", gcp("c@d")),
            ],
            &there,
        );
        let rows: Vec<_> = placed
            .iter()
            .map(|one| (one.name.as_str(), one.is_there, one.sealed.as_deref().unwrap()))
            .collect();
        assert_eq!(
            rows,
            [
                ("dev-aws", false, "aws/dev"),
                ("own", true, "aws/base"),
                ("dev-gcp", false, "gcp/dev-gcp"),
                ("dev-2", false, "gcp/dev-2"),
            ]
        );
    }

    #[test]
    fn who_imports_again_finds_the_same_profile() {
        let first = place(vec![found(Source::Gcp, "adc", gcp("a@b"))], &Profiles::new());
        let there = Profiles::from([("mine".into(), first[0].found.profile.clone())]);
        let again = place(vec![found(Source::Gcp, "adc", gcp("a@b"))], &there);
        assert_eq!((again[0].name.as_str(), again[0].is_there), ("mine", true));
        assert_eq!(again[0].sealed.as_deref(), Some("gcp/adc"));
    }
}
