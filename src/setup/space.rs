//! Space on a small home: every step has a size, and a reserve stays free.

use crate::host::checks::RESERVE;

/// What a clone of depth 1 takes, in bytes: oh-my-zsh and awesome vim have 8 and 29 MB of files.
pub const CLONE: u64 = 40_000_000;

/// What a Python environment with a few packages takes, in bytes.
pub const ENVIRONMENT: u64 = 120_000_000;

/// Space that may still be taken.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Bytes left above the reserve.
    pub left: u64,
}

impl Budget {
    /// All free space but the reserve. Where the system does not tell, there is enough.
    pub fn new(free: Option<u64>) -> Self {
        Self { left: free.map_or(u64::MAX, |free| free.saturating_sub(RESERVE)) }
    }

    /// Takes `bytes` if they are left.
    pub fn take(&mut self, bytes: u64) -> bool {
        let enough = self.left >= bytes;
        if enough {
            self.left -= bytes;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_never_taken() {
        let mut budget = Budget::new(Some(RESERVE + CLONE + 1));
        assert!(budget.take(CLONE));
        assert!(!budget.take(2));
        assert_eq!(budget.left, 1);
        assert!(!Budget::new(Some(10)).take(1));
        assert!(Budget::new(None).take(u64::MAX / 2));
    }
}
