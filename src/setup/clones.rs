//! Kits, repositories and starters: what is put into the home besides devboot's own files. Each is written down
//! before it is made, so that a setup that is killed leaves nothing of unknown origin.

use std::path::Path;

use super::phase::Phase;
use super::record::{CloneRecord, RecordError, StarterRecord};
use super::report::{Event, Item, State};
use super::run::{Run, is_there, words};
use super::space;
use super::work::{WantedClone, WantedStarter, file_digest};
use crate::base::redact;
use crate::base::text::size;
use crate::base::time::span;
use crate::repos::git::{BatchOptions, CloneOutcome, clone, clone_all};
use crate::sys::real::RealSystem;
use crate::sys::system::{Attributes, WriteSystem};
use crate::sys::tree;

impl Run<'_> {
    pub(super) fn clones(&mut self, phase: Phase, wanted: &[WantedClone]) -> Result<Vec<Item>, RecordError> {
        if !wanted.is_empty() {
            (self.events)(Event::Phase(phase, wanted.len()));
        }
        let mut items = Vec::new();
        let mut specs = Vec::new();
        for clone in wanted {
            if clone.is_there() || self.budget.take(space::CLONE) {
                let mut spec = clone.spec.clone();
                spec.limits.bytes = spec.limits.bytes.min(self.budget.left.max(space::CLONE));
                specs.push(spec);
                if !clone.is_there() {
                    self.note_dirs(&clone.spec.dest);
                    self.record.clones.insert(clone.dir.clone(), clone_record(clone, None));
                }
            } else {
                items.push(self.no_space(phase, &clone.spec.name, space::CLONE));
            }
        }
        self.remember()?;
        let options = BatchOptions { jobs: self.options.jobs, offline: self.options.offline };
        let outcomes = clone_all(&specs, options, &|event| (self.events)(Event::Clone(event)));
        for (spec, outcome) in specs.iter().zip(outcomes) {
            let Some(clone) = wanted.iter().find(|clone| clone.spec.dest == spec.dest) else { continue };
            items.push(self.clone_item(phase, clone, outcome));
        }
        self.remember()?;
        Ok(items)
    }

    fn clone_item(&mut self, phase: Phase, clone: &WantedClone, outcome: CloneOutcome) -> Item {
        let name = &clone.spec.name;
        let again = self.options.again(phase, name);
        // Begun now, or by a setup that was killed: then what is there is its work.
        let begun = self.record.clones.get(&clone.dir).is_some_and(|known| known.commit.is_none());
        match &outcome {
            CloneOutcome::Cloned { commit, .. } => {
                self.record.clones.insert(clone.dir.clone(), clone_record(clone, Some(commit)));
            }
            CloneOutcome::Present { commit } if begun => {
                self.record.clones.insert(clone.dir.clone(), clone_record(clone, Some(commit)));
            }
            _ if begun => {
                // What a killed setup left beside its place; while that stays, it must stay known.
                let half = clone::partial_path(&clone.spec.dest);
                if half.is_none_or(|half| tree::remove(&half).is_ok()) {
                    self.record.clones.remove(&clone.dir);
                }
            }
            _ => {}
        }
        match outcome {
            CloneOutcome::Cloned { commit, bytes, left_out, elapsed, .. } => {
                let short = commit.get(..12).unwrap_or(&commit);
                let left_out = match left_out.as_slice() {
                    [] => String::new(),
                    names => format!("; without {}", names.join(", ")),
                };
                let detail = format!("{short}, {} in {}{left_out}", size(bytes), span(elapsed));
                Item::new(phase, name, State::Done, detail)
            }
            CloneOutcome::Present { commit } => {
                let short = commit.get(..12).unwrap_or(&commit).to_owned();
                Item::new(phase, name, State::Unchanged, short)
            }
            CloneOutcome::Kept { why } => {
                Item::new(phase, name, State::Kept, format!("{} stays as it is: {why}", clone.dir))
            }
            CloneOutcome::Postponed { why } => Item::new(phase, name, State::Postponed, why)
                .next(format!("{again}, once the network is there")),
            CloneOutcome::Failed(fault) => Item::new(phase, name, State::Failed, words(&fault)).next(again),
        }
    }

    pub(super) fn starter(&mut self, wanted: &WantedStarter) -> Result<Item, RecordError> {
        let dest = wanted.dir.under(&self.dirs.home);
        if is_there(&RealSystem, &dest) {
            return Ok(Item::new(Phase::Repos, &wanted.name, State::Unchanged, wanted.dir.to_string()));
        }
        // Written down before it is made; whether it is as it was made is told by its files.
        let files = wanted.files.iter().map(|file| (file.path.to_owned(), file_digest(file))).collect();
        let record = StarterRecord { name: wanted.name.clone(), files };
        self.record.starters.insert(wanted.dir.clone(), record);
        self.remember()?;
        Ok(match lay_out(wanted, &dest) {
            Ok(()) => {
                Item::new(Phase::Repos, &wanted.name, State::Done, format!("laid out in {}", wanted.dir))
            }
            Err(error) => {
                self.record.starters.remove(&wanted.dir);
                Item::new(Phase::Repos, &wanted.name, State::Failed, format!("cannot lay out: {error}"))
                    .next("devboot setup --only repos")
            }
        })
    }
}

fn clone_record(clone: &WantedClone, commit: Option<&String>) -> CloneRecord {
    CloneRecord {
        name: clone.spec.name.clone(),
        url: redact::url(&clone.spec.url),
        commit: commit.cloned(),
        kit: clone.kit,
        test: clone.test.clone(),
    }
}

/// Lays a starter out beside its place and renames it, so that half of one is never taken for the whole.
fn lay_out(wanted: &WantedStarter, dest: &Path) -> std::io::Result<()> {
    let beside = clone::partial_path(dest).unwrap_or_else(|| dest.with_extension("devboot-partial"));
    tree::remove(&beside)?;
    tree::create(&beside)?;
    for file in wanted.files {
        let path = beside.join(file.path);
        tree::create(path.parent().unwrap_or(&beside))?;
        let attributes = Attributes { mode: file.mode, ..Attributes::default() };
        let done = RealSystem.write_new(&path, file.text.as_bytes(), &attributes);
        if done.is_err() {
            let _ = tree::remove(&beside);
        }
        done?;
    }
    RealSystem.rename(&beside, dest)
}
