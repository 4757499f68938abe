//! One row a request: what each asks of the state. Pure.

use crate::base::error::{ErrorKind, Fault};
use crate::base::text::printable;
use crate::daemon::effect::Effect;
use crate::daemon::event::ClientId;
use crate::daemon::project::ProjectOrder;
use crate::daemon::registry::{MOST, Registered};
use crate::daemon::state::{Now, State};
use crate::daemon::update::{end, read_again, respond, start_project, tell_project};
use crate::ipc::message::{
    AddProject, Attach, OfProject, PROTOCOL, ProjectPhase, Request, Response, Run, Stop, Subscribe,
};

/// What follows from a request. Each is answered once, now or later.
pub fn handle(state: &mut State, client: ClientId, request: Request, now: Now) -> Vec<Effect> {
    let Some(known) = state.clients.get(&client) else { return Vec::new() };
    if known.hello.protocol != PROTOCOL && !matches!(request, Request::Stop(_)) {
        let words = format!("the service (devboot {}) speaks another protocol", state.identity.hello.version);
        return failed(client, Fault::new(ErrorKind::Failed, words));
    }
    if state.ending.is_some() && !matches!(request, Request::Stop(_) | Request::Status) {
        return failed(client, ending());
    }
    match request {
        Request::Status => vec![Effect::RespondStatus { client }],
        Request::Stop(stop) => stop_service(state, client, stop, now),
        Request::AddProject(project) => add(state, client, project, now),
        Request::RemoveProject(project) => remove(state, client, &project),
        Request::ListProjects => vec![respond(client, Response::Projects(state.project_statuses()))],
        Request::Subscribe(subscribe) => follow(state, client, subscribe),
        Request::Attach(attach) => self::attach(state, client, attach, now),
        Request::Run(Run { root, stages, tests, force, catch_up, env }) => {
            order(state, client, &root, ProjectOrder::Run { by: client, stages, tests, force, catch_up, env })
        }
        Request::Cloud(request) => vec![Effect::Cloud { client, request }],
        Request::LookAtHome => vec![Effect::LookAtHome, respond(client, Response::Done)],
        Request::Services(of) => order(state, client, &of.root, ProjectOrder::Services { by: client }),
        Request::Cancel(of) => order(state, client, &of.root, ProjectOrder::Cancel { by: client }),
        Request::Reload(of) => {
            order(state, client, &of.root, ProjectOrder::Reload { by: Some(client), env: None })
        }
    }
}

pub(super) fn failed(client: ClientId, fault: Fault) -> Vec<Effect> {
    vec![respond(client, Response::Failed(fault.into()))]
}

fn stop_service(state: &mut State, client: ClientId, stop: Stop, now: Now) -> Vec<Effect> {
    let ours = &state.identity.hello;
    let is_newer = state.clients.get(&client).is_some_and(|client| client.hello.is_newer_than(ours));
    if stop.replace && !is_newer {
        let words =
            format!("the service (devboot {}) is not older than who wants to replace it", ours.version);
        return failed(client, Fault::new(ErrorKind::Refused, words));
    }
    let why = if stop.replace { "a newer devboot takes over" } else { "it was asked to" };
    let mut effects = vec![respond(client, Response::Done)];
    effects.extend(end(state, stop, why, now));
    effects
}

fn add(state: &mut State, client: ClientId, project: AddProject, now: Now) -> Vec<Effect> {
    let AddProject { root, env } = project;
    if !is_sound(&root) {
        let words = format!("'{}' is no absolute path of a directory", printable(&root));
        return failed(client, Fault::new(ErrorKind::Usage, words));
    }
    let mut registry = state.registry.clone();
    if registry.projects.len() >= MOST && !registry.projects.contains_key(&root) {
        let words = format!("there are {MOST} projects already");
        return failed(client, Fault::new(ErrorKind::Refused, words).hint("devboot project remove DIR"));
    }
    let added = registry.projects.get(&root).map_or(now.wall, |known| known.added);
    registry.projects.insert(root.clone(), Registered { added, env });
    if registry == state.registry {
        let mut effects = vec![respond(client, Response::Done)];
        effects.extend(read_again(state, &root));
        return effects;
    }
    vec![Effect::SaveRegistry { registry, client }]
}

