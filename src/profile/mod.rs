//! Environment profiles: what a home should be.
