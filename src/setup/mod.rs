//! The phases of devboot setup.
