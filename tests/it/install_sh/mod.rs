//! `install.sh`, run for real against a server on this machine with a release made here.

mod world;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

use world::{FAKE, OLD, SCRIPT, World, archive, names, which};

#[test]
fn a_right_checksum_installs_and_sets_up_with_the_arguments() {
    let world = World::new(FAKE);
    let ran = world.run(&["--yes", "--profile", "two words", ""]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.stdout, "", "setup reads nothing, and the script has no data to print");
    let program = world.installed();
    assert_eq!(world.called(), format!("<{}><setup><--yes><--profile><two words><>", program.display()));
    assert_eq!(fs::read_to_string(&program).unwrap(), FAKE);
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o7777, 0o755);
    assert!(
        ran.stderr.contains("devboot 9.9.9 is now") && ran.stderr.contains("not on PATH"),
        "{}",
        ran.stderr
    );
}

#[test]
fn the_exit_code_is_that_of_setup() {
    let world = World::new(FAKE);
    assert_eq!(world.end(world.command("sh").arg(SCRIPT).env("FAKE_CODE", "3")).code, Some(3));
}

#[test]
fn piped_into_a_shell_it_sets_up_and_setup_does_not_read_the_script() {
    for shell in ["dash", "bash", "zsh"] {
        let world = World::new(FAKE);
        // More than a shell reads at once, so that something is left for setup to read by mistake.
        let longer = [fs::read(SCRIPT).unwrap(), b"# more\n".repeat(50_000)].concat();
        fs::write(world.path("script"), longer).unwrap();
        let script = File::open(world.path("script")).unwrap();
        let ran = world.end(world.command(shell).args(["-s", "--", "-n"]).stdin(script));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{shell}: {}", ran.stderr);
        assert!(world.called().ends_with("<setup><-n>"), "{shell}: {}", world.called());
    }
}

#[test]
fn no_setup_only_installs_also_in_another_directory_and_version() {
    let world = World::new("#!/bin/sh\nexit 9\n");
    world.release("download/v9.9.9", FAKE);
    for version in ["9.9.9", "v9.9.9"] {
        let bin = world.path("a dir/bin");
        let mut command = world.command("sh");
        command.arg(SCRIPT).arg("--no-setup").env("DEVBOOT_BIN_DIR", &bin).env("DEVBOOT_VERSION", version);
        let ran = world.end(&mut command);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(names(&bin), ["devboot"]);
        assert_eq!(names(&world.path("home")), [""; 0], "nothing was called, nothing is in the usual place");
        fs::remove_file(bin.join("devboot")).unwrap();
    }
}

#[test]
fn wget_serves_where_curl_is_not() {
    let world = World::new(FAKE);
    let bin = world.programs();
    symlink(which("wget"), bin.join("wget")).unwrap();
    let ran = world.end(world.command("/bin/sh").arg(SCRIPT).env("PATH", &bin));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(world.called().ends_with("<setup>"));
    fs::remove_file(bin.join("wget")).unwrap();
    world.end(world.command("/bin/sh").arg(SCRIPT).env("PATH", &bin)).refuses("neither curl nor wget");
    symlink(which("wget"), bin.join("wget")).unwrap();
    fs::remove_file(bin.join("sha256sum")).unwrap();
    world.end(world.command("/bin/sh").arg(SCRIPT).env("PATH", &bin)).refuses("nothing can be verified");
    fs::remove_file(world.path("served/latest/download").join(archive())).unwrap();
    world.end(world.command("/bin/sh").arg(SCRIPT).env("PATH", &bin)).refuses("cannot be downloaded");
}

#[test]
fn a_wrong_checksum_installs_nothing_and_runs_nothing() {
    let world = World::new(FAKE);
    let archive = world.path("served/latest/download").join(archive());
    File::options().append(true).open(&archive).unwrap().write_all(b"x").unwrap();
    world.run(&[]).refuses("checksum");
    assert_eq!(names(&world.path("home")), [""; 0]);
    world.old();
    world.run(&[]).refuses("checksum");
    assert_eq!(fs::read_to_string(world.installed()).unwrap(), OLD);
}

#[test]
fn checksums_without_this_build_or_with_two_are_refused() {
    let world = World::new(FAKE);
    let sums = world.path("served/latest/download/SHA256SUMS");
    let signed = fs::read_to_string(&sums).unwrap();
    for (text, why) in [
        (String::new(), "does not name"),
        (signed.replace(&archive(), "another.tar.gz"), "does not name"),
        (format!("  {}\n", archive()), "does not name"),
        (format!("{signed}{signed}"), "twice"),
    ] {
        fs::write(&sums, text).unwrap();
        world.run(&[]).refuses(why);
        assert_eq!(names(&world.path("home")), [""; 0]);
    }
}

#[test]
fn a_file_that_the_server_has_not_is_named() {
    let world = World::new(FAKE);
    let dir = world.path("served/latest/download");
    fs::remove_file(dir.join(archive())).unwrap();
    world.run(&[]).refuses(&format!("/latest/download/{} cannot be downloaded", archive()));
    fs::remove_file(dir.join("SHA256SUMS")).unwrap();
    world.run(&[]).refuses("/latest/download/SHA256SUMS cannot be downloaded");
    let asked = world.asked().lines().count();
    assert_eq!(asked, 3, "what is not there is not asked for again: {}", world.asked());
    assert_eq!(names(&world.path("home")), [""; 0]);
}

