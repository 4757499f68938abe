//! The keeper of the home: what is to be done when a profile is saved, when a file that devboot keeps is changed, when
//! the network is back. A pure decision; the work itself is done by devboot's own commands, one at a time, so that a
//! change of the home goes the one way that every change goes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::ipc::message::Home;

/// Something that one of devboot's own commands does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Task {
    /// `apply --generated`: devboot's own files follow the profile.
    Apply,
    /// `setup` of what was postponed.
    Postponed,
    /// `status`: what waits, what has drifted, which files matter.
    Look,
}

impl Task {
    /// The command's arguments.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Look => &["status", "--json", "--quiet"],
            Self::Apply => &["apply", "--generated", "--json", "--quiet"],
            Self::Postponed => &["setup", "--yes", "--only", "kits,repos,python,tests", "--json", "--quiet"],
        }
    }
}

/// What happens to the home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HomeEvent {
    /// The service began, or was told to look.
    Begun,
    /// These files were written, made or removed.
    Touched(BTreeSet<PathBuf>),
    /// An address or a route came or went.
    NetworkChanged,
    /// The time that [`HomeEffect::WakeIn`] asked for has passed.
    Woken,
    /// A task ended: with its standard output, or with the line that says why it could not.
    Ended(Task, Result<String, String>),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HomeEffect {
    /// Run a task; none runs now.
    Run(Task),
    /// Watch these files from now on, and no others.
    Watch(BTreeSet<PathBuf>),
    /// Say when so much time has passed; a later wish takes the place of an earlier one.
    WakeIn(Duration),
    /// A line for the log and for those who follow.
    Say(String),
}

/// The keeper.
#[derive(Clone, Debug, Default)]
pub struct Keeper {
    /// What is known.
    pub state: Home,
    sources: BTreeSet<PathBuf>,
    managed: BTreeSet<PathBuf>,
    running: Option<Task>,
    wanted: BTreeSet<Task>,
    attempts: u32,
    /// Whether there was a look.
    looked: bool,
    /// Whether an apply has been tried since the files were last touched.
    applied: bool,
}

/// What was postponed is tried again after this long when nothing says that the network is back, then after twice
/// as long, and so on up to the longest.
const RETRY: Duration = Duration::from_secs(5 * 60);
const LONGEST: Duration = Duration::from_secs(4 * 60 * 60);

#[derive(Deserialize)]
struct Status {
    #[serde(default = "yes")]
    installed: bool,
    #[serde(default)]
    sources: BTreeSet<PathBuf>,
    #[serde(default)]
    managed: BTreeSet<PathBuf>,
    #[serde(default)]
    postponed: BTreeMap<String, String>,
    #[serde(default)]
    failed: BTreeMap<String, String>,
    #[serde(default)]
    plan: Plan,
}

#[derive(Deserialize, Default)]
struct Plan {
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(default)]
    conflicts: Vec<Step>,
    #[serde(default)]
    drifts: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    path: String,
    #[serde(default)]
    generated: bool,
}

fn yes() -> bool {
    true
}

impl Keeper {
    /// What to do about an event.
    pub fn on(&mut self, event: HomeEvent) -> Vec<HomeEffect> {
        let mut effects = Vec::new();
        match event {
            HomeEvent::Begun => {
                self.applied = false;
                self.wanted.insert(Task::Look);
            }
            HomeEvent::Touched(paths) => {
                self.applied = false;
                if !paths.is_disjoint(&self.sources) {
                    self.wanted.extend([Task::Apply, Task::Look]);
                } else if !paths.is_disjoint(&self.managed) {
                    self.wanted.insert(Task::Look);
                }
            }
            HomeEvent::NetworkChanged | HomeEvent::Woken => {
                if !self.state.postponed.is_empty() {
                    self.wanted.extend([Task::Postponed, Task::Look]);
                }
            }
            HomeEvent::Ended(task, result) => {
                self.running = None;
                self.applied |= task == Task::Apply;
                self.looked |= task == Task::Look;
                effects = self.ended(task, result);
            }
        }
        if self.running.is_none() {
            self.running = self.wanted.pop_first();
            effects.extend(self.running.map(HomeEffect::Run));
        }
        effects
    }

    /// Whether [`Keeper::state`] says anything yet.
    pub fn has_looked(&self) -> bool {
        self.looked
    }

    /// Why the service has to stay for the home, in words; `None` when it need not.
    pub fn reason_to_stay(&self) -> Option<String> {
        if self.running.is_some() {
            return Some("the home is being looked at".into());
        }
        if !self.state.postponed.is_empty() {
            return Some("something is postponed".into());
        }
        (!self.sources.is_empty()).then(|| "a profile may be saved".into())
    }

