//! Rust: `cargo nextest` where it is installed, else `cargo test`.

use super::{Draft, Look, running};

pub(super) fn find(look: &Look<'_>, draft: &mut Draft) {
    if look.text("Cargo.toml").is_none() {
        return;
    }
    let (command, why) = match (look.has)("cargo-nextest") {
        true => ("cargo nextest run", "for Cargo.toml; cargo-nextest is installed"),
        false => ("cargo test", "for Cargo.toml"),
    };
    draft.add("cargo", "test", running(command), &format!("`{command}`, {why}"));
}
