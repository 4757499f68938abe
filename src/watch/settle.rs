//! When files are at rest. A save that is complete goes out at once; a burst (a checkout, an unpacked archive, a formatter) is
//! waited out; while git works, nothing goes out at all. Pure: events and the time come in, a moment comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::project::rules::above;

/// What is known of a path that was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is there, and what was to be written is written.
    Whole,
    /// It came into being, and is perhaps still being written.
    Begun,
    /// It was written, and nobody will say when that is done.
    Perhaps,
    /// It is gone, perhaps only until its new version has been put there.
    Gone,
}

/// Waits for rest.
#[derive(Clone, Debug, Default)]
pub struct Settle {
    pending: BTreeMap<String, Mark>,
    /// How many of them are [`Mark::Begun`], [`Mark::Perhaps`] and [`Mark::Gone`].
    begun: usize,
    perhaps: usize,
    gone: usize,
    first: Option<Instant>,
    last: Option<Instant>,
    /// When git began to change the work tree, or last touched it.
    git: Option<Instant>,
    git_worked: bool,
    /// When something last went out.
    out: Option<Instant>,
}

/// What goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The paths that were touched.
    pub paths: BTreeSet<String>,
    /// Whether git was at work.
    pub git: bool,
    /// How long ago the first of them was touched.
    pub waited: Duration,
}

/// After a single complete save: long enough to see that it is the first of many.
const SINGLE: Duration = Duration::from_micros(1200);
/// After the last of a few files.
const FEW: Duration = Duration::from_millis(8);
/// After the last of many files, or of files in several directories.
const BURST: Duration = Duration::from_millis(40);
/// In a burst events are taken this far apart: few enough for the kernel's queue at any speed of writing.
const NAP: Duration = Duration::from_millis(20);
/// What comes so soon after something went out is more of the same.
const MORE: Duration = Duration::from_millis(100);
/// More files than this are many.
const FEW_FILES: usize = 8;
/// A missing file may be on its way back: editors move the old version away first.
const MISSING: Duration = Duration::from_millis(150);
/// A file that was created and not closed is waited for at most so long.
const UNCLOSED: Duration = Duration::from_millis(1000);
/// Who never rests gets a verdict all the same, this long after the first event.
const CAP: Duration = Duration::from_millis(1000);
/// Of so many files no one expects a verdict before the last: an archive is unpacked, a branch is switched.
const FLOOD: usize = 1000;
const FLOOD_CAP: Duration = Duration::from_secs(10);
/// A lock of git's that nothing follows is one that was left behind.
const STALE: Duration = Duration::from_secs(2);

impl Settle {
    /// A path was touched.
    pub fn touch(&mut self, path: String, mark: Mark, now: Instant) {
        if let Some(count) = self.count(mark) {
            *count += 1;
        }
        let before = self.pending.insert(path, mark);
        if let Some(count) = before.and_then(|before| self.count(before)) {
            *count -= 1;
        }
        self.first.get_or_insert(now);
        self.last = Some(now);
        if self.git.is_some() {
            self.git = Some(now);
            self.git_worked = true;
        }
    }

    fn count(&mut self, mark: Mark) -> Option<&mut usize> {
        match mark {
            Mark::Whole => None,
            Mark::Begun => Some(&mut self.begun),
            Mark::Perhaps => Some(&mut self.perhaps),
            Mark::Gone => Some(&mut self.gone),
        }
    }

    /// The paths that were touched and have not gone out yet.
    pub fn pending(&self) -> impl Iterator<Item = &str> {
        self.pending.keys().map(String::as_str)
    }

    /// Whether a path was touched and has not gone out yet.
    pub fn is_pending(&self, path: &str) -> bool {
        self.pending.contains_key(path)
    }

    /// git took its lock (`true`) or gave it back.
    pub fn git(&mut self, locked: bool, now: Instant) {
        if locked {
            self.git = Some(now);
        } else {
            self.git = None;
            // What it has done is complete, with its last file.
            if self.git_worked {
                self.last = Some(now);
            }
        }
    }

    /// When [`Settle::take`] is to be asked again; `None`: not before the next event.
    pub fn due(&self) -> Option<Instant> {
        let (first, last) = (self.first?, self.last?);
        if let Some(since) = self.git {
            return Some(since + STALE);
        }
        let wait = match self.out {
            Some(out) if first < out + MORE => self.quiet().max(BURST),
            _ => self.quiet(),
        };
        let cap = if self.pending.len() > FLOOD { FLOOD_CAP } else { CAP };
        Some((last + wait).min(first + cap.max(wait)))
    }

    /// Until when no event can make anything go out sooner, so that nobody need look at one: in a burst it is cheaper to
    /// take many at a time.
    pub fn nap(&self, now: Instant) -> Option<Instant> {
        let due = self.due()?;
        if self.pending.len() > FEW_FILES {
            return Some(due.min(now + NAP));
        }
        (self.git.is_none() && self.begun == 0 && self.gone == 0).then_some(due)
    }

