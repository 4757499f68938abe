//! `devboot project check`.

use std::path::PathBuf;

use serde_json::json;

use super::loaded;
use crate::base::error::Fault;
use crate::base::exit::Exit;
use crate::base::text::{counted, printable};
use crate::cli::context::Context;
use crate::cli::{project_dir, view};
use crate::document::problem::Severity;
use crate::project::load::LoadError;
use crate::project::model::Origin;

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// A directory of the project; the current one
    dir: Option<PathBuf>,
}

/// Lists every problem.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let root = project_dir::root(args.dir.as_deref())?;
    let (problems, stages) = match loaded(context, &root) {
        Ok(loaded) => {
            if let (Origin::Inferred(told), false) = (&loaded.pipeline.origin, context.global.json) {
                context.printer.say("there is no devboot.toml; from the project's files:");
                told.iter().for_each(|remark| context.printer.line(&format!("  {}", printable(remark))));
            }
            (loaded.warnings, loaded.pipeline.stages.len())
        }
        Err(LoadError::Wrong(error)) => (error.problems, 0),
        Err(error) => return Err(error.into()),
    };
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    if context.global.json {
        context.printer.json(&json!({
            "schema": view::SCHEMA, "root": root, "problems": problems, "errors": errors, "stages": stages,
        }))?;
    } else {
        for problem in &problems {
            context.printer.line(&printable(&problem.to_string()));
            if let Some(hint) = &problem.hint {
                context.printer.line(&format!("  next: {}", printable(hint)));
            }
        }
        let stages = if errors == 0 { format!(", {}", counted(stages, "stage")) } else { String::new() };
        context.printer.say(&format!("{}{stages}", counted(problems.len(), "problem")));
    }
    Ok(if errors == 0 { Exit::Done } else { Exit::Failed })
}
