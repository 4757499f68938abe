//! The decisions of the service, as tables: what happens in, what follows out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::base::error::{ErrorKind, Fault};
use crate::base::time::Timestamp;
use crate::daemon::effect::Effect;
use crate::daemon::event::{ClientId, Event};
use crate::daemon::project::{ProjectEvent, ProjectOrder};
use crate::daemon::registry::{MOST, Registered, Registry};
use crate::daemon::state::{ENDING, Identity, Now, State};
use crate::daemon::update::{begin, update};
use crate::ipc::message::{
    self, AddProject, Attach, Hello, OfProject, PROTOCOL, ProjectPhase, Request, Response, Run, Stop,
    Subscribe,
};
use crate::run::event::{RunEvent, RunId, Trigger, Verdict};

const ONE: ClientId = ClientId(1);
const TWO: ClientId = ClientId(2);

fn hello(version: &str) -> Hello {
    Hello { protocol: PROTOCOL, version: version.into(), build: 5, pid: 1 }
}

fn at(seconds: u64) -> Now {
    Now { running: Duration::from_secs(seconds), wall: Timestamp(1000) }
}

fn registry(roots: &[&str]) -> Registry {
    let one = |root: &&str| ((*root).to_owned(), Registered { added: Timestamp(1), env: BTreeMap::new() });
    Registry { projects: roots.iter().map(one).collect(), ..Registry::default() }
}

/// A service with these projects, each with its task, and one client.
fn service(roots: &[&str]) -> State {
    let identity = Identity {
        hello: hello("0.2.0"),
        socket: "/s".into(),
        log: "/l".into(),
        started: Timestamp(0),
        idle_limit: Duration::from_secs(60),
    };
    let mut state = State::new(identity, registry(roots));
    begin(&mut state, at(0));
    connect(&mut state, ONE, "0.2.0");
    state
}

fn connect(state: &mut State, client: ClientId, version: &str) {
    update(state, Event::Connected { client, hello: hello(version) }, at(0));
}

fn ask(state: &mut State, client: ClientId, request: Request) -> Vec<Effect> {
    update(state, Event::Asked { client, request }, at(1))
}

fn happens(state: &mut State, root: &str, event: ProjectEvent) -> Vec<Effect> {
    update(state, Event::Project { root: root.into(), event }, at(2))
}

fn of(root: &str) -> OfProject {
    OfProject { root: root.into() }
}

#[track_caller]
fn failure(effects: &[Effect]) -> String {
    match effects {
        [Effect::Respond { client: ONE, response: Response::Failed(failure) }] => failure.message.clone(),
        other => panic!("{other:?}"),
    }
}