    /// How long nothing must happen.
    fn quiet(&self) -> Duration {
        let busy = match self.pending.len() {
            0 | 1 => SINGLE,
            2..=FEW_FILES if self.is_one_dir() => FEW,
            _ => BURST,
        };
        match self {
            Self { begun: 1.., .. } => UNCLOSED,
            Self { gone: 1.., .. } => MISSING.max(busy),
            Self { perhaps: 1.., .. } => BURST.max(busy),
            _ => busy,
        }
    }

    fn is_one_dir(&self) -> bool {
        let mut dirs = self.pending.keys().map(|path| above(path));
        let first = dirs.next();
        dirs.all(|dir| Some(dir) == first)
    }

    /// What has come to rest.
    pub fn take(&mut self, now: Instant) -> Option<Settled> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        self.take_all(now)
    }

    /// Everything that is pending, at rest or not; nothing while git is at work.
    pub fn flush(&mut self, now: Instant) -> Option<Settled> {
        if self.git.is_some() { None } else { self.take_all(now) }
    }

    fn take_all(&mut self, now: Instant) -> Option<Settled> {
        self.out = Some(now);
        self.git = None;
        let waited = self.first.map_or(Duration::ZERO, |first| now.saturating_duration_since(first));
        (self.first, self.last) = (None, None);
        (self.begun, self.perhaps, self.gone) = (0, 0, 0);
        let git = std::mem::take(&mut self.git_worked);
        let paths: BTreeSet<String> = std::mem::take(&mut self.pending).into_keys().collect();
        (!paths.is_empty()).then_some(Settled { paths, git, waited })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Mark::*;

    /// A step of a recorded trace: milliseconds since the one before, and what happened.
    enum Step {
        At(u64, &'static str, Mark),
        Git(u64, bool),
    }
    use Step::*;

    /// The change sets that come of a trace: after how many milliseconds, and the paths.
    fn play(steps: &[Step]) -> Vec<(u64, Vec<String>)> {
        let start = Instant::now();
        let (mut settle, mut now, mut out) = (Settle::default(), start, Vec::new());
        let mut drain = |settle: &mut Settle, until: Instant| {
            while let Some(due) = settle.due().filter(|due| *due <= until) {
                if let Some(settled) = settle.take(due) {
                    let after = u64::try_from((due - start).as_millis()).unwrap();
                    out.push((after, settled.paths.into_iter().collect()));
                }
            }
        };
        for step in steps {
            let (At(wait, ..) | Git(wait, _)) = step;
            now += Duration::from_millis(*wait);
            drain(&mut settle, now);
            match step {
                At(_, path, mark) => settle.touch((*path).to_owned(), *mark, now),
                Git(_, locked) => settle.git(*locked, now),
            }
        }
        drain(&mut settle, now + Duration::from_secs(60));
        out
    }

    fn sets(steps: &[Step]) -> Vec<Vec<String>> {
        play(steps).into_iter().map(|(_, paths)| paths).collect()
    }

    #[test]
    fn a_complete_save_goes_out_at_once() {
        // nano, echo, cp over it: open, write, close.
        assert_eq!(play(&[At(0, "a.py", Whole)]), [(1, vec!["a.py".to_owned()])]);
    }

    #[test]
    fn each_editor_saves_once() {
        // What an editor makes besides (4913, *~, .subl*.tmp, *___jb_tmp___, *___jb_old___) is left out by its name.
        let nano = vec![At(0, "a.py", Whole)];
        // backupcopy=no: the old file is moved away, the new one is created, written, closed.
        let vim = vec![At(0, "a.py", Gone), At(1, "a.py", Begun), At(2, "a.py", Whole)];
        let vim_that_copies = vec![At(0, "a.py", Whole)];
        // Cut off, written, closed; a slow disk makes it two closes.
        let vs_code = vec![At(0, "a.py", Whole), At(1, "a.py", Whole)];
        // The old file is moved to a name of its own, the new one from another.
        let jetbrains = vec![At(0, "a.py", Gone), At(0, "a.py", Whole)];
        // A file is moved over the old one.
        let sublime = vec![At(0, "a.py", Whole)];
        for trace in [nano, vim, vim_that_copies, vs_code, jetbrains, sublime] {
            assert_eq!(sets(&trace), [["a.py"]]);
        }
        // An editor of unknown habits: its temporary is nobody's dropping.
        let steps = [At(0, "a.py.tmp123", Begun), At(3, "a.py.tmp123", Gone), At(0, "a.py", Whole)];
        assert_eq!(sets(&steps), [["a.py", "a.py.tmp123"]]);
    }

    #[test]
    fn a_file_of_which_nobody_says_that_it_was_closed_is_waited_for_a_little() {
        let steps = [At(0, "a.py", Perhaps), At(30, "a.py", Perhaps), At(30, "a.py", Perhaps)];
        assert_eq!(play(&steps), [(100, vec!["a.py".to_owned()])]);
    }

    #[test]
    fn a_burst_is_slept_through_and_what_may_go_out_sooner_is_not() {
        let now = Instant::now();
        let touched = |marks: &[Mark]| {
            let mut settle = Settle::default();
            marks.iter().enumerate().for_each(|(i, mark)| settle.touch(i.to_string(), *mark, now));
            settle.nap(now).map(|until| until - now)
        };
        assert_eq!(touched(&[]), None);
        assert_eq!(touched(&[Whole]), Some(SINGLE));
        assert_eq!(touched(&[Begun]), None);
        assert_eq!(touched(&[Gone]), None);
        assert_eq!(touched(&[Gone; 9]), Some(NAP));
        assert_eq!(touched(&[Whole; 9]), Some(NAP));
    }

    #[test]
    fn a_slow_save_waits_for_its_end() {
        let steps = [At(0, "new.py", Begun), At(400, "new.py", Whole)];
        assert_eq!(play(&steps), [(401, vec!["new.py".to_owned()])]);
    }

    #[test]
    fn a_formatter_after_the_save_is_another_save() {
        assert_eq!(sets(&[At(0, "a.py", Whole), At(120, "a.py", Whole)]).len(), 2);
        assert_eq!(sets(&[At(0, "a.py", Whole), At(0, "a.py", Whole)]).len(), 1);
    }

    #[test]
    fn git_goes_out_as_a_whole_when_it_has_given_its_lock_back() {
        // A checkout: the first file long after the lock, gaps of 30 ms, the lock goes with the new index.
        let mut steps = vec![Git(0, true)];
        const NAMES: [&str; 6] = ["a/1", "a/2", "b/1", "b/2", "c/1", "c/2"];
        steps.extend(NAMES.map(|name| At(90, name, Whole)));
        steps.push(Git(5, false));
        let played = play(&steps);
        assert_eq!(played.len(), 1);
        assert_eq!((played[0].0, played[0].1.len()), (6 * 90 + 5 + 40, 6));
        // A rebase: one lock after the other, each soon after the one before.
        let mut rebase = Vec::new();
        for _ in 0..3 {
            rebase.extend([Git(10, true), At(10, "a/1", Whole), At(1, "b/1", Whole), Git(1, false)]);
        }
        assert_eq!(sets(&rebase).len(), 1);
    }

    #[test]
    fn a_stash_is_one_set() {
        // The index is refreshed, then written as a tree, then the files are put back under another lock.
        let steps = [
            Git(0, true),
            Git(4, false),
            Git(3, true),
            Git(2, false),
            Git(6, true),
            At(3, "a/1", Whole),
            At(1, "b/2", Whole),
            Git(1, false),
        ];
        assert_eq!(sets(&steps), [["a/1", "b/2"]]);
    }

    #[test]
    fn a_lock_that_was_left_behind_holds_for_two_seconds() {
        assert_eq!(play(&[Git(0, true), At(10, "a.py", Whole)]), [(2010, vec!["a.py".to_owned()])]);
        // git that changes no file, such as `git status`, leads to nothing.
        assert_eq!(play(&[Git(0, true), Git(5, false)]), []);
    }

    #[test]
    fn npm_install_is_one_set_and_rm_rf_is_one() {
        let names: Vec<&'static str> = (0..3000).map(|i| &*format!("lib/{}/{i}", i % 50).leak()).collect();
        let install: Vec<Step> =
            names.iter().enumerate().map(|(i, name)| At(u64::from(i % 4 == 3), name, Whole)).collect();
        assert_eq!(sets(&install).len(), 1);
        // Where the modules are left out.
        let install = [At(0, "package-lock.json", Whole), At(1, "package.json", Whole)];
        assert_eq!(sets(&install), [["package-lock.json", "package.json"]]);
        let remove: Vec<Step> = names.iter().map(|name| At(0, name, Gone)).collect();
        assert_eq!(sets(&remove).len(), 1);
    }

    #[test]
    fn who_never_rests_is_not_waited_for_for_ever() {
        let steps: Vec<Step> = (0..200).map(|i| At(30, ["a/x", "b/x"][i % 2], Whole)).collect();
        let played = play(&steps);
        assert!(played.len() >= 5 && played.windows(2).all(|two| two[1].0 - two[0].0 <= 1100), "{played:?}");
    }

    #[test]
    fn a_removed_file_goes_out_when_it_does_not_come_back() {
        assert_eq!(play(&[At(0, "a.py", Gone)]), [(150, vec!["a.py".to_owned()])]);
    }
}
