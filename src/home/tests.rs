//! The engine as a whole, on a file system in memory that can be killed or filled up at any act.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::apply::{ApplyError, RunHeader, apply};
use super::entry::{Block, Entry, EntryKind, Key, Position};
use super::journal::RunId;
use super::plan::{Cause, DriftKind, Plan, Resolution};
use super::prepare::{own_dirs, prepare};
use super::recover::recover;
use super::survey::Home;
use crate::base::path::HomePath;
use crate::base::time::Timestamp;
use crate::sys::memory::{MemorySystem, Node};

const STATE: &str = "/h/.local/state/devboot";

fn home() -> Home {
    Home::new(Path::new("/h"), Path::new("/h"), Path::new(STATE))
}

fn path(text: &str) -> HomePath {
    HomePath::parse(text).unwrap()
}

fn entry(at: &str, kind: EntryKind) -> Entry {
    Entry { path: path(at), kind, origin: "test".into(), generated: false, check: Vec::new(), own: false }
}

fn file(at: &str, text: &str) -> Entry {
    entry(at, EntryKind::File { bytes: text.into(), mode: 0o644 })
}

fn generated(at: &str, text: &str) -> Entry {
    Entry { generated: true, ..file(at, text) }
}

fn block(at: &str, id: &str, position: Position, body: &str) -> Entry {
    let block = Block { id: id.into(), position, comment: "#".into(), body: body.into() };
    entry(at, EntryKind::Block(block))
}

fn user(text: &str) -> Node {
    Node::File(text.into(), 0o600)
}

fn header(command: &str, second: i64) -> RunHeader {
    RunHeader { command: command.into(), now: Timestamp(1_000_000 + second), undoes: None }
}

fn stock() -> MemorySystem {
    MemorySystem::with(&[
        ("/h/.bashrc", user("case $- in *i*) ;; *) return;; esac\nexport AWS_EXECUTION_ENV=CloudShell")),
        ("/h/.zshrc", user("")),
        ("/h/.config/other/x", user("theirs")),
    ])
}

/// A profile with every kind of entry.
fn wishes() -> Vec<Entry> {
    vec![
        generated("~/.config/devboot/shell.bash", "alias ll='ls -l'\n"),
        generated("~/.config/devboot/generation", "1\n"),
        file("~/.config/app/deep/config.toml", "a = 1\n"),
        entry("~/.link", EntryKind::Symlink(".config/app".into())),
        entry("~/repos", EntryKind::Dir),
        block("~/.bashrc", "devboot env", Position::Top, "top\n"),
        block("~/.bashrc", "devboot", Position::Bottom, "bottom\n"),
        block("~/.zshrc", "devboot", Position::Bottom, "z\n"),
        block("~/.profile", "devboot", Position::Bottom, "p\n"),
    ]
}

fn plan_for(system: &MemorySystem, entries: &[Entry]) -> Plan {
    home().plan(system, entries, &BTreeMap::new()).unwrap()
}

fn run(system: &MemorySystem, entries: &[Entry], second: i64) -> Result<Option<RunId>, ApplyError> {
    prepare(system, &home())?;
    recover(system, &home())?;
    let plan = plan_for(system, entries);
    apply(system, &home(), &plan, &header("setup", second))
}

fn undo_last(system: &MemorySystem, second: i64) -> Plan {
    recover(system, &home()).unwrap();
    let journal = home().last_undoable(system).unwrap().unwrap();
    let plan = home().plan_undo(system, &journal, &BTreeMap::new()).unwrap();
    let header = RunHeader { undoes: Some(journal.id), ..header("undo", second) };
    apply(system, &home(), &plan, &header).unwrap();
    plan
}

/// The home without devboot's own state.
fn visible(system: &MemorySystem) -> BTreeMap<PathBuf, Node> {
    let mut tree = system.tree("/h");
    tree.retain(|path, _| !path.starts_with("/h/.local"));
    tree
}

fn leave(system: &MemorySystem, second: i64) {
    prepare(system, &home()).unwrap();
    recover(system, &home()).unwrap();
    let plan = home().plan_uninstall(system).unwrap();
    apply(system, &home(), &plan, &header("uninstall", second)).unwrap();
    // What `uninstall` does last: the state directory goes as a whole, then the directories made for it.
    let dirs = own_dirs(system, &home()).unwrap();
    for path in system.tree(STATE).keys() {
        system.unset(path.to_str().unwrap());
    }
    for dir in dirs {
        let dir = dir.under(Path::new("/h"));
        if system.tree(dir.to_str().unwrap()).len() == 1 {
            system.unset(dir.to_str().unwrap());
        }
    }
}

