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
    total: Mutex<Option<ProgressBar>>,
    visible: bool,
}

impl Progress {
    /// Bars on standard error if it is a terminal and they are wanted; work that is over in no time flickers by
    /// at most ten times a second.
    pub fn new(wanted: bool) -> Self {
        let visible = wanted && terminal::stderr_is_terminal();
        let target =
            if visible { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        Self { all, bars: Mutex::default(), total: Mutex::default(), visible }
    }

    /// How many tasks there will be: a bar below all others counts those that are over. Nought takes it away.
    pub fn expect(&self, tasks: usize) {
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = total.take() {
            old.finish_and_clear();
            self.all.remove(&old);
        }
        if !self.visible || tasks < 2 {
            return;
        }
        let bar = self.all.add(ProgressBar::new(tasks as u64));
        if let Ok(style) = ProgressStyle::with_template("  {bar:20} {pos} of {len}  {elapsed}") {
            bar.set_style(style);
        }
        bar.tick();
        *total = Some(bar);
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
        if let Some(total) = &*self.total.lock().unwrap_or_else(PoisonError::into_inner) {
            total.inc(1);
        }
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
            let bar = self.all.insert(0, ProgressBar::new_spinner());
            bar.set_prefix(printable(task));
            bar
        });
        change(bar);
    }
}