#[test]
fn an_installed_program_is_replaced_and_kept_when_the_new_one_does_not_run() {
    let world = World::new("#!/no/such/interpreter\n");
    world.old();
    world.run(&[]).refuses("does not run");
    assert_eq!(fs::read_to_string(world.installed()).unwrap(), OLD);
    world.release("latest/download", FAKE);
    // A shell that has the old file open keeps reading the old one: the name moves, the file is never written.
    let mut held = File::open(world.installed()).unwrap();
    assert_eq!(world.run(&["--no-setup"]).code, Some(0));
    assert_eq!(fs::read_to_string(world.installed()).unwrap(), FAKE);
    assert_eq!(std::io::read_to_string(&mut held).unwrap(), OLD);
}

#[test]
fn an_archive_without_the_program_is_refused() {
    let world = World::new(FAKE);
    let dir = world.path("served/latest/download");
    fs::remove_file(world.path("devboot")).unwrap();
    symlink("/bin/sh", world.path("devboot")).unwrap();
    world.pack("latest/download");
    world.run(&[]).refuses("holds no devboot");
    fs::write(dir.join(archive()), "no archive").unwrap();
    world.sign("latest/download");
    world.run(&[]).refuses("cannot be unpacked");
    assert_eq!(names(&world.path("home")), [""; 0]);
}

#[test]
fn addresses_and_versions_that_are_none_are_refused_before_anything_is_asked_for() {
    let world = World::new(FAKE);
    for (name, value, why) in [
        ("DEVBOOT_RELEASE_URL", "file:///etc", "no https or http address"),
        ("DEVBOOT_RELEASE_URL", "--output=x", "no https or http address"),
        ("DEVBOOT_VERSION", "../../evil", "no version"),
        ("DEVBOOT_VERSION", "1 2", "no version"),
    ] {
        world.end(world.command("sh").arg(SCRIPT).env(name, value)).refuses(why);
    }
    assert_eq!(world.asked(), "");
}

#[test]
fn a_script_cut_anywhere_does_nothing() {
    let world = World::new(FAKE);
    let script = fs::read(SCRIPT).unwrap();
    // A cut within the last line feed leaves a whole script.
    let whole = script.trim_ascii_end().len();
    let cuts = (0..whole).filter(|cut| cut % 17 == 0 || whole - cut < 150);
    let piece = world.path("piece");
    for cut in cuts {
        fs::write(&piece, &script[..cut]).unwrap();
        let mut command = world.command("sh");
        let ran = world.end(command.arg("-s").stdin(File::open(&piece).unwrap()));
        assert_eq!(ran.stdout, "", "cut at {cut}");
        assert!(!ran.stderr.contains("devboot install:"), "cut at {cut}: {}", ran.stderr);
    }
    assert_eq!(world.asked(), "", "no cut piece asked the server for anything");
    assert_eq!(names(&world.path("home")), [""; 0]);
}

#[test]
fn wget_may_not_be_led_away_from_https() {
    let world = World::new(FAKE);
    let programs = world.programs();
    let answers = |location: &str| {
        let served = world.path("served/latest/download");
        let wget = format!(
            "#!/bin/sh\necho '  Location: {location}' >&2\n\
             while [ $# -gt 1 ]; do [ \"$1\" != -O ] || out=$2; shift; done\ncat '{}'/\"${{1##*/}}\" >\"$out\"\n",
            served.display()
        );
        fs::write(programs.join("wget"), wget).unwrap();
        fs::set_permissions(programs.join("wget"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = world.command("/bin/sh");
        command.env("PATH", &programs).env("DEVBOOT_RELEASE_URL", "https://mirror.example");
        world.end(command.arg(SCRIPT).arg("--no-setup"))
    };
    answers("http://mirror.example/SHA256SUMS").refuses("cannot be downloaded");
    assert_eq!(names(&world.path("home")), [""; 0]);
    assert_eq!(answers("https://other.example/SHA256SUMS").code, Some(0));
}

#[test]
fn the_install_sh_of_a_dotfiles_repository_installs_with_it_and_sets_up_once() {
    let world = World::new(FAKE);
    let theirs = world.path("dot/install.sh");
    fs::create_dir(theirs.parent().unwrap()).unwrap();
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/dotfiles/install/install.sh"), &theirs).unwrap();
    let bin = world.path("a dir/bin");
    let mut command = world.command("sh");
    command
        .arg(&theirs)
        .env("PATH", "/usr/bin:/bin")
        .env("DEVBOOT_INSTALL", SCRIPT)
        .env("DEVBOOT_BIN_DIR", &bin);
    let ran = world.end(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let called = format!(
        "<{}><setup><--yes><--profile><{}>",
        bin.join("devboot").display(),
        theirs.parent().unwrap().display()
    );
    assert_eq!(world.called(), called);
}
