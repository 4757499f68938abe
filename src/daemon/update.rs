//! What follows from what happens. Pure: the same state, event and time give the same effects.

use crate::base::error::Fault;
use crate::base::text::printable;
use crate::daemon::effect::Effect;
use crate::daemon::event::{ClientId, Event};
use crate::daemon::handler;
use crate::daemon::home::HomeNews;
use crate::daemon::project::{ProjectEvent, ProjectOrder};
use crate::daemon::registry::Registry;
use crate::daemon::state::{Client, ENDING, Now, Project, State};
use crate::ipc::message::{self, ProjectPhase, Response, Stop};

/// What has to be done first: every project gets its task.
pub fn begin(state: &mut State, now: Now) -> Vec<Effect> {
    let roots: Vec<String> = state.registry.projects.keys().cloned().collect();
    let mut effects: Vec<Effect> = roots.iter().flat_map(|root| start_project(state, root)).collect();
    effects.push(Effect::LookAtHome);
    note_idleness(state, now);
    effects
}

/// What follows from one event.
pub fn update(state: &mut State, event: Event, now: Now) -> Vec<Effect> {
    let effects = match event {
        Event::Connected { client, hello } => {
            state.clients.insert(client, Client { hello, follows: None, keeps: None });
            Vec::new()
        }
        Event::Asked { client, request } => handler::handle(state, client, request, now),
        Event::NotUnderstood { client, why } => {
            let version = &state.identity.hello.version;
            let fault = Fault::new(
                crate::base::error::ErrorKind::Usage,
                format!("the service (devboot {version}) does not know this request"),
            );
            vec![respond(client, Response::Failed(fault.cause(printable(&why)).into()))]
        }
        Event::Gone { client, why } => {
            let kept = state.clients.remove(&client).and_then(|client| client.keeps);
            let mut effects: Vec<Effect> = why.map(Effect::Log).into_iter().collect();
            effects.extend(kept.map_or_else(Vec::new, |root| looked_away(state, root)));
            effects
        }
        Event::Noted(text) => vec![Effect::Log(text)],
        Event::Project { root, event } => in_project(state, &root, event),
        Event::Saved { registry, client, result } => saved(state, registry, client, result),
        Event::Home(HomeNews::Said(text)) => vec![Effect::Log(printable(&format!("the home: {text}")))],
        Event::Home(HomeNews::Is(home, reason)) => {
            (state.home, state.waiting) = (Some(home), reason.into_iter().collect());
            Vec::new()
        }
        Event::Cloud { client, result } => {
            let response = result.map_or_else(|fault| Response::Failed(fault.into()), Response::Cloud);
            vec![respond(client, response)]
        }
        Event::Holds(holds) => {
            state.holds = holds;
            Vec::new()
        }
        Event::Signal => end(state, Stop::default(), "a signal asks to end", now),
        Event::Deadline => deadline(state, now),
    };
    note_idleness(state, now);
    effects
}

pub(super) fn respond(client: ClientId, response: Response) -> Effect {
    Effect::Respond { client, response }
}

fn note_idleness(state: &mut State, now: Now) {
    state.idle_since = if state.is_idle() { state.idle_since.or(Some(now.running)) } else { None };
}

fn deadline(state: &mut State, now: Now) -> Vec<Effect> {
    match state.ending {
        Some(until) if now.running >= until => {
            vec![Effect::Log("what was told to end has not; it is left to the system".into()), Effect::Finish]
        }
        None if state.is_idle() && state.deadline().is_some_and(|deadline| now.running >= deadline) => {
            end(state, Stop::default(), "nothing to do", now)
        }
        _ => Vec::new(),
    }
}

