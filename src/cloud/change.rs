//! What a switch does to a shell's variables. Pure.

use crate::base::secret::Secret;

/// One variable: a value to set, or `None` to take it away.
#[derive(Clone, Debug)]
pub struct Change {
    /// The variable.
    pub name: &'static str,
    /// Its value; in value mode a secret.
    pub value: Option<Secret<String>>,
}

/// The changes of a switch in their order: first what is taken away, which is all of `cleared` that is not set, then
/// what is set.
pub(super) fn all(cleared: &[&'static str], set: Vec<(&'static str, String)>) -> Vec<Change> {
    let unset = cleared.iter().filter(|name| set.iter().all(|(set, _)| set != *name));
    let unset: Vec<Change> = unset.map(|name| Change { name, value: None }).collect();
    let set = set.into_iter().map(|(name, value)| Change { name, value: Some(Secret::new(value)) });
    unset.into_iter().chain(set).collect()
}
