//! How far this machine's clock is from a server's, and what follows. Pure; held by AWS's own cases.

use crate::base::time::Timestamp;

/// A signature is refused for its time from this difference on, in seconds.
const NOTICED: i64 = 4 * 60;

/// An exchange that took longer says nothing about clocks, in seconds.
const TRUSTED: i64 = 15 * 60;

/// The codes of AWS's refusals that a wrong clock can be the cause of.
const CODES: [&str; 8] = [
    "AccessDeniedException",
    "AuthFailure",
    "InvalidSignatureException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "SignatureExpired",
];

/// The seconds that the server's clock is ahead of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew(pub i64);

impl Skew {
    /// Measured by one exchange: the server's date, and when we sent and received. `None` when that cannot tell.
    pub fn measured(date: Option<Timestamp>, sent: Timestamp, received: Timestamp) -> Option<Self> {
        let took = received.0.saturating_sub(sent.0).max(0);
        let date = date.filter(|_| took <= TRUSTED)?;
        Some(Self(date.0.saturating_sub(sent.0 + took / 2)))
    }

    /// A moment of our clock on the server's.
    pub fn theirs(self, ours: Timestamp) -> Timestamp {
        Timestamp(ours.0.saturating_add(self.0))
    }

    /// A moment of the server's clock on ours. A difference below a minute is no more than the way there and back.
    pub fn ours(self, theirs: Timestamp) -> Timestamp {
        if self.0.abs() < 60 { theirs } else { Timestamp(theirs.0.saturating_sub(self.0)) }
    }

    /// Whether it is so large that servers refuse for it.
    pub fn is_noticed(self) -> bool {
        self.0.abs() >= NOTICED
    }

    /// Whether a refusal with this code is for the clock, so that the same request with the right time may pass.
    pub fn explains(self, code: &str) -> bool {
        self.is_noticed() && CODES.contains(&code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_go_both_ways() {
        let skew = Skew(1200);
        assert_eq!(skew.theirs(Timestamp(0)), Timestamp(1200));
        assert_eq!(skew.ours(Timestamp(1200)), Timestamp(0));
        assert_eq!(Skew(2).ours(Timestamp(100)), Timestamp(100));
    }

    #[test]
    fn a_refusal_for_other_reasons_is_not_the_clocks() {
        assert!(Skew(-1200).explains("SignatureDoesNotMatch"));
        assert!(!Skew(30).explains("SignatureDoesNotMatch"));
        assert!(!Skew(1200).explains("AccessDenied"));
    }
}
