//! Adding, listing and removing projects, with and without a service.

use devboot::ipc::message::{AddProject, Event, OfProject, Subscribe};
use serde_json::Value;

use super::*;

#[test]
fn projects_are_kept_with_and_without_a_service() {
    let served = Served::new();
    served.world.write("one/a.py", "").write("two/b.py", "");
    std::os::unix::fs::symlink("one", served.world.path("link")).unwrap();
    let list = || -> Vec<String> {
        let listed = served.devboot(["project", "list", "--json"]).exits(0);
        let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
        let rows = listed["projects"].as_array().unwrap().clone();
        let home = served.world.home().to_str().unwrap();
        rows.iter().map(|row| row["root"].as_str().unwrap().replace(home, "~")).collect()
    };
    let _ = served.devboot(["project", "list"]).exits(0).says("there are no projects");
    let _ = served.devboot(["project", "add", "link", "--no-service"]).exits(0).says("does not run");
    assert_eq!(list(), ["~/one"]);
    let _ = served.devboot(["daemon", "status"]).exits(1);
    let _ = served.devboot(["project", "add", "one"]).exits(0);
    let _ = served.devboot(["daemon", "status"]).exits(0);
    let _ = served.devboot(["project", "add", "two/../two"]).exits(0);
    assert_eq!(list(), ["~/one", "~/two"]);
    let _ = served.devboot(["daemon", "restart"]).exits(0);
    assert_eq!(list(), ["~/one", "~/two"]);
    fs::remove_dir_all(served.world.path("two")).unwrap();
    let _ = served.devboot(["project", "remove", "two"]).exits(0);
    let _ = served.devboot(["project", "remove", "two"]).exits(64).says("no project of the service");
    let _ = served.devboot(["daemon", "stop"]).exits(0);
    let _ = served.devboot(["project", "remove", "one"]).exits(0);
    let _ = served.devboot(["project", "remove", "one"]).exits(64).says("no project of the service");
    assert!(!served.state("projects.json").exists(), "a shell would start the service for nothing");
}

#[test]
fn what_is_no_project_is_refused() {
    let served = Served::new();
    served.world.write("file", "").write("bad\nname/x", "");
    let _ = served.devboot(["project", "add", "nowhere"]).exits(64).says("cannot use");
    let _ = served.devboot(["project", "add", "file"]).exits(64).says("is not a directory");
    let _ = served.devboot(["project", "add", "bad\nname"]).exits(64).says("control character");
    assert!(!served.state("projects.json").exists());
}

#[test]
fn only_the_plain_part_of_the_environment_is_kept() {
    let served = Served::new();
    let mut command = served.world.command(DEVBOOT);
    command.args(["project", "add"]).env("AWS_SECRET_ACCESS_KEY", "hunter2").env("LC_ALL", "C.UTF-8");
    assert!(command.status().unwrap().success());
    let text = fs::read_to_string(served.state("projects.json")).unwrap();
    assert!(text.contains("C.UTF-8") && !text.contains("hunter2"));
}

#[test]
fn subscribers_learn_of_projects_and_of_the_end() {
    let served = Served::started();
    let mut talk = served.client();
    assert_eq!(talk.ask(Request::Subscribe(Subscribe { root: None })), Response::Done);
    let root = served.world.home().to_str().unwrap().to_owned();
    let mut other = served.client();
    let add = Request::AddProject(AddProject { root: root.clone(), env: Default::default() });
    assert_eq!(other.ask(add), Response::Done);
    let mut event = || match talk.next() {
        Some(FromService::Event(event)) => event,
        other => panic!("{other:?}"),
    };
    assert!(matches!(event(), Event::Project(project) if project.root == root));
    assert_eq!(other.ask(Request::RemoveProject(OfProject { root: root.clone() })), Response::Done);
    while event() != Event::Removed(OfProject { root: root.clone() }) {}
    assert_eq!(other.ask(Request::Stop(Default::default())), Response::Done);
    assert_eq!(event(), Event::Stopping(Default::default()));
    talk.is_closed();
}
