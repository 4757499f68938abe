//! What the service tells a project's task to do, and its answers.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Keep;
use crate::base::error::{ErrorKind, Fault};
use crate::daemon::event::ClientId;
use crate::daemon::project::{ProjectEvent, ProjectOrder};
use crate::ipc::message::{Response, ServiceStatus};
use crate::run::dispatcher::Order as RunOrder;
use crate::run::event::{Trigger, Verdict};
use crate::session::Standing;
use crate::session::read::named;
use crate::session::turn::Event;

impl Keep {
    /// Does what was ordered; whoever asked is answered once.
    pub(super) async fn ordered(&mut self, order: ProjectOrder) {
        match order {
            ProjectOrder::Run { by, stages, tests, force, catch_up, env } => {
                let trigger = if catch_up { Trigger::Start } else { Trigger::Request };
                self.asked(by, (&stages, tests), (trigger, force), env).await;
            }
            ProjectOrder::Cancel { by } => {
                if let Some(cancels) = &self.cancels {
                    let _ = cancels.send(RunOrder::CancelAll(Verdict::Interrupted));
                }
                self.answer(by, Ok(())).await;
            }
            ProjectOrder::Services { by } => {
                let stand = self.session.iter().flat_map(|session| session.standing());
                let status = |service: Standing| ServiceStatus {
                    stage: service.stage.0,
                    fingerprint: service.fingerprint.to_string(),
                    start: service.start.map(|start| start.to_string()),
                };
                let response = Response::Services(stand.map(status).collect());
                self.told.tell(ProjectEvent::Answer { to: by, response }).await;
            }
            ProjectOrder::Reload { by, env } => {
                self.reload = Some(false);
                if let Some(env) = env {
                    self.begin.env = env;
                    // Whoever looks has brought an environment along.
                    if !self.attached {
                        self.set_caller(self.begin.env.clone());
                    }
                }
                if let Some(by) = by {
                    self.answer(by, Ok(())).await;
                }
                self.reload_if_idle().await;
            }
            ProjectOrder::Attached { env } => {
                self.attached = true;
                self.set_caller(env);
            }
            ProjectOrder::Detached => {
                self.attached = false;
                self.set_caller(self.begin.env.clone());
            }
            ProjectOrder::Stop => {}
        }
    }

    fn set_caller(&mut self, env: BTreeMap<String, String>) {
        if let Some(session) = &self.session {
            session.set_caller(env.clone());
        }
        self.caller = env;
    }

    async fn asked(
        &mut self,
        by: ClientId,
        (stages, tests): (&[String], Vec<String>),
        (trigger, force): (Trigger, bool),
        env: Option<BTreeMap<String, String>>,
    ) {
        // Somebody is there: what changed before is theirs.
        self.end_rest();
        self.rounds.end();
        // What was saved up to now belongs to this run.
        if let Some(set) = self.edge.watcher.flush(Instant::now()) {
            self.changed(set, stages.is_empty() && tests.is_empty()).await;
            // A change so soon after a run may have been taken for one of the run's own.
            self.end_rest();
        }
        if let Some(env) = env {
            self.set_caller(env);
        }
        // It may have been mended without anybody telling.
        if self.problem.is_some() {
            self.reload.get_or_insert(false);
            self.reload_if_idle().await;
        }
        let meant = match (&self.session, &self.problem) {
            (_, Some(problem)) => Err(problem.clone()),
            (Some(session), None) => named(session.pipeline(), stages),
            (None, None) => Err(Fault::new(ErrorKind::Failed, "the project is not read yet")),
        };
        let meant = match meant {
            Ok(meant) => meant,
            Err(fault) => return self.answer(by, Err(fault)).await,
        };
        self.answer(by, Ok(())).await;
        self.happened(Event::Asked { trigger, stages: meant, tests, force });
    }

    async fn answer(&self, to: ClientId, result: Result<(), Fault>) {
        let response = match result {
            Ok(()) => Response::Done,
            Err(fault) => Response::Failed(fault.into()),
        };
        self.told.tell(ProjectEvent::Answer { to, response }).await;
    }
}
