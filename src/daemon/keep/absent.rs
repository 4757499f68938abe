//! A project whose directory is not there: moved away, not cloned again yet, on a disk that is not mounted.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Orders;
use crate::base::error::{ErrorKind, Fault};
use crate::daemon::files::{Files, nearest};
use crate::daemon::project::{ProjectEvent, ProjectOrder, Told};
use crate::ipc::message::ProjectPhase;
use crate::sys::real::RealSystem;
use crate::sys::system::ReadSystem;

/// Nobody tells that a disk is mounted: it is looked at so often.
const LOOK: Duration = Duration::from_secs(30);

const GONE: &str = "the directory is gone";

/// Whether there is a directory, whatever else may be wrong with it.
pub(super) fn is_there(root: &Path) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    !matches!(RealSystem.list(root), Err(error) if matches!(error.kind(), NotFound | NotADirectory))
}

/// Waits until the directory is there again, and returns what is to be ordered first then: who looks at the project, in
/// which environment, and what was asked for. `before`: who looks now, and what was ordered last. `None` when the project is
/// to be kept no longer.
pub(super) async fn until_back(
    root: &Path,
    before: (Option<BTreeMap<String, String>>, Option<ProjectOrder>),
    orders: &mut Orders,
    told: &Told,
) -> Option<Vec<ProjectOrder>> {
    let (looks, mut order) = before;
    let mut meanwhile = Meanwhile { looks, asked: Vec::new() };
    let was_there = is_there(root);
    if !was_there {
        told.tell(ProjectEvent::Said(GONE.into())).await;
        told.tell(ProjectEvent::Phase(ProjectPhase::Blocked, Some(GONE.into()))).await;
    }
    let mut way = (!was_there).then(|| Way::to(root));
    loop {
        // Nobody may have told yet that it is back.
        let is_there = is_there(root);
        if let Some(answer) = order.take().and_then(|order| meanwhile.take(order, is_there)) {
            told.tell(answer).await;
        }
        let Some(way) = way.as_mut().filter(|_| !is_there) else { break };
        tokio::select! {
            biased;
            next = orders.recv() => match next? {
                ProjectOrder::Stop => return None,
                next => order = Some(next),
            },
            () = way.changed() => {}
        }
    }
    if !was_there {
        told.tell(ProjectEvent::Said("the directory is there again".into())).await;
        told.tell(ProjectEvent::Phase(ProjectPhase::Starting, None)).await;
    }
    let looks = meanwhile.looks.map(|env| ProjectOrder::Attached { env });
    Some(looks.into_iter().chain(meanwhile.asked).collect())
}

/// What is ordered while the directory is not there.
struct Meanwhile {
    looks: Option<BTreeMap<String, String>>,
    asked: Vec<ProjectOrder>,
}

impl Meanwhile {
    /// Takes an order; the answer, when it cannot be carried out.
    fn take(&mut self, order: ProjectOrder, is_there: bool) -> Option<ProjectEvent> {
        match order {
            ProjectOrder::Attached { env } => self.looks = Some(env),
            ProjectOrder::Detached => self.looks = None,
            order if is_there => self.asked.push(order),
            order => return order.refused(Fault::new(ErrorKind::Failed, GONE)),
        }
        None
    }
}

/// What is there of the way to a directory.
struct Way {
    root: PathBuf,
    /// `None` where nobody tells.
    files: Option<Files>,
}

impl Way {
    fn to(root: &Path) -> Self {
        let files = nearest(root).and_then(|dir| Files::new(&dir).ok());
        let mut way = Self { root: root.to_owned(), files };
        way.watch();
        way
    }

    fn watch(&mut self) {
        if let Some(files) = &mut self.files {
            files.watch([self.root.clone()].into());
        }
    }

    /// Waits until it may have changed. Giving up the wait loses nothing.
    async fn changed(&mut self) {
        let Some(files) = &mut self.files else { return sleep(LOOK).await };
        let told = async {
            loop {
                files.happened().await?;
                if !files.drain()?.is_empty() {
                    return io::Result::Ok(());
                }
            }
        };
        match timeout(LOOK, told).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.files = None,
            // What it was watched by may be gone itself.
            Err(_) => self.watch(),
        }
    }
}
