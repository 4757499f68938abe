//! `devboot test`: the project's tests, or some of them, once.

use std::path::Path;

use super::run::{Manner, Request, carry_out};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::base::text::printable;
use crate::cli::context::Context;
use crate::cli::project_load;
use crate::project::model::{Action, Pipeline, Stage};
use crate::sys::env;
use crate::sys::real::{RealSystem, real_path};
use crate::sys::system::ReadSystem;

/// Options.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Examples:\n  devboot test                          all tests; unchanged ones are answered from the cache\n  devboot \
                        test tests/test_app.py        one file; directories and pytest's node ids, too\n  devboot test -- -k model -x           \
                        with pytest's own arguments\n  devboot test --junit report.xml\n  devboot test --json                   one event \
                        per line\n\nExits with 0 when tests ran and passed, and with 2 otherwise."
)]
pub struct Args {
    /// Test files, directories, or node ids such as tests/test_app.py::test_home
    paths: Vec<String>,
    /// More arguments for pytest
    #[arg(last = true, value_name = "PYTEST ARGS")]
    args: Vec<String>,
    #[command(flatten)]
    manner: Manner,
}

/// Runs tests.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let project = project_load::project(context, args.manner.dir.as_deref())?;
    let here = match &args.manner.dir {
        Some(dir) => real_path(dir),
        None => env::current_dir(),
    };
    let here = here.unwrap_or_else(|_| project.root.clone());
    let mut tests = Vec::new();
    for path in &args.paths {
        tests.push(from_root(path, &here, &project.root)?);
    }
    let is_choice = !args.paths.is_empty() || !args.args.is_empty();
    let stages = stages(&project.pipeline, is_choice, &tests)?;
    tests.extend(args.args.iter().cloned());
    carry_out(context, &Request { stages, tests, manner: &args.manner })
}

/// The stages that are tests: pytest's, of which some tests can be chosen, else those that are called so.
fn stages(pipeline: &Pipeline, is_choice: bool, paths: &[String]) -> Result<Vec<String>, Fault> {
    let those = |wanted: &dyn Fn(&Stage) -> bool| -> Vec<String> {
        pipeline.stages.iter().filter(|stage| wanted(stage)).map(|stage| stage.id.0.clone()).collect()
    };
    let pytest = those(&|stage| matches!(stage.action, Action::Pytest(_)));
    if !pytest.is_empty() {
        // A stage that runs in a directory has the tests below it.
        let has = |stage: &Stage| {
            matches!(stage.action, Action::Pytest(_))
                && paths.iter().all(|path| Path::new(path).starts_with(&stage.cwd))
        };
        let those = those(&has);
        if those.is_empty() {
            let shown = printable(&paths.join(", "));
            let fault = Fault::new(ErrorKind::Usage, format!("no stage of pytest has all of {shown}"));
            return Err(fault.hint(format!("the stages are {}", printable(&pytest.join(", ")))));
        }
        return Ok(those);
    }
    let named = those(&|stage| stage.id.group().starts_with("test"));
    if named.is_empty() {
        return Err(Fault::new(ErrorKind::Usage, "the project has no stage of tests")
            .hint("devboot project show  prints what was understood of it")
            .hint("a stage with  pytest = {}  or one that is called test is taken for its tests"));
    }
    if is_choice {
        let fault =
            Fault::new(ErrorKind::Usage, "only tests of pytest can be chosen, and no stage is pytest's");
        return Err(fault.hint(format!("devboot test  runs all of {}", printable(&named.join(", ")))));
    }
    Ok(named)
}

/// A path, or a node id that begins with one, as it is called from the root.
fn from_root(named: &str, here: &Path, root: &Path) -> Result<String, Fault> {
    let (path, rest) = named.split_at(named.find("::").unwrap_or(named.len()));
    let whole = here.join(path);
    if !matches!(RealSystem.meta(&whole), Ok(Some(_))) {
        let fault = Fault::new(ErrorKind::Usage, format!("there is no {}", printable(path)));
        return Err(fault.hint("arguments for pytest stand behind --, as in  devboot test -- -k model"));
    }
    let real = real_path(&whole)
        .map_err(|error| Fault::new(ErrorKind::Usage, "cannot use the path").cause(error))?;
    let inside = real.strip_prefix(root).ok().and_then(Path::to_str);
    match inside {
        // pytest takes nothing for where it is, too, but with settings of its own for that case.
        Some("") => Ok(format!(".{rest}")),
        Some(inside) => Ok(format!("{inside}{rest}")),
        None => {
            let shown = printable(&root.to_string_lossy());
            Err(Fault::new(ErrorKind::Usage, format!("{} is not in the project {shown}", printable(path))))
        }
    }
}