/// Whether a client may name it as a project's directory.
fn is_sound(root: &str) -> bool {
    let is_plain = |part: &str| !matches!(part, "." | "..");
    root.starts_with('/') && !root.contains(char::is_control) && root.split('/').all(is_plain)
}

fn remove(state: &State, client: ClientId, of: &OfProject) -> Vec<Effect> {
    let mut registry = state.registry.clone();
    match registry.projects.remove(&of.root) {
        Some(_) => vec![Effect::SaveRegistry { registry, client }],
        None => failed(client, unknown(&of.root)),
    }
}

pub(super) fn ending() -> Fault {
    Fault::new(ErrorKind::Failed, "the service is ending").hint("try again")
}

pub(super) fn unknown(root: &str) -> Fault {
    Fault::new(ErrorKind::Usage, format!("{} is no project of the service", printable(root)))
        .hint(format!("devboot project add {}", printable(root)))
}

fn follow(state: &mut State, client: ClientId, subscribe: Subscribe) -> Vec<Effect> {
    if let Some(root) = &subscribe.root
        && state.wanted(root).is_none()
    {
        return failed(client, unknown(root));
    }
    if let Some(known) = state.clients.get_mut(&client) {
        known.follows = Some(subscribe.root);
    }
    vec![respond(client, Response::Done)]
}

/// A project that somebody looks at is kept, registered or not.
fn attach(state: &mut State, client: ClientId, attach: Attach, now: Now) -> Vec<Effect> {
    let Attach { root, env } = attach;
    if !is_sound(&root) {
        let words = format!("'{}' is no absolute path of a directory", printable(&root));
        return failed(client, Fault::new(ErrorKind::Usage, words));
    }
    if let Some(known) = state.clients.get_mut(&client) {
        known.follows = Some(Some(root.clone()));
        known.keeps = Some(root.clone());
    }
    if !state.registry.projects.contains_key(&root) {
        let guest = Registered { added: now.wall, env: env.clone() };
        state.guests.insert(root.clone(), guest);
    }
    let mut effects = vec![respond(client, Response::Done)];
    match state.projects.get(&root).map(|project| project.phase) {
        // It has ended, or its end is on its way: then it begins anew.
        Some(ProjectPhase::Failed) => drop(state.projects.remove(&root)),
        Some(ProjectPhase::Stopping) | None => {}
        Some(_) => effects.push(Effect::Order { root: root.clone(), order: ProjectOrder::Attached { env } }),
    }
    effects.extend(start_project(state, &root));
    effects.extend(tell_project(state, &root));
    effects
}

/// An order is lost with no task: who quits looking and looks again at once has a verdict of what was saved meanwhile.
fn order(state: &mut State, client: ClientId, root: &str, order: ProjectOrder) -> Vec<Effect> {
    if state.wanted(root).is_none() {
        return failed(client, unknown(root));
    }
    match state.projects.get_mut(root) {
        Some(project) if project.phase == ProjectPhase::Stopping => {
            project.waiting.push(order);
            Vec::new()
        }
        Some(project) if project.phase != ProjectPhase::Failed => {
            vec![Effect::Order { root: root.to_owned(), order }]
        }
        // Nothing runs that could be ended, and no service.
        _ if matches!(order, ProjectOrder::Cancel { .. }) => vec![respond(client, Response::Done)],
        _ if matches!(order, ProjectOrder::Services { .. }) => {
            vec![respond(client, Response::Services(Vec::new()))]
        }
        _ => {
            // Its task has ended: it gets another one.
            state.projects.remove(root);
            let mut effects = start_project(state, root);
            effects.push(Effect::Order { root: root.to_owned(), order });
            effects
        }
    }
}
