//! What a single line cannot show: the finders of the classes of failure. Pure.

use super::failure::{Raised, Seen, line_with, quoted_after, raised};
use super::network;
use crate::sys::process::Ending;

type Found = Option<String>;

fn line(seen: &Seen<'_>, groups: &[&[&str]]) -> Found {
    line_with(seen.text, groups).map(str::to_owned)
}

pub(super) fn timed_out(seen: &Seen<'_>) -> Found {
    (seen.ending == Some(Ending::TimedOut)).then(|| {
        match seen.text.lines().rev().find(|l| !l.trim().is_empty()) {
            Some(last) => format!("the last it said: {}", last.trim()),
            None => "it said nothing".into(),
        }
    })
}

pub(super) fn out_of_memory(seen: &Seen<'_>) -> Found {
    if seen.ending == Some(Ending::Signalled(9)) {
        return Some("it was killed (signal 9)".into());
    }
    // make(1) writes the name of the signal that ended its child.
    let killed = |line: &&str| {
        line.trim() == "Killed" || line.starts_with("make: ***") && line.trim_end().ends_with("] Killed")
    };
    let line = seen.text.lines().find(killed).map(str::to_owned);
    line.or_else(|| self::line(seen, &[&["Cannot allocate memory"], &["cannot allocate memory"]])).or_else(
        || {
            raised(seen.text)
                .into_iter()
                .find(|e| e.line.starts_with("MemoryError"))
                .map(|e| e.line.to_owned())
        },
    )
}

pub(super) fn crashed(seen: &Seen<'_>) -> Found {
    match seen.ending {
        Some(Ending::Signalled(signal)) => Some(format!("it was ended by signal {signal}")),
        _ => line(seen, &[&["Fatal Python error:"], &["make: ***", "] Segmentation fault"]]),
    }
}

pub(super) fn index_unreachable(seen: &Seen<'_>) -> Found {
    seen.text.lines().find(|line| network::says_unreachable(line)).map(str::to_owned)
}

pub(super) fn version_conflict(seen: &Seen<'_>) -> Found {
    let conflict = line(seen, &[&["because these package versions have conflicting dependencies"]]);
    conflict
        .or_else(|| {
            line(
                seen,
                &[&["Because", "depend", "are incompatible"], &["Because", "depends on", "and you require"]],
            )
        })
        .or_else(|| line(seen, &[&["ResolutionImpossible"]]))
}

const COMPILERS: [&str; 10] = [
    "gcc",
    "cc",
    "g++",
    "c++",
    "clang",
    "gfortran",
    "x86_64-linux-gnu-gcc",
    "aarch64-linux-gnu-gcc",
    "make",
    "cmake",
];

pub(super) fn build_needs_compiler(seen: &Seen<'_>) -> Found {
    for line in seen.text.lines() {
        let gone = line.contains("failed: No such file or directory") || line.contains("unable to execute");
        let command = quoted_after(line, "command").or_else(|| quoted_after(line, "unable to execute"));
        if gone
            && let Some(program) = command
            && (COMPILERS.contains(&program.rsplit('/').next().unwrap_or(program))
                || program.starts_with('-'))
        {
            return Some(line.to_owned());
        }
    }
    line(
        seen,
        &[
            &["fatal error: ", ".h: No such file or directory"],
            &["gcc: not found"],
            &["cc: not found"],
            &["No working compiler found"],
            &["no acceptable C compiler found"],
            &["can't find Rust compiler"],
            &["Rust toolchain", "not found"],
            &["pg_config executable not found"],
            &["mysql_config not found"],
            &["Unknown compiler(s)"],
        ],
    )
}

/// The exception in the build says more than the installer's own summary.
pub(super) fn build_backend_fails(seen: &Seen<'_>) -> Found {
    let failed = line(
        seen,
        &[
            &["metadata-generation-failed"],
            &["The build backend returned an error"],
            &["Failed building wheel for"],
            &["Could not build wheels for"],
            &["Failed to build installable wheels"],
            &["Failed to build `"],
            &["subprocess-exited-with-error"],
        ],
    )?;
    Some(raised(seen.text).last().map_or(failed, |exception| exception.line.to_owned()))
}

pub(super) fn needs_docker(seen: &Seen<'_>) -> Found {
    const GONE: [&str; 3] = ["not found", "No such file or directory", "Permission denied"];
    let daemon = line(seen, &[&["Cannot connect to the Docker daemon"], &["docker.sock"]]);
    daemon.or_else(|| {
        let gone = |line: &&str| {
            GONE.iter().any(|word| line.contains(word))
                && ["docker: ", "docker-compose: ", "podman: "].iter().any(|word| line.contains(word))
        };
        seen.text.lines().find(gone).map(str::to_owned)
    })
}