/// Saves as the performer does.
fn save(state: &mut State, effects: Vec<Effect>, result: Result<(), Fault>) -> Vec<Effect> {
    match effects.as_slice() {
        [Effect::SaveRegistry { registry, client }] => {
            let event = Event::Saved { registry: registry.clone(), client: *client, result };
            update(state, event, at(1))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_project_is_kept_once_it_is_on_disk_and_not_before() {
    let mut state = service(&[]);
    let add = || Request::AddProject(AddProject { root: "/p".into(), env: BTreeMap::new() });
    let effects = ask(&mut state, ONE, add());
    assert!(state.registry.projects.is_empty());
    let full = Fault::new(ErrorKind::Failed, "the disk is full");
    let after = save(&mut state, effects, Err(full));
    assert!(matches!(&after[..], [Effect::Log(_), Effect::Respond { response: Response::Failed(_), .. }]));
    assert!(state.registry.projects.is_empty() && state.projects.is_empty());
    let effects = ask(&mut state, ONE, add());
    let after = save(&mut state, effects, Ok(()));
    assert_eq!(after[0], Effect::Respond { client: ONE, response: Response::Done });
    assert!(after.iter().any(|effect| matches!(effect, Effect::StartProject { root, .. } if root == "/p")));
    // Again it is read again: its file has been trusted as it is now.
    let again = |env: &BTreeMap<_, _>| {
        let order = ProjectOrder::Reload { by: None, env: Some(env.clone()) };
        Effect::Order { root: "/p".into(), order }
    };
    let done = Effect::Respond { client: ONE, response: Response::Done };
    assert_eq!(ask(&mut state, ONE, add()), [done.clone(), again(&BTreeMap::new())]);
    let env = BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]);
    let effects =
        ask(&mut state, ONE, Request::AddProject(AddProject { root: "/p".into(), env: env.clone() }));
    assert_eq!(save(&mut state, effects, Ok(())), [done, again(&env)]);
}

#[test]
fn what_cannot_be_a_project_is_refused() {
    let mut state = service(&[]);
    for root in ["", "p", "/a/../b", "/a/./b", "/a\nb"] {
        let add = Request::AddProject(AddProject { root: root.into(), env: BTreeMap::new() });
        assert!(failure(&ask(&mut state, ONE, add)).contains("no absolute path"), "{root:?}");
    }
    for number in 0..MOST {
        let registered = Registered { added: Timestamp(1), env: BTreeMap::new() };
        state.registry.projects.insert(format!("/{number}"), registered);
    }
    let add = Request::AddProject(AddProject { root: "/p".into(), env: BTreeMap::new() });
    assert!(failure(&ask(&mut state, ONE, add)).contains("projects already"));
}

#[test]
fn a_removed_project_is_told_to_stop_and_may_come_back_meanwhile() {
    let mut state = service(&["/p"]);
    let effects = ask(&mut state, ONE, Request::RemoveProject(of("/p")));
    let after = save(&mut state, effects, Ok(()));
    assert!(after.contains(&Effect::Order { root: "/p".into(), order: ProjectOrder::Stop }));
    assert_eq!(failure(&ask(&mut state, ONE, Request::Cancel(of("/p")))), "/p is no project of the service");
    let add = Request::AddProject(AddProject { root: "/p".into(), env: BTreeMap::new() });
    let effects = ask(&mut state, ONE, add);
    let after = save(&mut state, effects, Ok(()));
    assert!(!after.iter().any(|effect| matches!(effect, Effect::StartProject { .. })), "two tasks of one");
    let after = happens(&mut state, "/p", ProjectEvent::Ended(None));
    assert!(matches!(&after[..], [Effect::StartProject { root, .. }] if root == "/p"));
}

#[test]
fn orders_reach_the_project_and_answers_come_back() {
    let mut state = service(&["/p"]);
    let run = Run {
        root: "/p".into(),
        stages: vec!["test".into()],
        tests: Vec::new(),
        force: true,
        catch_up: false,
        env: None,
    };
    let order = ProjectOrder::Run {
        by: ONE,
        stages: vec!["test".into()],
        tests: Vec::new(),
        force: true,
        catch_up: false,
        env: None,
    };
    assert_eq!(ask(&mut state, ONE, Request::Run(run)), [Effect::Order { root: "/p".into(), order }]);
    let answer = ProjectEvent::Answer { to: ONE, response: Response::Done };
    assert_eq!(
        happens(&mut state, "/p", answer),
        [Effect::Respond { client: ONE, response: Response::Done }]
    );
    assert!(failure(&ask(&mut state, ONE, Request::Cancel(of("/q")))).contains("no project"));
}

#[test]
fn a_task_that_ends_by_itself_is_said_and_can_be_started_again() {
    let mut state = service(&["/p"]);
    ask(&mut state, ONE, Request::Subscribe(Subscribe { root: None }));
    let effects = happens(&mut state, "/p", ProjectEvent::Ended(Some("it cannot be watched".into())));
    assert!(matches!(&effects[0], Effect::Log(text) if text.contains("cannot be watched")));
    let status = state.project_status("/p").unwrap();
    assert_eq!(status.phase, ProjectPhase::Failed);
    assert!(!begins(&ask(&mut state, ONE, Request::Cancel(of("/p")))));
    let mut other = state.clone();
    let effects = ask(&mut state, ONE, Request::Reload(of("/p")));
    assert!(begins(&effects[..1]) && matches!(&effects[1], Effect::Order { .. }), "{effects:?}");
    let effects = ask(&mut other, ONE, Request::Run(run("/p")));
    assert!(begins(&effects[..1]) && runs(&effects[1..]), "{effects:?}");
}

fn started(run: u64) -> ProjectEvent {
    ProjectEvent::Run(RunEvent::RunStarted {
        run: RunId(run),
        trigger: Trigger::Change,
        generation: 1,
        settle: 0,
        changed: Vec::new(),
        changes: 0,
        stages: Vec::new(),
        part: None,
    })
}

fn finished(run: u64) -> ProjectEvent {
    let verdict = Verdict::Passed;
    ProjectEvent::Run(RunEvent::RunFinished { run: RunId(run), verdict, milliseconds: 1, note: None })
}

#[test]
fn subscribers_are_told_of_what_they_asked_for_and_of_nothing_else() {
    let mut state = service(&["/p", "/q"]);
    connect(&mut state, TWO, "0.2.0");
    ask(&mut state, ONE, Request::Subscribe(Subscribe { root: Some("/p".into()) }));
    ask(&mut state, TWO, Request::Subscribe(Subscribe { root: None }));
    let told = |effects: Vec<Effect>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Tell { clients, event: message::Event::Run(news) } => Some((clients, news.root)),
            _ => None,
        })
    };
    assert_eq!(told(happens(&mut state, "/p", started(1))), Some((vec![ONE, TWO], "/p".into())));
    assert_eq!(told(happens(&mut state, "/q", started(1))), Some((vec![TWO], "/q".into())));
    update(&mut state, Event::Gone { client: TWO, why: None }, at(3));
    assert_eq!(told(happens(&mut state, "/q", finished(1))), None);
    let bad = Request::Subscribe(Subscribe { root: Some("/no".into()) });
    assert!(failure(&ask(&mut state, ONE, bad)).contains("no project"));
}