#[test]
fn apply_then_uninstall_gives_the_home_back() {
    for system in [stock(), MemorySystem::with(&[("/h", Node::Dir(0o700))])] {
        let before = system.tree("/h");
        assert!(run(&system, &wishes(), 0).unwrap().is_some());
        let bashrc = system.tree("/h/.bashrc").into_values().next().unwrap();
        assert!(
            matches!(&bashrc, Node::File(bytes, _) if bytes.starts_with(b"# >>> devboot env >>>\ntop\n"))
        );
        leave(&system, 1);
        assert_eq!(system.tree("/h"), before);
    }
}

#[test]
fn the_second_apply_does_nothing() {
    let system = stock();
    run(&system, &wishes(), 0).unwrap();
    let acts = system.acts.get();
    let plan = plan_for(&system, &wishes());
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(plan.unchanged, wishes().len());
    assert_eq!(system.acts.get(), acts);
}

#[test]
fn undo_and_undo_of_undo() {
    let system = stock();
    let before = visible(&system);
    run(&system, &wishes(), 0).unwrap();
    let after = visible(&system);
    undo_last(&system, 1);
    assert_eq!(visible(&system), before);
    assert!(home().last_undoable(&system).unwrap().is_none());
    // Taking back the undo itself.
    let undo = home().store.runs(&system).unwrap().pop().unwrap();
    let journal = home().store.journal(&system, &undo, false).unwrap().unwrap();
    let plan = home().plan_undo(&system, &journal, &BTreeMap::new()).unwrap();
    let header = RunHeader { undoes: Some(undo), ..header("undo", 2) };
    apply(&system, &home(), &plan, &header).unwrap();
    assert_eq!(visible(&system), after);
    assert!(plan_for(&system, &wishes()).is_empty());
    assert!(home().last_undoable(&system).unwrap().is_some(), "the first run counts again");
}

#[test]
fn undo_keeps_what_the_user_wrote_since() {
    let system = stock();
    run(&system, &wishes(), 0).unwrap();
    let Node::File(mut bytes, mode) = system.tree("/h/.bashrc").into_values().next().unwrap() else {
        panic!()
    };
    bytes.extend(b"export MINE=1\n");
    system.set("/h/.bashrc", Node::File(bytes, mode));
    system.set("/h/.config/app/deep/config.toml", user("a = 2\n"));
    let plan = undo_last(&system, 1);
    assert_eq!(plan.conflicts.len(), 1);
    assert_eq!(plan.conflicts[0].cause, Cause::Edited);
    let tree = visible(&system);
    let expected =
        "case $- in *i*) ;; *) return;; esac\nexport AWS_EXECUTION_ENV=CloudShell\nexport MINE=1\n";
    assert_eq!(tree[Path::new("/h/.bashrc")], user(expected));
    assert_eq!(tree[Path::new("/h/.config/app/deep/config.toml")], user("a = 2\n"));
}

#[test]
fn killed_at_every_act() {
    let reference = stock();
    run(&reference, &wishes(), 0).unwrap();
    let (acts, after) = (reference.acts.get(), visible(&reference));

    let before = visible(&stock());
    assert!(acts > 40, "the run is too small to show anything");
    for at in 1..=acts {
        let system = stock();
        system.kill_at.set(Some(at));
        let ended = run(&system, &wishes(), 0);
        assert!(ended.is_err() || at > acts - 5, "act {at} of {acts} did not matter");
        let system = system.healed();
        for (path, node) in visible(&system) {
            let known = before.get(&path) == Some(&node) || after.get(&path) == Some(&node);
            let temporary = path.to_str().unwrap().contains("/.devboot-");
            assert!(known || temporary, "killed at {at}: {path:?} is neither old nor new");
        }
        // Going back works from any point...
        let back = system.healed();
        prepare(&back, &home()).unwrap();
        recover(&back, &home()).unwrap();
        if home().last_undoable(&back).unwrap().is_some() {
            undo_last(&back, 1);
        }
        assert_eq!(visible(&back), before, "killed at {at}, undone");
        leave(&back, 2);
        assert_eq!(back.tree("/h"), stock().tree("/h"), "killed at {at}, undone, uninstalled");
        // ...and so does going on.
        run(&system, &wishes(), 1).unwrap();
        assert_eq!(visible(&system), after, "killed at {at}, run again");
        assert!(home().store.pending(&system).unwrap().is_empty());
        leave(&system, 3);
        assert_eq!(system.tree("/h"), stock().tree("/h"), "killed at {at}, run again, uninstalled");
    }
}

