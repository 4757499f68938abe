//! `devboot repo update`.

use super::{catalog, clone, finder, folder};
use crate::base::error::{ErrorKind, Fault};
use crate::base::exit::Exit;
use crate::cli::context::Context;
use crate::cli::setup_view;
use crate::setup::report::Event;
use crate::setup::updates::update_all;
use crate::sys::signal;
use crate::ui::progress::Progress;

/// Options.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:\n  devboot repo update or\n  devboot repo update --all\n\n\
                        A clone goes forward only if you changed nothing in it and its branch has only grown; \
                        otherwise it is left as it is, and that is said.")]
pub struct Args {
    /// Names of clones
    #[arg(required_unless_present = "all", value_name = "NAME")]
    names: Vec<String>,
    /// Every clone that devboot made in this home
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// How many at a time
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

/// Brings clones up to date.
pub fn run(context: &Context, args: &Args) -> Result<Exit, Fault> {
    let _lock = context.write_lock()?;
    let catalog = catalog(context)?;
    let before = context.record()?;
    let wanted = finder(context, &catalog, &before, folder(None, context)?).here(&args.names)?;
    let mut record = before.clone();
    let items = {
        let progress = Progress::new(!context.global.quiet && !context.global.json);
        let events = |event: Event| setup_view::progress(&progress, event);
        update_all(&wanted.repos, &mut record, usize::from(args.jobs), &events)
    };
    record.save(&context.system, &context.dirs.state, &before)?;
    if signal::interrupted() {
        return Err(Fault::new(ErrorKind::Interrupted, "interrupted")
            .hint("the same command goes on where it stopped"));
    }
    clone::report(context, &items, None)
}
