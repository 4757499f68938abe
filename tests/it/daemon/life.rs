//! Start, status, stop; one of it; signals; the end when there is nothing to do; newer and older programs.

use std::os::unix::fs::MetadataExt;

use devboot::ipc::message::Stop;
use serde_json::Value;

use super::*;

#[test]
fn it_starts_is_found_and_ends_without_a_trace_of_having_run() {
    let served = Served::new();
    let _ = served.devboot(["daemon", "status"]).exits(1).says("does not run");
    let _ = served.devboot(["daemon", "start"]).exits(0).says("the service runs");
    let (pid, socket) = served.address();
    for (path, mode) in
        [(&served.state("run"), 0o700), (&socket, 0o600), (&served.state("logs/daemon.log"), 0o600)]
    {
        assert_eq!(fs::symlink_metadata(path).unwrap().mode() & 0o777, mode, "{}", path.display());
    }
    let status = served.devboot(["daemon", "status", "--json"]).exits(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(
        (&status["running"], &status["pid"], &status["schema"]),
        (&true.into(), &pid.into(), &1.into())
    );
    assert_eq!(status["socket"], socket.to_str().unwrap());
    assert!(status["memory"].as_u64().unwrap() > 0);
    let _ = served.devboot(["daemon", "start"]).exits(0).says(&format!("process {pid}"));
    let _ = served.devboot(["daemon", "stop"]).exits(0).says("has ended");
    until("end of the process", || !lives(pid));
    assert!(!socket.exists() && !served.state("run/address").exists());
    let _ = served.devboot(["daemon", "status"]).exits(1);
    let _ = served.devboot(["daemon", "stop"]).exits(0).says("does not run");
}

#[test]
fn many_starts_at_once_make_one_service() {
    let served = Served::new();
    let start = || {
        let mut command = served.world.command(DEVBOOT);
        command.args(["daemon", "start", "--json"]).stdout(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..8).map(|_| start()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["pid"], served.pid());
    }
    assert_eq!(served.log().matches("listens at").count(), 1);
}

#[test]
fn it_takes_nothing_of_its_starter_but_where_things_are() {
    let served = Served::new();
    let mut command = served.world.command(DEVBOOT);
    command.args(["daemon", "start"]).env("AWS_SECRET_ACCESS_KEY", "hunter2").env("VIRTUAL_ENV", "/v");
    // The pipe is closed at the service's end, too: else this would wait for ever.
    assert!(command.output().unwrap().status.success());
    let pid = served.pid();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(
        environment.contains("HOME=") && !environment.contains("hunter2") && !environment.contains("VIRTUAL")
    );
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // A session of its own, which belongs to what starts it again should it be killed.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let (keeper, session) = (fields[1], fields[3]);
    assert_eq!(session, keeper);
    let keeper = fs::read(format!("/proc/{keeper}/cmdline")).unwrap();
    assert!(String::from_utf8_lossy(&keeper).ends_with("daemon\0keep\0"));
}

#[test]
fn signals_end_it_in_order_and_its_supervisor_is_told() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let served = Served::new();
        let mut service = Foreground::start(&served.world, &[]);
        let _ = served.devboot(["daemon", "status"]).exits(0);
        kill(service.child.id(), signal);
        assert_eq!(service.told(), "STOPPING=1", "{signal}");
        assert_eq!(service.ends_with(), Some(0), "{signal}");
        assert!(!served.state("run/address").exists() && !served.state("run/daemon.sock").exists());
    }
}

#[test]
fn a_second_one_says_that_the_first_runs() {
    let served = Served::started();
    let pid = served.pid();
    let _ =
        served.devboot(["daemon", "run"]).exits(1).says(&format!("a service runs already (process {pid})"));
    assert_eq!(served.pid(), pid);
    let _ = served.devboot(["daemon", "status"]).exits(0);
}

#[test]
fn it_ends_by_itself_with_nothing_to_do_and_stays_for_a_project() {
    let served = Served::new();
    let mut service = Foreground::start(&served.world, &["--idle-exit", "0"]);
    assert_eq!(service.ends_with(), Some(0));
    drop(service);
    assert!(served.log().contains("ending: nothing to do"));
    fs::remove_file(served.world.outside().join("notify")).unwrap();
    let _ = served.devboot(["project", "add", "--no-service"]).exits(0);
    let mut service = Foreground::start(&served.world, &["--idle-exit", "0"]);
    let _ = served.devboot(["daemon", "status"]).exits(0);
    let _ = served.devboot(["project", "remove"]).exits(0);
    assert_eq!(service.ends_with(), Some(0));
}