fn attach(root: &str) -> Request {
    Request::Attach(Attach { root: root.into(), env: BTreeMap::new() })
}

fn begins(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::StartProject { .. }))
}

#[test]
fn a_guest_is_kept_as_long_as_somebody_looks_at_it() {
    let mut state = service(&[]);
    connect(&mut state, TWO, "0.2.0");
    let effects = ask(&mut state, ONE, attach("/g"));
    assert_eq!(effects[0], Effect::Respond { client: ONE, response: Response::Done });
    assert!(begins(&effects));
    assert!(!begins(&ask(&mut state, TWO, attach("/g"))), "two tasks of one");
    assert!(state.project_status("/g").is_some_and(|status| status.guest));
    assert_eq!(update(&mut state, Event::Gone { client: ONE, why: None }, at(2)), []);
    let stop = Effect::Order { root: "/g".into(), order: ProjectOrder::Stop };
    assert_eq!(update(&mut state, Event::Gone { client: TWO, why: None }, at(2)), [stop]);
    assert_eq!(happens(&mut state, "/g", ProjectEvent::Ended(None)), []);
    assert!(state.is_idle());
    for bad in ["", "p", "/a/../b"] {
        connect(&mut state, ONE, "0.2.0");
        assert!(failure(&ask(&mut state, ONE, attach(bad))).contains("no absolute path"), "{bad}");
    }
}

