//! Clones brought up to date, several at a time; what is on record follows.

use super::phase::Phase;
use super::record::Record;
use super::report::{Event, Item, State};
use super::run::words;
use super::work::WantedClone;
use crate::base::text::{counted, printable};
use crate::repos::git::RepoEvent;
use crate::repos::git::fetch::Received;
use crate::repos::git::update::{UpdateOutcome, update};
use crate::sys::{signal, workers};

/// Updates what is cloned, `jobs` at a time, and brings the record up to date. The items come back in order.
pub fn update_all(
    clones: &[WantedClone],
    record: &mut Record,
    jobs: usize,
    events: &(dyn Fn(Event) + Sync),
) -> Vec<Item> {
    let outcomes = workers::each(clones, jobs, |clone| (!signal::interrupted()).then(|| one(clone, events)));
    clones
        .iter()
        .zip(outcomes)
        .filter_map(|(clone, outcome)| {
            let outcome = outcome?;
            // What we brought forward is still as we left it.
            if let UpdateOutcome::Updated { to, .. } = &outcome
                && let Some(known) = record.clones.get_mut(&clone.dir)
            {
                known.commit = Some(to.clone());
            }
            Some(item(&clone.spec.name, outcome))
        })
        .collect()
}

fn one(clone: &WantedClone, events: &(dyn Fn(Event) + Sync)) -> UpdateOutcome {
    let name = &clone.spec.name;
    events(Event::Working(name.clone(), "update".into()));
    let progress = |Received { objects, total, bytes }: Received| {
        let name = name.clone();
        events(Event::Clone(RepoEvent::Progress { name, received: objects, total, bytes }));
    };
    let outcome = update(&clone.spec, &progress);
    events(Event::Over(name.clone()));
    outcome
}

fn item(name: &str, outcome: UpdateOutcome) -> Item {
    let short = |commit: &str| commit.get(..12).unwrap_or(commit).to_owned();
    let again = format!("devboot repo update {}", printable(name));
    let new = |state, detail: String| Item::new(Phase::Repos, name, state, detail);
    match outcome {
        UpdateOutcome::Updated { from, to, commits, left_out } => {
            let without = match left_out.as_slice() {
                [] => String::new(),
                names => format!("; without {}", names.join(", ")),
            };
            let detail =
                format!("{} to {}, {}{without}", short(&from), short(&to), counted(commits, "commit"));
            new(State::Done, detail)
        }
        UpdateOutcome::UpToDate { commit } => new(State::Unchanged, short(&commit)),
        UpdateOutcome::Left { why } => new(State::Kept, why),
        UpdateOutcome::Postponed { why } => {
            new(State::Postponed, why).next(format!("{again}, once the network is there"))
        }
        UpdateOutcome::Failed(fault) => new(State::Failed, words(&fault)).next(again),
    }
}