/// Ends the service in order: subscribers learn it, projects end what they started, then it goes.
pub(super) fn end(state: &mut State, stop: Stop, why: &str, now: Now) -> Vec<Effect> {
    if state.ending.is_some() {
        return Vec::new();
    }
    state.ending = Some(now.running + ENDING);
    let followers = state.clients.iter().filter(|(_, client)| client.follows.is_some());
    let clients: Vec<ClientId> = followers.map(|(id, _)| *id).collect();
    let mut effects = vec![
        Effect::Log(format!("ending: {why}")),
        Effect::Tell { clients, event: message::Event::Stopping(stop) },
    ];
    // A task that has ended already takes no order, and does not end again.
    state.projects.retain(|_, project| project.phase != ProjectPhase::Failed);
    for (root, project) in &mut state.projects {
        project.phase = ProjectPhase::Stopping;
        effects.push(Effect::Order { root: root.clone(), order: ProjectOrder::Stop });
    }
    if state.projects.is_empty() {
        effects.push(Effect::Finish);
    }
    effects
}

/// Gives a registered project its task, unless it has one.
pub(super) fn start_project(state: &mut State, root: &str) -> Vec<Effect> {
    let Some((registered, _)) = state.wanted(root) else { return Vec::new() };
    if state.projects.contains_key(root) {
        return Vec::new();
    }
    let env = registered.env.clone();
    state.projects.insert(root.to_owned(), Project::new(ProjectPhase::Starting, None));
    vec![Effect::StartProject { root: root.to_owned(), env, attached: state.is_attached(root) }]
}

/// Who adds a project that is kept already has its `devboot.toml` trusted as it is now.
pub(super) fn read_again(state: &mut State, root: &str) -> Vec<Effect> {
    match state.projects.get(root).map(|project| project.phase) {
        // The next task reads it by itself.
        Some(ProjectPhase::Stopping) => Vec::new(),
        Some(ProjectPhase::Failed) => {
            state.projects.remove(root);
            start_project(state, root)
        }
        Some(_) => {
            let env = state.registry.projects.get(root).map(|registered| registered.env.clone());
            vec![Effect::Order { root: root.to_owned(), order: ProjectOrder::Reload { by: None, env } }]
        }
        None => start_project(state, root),
    }
}

/// A client that kept a project has gone. A guest goes with the last who looked at it.
fn looked_away(state: &mut State, root: String) -> Vec<Effect> {
    if state.is_attached(&root) {
        return Vec::new();
    }
    let was_guest = state.guests.remove(&root).is_some();
    match state.projects.get_mut(&root) {
        Some(project) if matches!(project.phase, ProjectPhase::Stopping) => Vec::new(),
        Some(project) if project.phase == ProjectPhase::Failed => {
            if was_guest {
                state.projects.remove(&root);
            }
            Vec::new()
        }
        Some(project) if was_guest => {
            project.phase = ProjectPhase::Stopping;
            vec![Effect::Order { root, order: ProjectOrder::Stop }]
        }
        Some(_) => vec![Effect::Order { root, order: ProjectOrder::Detached }],
        None => Vec::new(),
    }
}

fn in_project(state: &mut State, root: &str, event: ProjectEvent) -> Vec<Effect> {
    match event {
        ProjectEvent::Run(event) => {
            let mut effects = Vec::new();
            let clients = state.followers(root);
            if !clients.is_empty()
                && let Ok(event) = serde_json::to_value(&event)
            {
                let news = message::RunNews { root: root.to_owned(), event };
                effects.push(Effect::Tell { clients, event: message::Event::Run(news) });
            }
            effects
        }
        ProjectEvent::Phase(phase, note) => {
            let Some(project) = state.projects.get_mut(root) else { return Vec::new() };
            if project.phase == ProjectPhase::Stopping {
                return Vec::new();
            }
            *project = Project::new(phase, note);
            tell_project(state, root)
        }
        ProjectEvent::Answer { to, response } => vec![respond(to, response)],
        ProjectEvent::Said(text) => {
            let mut effects = vec![Effect::Log(printable(&format!("{root}: {text}")))];
            let clients = state.followers(root);
            if !clients.is_empty() && state.wanted(root).is_some() {
                let said = message::Said { root: root.to_owned(), text };
                effects.push(Effect::Tell { clients, event: message::Event::Said(said) });
            }
            effects
        }
        ProjectEvent::Ended(why) => ended(state, root, why),
    }
}

