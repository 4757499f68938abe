//! The store of results: what is kept, what is given back, and what damage does.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::cache::{Answer, Cache, Replay};
use super::event::{RunId, StageEnd, Verdict};
use super::fixture::stage;
use super::flow::ended;
use crate::base::digest::Digest;
use crate::project::contents::Contents;
use crate::project::model::Stage;

struct Store {
    dir: TempDir,
    cache: Cache,
    contents: Arc<Mutex<Contents>>,
}

fn key(number: u8) -> Digest {
    Digest::of(&[number])
}

fn passed() -> StageEnd {
    StageEnd { exit: Some(0), milliseconds: 5, attempts: 1, ..ended(Verdict::Passed, None) }
}

fn with_outputs(outputs: &[&str]) -> Stage {
    Stage { outputs: outputs.iter().map(|name| (*name).to_owned()).collect(), ..stage("s") }
}

impl Store {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let cache = Cache::new(&dir.path().join("store"));
        Self { contents: Arc::new(Mutex::new(Contents::new(&root))), dir, cache }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root().join(name)).unwrap()
    }

    fn keep(&self, number: u8, stage: &Stage) -> Result<(), String> {
        self.cache.keep(&key(number), (RunId(7), &passed(), "text"), stage, &self.root(), &self.contents)
    }

    fn replay(&self, number: u8, stage: &Stage) -> Answer {
        self.cache.replay(&key(number), stage, &self.root(), &self.contents)
    }

    fn hit(&self, number: u8, stage: &Stage) -> Replay {
        match self.replay(number, stage) {
            Answer::Hit(replay) => replay,
            Answer::Miss(why) => panic!("a miss: {why:?}"),
        }
    }

    fn miss(&self, number: u8, stage: &Stage) -> Option<String> {
        match self.replay(number, stage) {
            Answer::Miss(why) => why,
            Answer::Hit(_) => panic!("a hit"),
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { walk(&path, found) } else { found.push(path) }
            }
        }
        let mut found = Vec::new();
        walk(&self.dir.path().join("store"), &mut found);
        found
    }

    fn blobs(&self) -> Vec<PathBuf> {
        self.files().into_iter().filter(|path| path.to_string_lossy().contains("/blobs/")).collect()
    }
}

