//! The profile that a directory asks for.

use super::Home;

#[test]
fn a_stage_that_asks_for_it_has_the_project_s_profile_and_no_other_stage_has() {
    let home = Home::new();
    let who = home.who();
    let python = crate::cloud_tokens::python();
    home.world.write(
        "p/devboot.toml",
        format!(
            "[project]\ncloud = 'dev'\n[stage.with]\ncloud = true\nrun = [{python:?}, '-c', \"{who}\"]\n\
             [stage.without]\nrun = 'echo [$AWS_CONFIG_FILE]'\n"
        ),
    );
    let ran = home.devboot(&["run", "-C", "p", "--trust"]).exits(0);
    let ran = ran.says("with     passed").says("without  passed");
    drop(ran);
    let _ = home.devboot(&["logs", "-C", "p", "with"]).exits(0).says(super::DEV);
    let _ = home.devboot(&["logs", "-C", "p", "without"]).exits(0).says("[]");
    let _ = home.devboot(&["cloud", "lock"]).exits(0);
    let _ = home.devboot(&["run", "-C", "p", "--force", "with"]).exits(2).says("the vault is locked");
}

#[test]
fn a_trusted_project_switches_on_entering_and_back_on_leaving() {
    let home = Home::new();
    home.world
        .write("p/devboot.toml", "[project]\ncloud = 'dev'\n[stage.a]\nrun = 'true'\n")
        .write("p/sub/x", "");
    home.world.write("q/devboot.toml", "[project]\ncloud = 'base'\n[stage.a]\nrun = 'true'\n");
    home.world.write("plain/x", "");
    let at = |shell: &str| match shell {
        "zsh" => "for f in $precmd_functions; do $f; done",
        "bash" => "_devboot_hook",
        _ => "_devboot_hook",
    };
    // Not trusted: it is said, and nothing happens.
    for shell in ["bash", "zsh", "fish"] {
        let hook = at(shell);
        let script = format!("cd p\n{hook}\necho \"now [$DEVBOOT_CLOUD]\"");
        let ran = home.shell(shell, &script).exits(0).says("is not trusted as it is");
        assert!(ran.stdout.ends_with("now []\n"), "{shell}: {}", ran.stdout);
    }
    for project in ["p", "q"] {
        let _ = home.devboot(&["project", "trust", project, "--yes"]).exits(0);
    }
    for shell in ["bash", "zsh", "fish"] {
        let hook = at(shell);
        let step = |dir: &str| format!("cd {dir}\n{hook}\necho \"now [$DEVBOOT_CLOUD]\"\n");
        let home_dir = home.world.home().display();
        let mut script = format!("cd {home_dir}\n{hook}\n");
        for dir in ["p", "sub", "../../plain", "../q", "../p", ".."] {
            script += &step(dir);
        }
        // Chosen by hand: a directory changes nothing of it.
        script += "devboot use base\n";
        script += &step("p");
        script += &step("..");
        let ran = home.shell(shell, &script).exits(0);
        let now: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("now ")).collect();
        assert_eq!(
            now,
            ["[dev]", "[dev]", "[]", "[base]", "[dev]", "[]", "[base]", "[base]"],
            "{shell}: {}",
            ran.stderr
        );
    }
}

#[test]
fn a_shell_that_begins_there_leaves_the_profile_with_the_directory() {
    let home = Home::new();
    home.world
        .write("p/devboot.toml", "[project]\ncloud = 'dev'\n[stage.a]\nrun = 'true'\n")
        .write("plain/x", "");
    let _ = home.devboot(&["project", "trust", "p", "--yes"]).exits(0);
    for shell in ["bash", "zsh", "fish"] {
        let hook = if shell == "zsh" { "for f in $precmd_functions; do $f; done" } else { "_devboot_hook" };
        let say = format!("{hook}\necho \"now [$DEVBOOT_CLOUD] [$AWS_PROFILE$AWS_CONFIG_FILE]\"\n");
        // In the directory and out of it; and, as a new window of tmux does, outside from the start.
        let inside = format!("{say}cd ../plain\n{say}cd ../p\n{say}");
        let outside = format!("cd ../plain\n{say}devboot use base\n{say}");
        let script = format!("cd p\n{hook}\n{shell} -ic '{inside}'\n{shell} -ic '{outside}'\n{say}");
        let ran = home.shell(shell, &script).exits(0);
        let now: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("now ")).collect();
        let names: Vec<&str> = now.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(names, ["[dev]", "[]", "[dev]", "[]", "[base]", "[dev]"], "{shell}: {}", ran.stderr);
        assert!(now[1] == "[] []" && now[3] == "[] []", "{shell}: {now:?}");
    }
}

/// The file that the README shows.
fn of_readme() -> String {
    let readme = include_str!("../../../README.md");
    let block = readme.split("```toml\n").find(|block| block.contains("cloud = \"dev\"")).unwrap();
    block.split("```").next().unwrap().lines().map(|line| line.trim_start().to_owned() + "\n").collect()
}

#[test]
fn a_file_that_only_names_a_profile_is_trusted_and_counts_from_the_next_prompt_on() {
    let home = Home::new();
    home.world.write("p/devboot.toml", of_readme()).write("p/sub/x", "");
    for shell in ["bash", "zsh", "fish"] {
        let hook = if shell == "zsh" { "for f in $precmd_functions; do $f; done" } else { "_devboot_hook" };
        let now = format!("{hook}\necho \"now [$DEVBOOT_CLOUD]\"\n");
        let script = format!(
            "cd p/sub\n{now}devboot project trust --yes .\n{now}devboot project trust --revoke\n{now}cd ..\n\
             devboot project trust -y\n{now}cd ..\n{now}cd p\ndevboot project trust --revoke\n{now}"
        );
        let ran = home.shell(shell, &script).exits(0);
        let now: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("now ")).collect();
        assert_eq!(now, ["[]", "[dev]", "[]", "[dev]", "[]", "[]"], "{shell}: {}", ran.stderr);
    }
    let _ = home.devboot(&["run", "-C", "p"]).exits(64).says("nothing to run");
    home.world.write("q/devboot.toml", "[project]\nname = 'q'\n");
    let _ = home.devboot(&["project", "trust", "--yes", "q"]).exits(64).says("nothing to run");
}