pub(super) fn tell_project(state: &State, root: &str) -> Vec<Effect> {
    let clients = state.followers(root);
    match state.project_status(root) {
        Some(status) if !clients.is_empty() => {
            vec![Effect::Tell { clients, event: message::Event::Project(status) }]
        }
        _ => Vec::new(),
    }
}

fn ended(state: &mut State, root: &str, why: Option<String>) -> Vec<Effect> {
    let Some(project) = state.projects.get_mut(root) else { return Vec::new() };
    if project.phase == ProjectPhase::Stopping {
        let waiting = std::mem::take(&mut project.waiting);
        state.projects.remove(root);
        return ended_as_told(state, root, waiting);
    }
    let mut effects = Vec::new();
    let why = printable(&why.unwrap_or_else(|| "it ended by itself".into()));
    effects.push(Effect::Log(format!("{}: {why}", printable(root))));
    if let Some(project) = state.projects.get_mut(root) {
        *project = Project::new(ProjectPhase::Failed, Some(why));
    }
    effects.extend(tell_project(state, root));
    effects
}

/// A project that was added again meanwhile, or is looked at again, begins anew, with what was ordered meanwhile.
fn ended_as_told(state: &mut State, root: &str, waiting: Vec<ProjectOrder>) -> Vec<Effect> {
    let is_ending = state.ending.is_some();
    let mut effects = if is_ending { Vec::new() } else { start_project(state, root) };
    let begins = !effects.is_empty();
    for order in waiting {
        if begins {
            effects.push(Effect::Order { root: root.to_owned(), order });
        } else if let Some(client) = order.asker() {
            let fault = if is_ending { handler::ending() } else { handler::unknown(root) };
            effects.extend(handler::failed(client, fault));
        }
    }
    if is_ending && state.projects.is_empty() {
        effects.push(Effect::Finish);
    }
    effects
}

/// The registry on disk is another one now, or could not be made so; the state follows.
fn saved(state: &mut State, registry: Registry, client: ClientId, result: Result<(), Fault>) -> Vec<Effect> {
    if let Err(fault) = result {
        return vec![
            Effect::Log(format!("the registry could not be written: {}", fault.one_line())),
            respond(client, Response::Failed(fault.into())),
        ];
    }
    let before = std::mem::replace(&mut state.registry, registry);
    let mut effects = vec![respond(client, Response::Done)];
    let removed: Vec<String> =
        before.projects.keys().filter(|root| !state.registry.projects.contains_key(*root)).cloned().collect();
    // What was kept for now is kept for good.
    let State { guests, registry, .. } = state;
    guests.retain(|root, _| !registry.projects.contains_key(root));
    for root in removed {
        state.guests.remove(&root);
        state
            .clients
            .values_mut()
            .filter(|client| client.keeps.as_ref() == Some(&root))
            .for_each(|client| client.keeps = None);
        effects.push(Effect::Log(format!("{}: removed", printable(&root))));
        let event = message::Event::Removed(message::OfProject { root: root.clone() });
        effects.push(Effect::Tell { clients: state.followers(&root), event });
        match state.projects.get_mut(&root) {
            // A task that has ended already takes no order.
            Some(project) if project.phase == ProjectPhase::Failed => {
                state.projects.remove(&root);
            }
            Some(project) => {
                project.phase = ProjectPhase::Stopping;
                effects.push(Effect::Order { root, order: ProjectOrder::Stop });
            }
            None => {}
        }
    }
    let roots: Vec<String> = state.registry.projects.keys().cloned().collect();
    for root in roots {
        let begun = start_project(state, &root);
        if !begun.is_empty() {
            effects.push(Effect::Log(format!("{}: added", printable(&root))));
            effects.extend(begun);
            effects.extend(tell_project(state, &root));
        } else if before.projects.get(&root) != state.registry.projects.get(&root) {
            effects.extend(read_again(state, &root));
        }
    }
    effects
}