#[test]
fn undo_killed_at_every_act() {
    let reference = stock();
    run(&reference, &wishes(), 0).unwrap();
    let done = reference.healed();
    let acts = {
        let system = done.healed();
        undo_last(&system, 1);
        system.acts.get()
    };
    for at in 1..=acts {
        let system = done.healed();
        let journal = home().last_undoable(&system).unwrap().unwrap();
        let plan = home().plan_undo(&system, &journal, &BTreeMap::new()).unwrap();
        system.kill_at.set(Some(at));
        let header = RunHeader { undoes: Some(journal.id.clone()), ..header("undo", 1) };
        let _ = apply(&system, &home(), &plan, &header);
        let system = system.healed();
        recover(&system, &home()).unwrap();
        // The rest of the undo: the same run once more.
        let plan = home().plan_undo(&system, &journal, &BTreeMap::new()).unwrap();
        assert!(plan.conflicts.is_empty(), "killed at {at}: {:?}", plan.conflicts);
        apply(&system, &home(), &plan, &RunHeader { now: Timestamp(1_000_002), ..header.clone() }).unwrap();
        assert_eq!(visible(&system), visible(&stock()), "killed at {at}");
    }
}

#[test]
fn the_disk_fills_up_at_every_byte() {
    let after = {
        let system = stock();
        run(&system, &wishes(), 0).unwrap();
        visible(&system)
    };
    for space in 0_usize.. {
        let system = stock();
        prepare(&system, &home()).unwrap();
        system.space.set(Some(space));
        let ended = run(&system, &wishes(), 0);
        if ended.is_ok() {
            assert_eq!(visible(&system), after);
            assert!(space > 4_000, "only {space} points");
            break;
        }
        let files: Vec<_> =
            visible(&system).into_iter().filter(|(_, node)| !matches!(node, Node::Dir(_))).collect();
        assert_eq!(files.len(), 3, "with {space} bytes left: {files:?}");
        assert!(home().store.pending(&system).unwrap().is_empty());
    }
}

#[test]
fn what_stands_there_first_is_the_users() {
    let system = stock();
    let mine = file("~/.config/other/x", "ours");
    let plan = plan_for(&system, std::slice::from_ref(&mine));
    assert_eq!(plan.conflicts[0].cause, Cause::Foreign);
    assert!(plan.is_empty());
    let answers = BTreeMap::from([(mine.key(), Resolution::TakeNew)]);
    let plan = home().plan(&system, std::slice::from_ref(&mine), &answers).unwrap();
    prepare(&system, &home()).unwrap();
    apply(&system, &home(), &plan, &header("apply", 0)).unwrap();
    leave(&system, 1);
    assert_eq!(visible(&system)[Path::new("/h/.config/other/x")], user("theirs"));
}

#[test]
fn keep_mine_is_remembered_for_this_target_only() {
    let system = stock();
    let mine = file("~/.config/other/x", "ours");
    let answers = BTreeMap::from([(mine.key(), Resolution::KeepMine)]);
    let plan = home().plan(&system, std::slice::from_ref(&mine), &answers).unwrap();
    prepare(&system, &home()).unwrap();
    apply(&system, &home(), &plan, &header("apply", 0)).unwrap();
    let plan = plan_for(&system, &[mine]);
    assert!(plan.conflicts.is_empty() && plan.is_empty());
    assert_eq!(plan.kept.len(), 1);
    assert_eq!(plan_for(&system, &[file("~/.config/other/x", "newer")]).conflicts.len(), 1);
}

#[test]
fn edits_are_drift_until_devboot_wants_something_new() {
    let system = stock();
    run(&system, &[file("~/a", "1")], 0).unwrap();
    system.set("/h/a", user("mine"));
    let plan = plan_for(&system, &[file("~/a", "1")]);
    assert_eq!(plan.drifts[0].how, DriftKind::Edited);
    assert!(plan.is_empty() && plan.conflicts.is_empty());
    let plan = plan_for(&system, &[file("~/a", "2")]);
    assert_eq!(plan.conflicts[0].cause, Cause::Edited);
    assert!(
        plan.conflicts[0].base.is_some_and(|base| home().store.base(&system, base) == Some(b"1".to_vec()))
    );
    system.unset("/h/a");
    assert_eq!(plan_for(&system, &[file("~/a", "1")]).drifts[0].how, DriftKind::Removed);
    assert_eq!(plan_for(&system, &[file("~/a", "2")]).conflicts[0].cause, Cause::Removed);
    // The same edit made by hand is taken as done.
    system.set("/h/a", Node::File(b"2".to_vec(), 0o644));
    let plan = plan_for(&system, &[file("~/a", "2")]);
    assert!(plan.conflicts.is_empty() && plan.steps.is_empty());
}

