//! The variables that a stage is given. A stage that is answered from the cache gets only those that cannot change its
//! result unseen: a short list for every program, and what it declares, which is part of its fingerprint. Pure.

use std::collections::BTreeMap;

use super::model::Stage;
use super::python::Python;

/// Variables that every stage is given, for without them programs do not run at all or not as this user: where things
/// are, which language is spoken, how the network is reached, where tools keep what they have. They are not part of
/// the fingerprint; what matters of `PATH` is, by the interpreter that it leads to.
const ALWAYS: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_CERT",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "GOPATH",
    "GOROOT",
    "GOCACHE",
    "GOPROXY",
    "GOFLAGS",
    "NVM_DIR",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_registry",
    "PYENV_ROOT",
    "CONDA_PREFIX",
    "JAVA_HOME",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "TORCH_HOME",
    "CUDA_HOME",
    "CUDA_PATH",
];

/// Beginnings of names that every stage is given, too.
const ALWAYS_BEGINNING: &[&str] = &["LC_", "XDG_"];

/// The variables of `caller` that may be kept for runs that nobody asks for at a terminal.
pub fn lasting(caller: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    caller
        .iter()
        .filter(|(name, _)| is_always(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn is_always(name: &str) -> bool {
    ALWAYS.contains(&name) || ALWAYS_BEGINNING.iter().any(|start| name.starts_with(start))
}

/// The whole environment of a stage. `caller` is the environment of whoever asked; `python`, the project's interpreter, is
/// found first on `PATH`.
pub fn of_stage(
    stage: &Stage,
    caller: &BTreeMap<String, String>,
    python: Option<&Python>,
) -> BTreeMap<String, String> {
    let given =
        |name: &str| !stage.cache || is_always(name) || stage.pass_env.iter().any(|wanted| wanted == name);
    let mut found: BTreeMap<String, String> = caller
        .iter()
        .filter(|(name, _)| given(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let Some(environment) = python.and_then(|python| python.environment.as_ref()) {
        let bin = environment.join("bin").to_string_lossy().into_owned();
        let rest = found
            .get("PATH")
            .filter(|path| !path.is_empty())
            .map_or_else(String::new, |path| format!(":{path}"));
        found.insert("PATH".into(), format!("{bin}{rest}"));
        found.insert("VIRTUAL_ENV".into(), environment.to_string_lossy().into_owned());
        found.remove("PYTHONHOME");
    }
    found.extend(stage.env.clone());
    found
}

#[cfg(test)]
mod tests {
    use super::super::model::fixture;
    use super::*;

    fn caller() -> BTreeMap<String, String> {
        [
            ("PATH", "/usr/bin"),
            ("HOME", "/home/me"),
            ("LC_ALL", "C.UTF-8"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("SEED", "7"),
            ("PYTHONHOME", "/x"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn a_cached_stage_gets_what_it_declares_and_an_uncached_one_everything() {
        let mut stage = fixture::stage("test");
        stage.pass_env = vec!["SEED".into(), "UNSET".into()];
        stage.env = [("MODE".to_owned(), "fast".to_owned())].into();
        let names = |stage: &Stage| of_stage(stage, &caller(), None).into_keys().collect::<Vec<_>>();
        assert_eq!(names(&stage), ["HOME", "LC_ALL", "MODE", "PATH", "SEED"]);
        stage.cache = false;
        assert!(names(&stage).contains(&"AWS_SECRET_ACCESS_KEY".to_owned()));
        assert_eq!(lasting(&caller()).into_keys().collect::<Vec<_>>(), ["HOME", "LC_ALL", "PATH"]);
    }

    #[test]
    fn the_projects_python_is_found_first() {
        let mut stage = fixture::stage("test");
        stage.cache = false;
        let python = Python { environment: Some("/p/.venv".into()), ..Python::default() };
        let found = of_stage(&stage, &caller(), Some(&python));
        assert_eq!(
            (found["PATH"].as_str(), found["VIRTUAL_ENV"].as_str()),
            ("/p/.venv/bin:/usr/bin", "/p/.venv")
        );
        assert!(!found.contains_key("PYTHONHOME"), "it would lead the interpreter away from its environment");
    }
}
