//! Real children that do as they please.

use std::path::Path;

use super::*;

fn sh(script: &str) -> Offspring {
    Offspring::start(&CommandSpec::new("sh").args(["-c", script])).unwrap()
}

/// Everything that is written until the end, and the end.
async fn rest(offspring: &mut Offspring) -> (String, String, Ending) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    loop {
        match offspring.next().await {
            Happening::Wrote(Written::Out, bytes) => out.extend_from_slice(bytes),
            Happening::Wrote(Written::Err, bytes) => err.extend_from_slice(bytes),
            Happening::Ended(ending) => {
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                return (text(out), text(err), ending);
            }
        }
    }
}

async fn first(offspring: &mut Offspring) -> String {
    match offspring.next().await {
        Happening::Wrote(_, bytes) => String::from_utf8_lossy(bytes).trim().to_owned(),
        Happening::Ended(ending) => panic!("{ending:?}"),
    }
}

fn exists(id: &str) -> bool {
    Path::new(&format!("/proc/{id}")).exists()
}

#[tokio::test]
async fn both_outputs_and_the_end_come() {
    let found = rest(&mut sh("echo out; echo err >&2; exit 3")).await;
    assert_eq!(found, ("out\n".into(), "err\n".into(), Ending::Exited(3)));
    assert_eq!(rest(&mut sh("kill -ABRT $$")).await.2, Ending::Signalled(6));
}

#[tokio::test]
async fn nothing_is_there_to_be_read_and_no_terminal_to_be_asked_on() {
    let (out, ..) =
        rest(&mut sh("cat; read x </dev/tty || echo none; ps -o sid= -p $$; ps -o tty= -p $$")).await;
    let words: Vec<&str> = out.split_whitespace().collect();
    assert!(matches!(words[..], ["none", session, "?"] if session != "0"), "{out}");
}

#[tokio::test]
async fn the_environment_is_the_given_one_and_programs_are_looked_up_on_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let tool = dir.path().join("tool-of-ours");
    std::fs::write(&tool, "#!/bin/sh\necho $A; echo \"[$HOME]\"").unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let env = [("PATH", dir.path().as_os_str()), ("A", "b".as_ref())];
    let env = env.map(|(name, value)| (name.into(), Some(value.to_owned()))).to_vec();
    let spec = CommandSpec { clear_env: true, env, ..CommandSpec::new("tool-of-ours") };
    assert_eq!(rest(&mut Offspring::start(&spec).unwrap()).await.0, "b\n[]\n");
}

#[tokio::test]
async fn what_cannot_be_started_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "text").unwrap();
    let start = |program: &Path| Offspring::start(&CommandSpec::new(program)).err().map(|error| error.kind());
    assert_eq!(start(Path::new("devboot-no-such-program")), Some(io::ErrorKind::NotFound));
    assert_eq!(start(&plain), Some(io::ErrorKind::PermissionDenied));
}

#[tokio::test]
async fn who_obeys_has_time_to_clear_up_and_so_has_what_it_started() {
    // The shell goes at once; what it started takes longer than orphans have after an ordinary end.
    let script =
        "sh -c 'trap \"sleep 0.4; echo cleared; exit\" TERM; echo up; while :; do sleep 0.05; done' & wait";
    let mut offspring = sh(script);
    assert_eq!(first(&mut offspring).await, "up");
    offspring.end(Duration::from_secs(60));
    let (out, _, ending) = rest(&mut offspring).await;
    assert_eq!((out.as_str(), ending), ("cleared\n", Ending::Signalled(libc::SIGTERM)));
}

#[tokio::test]
async fn who_ignores_the_polite_signal_is_killed_with_all_that_left_the_group() {
    let away = "setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 600' &";
    let mut offspring = sh(&format!("trap '' TERM; {away} while :; do sleep 1; done"));
    let id = first(&mut offspring).await;
    assert!(exists(&id));
    offspring.end(Duration::from_millis(50));
    assert_eq!(rest(&mut offspring).await.2, Ending::Signalled(libc::SIGKILL));
    assert!(!exists(&id), "{id} is left behind");
}

#[tokio::test]
async fn what_is_left_behind_holds_nothing_up_and_ends() {
    let mut offspring = sh("setsid sleep 600 & echo $!; exit 4");
    let id = first(&mut offspring).await;
    assert_eq!(rest(&mut offspring).await.2, Ending::Exited(4));
    assert!(!exists(&id), "{id} is left behind");
}

#[tokio::test]
async fn a_forgotten_child_ends() {
    let mut offspring = sh("echo $$; exec sleep 600");
    let id = first(&mut offspring).await;
    drop(offspring);
    while exists(&id) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_end_is_seen_without_a_file_for_it() {
    let mut offspring = sh("echo x; exit 5");
    let (sender, receiver) = oneshot::channel();
    let child = offspring.group;
    std::thread::spawn(move || {
        let _ = waitid(WaitId::Pid(child), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let _ = sender.send(());
    });
    offspring.exit = Exit::Thread(receiver);
    assert_eq!(rest(&mut offspring).await, ("x\n".into(), String::new(), Ending::Exited(5)));
}

#[test]
#[cfg(target_os = "linux")]
fn when_its_starter_is_gone_all_of_it_ends() {
    // The end of the thread is to the kernel what the end of a killed process is.
    let starter = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut offspring = sh("setsid sh -c 'trap \"\" TERM HUP; echo $$; exec sleep 600' & sleep 600");
            let ids = (first(&mut offspring).await, offspring.id().to_string());
            std::mem::forget(offspring);
            ids
        })
    });
    let (grandchild, guard) = starter.join().unwrap();
    let ended = |id: &str| {
        let state = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        state.is_empty() || state.contains(") Z ")
    };
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while !(ended(&grandchild) && ended(&guard)) {
        assert!(std::time::Instant::now() < end, "{grandchild} or {guard} is left behind");
        std::thread::yield_now();
    }
}