    fn ended(&mut self, task: Task, result: Result<String, String>) -> Vec<HomeEffect> {
        match (task, result) {
            (Task::Look, Ok(output)) => match serde_json::from_str(&output) {
                Ok(status) => self.looked(status),
                Err(error) => vec![HomeEffect::Say(format!("the state of the home cannot be read: {error}"))],
            },
            (Task::Apply, Ok(output)) => {
                let said = applied(&output).map(HomeEffect::Say);
                self.state.problem = None;
                said.into_iter().collect()
            }
            (Task::Postponed, Ok(_)) => Vec::new(),
            (task, Err(why)) => {
                let what = match task {
                    Task::Apply | Task::Look => "the profile",
                    Task::Postponed => "what was postponed",
                };
                let line = format!("{what}: {why}");
                if task != Task::Postponed {
                    if self.state.problem.as_ref() == Some(&line) {
                        return Vec::new();
                    }
                    self.state.problem = Some(line.clone());
                }
                vec![HomeEffect::Say(line)]
            }
        }
    }

    fn looked(&mut self, status: Status) -> Vec<HomeEffect> {
        let mut effects = Vec::new();
        let before = std::mem::take(&mut self.state);
        let paths = |steps: &[Step]| steps.iter().map(|step| step.path.clone()).collect::<BTreeSet<_>>();
        let plan = status.plan;
        // A conflict waits for a person, too.
        let waiting = plan.steps.iter().filter(|step| !step.generated).chain(&plan.conflicts);
        self.state.waiting = waiting.map(|step| step.path.clone()).collect();
        self.state.drifted = paths(&plan.drifts);
        self.state.postponed = status.postponed;
        self.state.failed = status.failed;
        for path in self.state.waiting.difference(&before.waiting) {
            effects.push(HomeEffect::Say(format!("{path} waits for `devboot apply`")));
        }
        for path in self.state.drifted.difference(&before.drifted) {
            effects.push(HomeEffect::Say(format!(
                "{path} is not as devboot wrote it; `devboot diff` shows how"
            )));
        }
        for (name, why) in &self.state.failed {
            if before.failed.get(name) != Some(why) {
                effects.push(HomeEffect::Say(format!("{name} failed: {why}")));
            }
        }
        if status.installed && !self.applied && plan.steps.iter().any(|step| step.generated) {
            // A profile that was saved while nobody watched.
            self.wanted.extend([Task::Apply, Task::Look]);
        }
        if status.sources != self.sources || status.managed != self.managed {
            (self.sources, self.managed) = (status.sources, status.managed);
            effects.push(HomeEffect::Watch(self.sources.union(&self.managed).cloned().collect()));
            // What was saved between the look and the watch is seen by another look.
            self.wanted.insert(Task::Look);
        }
        if self.state.postponed.is_empty() {
            self.attempts = 0;
        } else {
            let wait = RETRY.saturating_mul(1 << self.attempts.min(16)).min(LONGEST);
            self.attempts += 1;
            effects.push(HomeEffect::WakeIn(wait));
        }
        effects
    }
}

