//! What to type next for each class of failure. Pure.

use super::failure::{Facts, quoted_after};

fn test(facts: &Facts) -> String {
    format!("devboot repo test {}", facts.name)
}

/// The command with the Python that the repository asks for, when that is another one than was used.
fn with_asked(facts: &Facts) -> Option<String> {
    let asked = facts.asked.as_deref()?;
    let used = facts.python.as_deref().unwrap_or_default();
    let same = used == asked || used.strip_prefix(asked).is_some_and(|rest| rest.starts_with('.'));
    (!same).then(|| format!("{} --python {asked}", test(facts)))
}

pub(super) fn other_python(facts: &Facts, line: &str) -> String {
    if line.contains("pkg_resources") && with_asked(facts).is_none() {
        return format!("add setuptools<81 to the requirements, then: {}", test(facts));
    }
    match (with_asked(facts), &facts.asked, &facts.asked_by) {
        (Some(command), Some(asked), Some(by)) => {
            format!("{command} ({by} asks for {asked}; if it is not here: pyenv install {asked})")
        }
        (Some(command), Some(asked), None) => format!("{command} (if it is not here: pyenv install {asked})"),
        _ => format!("try an older Python: {} --python 3.8", test(facts)),
    }
}

pub(super) fn timed_out(facts: &Facts, _: &str) -> String {
    format!("give it more time: {} --timeout 3600", test(facts))
}

pub(super) fn disk_full(_: &Facts, _: &str) -> String {
    "make room (du -xsh ~/.cache ~/* | sort -h shows where), then: devboot setup".into()
}

pub(super) fn out_of_memory(facts: &Facts, _: &str) -> String {
    format!("end other programs (free -h shows the memory), or use a larger machine, then: {}", test(facts))
}

pub(super) fn again_and_log(facts: &Facts, _: &str) -> String {
    format!("run it once more and read the log: {}", test(facts))
}

pub(super) fn hash_mismatch(_: &Facts, _: &str) -> String {
    "do not install it: the index serves other bytes than the ones that were pinned; ask the authors".into()
}

pub(super) fn once_online(facts: &Facts, _: &str) -> String {
    format!("once the network is there: {}", test(facts))
}

pub(super) fn index_untrusted(facts: &Facts, _: &str) -> String {
    format!(
        "if that server is yours, name the file of its authority: PIP_CERT=FILE SSL_CERT_FILE=FILE {}",
        test(facts)
    )
}

pub(super) fn version_conflict(facts: &Facts, _: &str) -> String {
    format!("loosen one of the two in the requirements, then: {}", test(facts))
}

pub(super) fn compiler(facts: &Facts, line: &str) -> String {
    let install = if line.contains("Rust") {
        "install Rust (https://rustup.rs)"
    } else if line.contains("pg_config") {
        "sudo apt install gcc libpq-dev python3-dev"
    } else if line.contains("mysql_config") {
        "sudo apt install gcc default-libmysqlclient-dev python3-dev"
    } else {
        "sudo apt install gcc g++ python3-dev"
    };
    match with_asked(facts) {
        // A Python of its time finds the package ready-made.
        Some(command) => format!("{command} (or compile it here: {install})"),
        None => format!("{install}, then: devboot setup --only python"),
    }
}

pub(super) fn no_such_package(facts: &Facts, line: &str) -> String {
    let package = line.rsplit("found for ").next().filter(|name| *name != line && !name.contains(' '));
    let what = package.map_or_else(|| "the name and version".to_owned(), |name| name.trim().to_owned());
    match with_asked(facts) {
        Some(command) => format!("{command} (a version of that time may be there only for that Python)"),
        None => {
            format!("check {what} in the requirements, or try an older Python: {} --python 3.8", test(facts))
        }
    }
}

pub(super) fn build_backend(facts: &Facts, _: &str) -> String {
    with_asked(facts).unwrap_or_else(|| format!("try an older Python: {} --python 3.8", test(facts)))
}

pub(super) fn no_op_target(_: &Facts, _: &str) -> String {
    "give the target a command, such as: python -m pytest (.PHONY: test if a file has its name)".into()
}

pub(super) fn docker(facts: &Facts, _: &str) -> String {
    format!("where a Docker engine runs, or with the program itself in the recipe: {}", test(facts))
}

pub(super) fn missing_script(_: &Facts, _: &str) -> String {
    "add the script to the repository, or take its line out of the recipe".into()
}

pub(super) fn missing_file(_: &Facts, _: &str) -> String {
    "write the file, or take its name out of the recipe; what pytest finds by itself: python -m pytest".into()
}

pub(super) fn not_installed(facts: &Facts, line: &str) -> String {
    let program = match line.split_once("No module named ") {
        Some((_, module)) => module.trim(),
        None if line.contains("unrecognized arguments: --") => {
            let option = line.rsplit("unrecognized arguments: --").next().unwrap_or_default();
            let name = option.split([' ', '=', '-']).next().unwrap_or_default();
            return format!("add the pytest plugin of --{name} to requirements.txt, then: {}", test(facts));
        }
        None => line
            .trim_end_matches(": not found")
            .trim_end_matches(": command not found")
            .trim_end_matches(": Command not found")
            .trim_end_matches(": No such file or directory")
            .rsplit([' ', ':'])
            .find(|word| !word.is_empty())
            .unwrap_or("it"),
    };
    let python =
        ["pytest", "pylint", "flake8", "black", "mypy", "nbval", "tox", "nox", "ruff", "nose", "nosetests"];
    if python.contains(&program) {
        format!("add {program} to requirements.txt, then: {}", test(facts))
    } else {
        format!("install {program}, then: {}", test(facts))
    }
}

pub(super) fn drift(facts: &Facts, _: &str) -> String {
    let python =
        with_asked(facts).unwrap_or_else(|| format!("an older Python may do: {} --python 3.8", test(facts)));
    format!(
        "without --no-repair its packages are resolved as of an earlier day; where that was tried: {python}"
    )
}

pub(super) fn missing_module(facts: &Facts, line: &str) -> String {
    let module = quoted_after(line, "No module named").unwrap_or("it");
    let top = module.split('.').next().unwrap_or(module);
    if facts.modules.iter().any(|name| name == top) {
        return format!(
            "{top} is in the repository but not on Python's path: run the tests as python -m pytest"
        );
    }
    // The few whose package has another name than the module.
    let package = match top {
        "cv2" => "opencv-python-headless",
        "sklearn" => "scikit-learn",
        "yaml" => "PyYAML",
        "PIL" => "Pillow",
        "bs4" => "beautifulsoup4",
        "dotenv" => "python-dotenv",
        "dateutil" => "python-dateutil",
        top => top,
    };
    format!("add {package} to requirements.txt, then: {}", test(facts))
}

pub(super) fn side_effects(_: &Facts, _: &str) -> String {
    "put what runs under: if __name__ == \"__main__\":".into()
}

pub(super) fn lint(facts: &Facts, _: &str) -> String {
    format!("correct what it names (the log has all of it), then: {} --lint", test(facts))
}

pub(super) fn no_tests(_: &Facts, _: &str) -> String {
    "write a first test: a file test_*.py with a function test_*".into()
}

pub(super) fn red_test(facts: &Facts, _: &str) -> String {
    match with_asked(facts) {
        Some(command) => format!("read the log; made for another Python: {command}"),
        None => format!("read the log, mend it, then: {}", test(facts)),
    }
}
