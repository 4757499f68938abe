//! What is remembered of a stage's tests from run to run. Losing it costs one whole run.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::project::fingerprint::Fingerprint;
use crate::sys::system::{ReadSystem, WriteSystem, replace};

/// The largest file that is read, in bytes.
const LIMIT: u64 = 128 << 20;

/// Another form has another number; what has an older one is made again.
const FORM: u32 = 1;

/// So many parts are remembered to have been built alone.
const MOST_ALONE: usize = 100;

/// All of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    form: u32,
    /// What the stage was when all of its tests last passed.
    pub(super) green: Option<Fingerprint>,
    /// Whether a test failed that no change was known to affect.
    pub(super) stray: bool,
    /// Parts that were seen to be built alone.
    alone: BTreeSet<String>,
}

impl Memory {
    /// What was kept; nothing when there is none that can be read.
    pub(super) fn load(system: &dyn ReadSystem, file: &Path) -> Self {
        let read = system.read(file, LIMIT).ok();
        let kept: Option<Self> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        kept.filter(|kept| kept.form == FORM).unwrap_or(Self { form: FORM, ..Self::default() })
    }

    /// Keeps it; the file's directory exists.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn save(&self, system: &dyn WriteSystem, file: &Path) -> std::io::Result<()> {
        replace(system, file, &serde_json::to_vec(self).unwrap_or_default(), 0o600)
    }

    /// All tests passed at this.
    pub(super) fn passed(&mut self, now: &Fingerprint) {
        self.green = Some(now.clone());
        self.stray = false;
    }

    /// A part was built alone, without the others.
    pub(super) fn built_alone(&mut self, part: &[String]) {
        if self.alone.len() >= MOST_ALONE {
            self.alone.clear();
        }
        self.alone.insert(part.join(" "));
    }

    /// Whether a part was built alone since [`Memory::forget_alone`].
    pub(super) fn was_built_alone(&self, part: &[String]) -> bool {
        self.alone.contains(&part.join(" "))
    }

    /// How packages are built may be another now.
    pub(super) fn forget_alone(&mut self) {
        self.alone.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::fingerprint::Kind;
    use crate::sys::real::RealSystem;

    #[test]
    fn it_is_kept_and_another_form_is_made_again() {
        let (system, dir) = (RealSystem, tempfile::tempdir().unwrap());
        let file = &dir.path().join("memory.json");
        let mut memory = Memory::load(&system, file);
        assert!(memory.green.is_none());
        let mut now = Fingerprint::new();
        now.add(Kind::Variable, "A", "b");
        memory.stray = true;
        memory.passed(&now);
        memory.built_alone(&["a".into(), "b".into()]);
        memory.save(&system, file).unwrap();
        let mut again = Memory::load(&system, file);
        assert_eq!(again.green.as_ref().unwrap().digest(), now.digest());
        assert!(!again.stray && again.was_built_alone(&["a".into(), "b".into()]));
        again.forget_alone();
        assert!(!again.was_built_alone(&["a".into(), "b".into()]));
        again.form = 7;
        again.save(&system, file).unwrap();
        assert!(Memory::load(&system, file).green.is_none());
    }
}
