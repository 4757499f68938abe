//! Credentials with an end, and when to get new ones. Pure.

use super::sigv4::Keys;
use crate::base::time::Timestamp;
use crate::cloud::standing::{Standing, refresh_at, standing};

/// Credentials of AWS, from the moment they were got to their end.
#[derive(Clone, Debug)]
pub struct AwsLease {
    /// The keys.
    pub keys: Keys,
    /// The account they belong to, where it is known.
    pub account: Option<String>,
    /// When they were got.
    pub obtained: Timestamp,
    /// When they end, by this machine's clock; `None` for keys without an end.
    pub expiration: Option<Timestamp>,
}

impl AwsLease {
    /// When a new one is to be got; `None` is never.
    pub fn refresh_at(&self) -> Option<Timestamp> {
        Some(refresh_at(self.obtained, self.expiration?))
    }

    /// How it stands now.
    pub fn standing(&self, now: Timestamp) -> Standing {
        self.expiration.map_or(Standing::Fresh, |end| standing(self.obtained, end, now))
    }

    /// The seconds left; `None` without an end.
    pub fn left(&self, now: Timestamp) -> Option<i64> {
        self.expiration.map(|end| (end.0 - now.0).max(0))
    }
}

#[cfg(test)]
pub(in crate::cloud::aws) mod tests {
    use super::*;
    use crate::base::secret::Secret;

    /// A lease of so many seconds, got at second 0.
    pub fn lease(life: Option<i64>) -> AwsLease {
        AwsLease {
            keys: Keys {
                access_key_id: "ASIAEXAMPLE".into(),
                secret_access_key: Secret::new("wJalr+/=".into()),
                session_token: Some(Secret::new("FwoG+/==".into())),
            },
            account: Some("123456789012".into()),
            obtained: Timestamp(0),
            expiration: life.map(Timestamp),
        }
    }

    #[test]
    fn an_hour_is_renewed_at_twenty_minutes_and_never_served_below_fifteen() {
        let hour = lease(Some(3600));
        let at = |second| hour.standing(Timestamp(second));
        assert_eq!([at(0), at(2399)], [Standing::Fresh; 2]);
        assert_eq!([at(2400), at(2699)], [Standing::Due; 2]);
        assert_eq!([at(2700), at(3599)], [Standing::Short; 2]);
        assert_eq!(at(3600), Standing::Expired);
    }

    #[test]
    fn a_short_life_is_renewed_at_its_half() {
        let quarter = lease(Some(900));
        assert_eq!(quarter.refresh_at(), Some(Timestamp(450)));
        assert_eq!(quarter.standing(Timestamp(449)), Standing::Fresh);
        assert_eq!(quarter.standing(Timestamp(450)), Standing::Short);
        assert_eq!(lease(Some(-5)).standing(Timestamp(0)), Standing::Expired);
    }

    #[test]
    fn without_an_end_there_is_nothing_to_do() {
        assert_eq!(lease(None).standing(Timestamp(i64::MAX)), Standing::Fresh);
        assert_eq!(lease(None).left(Timestamp(0)), None);
    }

    #[test]
    fn a_lease_is_not_shown() {
        let shown = format!("{:?}", lease(None));
        assert!(!shown.contains("wJalr") && !shown.contains("FwoG"), "{shown}");
    }
}
