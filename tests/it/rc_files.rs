//! Rc files as they are found in the wild: one clear word or a handled case, the shell still starts, nothing lost.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Command;

use crate::world::{Ran, World, assert_same};

fn apply(world: &World) -> Ran {
    world.devboot(["apply", "--yes", "--profile", "minimal"])
}

/// Applies with this `.bashrc`, checks that every byte of it is still there, and takes it back.
fn kept(bytes: &[u8]) -> Vec<u8> {
    let world = World::new();
    world.write(".bashrc", bytes);
    let before = world.tree();
    apply(&world).exits(0);
    let after = world.read(".bashrc");
    let text = String::from_utf8_lossy(&after).into_owned();
    assert!(text.contains("# >>> devboot >>>"), "{text}");
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_same(&before, &world.tree(), "uninstall");
    after
}

#[test]
fn carriage_returns_byte_order_mark_and_no_final_newline() {
    assert!(kept(b"export A=1\r\nexport B=2\r\n").windows(2).filter(|two| two == b"\r\n").count() == 2);
    assert!(
        kept(b"\xef\xbb\xbf# hello\nexport A=1\n").starts_with(b"\xef\xbb\xbf# hello\n# >>> devboot env >>>")
    );
    kept(b"export A=1");
    kept(b"");
    kept(b"export A='\xff\xfe'\n");
}

#[test]
fn five_megabytes() {
    let line = b"# a line of no interest at all\n";
    kept(&line.repeat(5_000_000 / line.len()));
}

#[test]
fn read_only_is_left_alone() {
    let world = World::new();
    world.write(".bashrc", "export A=1\n").mode(".bashrc", 0o444);
    apply(&world).exits(3).says("read-only").says(".bashrc");
    assert_eq!(world.text(".bashrc"), "export A=1\n");
}

#[test]
fn what_is_no_file_is_left_alone() {
    let world = World::new();
    fs::create_dir(world.path(".bashrc")).unwrap();
    apply(&world).exits(3).says(".bashrc").says("directory");

    let world = World::new();
    assert!(Command::new("mkfifo").arg(world.path(".zshrc")).status().unwrap().success());
    apply(&world).exits(3).says(".zshrc").says("FIFO");

    let world = World::new();
    symlink("nowhere", world.path(".bashrc")).unwrap();
    apply(&world).exits(3).says("does not exist");

    let world = World::new();
    symlink(".bashrc", world.path(".bashrc")).unwrap();
    apply(&world).exits(3).says("circle");
}

#[test]
fn a_link_out_of_the_home_is_refused_and_changes_nothing() {
    let world = World::new();
    let outside = world.outside().join("shared-bashrc");
    fs::write(&outside, "export A=1\n").unwrap();
    symlink(&outside, world.path(".bashrc")).unwrap();
    apply(&world).exits(4).says("leads out of the home directory");
    assert_eq!(fs::read(&outside).unwrap(), b"export A=1\n");
    assert!(!world.path(".zshrc").exists(), "a refusal changes nothing at all");
}

#[test]
fn a_link_inside_the_home_stays_a_link() {
    let world = World::new();
    world.write("dots/bashrc", "export A=1\n");
    symlink("dots/bashrc", world.path(".bashrc")).unwrap();
    apply(&world).exits(0);
    assert_eq!(fs::read_link(world.path(".bashrc")).unwrap().to_str(), Some("dots/bashrc"));
    assert!(world.text("dots/bashrc").contains("devboot"));
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_eq!(world.text("dots/bashrc"), "export A=1\n");
}

#[test]
fn hard_links_owner_and_acl_stay() {
    let world = World::new();
    world.write(".bashrc", "export A=1\n").mode(".bashrc", 0o640);
    fs::hard_link(world.path(".bashrc"), world.path("other-name")).unwrap();
    let inode = fs::metadata(world.path(".bashrc")).unwrap().ino();
    apply(&world).exits(0);
    let meta = fs::metadata(world.path("other-name")).unwrap();
    assert_eq!((meta.ino(), meta.nlink(), meta.mode() & 0o777), (inode, 2, 0o640));
    assert!(world.text("other-name").contains("# >>> devboot >>>"));
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert_eq!(world.text("other-name"), "export A=1\n");
    assert_eq!(fs::metadata(world.path(".bashrc")).unwrap().ino(), inode);
}

#[test]
fn broken_markers_are_left_alone() {
    let world = World::new();
    world.write(".bashrc", "# >>> devboot >>>\nhalf\n");
    apply(&world).exits(3).says("line 1").says("no end marker");
    assert_eq!(world.text(".bashrc"), "# >>> devboot >>>\nhalf\n");

    let world = World::new();
    let block = "# >>> devboot >>>\n# <<< devboot <<<\n";
    world.write(".bashrc", format!("{block}{block}"));
    apply(&world).exits(3).says("second time");
    world.shells_start_cleanly("with two blocks");
}

#[test]
fn an_edit_inside_the_block_is_the_users() {
    let world = World::new();
    apply(&world).exits(0);
    let edited = world.text(".bashrc").replace("# >>> devboot >>>\n", "# >>> devboot >>>\nexport MINE=1\n");
    world.write(".bashrc", &edited);
    world.devboot(["status"]).exits(2).says(".bashrc");
    apply(&world).exits(0);
    assert_eq!(world.text(".bashrc"), edited);
    world.devboot(["apply", "--yes", "--take-new"]).exits(0);
    assert!(!world.text(".bashrc").contains("MINE"));
}

