//! What binds stages to each other: the needs they name, the needs that follow from files, and who makes what.

use std::collections::{BTreeMap, BTreeSet};

use super::graph;
use super::model::{Pipeline, Stage, StageId};
use super::patterns::Patterns;
use super::stage::Built;
use crate::document::problem::{Problem, did_you_mean};

/// Fills in what each stage needs, and puts the stages in their order.
pub(super) fn bind(mut built: Vec<Built<'_>>, problems: &mut Vec<Problem>) -> Vec<Stage> {
    let before = problems.len();
    let mut needs = named(&built, problems);
    makers(&built, problems);
    own(&built, problems);
    by_files(&built, &mut needs);
    let places: Vec<Vec<usize>> = needs.iter().map(|needs| needs.iter().copied().collect()).collect();
    let order = match graph::order(&places) {
        Ok(order) => order,
        Err(circles) => {
            circles.iter().for_each(|circle| problems.push(in_words(&built, circle)));
            (0..built.len()).collect()
        }
    };
    if problems.len() > before {
        return built.into_iter().map(|built| built.stage).collect();
    }
    let mut rank = vec![0; built.len()];
    order.iter().enumerate().for_each(|(at, stage)| rank[*stage] = at);
    let ids: Vec<StageId> = built.iter().map(|built| built.stage.id.clone()).collect();
    for (built, needs) in built.iter_mut().zip(needs) {
        let mut needs: Vec<usize> = needs.into_iter().collect();
        needs.sort_by_key(|need| rank[*need]);
        built.stage.needs = needs.into_iter().map(|need| ids[need].clone()).collect();
    }
    let mut stages: Vec<(usize, Stage)> = rank.into_iter().zip(built.into_iter().map(|b| b.stage)).collect();
    stages.sort_by_key(|(rank, _)| *rank);
    stages.into_iter().map(|(_, stage)| stage).collect()
}

/// The needs that are written: a cell by its whole name, a group by what stands before the `@`.
fn named(built: &[Built<'_>], problems: &mut Vec<Problem>) -> Vec<BTreeSet<usize>> {
    let mut known: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, built) in built.iter().enumerate() {
        let id = &built.stage.id;
        known.entry(id.group()).or_default().push(at);
        if id.group() != id.0 {
            known.entry(&id.0).or_default().push(at);
        }
    }
    let resolved = |built: &Built<'_>, problems: &mut Vec<Problem>| {
        let mut found = BTreeSet::new();
        for (need, node) in &built.needs {
            match known.get(need.as_str()) {
                Some(places) => found.extend(places),
                None => {
                    let near = did_you_mean(need, known.keys().copied());
                    let message = format!("no stage is named '{need}'{near}");
                    problems.push(Problem::new(message).at(node.at.place()));
                }
            }
        }
        found
    };
    built.iter().map(|built| resolved(built, problems)).collect()
}

/// Every path is made by one stage at most, and nothing is made inside what another stage makes.
fn makers(built: &[Built<'_>], problems: &mut Vec<Problem>) {
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, stage) in built.iter().enumerate() {
        for (path, node) in &stage.makes {
            match made.get(path.as_str()) {
                Some(other) if *other != at => {
                    let (one, two) = (&built[*other].stage.id, &stage.stage.id);
                    let problem = Problem::new(format!("'{one}' and '{two}' both make '{path}'"));
                    problems.push(with_axis(problem, one, two, stage).at(node.at.place()));
                }
                _ => {
                    made.insert(path, at);
                }
            }
        }
    }
    for (at, stage) in built.iter().enumerate() {
        for (path, node) in &stage.makes {
            let above = parents(path).find_map(|dir| Some((dir, *made.get(dir)?)));
            if let Some((dir, other)) = above.filter(|(_, other)| *other != at) {
                let other = &built[other].stage.id;
                let message = format!("'{path}' is inside '{dir}', which '{other}' makes");
                problems.push(Problem::new(message).at(node.at.place()));
            }
        }
    }
}

fn with_axis(problem: Problem, one: &StageId, two: &StageId, stage: &Built<'_>) -> Problem {
    match stage.stage.cell.keys().next() {
        Some(axis) if one.group() == two.group() => {
            problem.hint(format!("put the values into its name, such as {{{axis}}}"))
        }
        _ => problem.hint("one of them must write elsewhere"),
    }
}

/// The directories that a path is in, the nearest first.
pub(super) fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(at, _)| &path[..at])
}

/// An input that is named and that the stage makes itself.
fn own(built: &[Built<'_>], problems: &mut Vec<Problem>) {
    for stage in built {
        for (input, node) in &stage.inputs {
            let inside = |made: &str| input == made || parents(input).any(|dir| dir == made);
            if let Some((made, _)) = stage.makes.iter().find(|(made, _)| inside(made)) {
                let message =
                    format!("'{input}' is an input of '{}', which makes '{made}' itself", stage.stage.id);
                let problem = Problem::new(message).at(node.at.place());
                problems
                    .push(problem.hint("a stage that depends on what it makes would never be up to date"));
            }
        }
    }
}

/// Who takes by name what another makes needs the other.
fn by_files(built: &[Built<'_>], needs: &mut [BTreeSet<usize>]) {
    let made: Vec<(&str, usize)> = built
        .iter()
        .enumerate()
        .flat_map(|(at, built)| built.makes.iter().map(move |(path, _)| (path.as_str(), at)))
        .collect();
    if made.is_empty() {
        return;
    }
    let mut reached: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
    for (at, stage) in built.iter().enumerate() {
        let texts = taken(&stage.stage);
        let makers = reached.entry(texts).or_insert_with_key(|texts| match Patterns::new(texts) {
            Ok(patterns) => {
                made.iter().filter(|(path, _)| patterns.reaches(path)).map(|(_, maker)| *maker).collect()
            }
            Err(_) => Vec::new(),
        });
        needs[at].extend(makers.iter().copied().filter(|maker| *maker != at));
    }
}

/// The patterns of a stage and, each as it is, its files of parameters.
fn taken(stage: &Stage) -> Vec<String> {
    stage.inputs.iter().cloned().chain(stage.params.keys().map(|file| globset::escape(file))).collect()
}

fn in_words(built: &[Built<'_>], circle: &[usize]) -> Problem {
    let names: Vec<&str> = circle.iter().map(|at| built[*at].stage.id.0.as_str()).collect();
    let shown = match names.as_slice() {
        [first, second, .., last] if names.len() > 12 => format!("{first} → {second} → … → {last}"),
        names => names.join(" → "),
    };
    let named = |at: usize, next: usize| {
        let id = &built[next].stage.id;
        built[at].needs.iter().find(|(need, _)| *need == id.0 || need == id.group()).map(|(_, node)| *node)
    };
    let place = circle.windows(2).find_map(|step| named(step[0], step[1]));
    let all_named = circle.windows(2).all(|step| named(step[0], step[1]).is_some());
    let problem = Problem::new(format!("stages need each other: {shown}"));
    let problem = match (place, circle.first()) {
        (Some(node), _) => problem.at(node.at.place()),
        (None, Some(first)) => problem.at(built[*first].at.key_at.place()),
        (None, None) => problem,
    };
    match all_named {
        true => problem,
        false => problem.hint("an input that another stage makes is a need, too: narrow the inputs"),
    }
}

/// The stages that a need by name means: one, or all cells of a group.
pub fn meant<'p>(pipeline: &'p Pipeline, name: &'p str) -> impl Iterator<Item = &'p Stage> {
    pipeline.stages.iter().filter(move |stage| stage.id.0 == name || stage.id.group() == name)
}
