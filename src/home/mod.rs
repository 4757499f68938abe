//! Plan, apply and undo over a home directory.
