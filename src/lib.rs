//! devboot makes a new cloud shell yours in one command, and never costs you your shell.
//!
//! # The ladder
//!
//! A folder uses only folders named on its line, all on lower rungs. `tests/it/tidy.rs` reads this table and
//! every `crate::` path in the code, and fails on a use that is not named here.
//!
//! ```text
//! 0 base      -
//! 1 sys       base
//! 1 document  base
//! 1 ui        base sys
//! 2 host      base sys
//! 2 profile   base sys document
//! 2 shell     base
//! 2 home      base sys
//! 2 repos     base sys document
//! 2 project   base sys document
//! 2 ipc       base sys
//! 3 watch     base sys project
//! 3 run       base sys project
//! 3 cloud     base sys shell ipc
//! 4 history   base sys project run
//! 4 setup     base sys host profile shell home repos ipc
//! 4 pytest    base sys project run
//! 4 related   base sys project run
//! 5 session   base sys project run history pytest related
//! 6 daemon    base sys project ipc watch run cloud history session
//! 7 cli       base sys ui document host profile shell home repos project ipc watch run cloud history session setup daemon
//! ```
//!
//! | folder | what lives there |
//! |---|---|
//! | [`base`] | shared nouns: paths, digests, time, redaction, the error trait, exit codes |
//! | [`sys`] | the only door to the world: file system, processes, locks, directories, HTTP |
//! | [`ui`] | what a person sees: printer, progress, prompts, tables, colours. Used by `cli` alone |
//! | [`document`] | TOML that people write: places, checks along a schema, problems; what Makefiles do |
//! | [`host`] | where are we: evidence → host kind; probed capabilities; checks |
//! | [`profile`] | environment profiles: schema, merge, validation, the embedded ones, trust |
//! | [`shell`] | bash, zsh, fish: quoting, generated files, hook. Pure |
//! | [`home`] | plan, apply, undo over a home directory. Knows entries, not shells |
//! | [`repos`] | catalog, `git` (clone, update), `python` (evidence, environments, repair), `testing`, starters |
//! | [`project`] | `devboot.toml` → pipeline, inference for projects without one, fingerprints, trust |
//! | [`ipc`] | how commands speak with the service: messages, frames, handshake, finding and starting it |
//! | [`watch`] | what changes in a project: walk, ignore, events, settle, change sets |
//! | [`cloud`] | credential providers: whose credentials, where from, how long, and how a tool gets them |
//! | [`run`] | which stages run, when and where; their verdicts and events |
//! | [`pytest`] | a project's tests warm and by what a change affects: fork server, import graph, selection |
//! | [`related`] | tests of other languages by what a change affects, as their own tools say it |
//! | [`history`] | every run and its stages in SQLite; questions about them |
//! | [`session`] | one project at work: whose turn it is, what a run needs, what is remembered |
//! | [`setup`] | the phases of `devboot setup` |
//! | [`daemon`] | the service: what happens to it, what it decides, what it does |
//! | [`cli`] | one file per command: `Args` and `run(context, args)`; views; the error printer |
//!
//! # Invariants
//!
//! - Deciding is pure: plan, diff, quote, merge and validate take bytes and facts as arguments.
//! - A function that only has a [`sys::system::ReadSystem`] cannot write: that is what a dry run is.
//! - Intent is journalled before the act; every replaced file is old or new, never half.
//! - The core returns values and emits events; only `cli` and `ui` print.
//! - No secret is an argument, a log line, or a byte that others can read.
//! - Only `main.rs` exits.

pub mod base;
pub mod cli;
pub mod cloud;
pub mod daemon;
pub mod document;
pub mod history;
pub mod home;
pub mod host;
pub mod ipc;
pub mod profile;
pub mod project;
pub mod pytest;
pub mod related;
pub mod repos;
pub mod run;
pub mod session;
pub mod setup;
pub mod shell;
pub mod sys;
pub mod ui;
pub mod watch;
