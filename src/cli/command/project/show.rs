//! `devboot project show`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::loaded;
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::cli::{project_dir, view};
use crate::project::model::{Action, Command, HttpCheck, Origin, Ready, Stage};
use crate::project::render::explained;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A directory of the project; the current one
    dir: Option<PathBuf>,
}

/// Prints the pipeline as it was understood.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let root = project_dir::root(args.dir.as_deref())?;
    let loaded = loaded(context, &root)?;
    for warning in &loaded.warnings {
        context.printer.warn(&warning.to_string());
    }
    let pipeline = &loaded.pipeline;
    if context.global.json {
        let told = match &pipeline.origin {
            Origin::File => &[][..],
            Origin::Inferred(told) => told,
        };
        context.printer.json(&json!({
            "schema": view::SCHEMA,
            "root": root,
            "name": pipeline.name,
            "inferred": pipeline.is_inferred(),
            "remarks": told,
            "digest": loaded.digest(),
            "cloud": pipeline.cloud,
            "ignore": pipeline.ignore,
            "slots": pipeline.slots,
            "stages": pipeline.stages.iter().map(stage).collect::<Vec<_>>(),
        }))?;
        return Ok(Exit::Done);
    }
    context.printer.data(&explained(&loaded.written, pipeline))?;
    Ok(Exit::Done)
}

fn stage(stage: &Stage) -> Value {
    json!({
        "id": stage.id,
        "action": action(&stage.action),
        "needs": stage.needs,
        "inputs": stage.inputs,
        "outputs": stage.outputs,
        "metrics": stage.metrics,
        "params": stage.params,
        "env": stage.env,
        "pass_env": stage.pass_env,
        "cwd": stage.cwd,
        "timeout_ms": stage.timeout.map(milliseconds),
        "retries": stage.retries,
        "cache": stage.cache,
        "cloud": stage.wants_cloud,
        "on": stage.on,
        "cell": stage.cell,
    })
}

fn milliseconds(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn action(action: &Action) -> Value {
    match action {
        Action::Run(run) => json!({ "run": command(run) }),
        Action::Pytest(pytest) => json!({ "pytest": {
            "args": pytest.args,
            "parallel": !pytest.serial,
            "fork": !pytest.apart,
            "memory_mb": pytest.memory_mb,
        }}),
        Action::Http(check) => json!({ "http": http(check) }),
        Action::Service(service) => json!({ "service": {
            "run": command(&service.command),
            "ready": service.ready.as_ref().map(|ready| match ready {
                Ready::Http(check) => json!({ "http": http(check) }),
                Ready::Port(port) => json!({ "port": port }),
                Ready::Log(text) => json!({ "log": text }),
            }),
            "ready_timeout_ms": milliseconds(service.ready_timeout),
            "grace_ms": milliseconds(service.stop_grace),
        }}),
    }
}

fn command(command: &Command) -> Value {
    match command {
        Command::Shell(text) => json!(text),
        Command::Words(words) => json!(words),
    }
}

fn http(check: &HttpCheck) -> Value {
    json!({
        "url": check.url,
        "method": check.method,
        "headers": check.headers,
        "body": check.body,
        "status": check.status,
        "contains": check.contains,
        "json": check.json,
        "retry_for_ms": milliseconds(check.retry_for),
        "timeout_ms": milliseconds(check.timeout),
    })
}