#[test]
fn a_merge_counts_as_done() {
    let system = stock();
    run(&system, &[file("~/a", "1\n")], 0).unwrap();
    system.set("/h/a", Node::File(b"1\nmine\n".to_vec(), 0o644));
    let new = [file("~/a", "0\n1\n")];
    let answers = BTreeMap::from([(new[0].key(), Resolution::Merged(b"0\n1\nmine\n".to_vec()))]);
    let plan = home().plan(&system, &new, &answers).unwrap();
    apply(&system, &home(), &plan, &header("apply", 1)).unwrap();
    let plan = plan_for(&system, &new);
    assert!(plan.is_empty() && plan.drifts.is_empty() && plan.conflicts.is_empty(), "{plan:?}");
}

#[test]
fn generated_files_are_rewritten_without_asking() {
    let system = stock();
    run(&system, &[generated("~/.config/devboot/x", "1")], 0).unwrap();
    system.set("/h/.config/devboot/x", Node::File(b"edited".to_vec(), 0o444));
    let plan = plan_for(&system, &[generated("~/.config/devboot/x", "1")]);
    assert_eq!((plan.steps.len(), plan.conflicts.len()), (1, 0));
}

#[test]
fn what_is_no_longer_asked_for_goes_and_what_was_edited_stays() {
    let system = stock();
    let all = [file("~/a", "1"), file("~/b", "1"), block("~/.zshrc", "devboot", Position::Bottom, "z\n")];
    run(&system, &all, 0).unwrap();
    system.set("/h/b", user("mine"));
    run(&system, &all[..1], 1).unwrap();
    let tree = visible(&system);
    assert!(tree.contains_key(Path::new("/h/a")));
    assert_eq!(tree[Path::new("/h/b")], user("mine"));
    assert_eq!(tree[Path::new("/h/.zshrc")], user(""));
    assert!(plan_for(&system, &all[..1]).is_empty());
}

#[test]
fn one_of_two_blocks_can_go() {
    let system = stock();
    let before = visible(&system);
    run(&system, &wishes(), 0).unwrap();
    let fewer: Vec<Entry> =
        wishes().into_iter().filter(|e| e.key().block.as_deref() != Some("devboot env")).collect();
    run(&system, &fewer, 1).unwrap();
    let Node::File(bytes, _) = &visible(&system)[Path::new("/h/.bashrc")] else { panic!() };
    assert!(bytes.starts_with(b"case $-") && bytes.ends_with(b"bottom\n# <<< devboot <<<\n"));
    leave(&system, 2);
    assert_eq!(visible(&system), before);
}

#[test]
fn broken_markers_and_edited_blocks_are_conflicts() {
    let system = stock();
    let wish = [block("~/.bashrc", "devboot", Position::Bottom, "x\n")];
    system.set("/h/.bashrc", user("# >>> devboot >>>\nhalf\n"));
    assert!(
        matches!(&plan_for(&system, &wish).conflicts[0].cause, Cause::Markers(why) if why.contains("line 1"))
    );
    system.set("/h/.bashrc", user(""));
    run(&system, &wish, 0).unwrap();
    system.set("/h/.bashrc", user("# >>> devboot >>>\nedited\n# <<< devboot <<<\n"));
    assert_eq!(plan_for(&system, &wish).drifts[0].how, DriftKind::Edited);
    let newer = [block("~/.bashrc", "devboot", Position::Bottom, "y\n")];
    assert_eq!(plan_for(&system, &newer).conflicts[0].cause, Cause::Edited);
}

