//! Kills, stale and stolen sockets, links in the way, full and read-only disks, damaged files.

use super::*;
use crate::full_disk::{Disk, privileged};

#[test]
fn killed_in_the_middle_of_a_run_it_leaves_no_orphan_and_the_next_one_catches_up() {
    let served = Served::started();
    let mark = served.world.outside().join("pid");
    let stage =
        format!("[stage.long]\nrun = 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 300'\n", mark.display());
    served.world.write("ml/devboot.toml", &stage);
    let _ = served.devboot(["project", "add", "ml"]).exits(0).says("trusted");
    until("run", || mark.exists());
    let child: u32 = fs::read_to_string(&mark).unwrap().trim().parse().unwrap();
    assert!(lives(child));
    let (pid, socket) = served.address();
    kill(keeper(pid), "-KILL");
    kill(pid, "-KILL");
    until("death", || !lives(pid));
    until("end of what it ran", || !lives(child));
    assert!(socket.exists(), "nothing is stale");
    let _ = served.devboot(["daemon", "status"]).exits(1);
    let _ = served.devboot(["project", "list"]).exits(0).says("unwatched");
    fs::remove_file(&mark).unwrap();
    let _ = served.devboot(["daemon", "start"]).exits(0);
    assert_ne!(served.pid(), pid);
    until("run of the next one", || mark.exists());
    let history = served
        .world
        .command(DEVBOOT)
        .args(["history"])
        .current_dir(served.world.path("ml"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&history.stdout).into_owned();
    assert!(text.contains("interrupted"), "{text}");
    let child: u32 = fs::read_to_string(&mark).unwrap().trim().parse().unwrap();
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    until("end in order", || !lives(child));
}

#[test]
fn killed_it_is_there_again_at_once_but_not_for_ever() {
    let served = Served::started();
    let mark = served.world.outside().join("begun");
    let stage = format!("[stage.long]\nrun = 'echo begun >> {}; exec sleep 300'\n", mark.display());
    served.world.write("ml/devboot.toml", &stage);
    let _ = served.devboot(["project", "add", "ml"]).exits(0).says("trusted");
    let keeper = keeper(served.pid());
    let begun = |count| {
        until("run", || fs::read_to_string(&mark).is_ok_and(|text| text.lines().count() == count));
    };
    for count in 1..4 {
        begun(count);
        let pid = served.pid();
        kill(pid, "-KILL");
        // Nobody runs a command.
        until("another one", || served.pid() != pid && lives(served.pid()));
    }
    begun(4);
    let runs = served.history();
    assert!(runs.iter().filter(|run| run["verdict"] == "interrupted").count() >= 3, "{runs:#?}");
    assert!(served.log().contains("started again: signal 9 ended the one before"));
    kill(served.pid(), "-KILL");
    until("its keeper has given up", || !lives(keeper));
    let _ = served.devboot(["daemon", "status"]).exits(1);
    // Whoever needs it starts it, and ends it.
    let _ = served.devboot(["daemon", "start"]).exits(0);
    let (pid, keeper) = (served.pid(), self::keeper(served.pid()));
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    until("both have ended", || !lives(pid) && !lives(keeper));
    let _ = served.devboot(["daemon", "status"]).exits(1);
}

#[test]
fn one_that_hangs_is_ended_all_the_same() {
    let served = Served::started();
    let pid = served.pid();
    kill(pid, "-STOP");
    let _ = served.devboot(["daemon", "stop"]).exits(0).says("has ended");
    until("its end", || !lives(pid));
}

#[test]
fn a_service_whose_socket_is_gone_is_ended_and_another_one_takes_its_place() {
    let served = Served::started();
    let (pid, socket) = served.address();
    fs::remove_file(&socket).unwrap();
    let _ = served.devboot(["daemon", "status"]).exits(1);
    let _ = served.devboot(["daemon", "start"]).exits(0);
    until("end", || !lives(pid));
    let (pid, socket) = served.address();
    fs::remove_file(socket).unwrap();
    fs::remove_file(served.state("run/address")).unwrap();
    let _ = served.devboot(["daemon", "stop"]).exits(0).says("has ended");
    until("end", || !lives(pid));
}

#[test]
fn a_process_that_only_has_the_lock_is_not_ended() {
    let served = Served::started();
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    let script = "import fcntl, os, sys\nf = open(sys.argv[1], 'r+')\nfcntl.flock(f, fcntl.LOCK_EX)\nf.truncate(0)\n\
                  f.write(str(os.getpid())); f.flush()\nprint('held', flush=True)\nsys.stdin.read()\n";
    let mut command = served.world.command("python3");
    command.args(["-c", script]).arg(served.state("run/lock")).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = command.spawn().unwrap();
    holder.stdout.take().unwrap().read_exact(&mut [0; 4]).unwrap();
    let pid = holder.id();
    let _ = served
        .devboot(["daemon", "start"])
        .exits(1)
        .says(&format!("process {pid} is the service and cannot be reached"));
    assert!(lives(pid));
    drop(holder.stdin.take());
    holder.wait().unwrap();
    let _ = served.devboot(["daemon", "start"]).exits(0);
}

#[test]
fn links_and_files_in_the_way_are_refused_and_left_alone() {
    let served = Served::started();
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    let elsewhere = served.world.outside().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let run = served.state("run");
    fs::rename(&run, served.state("kept")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &run).unwrap();
    for verb in ["start", "run"] {
        let _ = served.devboot(["daemon", verb]).exits(4);
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    fs::remove_file(&run).unwrap();
    // The socket's own place, in the runtime directory.
    let runtime = served.world.outside().join("runtime");
    fs::create_dir(&runtime).unwrap();
    Command::new("chmod").arg("700").arg(&runtime).status().unwrap();
    std::os::unix::fs::symlink(&elsewhere, runtime.join("devboot")).unwrap();
    let mut command = served.world.command(DEVBOOT);
    let output = command.args(["daemon", "start"]).env("XDG_RUNTIME_DIR", &runtime).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no directory, or a symbolic link"));
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    // A file where the socket goes is somebody's.
    fs::create_dir_all(&run).unwrap();
    fs::write(run.join("daemon.sock"), "mine").unwrap();
    let _ = served.devboot(["daemon", "start"]).exits(1).says("something that is no socket is there");
    assert_eq!(fs::read(run.join("daemon.sock")).unwrap(), b"mine");
    fs::remove_file(run.join("daemon.sock")).unwrap();
    let _ = served.devboot(["daemon", "start"]).exits(0);
}

#[test]
fn a_full_disk_is_named_and_loses_no_project() {
    let served = Served::new();
    let disk = Disk::new(&served.world, 400);
    let home = disk.path().to_str().unwrap();
    let run = |args: &[&str]| served.world.devboot([&["--home", home], args].concat());
    disk.fill(0);
    let _ = run(&["daemon", "start"]).exits(1).says("No space left");
    disk.fill(64 << 10);
    let _ = run(&["daemon", "start"]).exits(0);
    let _ = run(&["project", "add", "--no-service", "/usr"]).exits(0);
    disk.fill(0);
    let _ = run(&["project", "add", "--no-service", "/etc"]).exits(1).says("No space left");
    let _ = run(&["daemon", "status"]).exits(0).says("/usr");
    let listed = run(&["project", "list"]).exits(0);
    assert!(!listed.stdout.contains("/etc"));
    let _ = run(&["daemon", "stop"]).exits(0);
    let _ = run(&["project", "list"]).exits(0).says("/usr");
}

#[test]
fn a_read_only_home_is_said() {
    let served = Served::new();
    let disk = Disk::new(&served.world, 400);
    let home = disk.path().to_str().unwrap();
    let run = |args: &[&str]| served.world.devboot([&["--home", home], args].concat());
    let _ = run(&["project", "add", "--no-service", "/usr"]).exits(0);
    let remount = |how: &str| {
        let status = privileged("mount").args(["-o", &format!("remount,{how}")]).arg(disk.path()).status();
        assert!(status.unwrap().success());
    };
    remount("ro");
    let _ = run(&["daemon", "start"]).exits(1).says("Read-only file system");
    let _ = run(&["daemon", "status"]).exits(1);
    let _ = run(&["project", "add", "--no-service", "/etc"]).exits(1).says("Read-only file system");
    let _ = run(&["project", "list"]).exits(0).says("/usr");
    remount("rw");
}

#[test]
fn a_damaged_list_of_projects_is_set_aside_and_said() {
    let served = Served::started();
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    fs::write(served.state("projects.json"), "{ damaged").unwrap();
    let _ = served.devboot(["project", "list"]).exits(1).says("is damaged");
    let words = "projects.json.damaged now: add its projects again";
    let _ = served.devboot(["daemon", "start"]).exits(0).says(words);
    assert!(served.log().contains("was damaged") && served.log().contains("add the projects again"));
    assert_eq!(fs::read(served.state("projects.json.damaged")).unwrap(), b"{ damaged");
    // Until the file is gone.
    let _ = served.devboot(["project", "list"]).exits(0).says(words);
    let _ = served.devboot(["daemon", "status"]).exits(0).says(words);
    let _ = served.devboot(["status"]).exits(0).says(words);
    fs::remove_file(served.state("projects.json.damaged")).unwrap();
    assert!(!served.devboot(["project", "list"]).exits(0).stderr.contains("damaged"));
    // One of a newer devboot is left alone.
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    fs::write(served.state("projects.json"), "{\"format\":9,\"projects\":[]}").unwrap();
    let _ = served.devboot(["daemon", "start"]).exits(4).says("written by a newer devboot");
    assert_eq!(fs::read(served.state("projects.json")).unwrap(), b"{\"format\":9,\"projects\":[]}");
    fs::remove_file(served.state("projects.json")).unwrap();
}