#[test]
fn a_guest_that_is_added_stays_and_one_that_is_removed_goes() {
    let mut state = service(&[]);
    ask(&mut state, ONE, attach("/g"));
    let add = Request::AddProject(AddProject { root: "/g".into(), env: BTreeMap::new() });
    let effects = ask(&mut state, ONE, add);
    assert!(!begins(&save(&mut state, effects, Ok(()))));
    assert!(state.project_status("/g").is_some_and(|status| !status.guest));
    connect(&mut state, TWO, "0.2.0");
    let detached = Effect::Order { root: "/g".into(), order: ProjectOrder::Detached };
    assert_eq!(update(&mut state, Event::Gone { client: ONE, why: None }, at(2)), [detached]);
    connect(&mut state, ONE, "0.2.0");
    let effects = ask(&mut state, ONE, attach("/g"));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Order { order: ProjectOrder::Attached { .. }, .. }))
    );
    let effects = ask(&mut state, ONE, Request::RemoveProject(of("/g")));
    let after = save(&mut state, effects, Ok(()));
    assert!(after.contains(&Effect::Order { root: "/g".into(), order: ProjectOrder::Stop }));
    assert_eq!(happens(&mut state, "/g", ProjectEvent::Ended(None)), [], "who still looks has been told");
}

#[test]
fn what_is_looked_at_again_while_it_ends_begins_anew() {
    let mut state = service(&[]);
    ask(&mut state, ONE, attach("/g"));
    update(&mut state, Event::Gone { client: ONE, why: None }, at(2));
    connect(&mut state, TWO, "0.2.0");
    assert!(!begins(&ask(&mut state, TWO, attach("/g"))));
    assert!(begins(&happens(&mut state, "/g", ProjectEvent::Ended(None))));
}

fn run(root: &str) -> Run {
    Run { root: root.into(), stages: Vec::new(), tests: Vec::new(), force: false, catch_up: true, env: None }
}

fn runs(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Order { order: ProjectOrder::Run { .. }, .. }))
}

#[test]
fn what_is_ordered_while_a_task_ends_is_done_by_the_next_one() {
    let mut state = service(&[]);
    ask(&mut state, ONE, attach("/g"));
    let idle = ProjectEvent::Phase(ProjectPhase::Idle, Some("watching 4 files".into()));
    happens(&mut state, "/g", idle);
    update(&mut state, Event::Gone { client: ONE, why: None }, at(2));
    connect(&mut state, ONE, "0.2.0");
    ask(&mut state, ONE, attach("/g"));
    assert_eq!(ask(&mut state, ONE, Request::Run(run("/g"))), [], "it is answered by the next task");
    let mut ending = state.clone();
    let effects = happens(&mut state, "/g", ProjectEvent::Ended(None));
    assert!(begins(&effects[..1]) && runs(&effects[1..]), "{effects:?}");
    // Nobody waits for ever where there is no next one.
    update(&mut ending, Event::Signal, at(3));
    let effects = happens(&mut ending, "/g", ProjectEvent::Ended(None));
    assert!(matches!(&effects[0], Effect::Respond { client: ONE, response: Response::Failed(_) }));
    assert_eq!(effects.last(), Some(&Effect::Finish));
}

#[test]
fn without_anything_to_do_it_ends_after_a_while_and_not_before() {
    let mut state = service(&[]);
    assert_eq!(state.deadline(), None, "a client is here");
    update(&mut state, Event::Gone { client: ONE, why: None }, at(10));
    assert_eq!(state.deadline(), Some(Duration::from_secs(70)));
    // Another event does not put it off.
    update(&mut state, Event::Noted("x".into()), at(30));
    assert_eq!(state.deadline(), Some(Duration::from_secs(70)));
    assert_eq!(update(&mut state, Event::Deadline, at(69)), []);
    let effects = update(&mut state, Event::Deadline, at(70));
    assert_eq!(effects.last(), Some(&Effect::Finish));
    let mut kept = service(&["/p"]);
    update(&mut kept, Event::Gone { client: ONE, why: None }, at(10));
    assert_eq!(kept.deadline(), None, "a project is kept, and nothing wakes us for it");
    let mut waits = service(&[]);
    waits.waiting.insert("a clone".into());
    update(&mut waits, Event::Gone { client: ONE, why: None }, at(10));
    assert_eq!(waits.deadline(), None);
}