#[test]
fn links_are_followed_inside_and_refused_outside() {
    use super::actual::Obstacle;
    let system = MemorySystem::with(&[
        ("/h/dots/bashrc", user("x\n")),
        ("/h/.bashrc", Node::Symlink("dots/bashrc".into())),
        ("/h/.zshrc", Node::Symlink("/etc/zshrc".into())),
        ("/h/.profile", Node::Symlink("nowhere".into())),
        ("/h/.vimrc", Node::Symlink(".vimrc".into())),
        ("/h/.config", Node::Symlink("../outside".into())),
    ]);
    let wish: Vec<Entry> = [".bashrc", ".zshrc", ".profile", ".vimrc", ".config/fish/config.fish"]
        .iter()
        .map(|at| block(at, "devboot", Position::Bottom, "x\n"))
        .collect();
    let plan = plan_for(&system, &wish);
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.steps[0].at, path("dots/bashrc"));
    let causes: BTreeMap<String, Cause> =
        plan.conflicts.iter().map(|c| (c.key.path.as_str().to_owned(), c.cause.clone())).collect();
    assert_eq!(causes[".zshrc"], Cause::Obstacle(Obstacle::LeavesHome("/etc/zshrc".into())));
    assert!(matches!(&causes[".profile"], Cause::Obstacle(Obstacle::Dangling(_))));
    assert_eq!(causes[".vimrc"], Cause::Obstacle(Obstacle::LinkLoop));
    assert!(matches!(&causes[".config/fish/config.fish"], Cause::Obstacle(Obstacle::LeavesHome(_))));
    prepare(&system, &home()).unwrap();
    apply(&system, &home(), &plan, &header("setup", 0)).unwrap();
    assert_eq!(system.tree("/h/.bashrc").into_values().next(), Some(Node::Symlink("dots/bashrc".into())));
    leave(&system, 1);
    assert_eq!(system.tree("/h/dots/bashrc").into_values().next(), Some(user("x\n")));
}

#[test]
fn two_claims_are_an_error() {
    let system = stock();
    let twice = [file("~/a", "1"), file("~/a", "2")];
    assert!(home().plan(&system, &twice, &BTreeMap::new()).is_err());
    let mixed = [file("~/.bashrc", "1"), block("~/.bashrc", "devboot", Position::Top, "x\n")];
    assert!(home().plan(&system, &mixed, &BTreeMap::new()).is_err());
    system.set("/h/l", Node::Symlink("a".into()));
    system.set("/h/a", user(""));
    let same = [block("~/l", "devboot", Position::Top, "x\n"), block("~/a", "devboot", Position::Top, "x\n")];
    assert!(home().plan(&system, &same, &BTreeMap::new()).is_err());
}

#[test]
fn a_change_between_plan_and_apply_changes_nothing() {
    let system = stock();
    prepare(&system, &home()).unwrap();
    let plan = plan_for(&system, &wishes());
    system.set("/h/.zshrc", user("just now"));
    let ended = apply(&system, &home(), &plan, &header("setup", 0));
    assert!(matches!(ended, Err(ApplyError::ChangedMeanwhile(at)) if at == path(".zshrc")));
    let mut expected = visible(&stock());
    expected.insert("/h/.zshrc".into(), user("just now"));
    assert_eq!(visible(&system), expected);
}

#[test]
fn old_runs_are_pruned_and_their_copies_with_them() {
    let system = stock();
    for second in 0..30 {
        run(&system, &[file("~/a", &format!("{second}"))], second).unwrap();
    }
    assert_eq!(home().store.runs(&system).unwrap().len(), super::store::KEPT_RUNS);
    let copies = system.tree("/h/.local/state/devboot/backups").len() - 1;
    assert!(copies <= super::store::KEPT_RUNS + 1, "{copies} copies");
    undo_last(&system, 31);
    assert_eq!(visible(&system)[Path::new("/h/a")], Node::File(b"28".to_vec(), 0o644));
}

#[test]
fn keys_survive_their_text_form() {
    let key = Key { path: path("a/b"), block: Some("devboot env".into()) };
    let text = serde_json::to_string(&key).unwrap();
    assert_eq!(serde_json::from_str::<Key>(&text).unwrap(), key);
}

#[test]
fn a_clock_that_goes_back_does_not_mix_up_the_runs() {
    let system = stock();
    run(&system, &[file("~/a", "1")], 100).unwrap();
    run(&system, &[file("~/a", "2")], 50).unwrap();
    undo_last(&system, 10);
    assert_eq!(system.tree("/h/a")[Path::new("/h/a")], Node::File("1".into(), 0o644));
    undo_last(&system, 5);
    assert!(system.tree("/h/a").is_empty());
    assert_eq!(home().store.runs(&system).unwrap().len(), 4);
}

