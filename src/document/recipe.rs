//! Why the recipe of a target cannot run, known before it is run: its first command names a file that is not
//! there, or a program that is not installed. Pure.

/// Why it cannot run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The class of failure, such as `target-names-missing-file`.
    pub class: &'static str,
    /// What shows it.
    pub evidence: String,
}

/// What is asked about the repository and the machine.
pub struct Look<'a> {
    /// Whether a path is in the repository.
    pub exists: &'a dyn Fn(&str) -> bool,
    /// Whether a program is in the environment or on `PATH`.
    pub has: &'a dyn Fn(&str) -> bool,
    /// Whether a tool is installed for the Python that is used; true where that cannot be told.
    pub installed: &'a dyn Fn(&str) -> bool,
}

/// Looks at the first command. What comes after one that ran cannot be known; what the shell computes cannot
/// either.
pub fn obstacle(recipe: &[String], look: &Look<'_>) -> Option<Obstacle> {
    let command = recipe.first()?;
    let simple = command.split([';', '|', '&', '<', '>']).next()?.trim();
    if simple.contains(['$', '"', '\'', '`', '\\', '(', '{', '%']) {
        return None;
    }
    let assignment = |word: &&str| word.split_once('=').is_some_and(|(name, _)| is_name(name));
    let words: Vec<&str> = simple.split_whitespace().skip_while(assignment).collect();
    let (program, args) = words.split_first()?;
    let stop = |class, evidence: String| Some(Obstacle { class, evidence });
    let named = |file: &str| format!("{command}: {file} is not in the repository");
    match *program {
        "docker" | "docker-compose" | "podman" => {
            (!(look.has)(program)).then(|| Obstacle { class: "needs-docker", evidence: command.clone() })
        }
        "pytest" | "py.test" => pytest(command, args, look).or_else(|| {
            let gone = Obstacle { class: "runner-not-installed", evidence: not_here(command, program) };
            (!(look.has)(program)).then_some(gone)
        }),
        "sh" | "bash" => match args.iter().find(|arg| !arg.starts_with('-')) {
            Some(script) if !args.contains(&"-c") && is_missing(script, look) => {
                stop("missing-helper-script", named(script))
            }
            _ => None,
        },
        _ if is_python(program) => match args {
            ["-m", "pytest", rest @ ..] if pytest(command, rest, look).is_some() => {
                pytest(command, rest, look)
            }
            ["-m", module, ..] if TOOLS.contains(module) && !(look.installed)(module) => {
                stop("runner-not-installed", not_here(command, module))
            }
            [script, ..] if script.ends_with(".py") && is_missing(script, look) => {
                stop("target-names-missing-file", named(script))
            }
            _ => None,
        },
        _ if program.starts_with("./") => is_missing(program, look)
            .then(|| Obstacle { class: "missing-helper-script", evidence: named(program) }),
        _ if program.contains('/') || SHELL.contains(program) || (look.has)(program) => None,
        _ => stop("runner-not-installed", not_here(command, program)),
    }
}

/// Tools that have a program of the same name beside the Python that runs them by `-m`.
const TOOLS: [&str; 8] = ["pytest", "pylint", "flake8", "black", "mypy", "tox", "nox", "coverage"];

/// Words of the shell itself.
const SHELL: [&str; 30] = [
    ".", ":", "!", "[", "[[", "alias", "case", "cd", "command", "echo", "eval", "exec", "exit", "export",
    "false", "for", "if", "printf", "read", "return", "set", "shift", "source", "test", "time", "trap",
    "true", "type", "until", "while",
];

/// Options of pytest that stand alone; after another long option the next word may be its value.
const FLAGS: [&str; 8] = [
    "--nbval",
    "--nbval-lax",
    "--verbose",
    "--quiet",
    "--exitfirst",
    "--no-header",
    "--doctest-modules",
    "--lf",
];

/// Short options of pytest that take the next word.
const TAKING: [&str; 8] = ["-k", "-m", "-p", "-c", "-n", "-o", "-W", "-r"];

fn pytest(command: &str, args: &[&str], look: &Look<'_>) -> Option<Obstacle> {
    let mut skip = false;
    for arg in args {
        if std::mem::take(&mut skip) {
            continue;
        }
        if arg.starts_with('-') {
            skip =
                TAKING.contains(arg) || arg.starts_with("--") && !arg.contains('=') && !FLAGS.contains(arg);
            continue;
        }
        let file = arg.split("::").next().unwrap_or(arg);
        if is_missing(file, look) {
            let evidence = format!("{command}: {file} is not in the repository");
            return Some(Obstacle { class: "target-names-missing-file", evidence });
        }
    }
    None
}

/// A path inside the repository that is not there; patterns and paths elsewhere are not judged.
fn is_missing(path: &str, look: &Look<'_>) -> bool {
    let path = path.strip_prefix("./").unwrap_or(path).trim_end_matches('/');
    let elsewhere = path.starts_with(['/', '~']) || path.split('/').any(|part| part == "..");
    let file = path.contains('/') || [".py", ".ipynb", ".sh"].iter().any(|end| path.ends_with(end));
    let script = !path.is_empty() && !path.contains(['*', '?', '[', ' ']);
    !elsewhere && script && (file || !path.contains('.')) && !(look.exists)(path)
}

fn is_python(program: &str) -> bool {
    program.strip_prefix("python").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

fn not_here(command: &str, program: &str) -> String {
    format!("{command}: {program} is not installed")
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(command: &str) -> Option<&'static str> {
        let look = Look {
            exists: &|path| ["app.py", "tests", "tests/test_a.py", "run.sh"].contains(&path),
            has: &|program| ["pytest", "make"].contains(&program),
            installed: &|program| program == "pytest",
        };
        obstacle(&[command.to_owned()], &look).map(|obstacle| obstacle.class)
    }

    #[test]
    fn files_that_are_not_there() {
        let missing = Some("target-names-missing-file");
        assert_eq!(class("python -m pytest -vv test_hello.py"), missing);
        assert_eq!(class("python -m pytest --nbval notebook.ipynb"), missing);
        assert_eq!(class("A=1 pytest test_x.py::test_a | tee log"), missing);
        assert_eq!(class("python3 test_x.py"), missing);
        assert_eq!(class("./pylint_runner"), Some("missing-helper-script"));
        assert_eq!(class("bash -e test.sh"), Some("missing-helper-script"));
        for fine in [
            "python -m pytest -vv --cov=app tests/test_a.py::test_b tests",
            "pytest --cov app -k name -m unit",
            "pytest test_*.py",
            "pytest $(FILES)",
            "python app.py",
            "bash run.sh",
            "sh -c 'x'",
            "cd tests && pytest nothing.py",
            "pytest ../elsewhere.py",
        ] {
            assert_eq!(class(fine), None, "{fine}");
        }
    }

    #[test]
    fn programs_that_are_not_there() {
        assert_eq!(class("docker run --rm -i hadolint/hadolint < Dockerfile"), Some("needs-docker"));
        assert_eq!(class("hadolint Dockerfile"), Some("runner-not-installed"));
        assert_eq!(class("python -m pylint app.py"), Some("runner-not-installed"));
        assert_eq!(class("if true; then pytest; fi"), None);
        assert_eq!(class("/opt/x/y test"), None);
        assert_eq!(class(""), None);
    }
}