/// What an apply did, in a line; `None` when nothing had to be done.
fn applied(output: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(output).ok()?;
    let steps = value["plan"]["steps"].as_array()?.len();
    (steps > 0).then(|| "the profile was saved: open shells follow at their next prompt".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> BTreeSet<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    fn status(plan: &str, postponed: &str) -> HomeEvent {
        let text = format!(
            r#"{{"schema":1,"installed":true,"sources":["/p.toml"],"managed":["/h/.vimrc"],
                "plan":{plan},"postponed":{postponed}}}"#
        );
        HomeEvent::Ended(Task::Look, Ok(text))
    }

    const NOTHING: &str = r#"{"steps":[],"conflicts":[],"drifts":[]}"#;

    /// A keeper that has looked once.
    fn keeper() -> Keeper {
        let mut keeper = Keeper::default();
        assert_eq!(keeper.on(HomeEvent::Begun), [HomeEffect::Run(Task::Look)]);
        let watch = HomeEffect::Watch(paths(&["/p.toml", "/h/.vimrc"]));
        assert_eq!(keeper.on(status(NOTHING, "{}")), [watch, HomeEffect::Run(Task::Look)]);
        assert_eq!(keeper.on(status(NOTHING, "{}")), []);
        keeper
    }

    #[test]
    fn a_saved_profile_is_applied_as_far_as_it_is_ours_and_the_rest_is_said_once() {
        let mut keeper = keeper();
        assert_eq!(keeper.on(HomeEvent::Touched(paths(&["/p.toml"]))), [HomeEffect::Run(Task::Apply)]);
        // Saved again while the first is carried out.
        assert_eq!(keeper.on(HomeEvent::Touched(paths(&["/p.toml"]))), []);
        let done = r#"{"plan":{"steps":[{"path":"~/.config/devboot/env.bash"}]},"waiting":{}}"#;
        let effects = keeper.on(HomeEvent::Ended(Task::Apply, Ok(done.into())));
        assert!(matches!(&effects[..], [HomeEffect::Say(_), HomeEffect::Run(Task::Apply)]), "{effects:?}");
        let effects = keeper.on(HomeEvent::Ended(Task::Apply, Ok("{}".into())));
        assert_eq!(effects, [HomeEffect::Run(Task::Look)]);
        let plan = r#"{"steps":[{"path":"~/.toolrc"}]}"#;
        let effects = keeper.on(status(plan, "{}"));
        assert_eq!(effects, [HomeEffect::Say("~/.toolrc waits for `devboot apply`".into())]);
        keeper.on(HomeEvent::Begun);
        assert_eq!(keeper.on(status(plan, "{}")), [], "it has been said");
    }

    #[test]
    fn a_wrong_profile_is_said_once_and_the_next_save_mends_it() {
        let mut keeper = keeper();
        keeper.on(HomeEvent::Touched(paths(&["/p.toml"])));
        let wrong = || Err("p.toml:3:1: unknown key 'alises'".to_owned());
        let effects = keeper.on(HomeEvent::Ended(Task::Apply, wrong()));
        assert!(matches!(&effects[..], [HomeEffect::Say(_), HomeEffect::Run(Task::Look)]), "{effects:?}");
        assert_eq!(keeper.on(HomeEvent::Ended(Task::Look, wrong())), []);
        assert!(keeper.state.problem.is_some());
        assert_eq!(keeper.on(HomeEvent::Touched(paths(&["/p.toml"]))), [HomeEffect::Run(Task::Apply)]);
        keeper.on(HomeEvent::Ended(Task::Apply, Ok("{}".into())));
        keeper.on(status(NOTHING, "{}"));
        assert_eq!(keeper.state.problem, None);
    }

    #[test]
    fn a_drift_is_noticed_and_other_files_are_nobodys_business() {
        let mut keeper = keeper();
        assert_eq!(keeper.on(HomeEvent::Touched(paths(&["/h/.bash_history"]))), []);
        assert_eq!(keeper.on(HomeEvent::Touched(paths(&["/h/.vimrc"]))), [HomeEffect::Run(Task::Look)]);
        let effects = keeper.on(status(r#"{"drifts":[{"path":"~/.vimrc"}]}"#, "{}"));
        assert!(matches!(&effects[..], [HomeEffect::Say(line)] if line.starts_with("~/.vimrc is not")));
    }

    #[test]
    fn what_is_postponed_is_done_when_the_network_is_back_and_tried_ever_more_rarely_else() {
        let mut keeper = keeper();
        assert_eq!(keeper.on(HomeEvent::NetworkChanged), [], "nothing waits for it");
        keeper.on(HomeEvent::Begun);
        let postponed = r#"{"or":"no network"}"#;
        assert_eq!(keeper.on(status(NOTHING, postponed)), [HomeEffect::WakeIn(RETRY)]);
        assert_eq!(keeper.reason_to_stay().as_deref(), Some("something is postponed"));
        assert_eq!(keeper.on(HomeEvent::Woken), [HomeEffect::Run(Task::Postponed)]);
        assert_eq!(
            keeper.on(HomeEvent::Ended(Task::Postponed, Ok("{}".into()))),
            [HomeEffect::Run(Task::Look)]
        );
        assert_eq!(keeper.on(status(NOTHING, postponed)), [HomeEffect::WakeIn(RETRY * 2)]);
        assert_eq!(keeper.on(HomeEvent::NetworkChanged), [HomeEffect::Run(Task::Postponed)]);
        keeper.on(HomeEvent::Ended(Task::Postponed, Ok("{}".into())));
        assert_eq!(keeper.on(status(NOTHING, "{}")), []);
        assert_eq!(keeper.reason_to_stay().as_deref(), Some("a profile may be saved"));
    }

    #[test]
    fn what_failed_is_said_once_and_known_until_it_is_mended() {
        let mut keeper = keeper();
        let failed = |what: &str| {
            let text = format!(r#"{{"sources":["/p.toml"],"managed":["/h/.vimrc"],"failed":{what}}}"#);
            HomeEvent::Ended(Task::Look, Ok(text))
        };
        let said = HomeEffect::Say("repo a failed: no such repository".into());
        assert_eq!(keeper.on(failed(r#"{"repo a":"no such repository"}"#)), [said]);
        assert_eq!(keeper.on(failed(r#"{"repo a":"no such repository"}"#)), []);
        assert_eq!(keeper.state.failed.len(), 1);
        assert_eq!(keeper.on(failed("{}")), []);
        assert!(keeper.state.failed.is_empty());
    }

    #[test]
    fn a_profile_saved_while_nobody_watched_is_caught_up_with() {
        let mut keeper = Keeper::default();
        keeper.on(HomeEvent::Begun);
        let effects =
            keeper.on(status(r#"{"steps":[{"path":"~/.config/devboot/x","generated":true}]}"#, "{}"));
        assert!(effects.contains(&HomeEffect::Run(Task::Apply)), "{effects:?}");
        keeper.on(HomeEvent::Ended(Task::Apply, Ok("{}".into())));
        let effects =
            keeper.on(status(r#"{"steps":[{"path":"~/.config/devboot/x","generated":true}]}"#, "{}"));
        assert_eq!(effects, [], "what an apply does not settle is not tried for ever");
    }
}