#[test]
fn a_directory_is_never_replaced_by_a_file() {
    let system = stock();
    system.set("/h/app", Node::Dir(0o755));
    system.set("/h/app/mine", user("x"));
    let before = visible(&system);
    let entries = [generated("~/app", "1"), file("~/b", "2")];
    let plan = plan_for(&system, &entries);
    assert!(matches!(plan.conflicts[0].cause, Cause::Obstacle(_)) && plan.steps.len() == 1);
    let answers = BTreeMap::from([(entries[0].key(), Resolution::TakeNew)]);
    let plan = home().plan(&system, &[file("~/app", "1")], &answers).unwrap();
    assert!(plan.steps.is_empty() && plan.conflicts.len() == 1);
    assert_eq!(visible(&system), before);
}

#[test]
fn the_file_that_stood_there_first_survives_an_edit_and_uninstall() {
    let system = stock();
    system.set("/h/.tool", user("the user's"));
    let wish = [file("~/.tool", "devboot's")];
    prepare(&system, &home()).unwrap();
    let answers = BTreeMap::from([(wish[0].key(), Resolution::TakeNew)]);
    let plan = home().plan(&system, &wish, &answers).unwrap();
    apply(&system, &home(), &plan, &header("apply", 1)).unwrap();
    system.set("/h/.tool", user("edited since"));
    leave(&system, 2);
    let left = visible(&system);
    assert_eq!(left[Path::new("/h/.tool")], user("edited since"));
    assert_eq!(left[Path::new("/h/.tool.before-devboot")], user("the user's"));
}

#[test]
fn a_block_in_a_file_made_read_only_waits_for_the_user() {
    let system = stock();
    run(&system, &[block("~/.zshrc", "devboot", Position::Bottom, "z\n")], 1).unwrap();
    let Node::File(bytes, _) = system.tree("/h/.zshrc")[Path::new("/h/.zshrc")].clone() else { panic!() };
    system.set("/h/.zshrc", Node::File(bytes.clone(), 0o400));
    let plan = home().plan_uninstall(&system).unwrap();
    assert!(plan.released.is_empty() && plan.conflicts.len() == 1, "{plan:?}");
    system.set("/h/.zshrc", Node::File(bytes, 0o600));
    leave(&system, 2);
    assert_eq!(visible(&system)[Path::new("/h/.zshrc")], user(""));
}

#[test]
fn a_directory_swapped_for_a_link_after_the_plan_stops_the_run() {
    let system = stock();
    system.set("/elsewhere", Node::Dir(0o755));
    system.set("/elsewhere/x", user("theirs"));
    prepare(&system, &home()).unwrap();
    let plan = plan_for(&system, &[file("~/.config/other/new", "1"), file("~/a", "2")]);
    system.unset("/h/.config/other/x");
    system.set("/h/.config/other", Node::Symlink("/elsewhere".into()));
    let ended = apply(&system, &home(), &plan, &header("apply", 1));
    assert!(matches!(ended, Err(ApplyError::ChangedMeanwhile(_))), "{ended:?}");
    assert_eq!(system.tree("/elsewhere").len(), 2);
    assert!(system.tree("/h/a").is_empty() && home().store.pending(&system).unwrap().is_empty());
}

#[test]
fn an_undo_that_keeps_mine_goes_on_to_the_run_before() {
    let system = stock();
    run(&system, &[file("~/a", "1"), file("~/b", "1")], 1).unwrap();
    run(&system, &[file("~/a", "2"), file("~/b", "1")], 2).unwrap();
    system.set("/h/a", user("mine"));
    let journal = home().last_undoable(&system).unwrap().unwrap();
    let key = file("~/a", "").key();
    let undo = |answer: &[(Key, Resolution)]| {
        home().plan_undo(&system, &journal, &answer.iter().cloned().collect()).unwrap()
    };
    assert_eq!(undo(&[]).conflicts.len(), 1);
    let plan = undo(&[(key.clone(), Resolution::KeepMine)]);
    assert!(plan.conflicts.is_empty() && plan.kept == [key]);
    let header = RunHeader { undoes: Some(journal.id.clone()), ..header("undo", 3) };
    apply(&system, &home(), &plan, &header).unwrap();
    let next = home().last_undoable(&system).unwrap().unwrap();
    assert!(next.id < journal.id);
    assert_eq!(system.tree("/h/a")[Path::new("/h/a")], user("mine"));
}
