//! Stages for tests.

use std::collections::BTreeMap;

use crate::project::model::{Action, Command, Stage, StageId};

/// A stage that does nothing.
pub fn stage(name: &str) -> Stage {
    Stage {
        id: StageId(name.into()),
        action: Action::Run(Command::Shell("true".into())),
        needs: Vec::new(),
        inputs: Vec::new(),
        outputs: Vec::new(),
        metrics: Vec::new(),
        params: BTreeMap::new(),
        env: BTreeMap::new(),
        pass_env: Vec::new(),
        cwd: String::new(),
        timeout: None,
        retries: 0,
        cache: true,
        wants_cloud: false,
        on: "local".into(),
        cell: BTreeMap::new(),
    }
}

/// A stage that runs a script.
pub fn sh(name: &str, script: &str) -> Stage {
    Stage { action: Action::Run(Command::Shell(script.into())), ..stage(name) }
}