#[test]
fn it_ends_in_order_and_what_does_not_end_is_not_waited_for_for_ever() {
    let mut state = service(&["/p", "/q"]);
    ask(&mut state, ONE, Request::Subscribe(Subscribe { root: None }));
    let effects = ask(&mut state, ONE, Request::Stop(Stop::default()));
    assert_eq!(effects[0], Effect::Respond { client: ONE, response: Response::Done });
    let stop = |root: &str| Effect::Order { root: root.into(), order: ProjectOrder::Stop };
    assert!(
        effects.contains(&stop("/p")) && effects.contains(&stop("/q")) && !effects.contains(&Effect::Finish)
    );
    assert!(effects.iter().any(|effect| matches!(
        effect,
        Effect::Tell { clients, event: message::Event::Stopping(_) } if clients == &[ONE]
    )));
    assert_eq!(failure(&ask(&mut state, ONE, Request::ListProjects)), "the service is ending");
    assert_eq!(update(&mut state, Event::Signal, at(3)), [], "once is enough");
    assert!(!happens(&mut state, "/p", ProjectEvent::Ended(None)).contains(&Effect::Finish));
    let mut stuck = state.clone();
    assert!(happens(&mut state, "/q", ProjectEvent::Ended(None)).contains(&Effect::Finish));
    assert_eq!(stuck.deadline(), Some(Duration::from_secs(1) + ENDING));
    let effects = update(&mut stuck, Event::Deadline, at(1 + ENDING.as_secs()));
    assert_eq!(effects.last(), Some(&Effect::Finish));
}

#[test]
fn a_task_that_has_ended_already_is_not_waited_for() {
    let mut state = service(&["/p", "/q"]);
    happens(&mut state, "/p", ProjectEvent::Ended(Some("it cannot be watched".into())));
    let mut all = state.clone();
    let effects = ask(&mut state, ONE, Request::Stop(Stop::default()));
    assert!(!effects.contains(&Effect::Order { root: "/p".into(), order: ProjectOrder::Stop }));
    assert!(happens(&mut state, "/q", ProjectEvent::Ended(None)).contains(&Effect::Finish));
    happens(&mut all, "/q", ProjectEvent::Ended(Some("it cannot be watched".into())));
    let effects = ask(&mut all, ONE, Request::Stop(Stop::default()));
    assert_eq!(effects.last(), Some(&Effect::Finish));
}

#[test]
fn only_a_newer_program_takes_over() {
    for (version, makes_place) in [("0.1.9", false), ("0.2.0", false), ("0.3.0", true), ("0.10.0", true)] {
        let mut state = service(&[]);
        connect(&mut state, ONE, version);
        let effects = ask(&mut state, ONE, Request::Stop(Stop { replace: true, ..Stop::default() }));
        assert_eq!(effects.contains(&Effect::Finish), makes_place, "{version}: {effects:?}");
    }
}

#[test]
fn another_protocol_may_ask_to_stop_and_for_nothing_else() {
    let mut state = service(&[]);
    let later = Hello { protocol: PROTOCOL + 1, ..hello("9.0.0") };
    update(&mut state, Event::Connected { client: ONE, hello: later }, at(0));
    assert!(failure(&ask(&mut state, ONE, Request::Status)).contains("another protocol"));
    assert!(
        ask(&mut state, ONE, Request::Stop(Stop { replace: true, ..Stop::default() }))
            .contains(&Effect::Finish)
    );
}

#[test]
fn who_has_gone_is_not_answered() {
    let mut state = service(&["/p"]);
    update(&mut state, Event::Gone { client: ONE, why: Some("a reason".into()) }, at(1));
    assert_eq!(ask(&mut state, ONE, Request::Status), []);
}