#[test]
fn a_directory_comes_back_as_it_was() {
    let (store, stage) = (Store::new(), with_outputs(&["out"]));
    store.write("out/deep/er/model", "weights");
    store.write("out/tool", "#!/bin/sh\n");
    fs::set_permissions(store.root().join("out/tool"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(store.root().join("out/empty")).unwrap();
    store.keep(1, &stage).unwrap();
    assert_eq!(store.hit(1, &stage).restored, <[String; 0]>::default());
    fs::remove_dir_all(store.root().join("out")).unwrap();
    let replay = store.hit(1, &stage);
    assert_eq!((replay.text.as_str(), replay.end), ("text", passed()));
    assert_eq!(store.read("out/deep/er/model"), "weights");
    let mode = |name: &str| fs::metadata(store.root().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("out/tool"), mode("out/deep/er/model")), (0o755, 0o644));
    assert!(store.root().join("out/empty").is_dir());
    assert!(replay.restored.contains(&"out/deep/er/model".to_owned()));
}

#[test]
fn what_is_written_to_an_output_later_does_not_reach_the_store() {
    let (store, stage) = (Store::new(), with_outputs(&["out"]));
    store.write("out", "first");
    store.keep(1, &stage).unwrap();
    for _ in 0..2 {
        let mut file = fs::OpenOptions::new().append(true).open(store.root().join("out")).unwrap();
        std::io::Write::write_all(&mut file, b" more").unwrap();
        assert_eq!(store.hit(1, &stage).restored, ["out"]);
        assert_eq!(store.read("out"), "first");
    }
}

#[test]
fn files_of_another_run_go_and_files_of_nobody_stay() {
    let (store, stage) = (Store::new(), with_outputs(&["out"]));
    store.write("out/a", "one");
    store.keep(1, &stage).unwrap();
    store.write("out/b", "two");
    store.keep(2, &stage).unwrap();
    store.hit(1, &stage);
    assert!(!store.root().join("out/b").exists());
    store.hit(2, &stage);
    assert_eq!(store.read("out/b"), "two");
    store.write("out/mine", "never seen");
    let why = store.miss(1, &stage);
    assert_eq!(why.as_deref(), Some("out/mine is no output of an earlier run"));
    assert_eq!(store.read("out/mine"), "never seen");
}

#[test]
fn nobody_else_reads_what_is_kept() {
    let (store, stage) = (Store::new(), with_outputs(&["out"]));
    store.write("out", "secret");
    store.keep(1, &stage).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files = store.files();
    assert!(files.len() >= 3 && files.iter().all(|path| mode(path) == 0o600), "{files:?}");
    assert!(files.iter().all(|path| mode(path.parent().unwrap()) == 0o700));
    assert_eq!(mode(&store.dir.path().join("store")), 0o700);
}

#[test]
fn damage_is_a_miss_and_goes_away() {
    let stage = with_outputs(&["out"]);
    for damage in ["a bit of a blob", "a blob cut off", "a blob gone", "the entry", "the entry's version"] {
        let store = Store::new();
        store.write("out", "bytes of the output");
        store.keep(1, &stage).unwrap();
        fs::remove_file(store.root().join("out")).unwrap();
        let blob =
            store.blobs().into_iter().find(|path| fs::read(path).unwrap().starts_with(b"bytes")).unwrap();
        let entry =
            store.files().into_iter().find(|path| path.to_string_lossy().contains("/entries/")).unwrap();
        match damage {
            "a bit of a blob" => fs::write(&blob, "Bytes of the output").unwrap(),
            "a blob cut off" => fs::write(&blob, "bytes").unwrap(),
            "a blob gone" => fs::remove_file(&blob).unwrap(),
            "the entry" => fs::write(&entry, "{\"version\":1,\"end\"").unwrap(),
            _ => {
                let text = fs::read_to_string(&entry).unwrap().replace("\"version\":1", "\"version\":9");
                fs::write(&entry, text).unwrap();
            }
        }
        store.miss(1, &stage);
        assert!(!store.root().join("out").exists() && !entry.exists(), "{damage}");
        // What is made again is kept again.
        store.write("out", "bytes of the output");
        store.keep(1, &stage).unwrap();
        fs::remove_file(store.root().join("out")).unwrap();
        store.hit(1, &stage);
        assert_eq!(store.read("out"), "bytes of the output", "{damage}");
    }
}

#[test]
fn an_entry_leads_nowhere_else() {
    let (store, stage) = (Store::new(), with_outputs(&["out"]));
    store.write("out", "x");
    store.keep(1, &stage).unwrap();
    let entry = store.files().into_iter().find(|path| path.to_string_lossy().contains("/entries/")).unwrap();
    let text = fs::read_to_string(&entry).unwrap();
    for path in ["elsewhere", "../out", "out/../../x", "outer"] {
        fs::write(&entry, text.replace("\"out\"", &format!("\"{path}\""))).unwrap();
        store.miss(1, &stage);
        assert!(!store.root().join(path).exists(), "{path}");
    }
}

#[test]
fn a_link_is_no_output_and_no_way_to_one() {
    let store = Store::new();
    std::os::unix::fs::symlink("/etc/passwd", store.root().join("out")).unwrap();
    assert_eq!(store.keep(1, &with_outputs(&["out"])).unwrap_err(), "the output out is a symbolic link");
    let outside = store.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let deep = with_outputs(&["dir/out"]);
    store.write("dir/out", "x");
    store.keep(2, &deep).unwrap();
    fs::remove_dir_all(store.root().join("dir")).unwrap();
    std::os::unix::fs::symlink(&outside, store.root().join("dir")).unwrap();
    assert_eq!(store.miss(2, &deep).as_deref(), Some("the way to the output dir/out is no plain directory"));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    for name in ["../x", "/x", ""] {
        assert!(store.keep(3, &with_outputs(&[name])).is_err(), "{name}");
    }
}

#[test]
fn what_was_used_last_stays() {
    let store = Store::new();
    for number in 1..=4 {
        store.write(&format!("out{number}"), vec![number; 1000]);
        store.keep(number, &with_outputs(&[&format!("out{number}")])).unwrap();
    }
    let age = |number: u8, seconds: u64| {
        let name = key(number).to_string();
        let path = store.dir.path().join("store/entries").join(&name[..2]).join(&name[2..]);
        let time = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
        fs::File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
    };
    (1..=4).for_each(|number| age(number, 100 - u64::from(number)));
    store.hit(1, &with_outputs(&["out1"]));
    // A process that another test is just starting may hold the lock for a moment.
    let prune = |most, before| while !store.cache.prune_to(most, before) {};
    prune(2500, i64::MAX);
    for (number, stays) in [(1, true), (2, false), (3, false), (4, true)] {
        let hit = matches!(store.replay(number, &with_outputs(&[&format!("out{number}")])), Answer::Hit(_));
        assert_eq!(hit, stays, "{number}");
    }
    // The text is one blob of all entries.
    assert_eq!(store.blobs().len(), 3);
    prune(0, 0);
    assert_eq!(store.blobs().len(), 3, "what may be on its way into an entry stays");
    prune(0, i64::MAX);
    assert_eq!(store.blobs().len(), 0);
}

#[test]
fn many_at_once_do_not_disturb_each_other() {
    let store = Store::new();
    store.write("out", "same");
    let stage = with_outputs(&["out"]);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (store, stage) = (&store, &stage);
            scope.spawn(move || {
                for round in 0..20 {
                    store.keep(number % 3, stage).unwrap();
                    if round % 5 == 0 {
                        store.cache.prune_to(1 << 20, crate::sys::clock::now().0 - 3600);
                    }
                    store.replay(number % 3, stage);
                }
            });
        }
    });
    assert_eq!(store.read("out"), "same");
    store.keep(1, &stage).unwrap();
    fs::remove_file(store.root().join("out")).unwrap();
    store.hit(1, &stage);
}
