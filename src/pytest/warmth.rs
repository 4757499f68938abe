//! How warm a run may be, and why it is no warmer.

use super::batch::took;
use super::executor::Pytest;
use super::job::Tier;
use super::memory::Memory;
use crate::base::text::printable;
use crate::project::model::Action;
use crate::run::unit::Unit;

/// How warm a run may be.
pub(super) struct Warmth {
    pub(super) tier: Tier,
    /// Why it is no warmer; or that it took something to be.
    pub(super) why: String,
    /// Whether a warm run hung.
    pub(super) hung: bool,
}

/// Tests that take so long, in milliseconds, are worth a process to fork from even for a single run: it runs them side by side.
const WORTH: f64 = 400.0;

/// Why no run may be forked, where that is known before anything is imported. Libraries of macOS do not bear it, see
/// `OBJC_DISABLE_INITIALIZE_FORK_SAFETY` and <https://github.com/python/cpython/issues/77906>.
pub(super) fn why_apart(unit: &Unit) -> Option<&'static str> {
    if matches!(&unit.stage.action, Action::Pytest(tests) if tests.apart) {
        Some("fork = false")
    } else if cfg!(not(target_os = "linux")) {
        Some("nothing is forked on this system")
    } else {
        None
    }
}

impl Warmth {
    /// Not at all, for this reason.
    pub(super) fn cold(why: &str) -> Self {
        Self::of(Tier::Cold, why)
    }

    fn of(tier: Tier, why: &str) -> Self {
        Self { tier, why: why.to_owned(), hung: false }
    }
}

impl Pytest {
    /// For a run that took so many milliseconds the last time, or whose parts did.
    pub(super) async fn warmth(
        &self,
        unit: &Unit,
        args: &[String],
        (memory, expected): (&Memory, f64),
    ) -> Warmth {
        if let Some(why) = self.why_cold(unit, args, memory) {
            return Warmth::of(Tier::Cold, why);
        }
        // A module that is imported ahead is there for whoever asks its package for it, imported or not.
        if let Some((file, module)) = memory.borrowed().difference(&memory.lent).next() {
            let why = format!("{} uses {} and does not import it", printable(file), printable(module));
            return Warmth::of(Tier::Cold, &why);
        }
        self.warmest(unit, memory, expected).await
    }

    fn why_cold(&self, unit: &Unit, args: &[String], memory: &Memory) -> Option<&'static str> {
        let asked = &unit.prepared.tests;
        let has = |option: &str| {
            args.iter().chain(asked).any(|arg| arg == option || arg.starts_with(&format!("{option}=")))
        };
        if !unit.prepared.through.is_empty() {
            Some("it has cloud credentials")
        } else if has("--pdb") || has("--trace") || has("-s") || has("--capture") {
            Some("an argument wants a terminal")
        } else if has("--cov") || memory.coverage {
            Some("--cov measures from the first import on")
        } else if self.knows_no_python() && unit.prepared.python.is_none() {
            Some("no interpreter is known")
        } else if memory.modules.is_empty() && memory.files.is_empty() {
            Some("the first run shows what it imports")
        } else {
            None
        }
    }

    async fn warmest(&self, unit: &Unit, memory: &Memory, expected: f64) -> Warmth {
        let key = self.key(unit, memory);
        if memory.quarantined.contains(&key) {
            return Warmth::of(Tier::Cold, "a warm run hung, broke or had another answer with these imports");
        }
        let mut why = String::new();
        if !self.stays {
            let all: Vec<String> = memory.files.keys().cloned().collect();
            let is_worth = why_apart(unit).is_none()
                && expected >= WORTH
                && expected * 2.0 >= took(&all, memory)
                && crate::sys::workers::cores() > 1
                && memory.serial == 0;
            if !is_worth {
                return Warmth::of(Tier::Cold, "without the service");
            }
            if let Err(why) = self.start(unit, memory).await {
                return Warmth::of(Tier::Cold, &format!("nothing can be imported ahead: {why}"));
            }
            why = "begun for this run".into();
        }
        let held = self.slot.lock().await;
        match held.as_ref() {
            Some((of, server)) if *of == key && server.is_good() => match &server.unfit {
                None => Warmth::of(Tier::Warm, &why),
                Some(why) => Warmth::of(Tier::Standby, why),
            },
            Some((of, _)) if *of != key => {
                Warmth::of(Tier::Cold, "its imports, packages or environment changed")
            }
            _ => Warmth::of(Tier::Cold, self.slot.why_empty()),
        }
    }
}