/// `make: ./x: No such file or directory`, `/bin/sh: 1: ./x: not found`, `bash: x.sh: No such file or directory`.
pub(super) fn missing_script(seen: &Seen<'_>) -> Found {
    let gone = |line: &&str| {
        let Some(head) = line
            .strip_suffix(": No such file or directory")
            .or_else(|| line.strip_suffix(": not found"))
            .or_else(|| line.strip_suffix(": Command not found"))
        else {
            return false;
        };
        let from =
            ["make: ", "make[", "sh: ", "bash: ", "/bin/sh: "].iter().any(|start| line.starts_with(start));
        let name = head.rsplit(": ").next().unwrap_or_default();
        from && !name.contains(' ')
            && (name.starts_with("./") || name.ends_with(".sh") || name.starts_with("../"))
    };
    seen.text.lines().find(gone).map(str::to_owned)
}

/// A program that the shell, make, or Python did not find, or a plugin whose option pytest does not know.
pub(super) fn not_installed(seen: &Seen<'_>) -> Found {
    let gone = |line: &&str| {
        let shell = ["/bin/sh: ", "sh: ", "bash: ", "pyenv: "].iter().any(|start| line.starts_with(start))
            && (line.ends_with(": not found") || line.ends_with(": command not found"));
        let make = line.starts_with("make: ")
            && (line.ends_with(": No such file or directory") || line.ends_with(": Command not found"));
        // `PATH/python: No module named pytest`, without quotes: the interpreter itself says it.
        let python = line.split_once(": No module named ").is_some_and(|(program, module)| {
            program.rsplit('/').next().unwrap_or_default().starts_with("python") && !module.starts_with('\'')
        });
        shell || make || python || line.contains("error: unrecognized arguments: --")
    };
    seen.text.lines().find(gone).map(str::to_owned)
}

/// An installed package that cannot be loaded, or a name that the installed version of a package does not have.
pub(super) fn drift(seen: &Seen<'_>) -> Found {
    let own = |name: &str| seen.facts.modules.iter().any(|module| name.split('.').next() == Some(module));
    let foreign = |line: &str| {
        quoted_after(line, "module").is_some_and(|name| !seen.facts.modules.is_empty() && !own(name))
    };
    let fits = |e: &Raised<'_>| {
        let line = e.line;
        let import = line.starts_with("ImportError: cannot import name");
        let module = line.starts_with("ModuleNotFoundError: No module named");
        import && (e.in_package() || line.contains("site-packages/") || line.contains("dist-packages/"))
            || module && e.in_package()
            || line.starts_with("AttributeError: module '") && (e.in_package() || foreign(line))
            || line.starts_with("TypeError: ")
                && line.contains("unexpected keyword argument")
                && e.in_package()
                && e.from_package()
            || line.starts_with("TypeError: Descriptors cannot")
    };
    raised(seen.text).into_iter().find(fits).map(|e| e.line.to_owned())
}

pub(super) fn missing_module(seen: &Seen<'_>) -> Found {
    let fits = |e: &Raised<'_>| {
        e.line.starts_with("ModuleNotFoundError: No module named")
            || e.line.starts_with("ImportError: No module named")
    };
    raised(seen.text).into_iter().find(fits).map(|e| e.line.to_owned())
}

/// A module that reads its standard input, parses arguments or exits while it is imported.
pub(super) fn side_effects(seen: &Seen<'_>) -> Found {
    let fits = |e: &Raised<'_>| e.line.starts_with("SystemExit");
    let stdin = line(
        seen,
        &[&["reading from stdin while output is captured"], &["EOFError: EOF when reading a line"]],
    );
    stdin.or_else(|| raised(seen.text).into_iter().find(fits).map(|e| e.line.to_owned()))
}

pub(super) fn needs_network(seen: &Seen<'_>) -> Found {
    match seen.report {
        Some(report) => report
            .failures
            .iter()
            .find(|failed| failed.network)
            .map(|failed| format!("{}: {}", failed.name, failed.message)),
        None => {
            raised(seen.text).into_iter().find(|e| network::says_missing(e.line)).map(|e| e.line.to_owned())
        }
    }
}

/// What lint says first: a place with a line number, else an exception, else its last line.
pub(super) fn lint(seen: &Seen<'_>) -> Found {
    let place = |line: &&str| {
        let mut parts = line.split(':').map(str::trim);
        let path = parts.next().unwrap_or_default();
        let number = parts.next().unwrap_or_default();
        let numbered = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        numbered && path.contains('.') && parts.next().is_some()
    };
    let said = |line: &&str| !line.trim().is_empty() && !line.starts_with("make: ***");
    let place = seen.text.lines().find(place);
    let line = place.or_else(|| raised(seen.text).last().map(|exception| exception.line));
    let line = line.or_else(|| seen.text.lines().rev().find(said));
    Some(line.unwrap_or("it failed without a word").to_owned())
}

pub(super) fn red_test(seen: &Seen<'_>) -> Found {
    let failed = seen.report.and_then(|report| report.failures.first())?;
    Some(format!("{}: {}", failed.name, failed.message))
}
