//! Progress of work that takes longer than a blink: bars on a terminal, nothing elsewhere.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::base::text::printable;
use crate::sys::terminal;

/// Bars for named tasks that run at the same time.
pub struct Progress {
    all: MultiProgress,
    bars: Mutex<BTreeMap<String, ProgressBar>>,
    visible: bool,
}

impl Progress {
    /// Bars on standard error if it is a terminal and they are wanted; work that is over in no time flickers by
    /// at most ten times a second.
    pub fn new(wanted: bool) -> Self {
        let visible = wanted && terminal::stderr_is_terminal();
        let target =
            if visible { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), bars: Mutex::default(), visible }
    }

    /// Whether anything is drawn.
    pub fn is_visible(&self) -> bool {
        self.visible
    }

    /// A task of which only its words are known.
    pub fn working(&self, task: &str, words: &str) {
        self.with(task, |bar| {
            bar.set_length(0);
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix:24} {msg}  {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar.set_message(printable(words));
        });
    }

    /// A task of which `done` of `total` is over.
    pub fn advance(&self, task: &str, done: u64, total: u64, words: &str) {
        self.with(task, |bar| {
            bar.disable_steady_tick();
            if let Ok(style) = ProgressStyle::with_template("  {bar:20} {prefix:24} {msg}") {
                bar.set_style(style);
            }
            bar.set_length(total.max(1));
            bar.set_position(done);
            bar.set_message(printable(words));
        });
    }

    /// A task that is over.
    pub fn finish(&self, task: &str) {
        let bar = self.bars.lock().unwrap_or_else(PoisonError::into_inner).remove(task);
        if let Some(bar) = bar {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
    }

    /// Runs something that prints, with the bars out of its way.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }

    fn with(&self, task: &str, change: impl FnOnce(&ProgressBar)) {
        if !self.visible {
            return;
        }
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(task.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            bar.set_prefix(printable(task));
            bar
        });
        change(bar);
    }
}
