//! Where are we: evidence, host kind, capabilities, checks.