#[test]
fn an_rc_file_that_does_not_parse_is_left_alone() {
    let world = World::new();
    world.write(".bashrc", "if true; then\n");
    apply(&world).exits(3).says(".bashrc").says("syntax");
    assert_eq!(world.text(".bashrc"), "if true; then\n");
}

#[test]
fn conda_nvm_and_pyenv_blocks_stay_untouched() {
    let theirs = "# >>> conda initialize >>>\n# !! Contents within this block are managed by 'conda init' !!\n\
                  # <<< conda initialize <<<\nexport NVM_DIR=\"$HOME/.nvm\"\n[ -s \"$NVM_DIR/nvm.sh\" ] && . \"$NVM_DIR/nvm.sh\"\n\
                  export PYENV_ROOT=\"$HOME/.pyenv\"\n";
    let after = kept(theirs.as_bytes());
    assert!(String::from_utf8(after).unwrap().contains(theirs));
}

#[test]
fn a_read_only_home_is_one_clear_error() {
    let world = World::new();
    world.write(".bashrc", "export A=1\n");
    // As root the mode alone stops nobody, so the test drops to another user.
    let home = world.home();
    let nobody = |command: &mut Command| {
        command.env("HOME", home).env("USER", "nobody");
        command.args(["apply", "--yes", "--profile", "minimal"]).output().unwrap()
    };
    let root = Command::new("id").arg("-u").output().unwrap().stdout.starts_with(b"0\n");
    fs::set_permissions(world.outside(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    world.mode("", 0o555);
    let copy = world.outside().join("devboot-copy");
    fs::copy(crate::world::DEVBOOT, &copy).unwrap();
    let ended = if root {
        nobody(world.command("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy))
    } else {
        nobody(&mut world.command(&copy))
    };
    world.mode("", 0o755);
    let text = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{text}");
    assert!(
        text.contains("ermission denied") || text.contains("read-only") || text.contains("not writable"),
        "{text}"
    );
    assert_eq!(world.text(".bashrc"), "export A=1\n");
}

#[test]
fn two_at_once_one_waits_or_says_so() {
    let world = World::new();
    let children: Vec<_> = (0..4)
        .map(|_| {
            let mut command = world.command(crate::world::DEVBOOT);
            command.args(["apply", "--yes", "--profile", "minimal"]);
            command.stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut done = 0;
    for child in children {
        let ended = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&ended.stderr).into_owned();
        match ended.status.code() {
            Some(0) => done += 1,
            Some(1) => assert!(text.contains("another devboot"), "{text}"),
            other => panic!("{other:?}: {text}"),
        }
    }
    assert!(done >= 1);
    assert_eq!(world.text(".bashrc").matches("# >>> devboot >>>").count(), 1);
    world.shells_start_cleanly("after four at once");
}

#[test]
fn a_profile_that_only_places_files_leaves_the_rc_files_alone() {
    let world = World::new();
    world.write(".bashrc", "export A=1\n");
    let before = world.tree();
    world.write("p.toml", "[[dotfile]]\ntarget = '~/.inputrc'\ntext = 'set completion-ignore-case on'\n");
    world.devboot(["apply", "--yes", "--profile", "./p.toml"]).exits(0);
    assert_eq!(world.text(".bashrc"), "export A=1\n");
    assert!(world.text(".inputrc").contains("completion-ignore-case"));
    // Once it has something to say, they get their blocks; and lose them when it falls silent again.
    world.write("p.toml", "[aliases]\nx = 'y'\n");
    world.devboot(["apply", "--yes"]).exits(0);
    assert!(world.text(".bashrc").contains("# >>> devboot >>>") && !world.path(".inputrc").exists());
    world.write("p.toml", "");
    world.devboot(["apply", "--yes"]).exits(0);
    assert_eq!(world.text(".bashrc"), "export A=1\n");
    world.devboot(["uninstall", "--yes"]).exits(0);
    fs::remove_file(world.path("p.toml")).unwrap();
    assert_same(&before, &world.tree(), "uninstall");
}

#[test]
fn generated_files_follow_at_once_and_files_of_the_user_wait() {
    let world = World::new();
    let profile = |alias: &str, dotfile: &str| {
        format!("[aliases]\nll = '{alias}'\n[[dotfile]]\ntarget = '~/.toolrc'\ntext = '''{dotfile}'''\n")
    };
    world.write("mine.toml", profile("ls -l", "one\n"));
    world.devboot(["apply", "--yes", "--profile", "mine.toml"]).exits(0);
    let bash = || world.shell(&["bash", "-ic"], "alias ll").stdout;
    assert!(bash().contains("ls -l"));

    world.write("mine.toml", profile("ls -la", "two\n"));
    let before = world.tree();
    let dry = world.devboot(["apply", "--generated", "--dry-run", "--json"]).exits(0);
    assert_same(&before, &world.tree(), "a dry run");
    assert!(dry.stdout.contains("\"waiting\""), "{}", dry.stdout);
    world.devboot(["apply", "--generated"]).exits(0).says("1 change to your own files");
    assert!(bash().contains("ls -la"));
    assert_eq!(world.text(".toolrc"), "one\n");

    world.devboot(["apply", "--yes"]).exits(0);
    assert_eq!(world.text(".toolrc"), "two\n");
    world.devboot(["apply", "--generated"]).exits(0);
    world.devboot(["uninstall", "--yes"]).exits(0);
    assert!(!world.path(".toolrc").exists());
}