#[test]
fn idle_it_does_nothing_at_all_and_nobody_may_look_into_it() {
    let served = Served::new();
    let _ = served.devboot(["project", "add", "--no-service"]).exits(0);
    let trace = served.world.outside().join("trace");
    let mut command = served.world.command("strace");
    command.args(["-f", "-qq", "-o"]).arg(&trace).args([DEVBOOT, "daemon", "run"]);
    let mut service = Foreground::of(&served.world, command);
    let text = || fs::read_to_string(&trace).unwrap();
    assert!(text().contains("PR_SET_DUMPABLE, SUID_DUMP_DISABLE"));
    // The project's task has said that it waits.
    served.client().ask(Request::Status);
    until("the client's end", || text().contains("epoll_wait("));
    let pid = served.pid();
    let switches = || -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let status = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap());
        status.map(|text| text.lines().filter(|line| line.contains("ctxt_switches")).collect()).collect()
    };
    // What it still does for the client that has gone.
    std::thread::sleep(Duration::from_millis(300));
    let before = switches();
    assert!(!before.is_empty());
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(switches(), before);
    kill(pid, "-TERM");
    assert_eq!(service.ends_with(), Some(0));
}

#[test]
fn a_newer_program_takes_over_and_an_older_one_does_not() {
    let served = Served::started();
    let _ = served.devboot(["project", "add"]).exits(0);
    let (pid, socket) = served.address();
    let replace = || Request::Stop(Stop { replace: true, ..Stop::default() });
    let refused = Talk::open(&socket, "0.0.1").ask(replace());
    assert!(matches!(refused, Response::Failed(failure) if failure.kind == "refused"));
    assert!(lives(pid));
    let mut newer = Talk::open(&socket, "99.0.0");
    assert_eq!(newer.ask(replace()), Response::Done);
    newer.is_closed();
    // The next one may start at once, and has the projects.
    let _ = served.devboot(["daemon", "start"]).exits(0);
    assert_ne!(served.pid(), pid);
    let home = served.world.home().to_str().unwrap().to_owned();
    let listed = served.devboot(["project", "list", "--json"]).exits(0);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["projects"][0]["root"], home);
    let _ = served.devboot(["project", "remove"]).exits(0);
}

#[test]
fn an_older_service_is_asked_to_make_place() {
    let served = Served::new();
    let _ = served.devboot(["daemon", "start"]).exits(0);
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    let socket = served.world.outside().join("old.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    fs::write(served.state("run/address"), format!("1\n{}\n", socket.display())).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut talk = Talk { stream: stream.unwrap(), decoder: Decoder::new(frame::REQUEST) };
            let old = FromService::Hello(Hello { protocol: 0, ..hello("0.0.1") });
            talk.raw(&frame::encode(&old, 1000).unwrap());
            let asked = std::iter::from_fn(|| talk.next::<FromClient>()).find_map(|message| match message {
                FromClient::Request(request) => Some(request),
                FromClient::Hello(_) => None,
            });
            if let Some(request) = asked {
                talk.raw(&frame::encode(&FromService::Response(Response::Done), 1000).unwrap());
                sender.send(request).unwrap();
                return;
            }
        }
    });
    let _ = served.devboot(["daemon", "status"]).exits(1).says("the service is of devboot 0.0.1");
    let _ = served.devboot(["daemon", "start"]).exits(0);
    assert_eq!(
        receiver.recv_timeout(LONG).unwrap(),
        Request::Stop(Stop { replace: true, ..Stop::default() })
    );
    let _ = served.devboot(["daemon", "status"]).exits(0);
}

#[test]
fn another_home_has_another_service_even_with_one_runtime_directory() {
    let served = Served::new();
    let runtime = served.world.outside().join("runtime");
    fs::create_dir(&runtime).unwrap();
    let other = served.world.outside().join("other");
    fs::create_dir(&other).unwrap();
    let run = |args: &[&str]| {
        let mut command = served.world.command(DEVBOOT);
        command.args(args).env("XDG_RUNTIME_DIR", &runtime).output().unwrap()
    };
    // Others can enter it: then it is not used.
    assert!(run(&["daemon", "start"]).status.success());
    assert_eq!(served.address().1, served.state("run/daemon.sock"));
    assert!(run(&["daemon", "stop"]).status.success());
    std::process::Command::new("chmod").arg("700").arg(&runtime).status().unwrap();
    assert!(run(&["daemon", "start"]).status.success());
    let home = other.to_str().unwrap();
    assert!(run(&["--home", home, "daemon", "start"]).status.success());
    let address = fs::read_to_string(other.join(".local/state/devboot/run/address")).unwrap();
    let first = served.address().1;
    assert!(first.starts_with(&runtime) && address.contains(runtime.to_str().unwrap()));
    assert!(!address.contains(first.to_str().unwrap()));
    // A session without the variable finds it all the same, and does not make a second one.
    let _ = served.devboot(["daemon", "status"]).exits(0);
    assert!(run(&["--home", home, "daemon", "stop"]).status.success());
}
