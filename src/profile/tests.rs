//! Whole resolutions: embedded profiles on every host, files in a home, addresses.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::schema::HOST_KINDS;
use super::*;
use crate::base::error::{ErrorKind, Fault};
use crate::sys::dirs::Dirs;
use crate::sys::real::RealSystem;

struct World {
    home: tempfile::TempDir,
    dirs: Dirs,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self { dirs: Dirs::of_home(home.path()), home }
    }

    fn with<T>(&self, host: &str, act: impl FnOnce(&Reader<'_>) -> T) -> T {
        let fetch = |url: &str| match url {
            "https://h/profile" => Ok(self.home.path().join("fetched")),
            _ => Err(Fault::new(ErrorKind::Failed, "no network")),
        };
        let facts = [("home", "/home/me"), ("user", "me"), ("os", "linux"), ("cpus", "2")];
        act(&Reader {
            system: &RealSystem,
            dirs: &self.dirs,
            current_dir: self.home.path(),
            facts: facts.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
            host: host.to_owned(),
            fetch: &fetch,
        })
    }

    fn resolve(&self, sources: &[&str]) -> Result<Resolved, ProfileError> {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        self.with("vm", |reader| resolve(&sources, reader))
    }

    fn errors(&self, sources: &[&str]) -> Vec<String> {
        self.resolve(sources).unwrap_err().problems.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn embedded_profiles_resolve_on_every_host_without_a_word() {
    let world = World::new(&[]);
    for listed in list(&RealSystem, &world.dirs) {
        assert!(!listed.description.is_empty(), "{}", listed.name);
        for host in HOST_KINDS {
            let sources = [listed.name.clone()];
            let resolved = world.with(host, |reader| resolve(&sources, reader)).unwrap();
            assert_eq!(resolved.warnings, [], "{} on {host}", listed.name);
        }
        assert_eq!(world.with("vm", |reader| check(std::slice::from_ref(&listed.name), reader)), []);
    }
}

#[test]
fn the_default_profile_is_what_it_promises() {
    let profile = World::new(&[]).resolve(&["default"]).unwrap().profile;
    assert_eq!(profile.names, ["minimal", "vim", "zsh", "default"]);
    assert_eq!(profile.starters, ["hello-ml"]);
    assert_eq!(
        profile.shells["bash"].aliases["github-actions-demo"],
        "cd ~/repos/github-actions-demo && . ~/.local/share/devboot/venvs/github-actions-demo/bin/activate"
    );
    assert!(profile.shells["fish"].aliases["github-actions-demo"].ends_with("activate.fish"));
    assert!(!profile.environment.contains_key("AWS_DEFAULT_REGION"));
    assert_eq!(profile.origins["aliases.ll"].profile, "minimal");
    let vimrc = profile.dotfiles.iter().find(|dotfile| dotfile.target.as_str() == ".vimrc").unwrap();
    let Content::Block { text, comment } = &vimrc.content else { panic!("not a block") };
    assert!(text.contains("source ~/.vim_runtime/vimrcs/basic.vim") && comment == "\"", "{text}");
}

#[test]
fn overlays_leave_repositories_out_and_name_the_region() {
    let world = World::new(&[]);
    let at = |host: &str| {
        world.with(host, |reader| {
            let mut facts = reader.facts.clone();
            facts.insert("region".into(), "eu-west-1".into());
            let reader = Reader { facts, host: host.to_owned(), ..*reader };
            resolve(&["mlops".into()], &reader).unwrap().profile
        })
    };
    let (small, large) = (at("aws-cloudshell"), at("vm"));
    assert_eq!(small.environment["AWS_DEFAULT_REGION"], "eu-west-1");
    assert!(large.repos.contains_key("tsp") && !small.repos.contains_key("tsp"));
    assert!(!small.shells["bash"].aliases.contains_key("tsp"));
    assert_ne!(small.digest(), large.digest());
}

#[test]
fn code_of_embedded_profiles_is_valid_in_its_shell() {
    let profile = World::new(&[]).resolve(&["mlops"]).unwrap().profile;
    let home = tempfile::tempdir().unwrap();
    for (shell, part) in &profile.shells {
        let kits: String = profile.kits.values().filter_map(|kit| kit.source.get(shell)).cloned().collect();
        let file = home.path().join(shell);
        fs::write(&file, format!("{}\n{kits}\n{}", part.early, part.late)).unwrap();
        for flag in [&["-n"][..], &[]] {
            let output = Command::new(shell).args(flag).arg(&file).env("HOME", home.path()).output().unwrap();
            assert!(output.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn a_users_profile_replaces_the_embedded_one_and_may_build_on_it() {
    let own = "extends = ['minimal']\n[aliases]\nll = 'mine'\n";
    let world = World::new(&[(".config/devboot/profiles/minimal.toml", own)]);
    let profile = world.resolve(&["minimal"]).unwrap().profile;
    assert_eq!((profile.aliases["ll"].as_str(), profile.aliases["la"].as_str()), ("mine", "ls -A"));
    let place = &profile.origins["aliases.ll"].place;
    assert_eq!((place.file.as_str(), place.line), ("~/.config/devboot/profiles/minimal.toml", 3));
}

#[test]
fn a_users_profile_may_be_a_link_into_a_repository_of_dotfiles() {
    let world =
        World::new(&[("dotfiles/me.toml", "aliases.x = 'y'"), (".config/devboot/profiles/other.toml", "")]);
    let link = world.dirs.config.join("profiles/me.toml");
    std::os::unix::fs::symlink(world.home.path().join("dotfiles/me.toml"), link).unwrap();
    assert_eq!(world.resolve(&["me"]).unwrap().profile.aliases["x"], "y");
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    /// Whatever stands in a file, the answer is a profile or problems with their places.
    #[test]
    fn no_text_makes_it_panic(
        section in "(aliases|environment|kit\\.x|repo\\.x|path|shell\\.zsh|variables|[a-z.\"]{0,9})",
        key in "(url|dir|ref|prepend|late|source|[a-z\"é-]{0,4})",
        value in "('~/[^']{0,9}'|'[^']{0,12}'|\"[^\"]{0,12}\"|\\[[^\n]{0,9}\\]|[^\n]{0,9})",
        target in "[^']{0,9}",
    ) {
        let text = format!("[{section}]\n{key} = {value}\n[[dotfile]]\ntarget = '{target}'\ntext = '{{{key}}}'\n");
        let world = World::new(&[("a.toml", &text)]);
        if let Err(error) = world.resolve(&["a.toml"]) {
            proptest::prop_assert!(error.problems.iter().all(|problem| problem.place.is_some()), "{}", error);
        }
    }
}

#[test]
fn every_problem_of_every_file_comes_at_once() {
    let one = "extends = ['./two.toml', 'minmal']\n[alises]\n[environment]\nA = '{hom}'\n";
    let two = "[kit.x]\ndepth = 2\n[kit.y]\nurl = 'ext::sh -c id'\n[[dotfile]]\ntarget = '~/../x'\ntext = ''\n[[dotfile]]\ntarget = '~/.b'\nkind = 'block'\ntext = 'x'\n[[dotfile]]\ntarget='~/.c'\ntext='1'\n[[dotfile]]\ntarget='~/./.c'\nlink='~/x'\n";
    let world = World::new(&[("p/one.toml", one), ("p/two.toml", two)]);
    let expected = [
        "~/p/one.toml:1:26: no profile is named 'minmal' (did you mean 'minimal'?)",
        "~/p/one.toml:2:2: unknown key 'alises' (did you mean 'aliases'?)",
        "~/p/one.toml:4:5: unknown variable '{hom}' (did you mean 'home'?)",
        "~/p/two.toml:1:6: the kit 'x' has no url",
        "~/p/two.toml:4:7: the address is empty, or has a space or control character",
        "~/p/two.toml:6:10: '~/../x' is not inside the home directory: the path has a '..' and could leave the home directory",
        "~/p/two.toml:8:1: the block in ~/.b has no comment",
        "~/p/two.toml:15:1: two entries claim ~/.c; the other is at ~/p/two.toml:12:1",
    ];
    assert_eq!(world.errors(&["p/one.toml"]), expected);
}

#[test]
fn braces_that_stay_do_not_hide_a_text_from_the_rules() {
    let text = "[aliases]\na = \"awk '{print}' \\u001b\"\nb = \"{{home}} \\u0000 {home}\"\n[environment]\nK = '{{home}}=AKIAIOSFODNN7EXAMPLE'\n";
    let errors = World::new(&[("a.toml", text)]).errors(&["a.toml"]);
    let lines = [
        "a.toml:2:5: the text has",
        "a.toml:2:5: warning: ",
        "a.toml:3:5: the text has",
        "a.toml:5:5: the value looks",
    ];
    assert_eq!(errors.len(), lines.len(), "{errors:#?}");
    assert!(errors.iter().zip(lines).all(|(error, line)| error.contains(line)), "{errors:#?}");
}

#[test]
fn check_looks_at_every_host_and_resolve_at_one() {
    let text = "[host.gitpod.kit.x]\ndepth = 1\n[host.cloud9.aliases]\na = 'cd {hom}'\n[host.vm]\nvariables.region = 'r'\naliases.b = '{region}'\n";
    let world = World::new(&[("a.toml", text)]);
    assert_eq!(world.resolve(&["a.toml"]).unwrap().profile.aliases["b"], "r");
    let found = world.with("vm", |reader| check(&["a.toml".into()], reader));
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    let expected = [
        "~/a.toml:1:18: the kit 'x' has no url",
        "~/a.toml:4:5: unknown variable '{hom}' (did you mean 'home'?)",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_loop_is_reported_with_its_chain() {
    let world = World::new(&[
        (".config/devboot/profiles/a.toml", "extends = ['b']"),
        (".config/devboot/profiles/b.toml", "extends = ['a']"),
    ]);
    let expected = "~/.config/devboot/profiles/b.toml:1:12: profiles extend each other: a -> b -> a";
    assert_eq!(world.errors(&["a"]), [expected]);
}

#[test]
fn two_given_profiles_may_not_claim_one_file_unless_one_extends_the_other() {
    let file = |text: &str| format!("[[dotfile]]\ntarget = '~/.x'\ntext = '{text}'\n");
    let (one, two, over) = (file("1"), file("2"), format!("extends = ['./one.toml']\n{}", file("3")));
    let world =
        World::new(&[("one.toml", &one), ("two.toml", &two), ("over.toml", &over), ("same.toml", &one)]);
    let errors = world.errors(&["./one.toml", "./two.toml"]);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].contains("'~/one.toml' and '~/two.toml' both claim ~/.x"), "{errors:?}");
    assert!(world.resolve(&["one.toml", "same.toml"]).is_ok());
    let profile = world.resolve(&["one.toml", "over.toml"]).unwrap().profile;
    assert_eq!(profile.dotfiles[0].content, Content::File { bytes: b"3".to_vec(), mode: 0o644 });
}

#[test]
fn sources_stay_in_the_profiles_directory() {
    let text = "[[dotfile]]\ntarget='~/.x'\nsource='link'\n";
    let world = World::new(&[("p/profile.toml", text), ("p/real", "in"), ("secret", "out")]);
    let link = world.home.path().join("p/link");
    std::os::unix::fs::symlink("../secret", &link).unwrap();
    assert_eq!(world.errors(&["./p"]), ["~/p/profile.toml:1:1: 'link' leads out of the profile's directory"]);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("../p/../p/real", &link).unwrap();
    assert!(world.resolve(&["./p"]).is_err(), "even a way out and back in is refused");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("./real", &link).unwrap();
    assert!(world.resolve(&["./p"]).is_ok());
}

#[test]
fn a_fetched_profile_comes_with_every_file_it_names() {
    let text = "extends=['./more.toml']\n[[dotfile]]\ntarget='~/.x'\nsource='x.txt'\n";
    let world = World::new(&[
        ("fetched/more.toml", "aliases.x='y'"),
        ("fetched/devboot-profile.toml", text),
        ("fetched/x.txt", "hello"),
        ("fetched/no", ""),
    ]);
    let resolved = world.resolve(&["https://h/profile"]).unwrap();
    let names: Vec<&String> = resolved.bundles[0].files.keys().collect();
    assert_eq!(names, ["devboot-profile.toml", "more.toml", "x.txt"]);
    let link = world.home.path().join("fetched/more.toml");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("../outside.toml", &link).unwrap();
    assert!(world.errors(&["https://h/profile"])[0].contains("leads out of the profile's directory"));
    assert_eq!(world.resolve(&["default"]).unwrap().bundles, []);
    let error = world.resolve(&["https://h/other"]).unwrap_err();
    assert_eq!((error.kind, error.to_string().contains("no network")), (ErrorKind::Failed, true));
    assert!(world.errors(&["ext::sh -c id"])[0].contains("address"));
}

#[test]
fn large_and_non_text_profiles_are_refused() {
    let world = World::new(&[("big.toml", &"#".repeat(PROFILE_LIMIT as usize + 1))]);
    assert!(world.errors(&["./big.toml"])[0].contains("larger than 1048576 bytes"));
    fs::write(world.home.path().join("bad.toml"), b"a = 1\n\xff").unwrap();
    assert!(world.errors(&["bad.toml"])[0].contains("line 2 is not UTF-8"));
}

#[test]
fn resolving_twice_gives_the_same_digest_and_an_alias_changes_it() {
    let world =
        World::new(&[("a.toml", "extends=['mlops']\n"), ("b.toml", "extends=['mlops']\naliases.x='y'\n")]);
    let digest = |name: &str| world.resolve(&[name]).unwrap().profile.digest();
    assert_eq!(digest("a.toml"), digest("a.toml"));
    assert_eq!(digest("a.toml"), digest("mlops"));
    assert_ne!(digest("a.toml"), digest("b.toml"));
}

#[test]
fn the_starter_passes_its_own_check() {
    let world = World::new(&[("new.toml", starter())]);
    assert_eq!(world.with("vm", |reader| check(&["new.toml".into()], reader)), []);
}

#[test]
fn install_sh_is_clean_and_says_how_it_ended() {
    let world = World::new(&[
        ("dot files/install.sh", install_sh()),
        ("bin/devboot", "#!/bin/sh\necho \"$@\"; exit ${CODE-0}\n"),
    ]);
    let script = world.home.path().join("dot files/install.sh");
    assert!(Command::new("shellcheck").arg(&script).status().unwrap().success());
    let bin = world.home.path().join("bin");
    assert!(Command::new("chmod").arg("+x").arg(bin.join("devboot")).status().unwrap().success());
    let run = |path: &str, code: &str| {
        let environment: BTreeMap<&str, &str> = [("PATH", path), ("CODE", code)].into();
        let home = world.home.path();
        Command::new("/bin/dash")
            .arg(&script)
            .env_clear()
            .envs(environment)
            .env("HOME", home)
            .output()
            .unwrap()
    };
    let log = || fs::read_to_string(world.home.path().join(".devboot-install.log")).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    assert!(run(&path, "0").status.success());
    let here: PathBuf = script.parent().unwrap().into();
    assert_eq!(log(), format!("setup --yes --profile {}\n", here.display()));
    let failed = run(&path, "3");
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("devboot setup ended with code 3"));
    let absent = run("/usr/bin:/bin", "0");
    assert_eq!(absent.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&absent.stderr).contains("devboot could not be installed"));
}

#[test]
fn the_files_a_profile_is_made_from_are_named() {
    let world = World::new(&[
        ("p/a.toml", "extends = ['./b.toml']\n[[dotfile]]\ntarget = '~/.x'\nsource = 'x.txt'\n"),
        ("p/b.toml", "[aliases]\nll = 'ls -l'\n"),
        ("p/x.txt", "x\n"),
    ]);
    let files = world.resolve(&["p/a.toml"]).unwrap().files;
    let names: Vec<&str> = files.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, ["a.toml", "b.toml", "x.txt"]);
}
