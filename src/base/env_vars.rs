//! Every environment variable that devboot reads or sets, in one list. `tests/it/tidy.rs` refuses a name in
//! the code that is not here.

/// One variable: its name, whether devboot sets it, and what it means.
pub struct EnvVar {
    /// The name as the shell knows it.
    pub name: &'static str,
    /// True when devboot sets it for shells or child processes; false when it only reads it.
    pub set: bool,
    /// What it means, in a sentence.
    pub meaning: &'static str,
}

const fn read(name: &'static str, meaning: &'static str) -> EnvVar {
    EnvVar { name, set: false, meaning }
}

const fn set(name: &'static str, meaning: &'static str) -> EnvVar {
    EnvVar { name, set: true, meaning }
}

/// The list, devboot's own first.
pub const ALL: &[EnvVar] = &[
    read("DEVBOOT_DISABLE", "1: the generated shell files do nothing (the kill switch)"),
    read("DEVBOOT_HOST", "the host kind, instead of detecting it"),
    read("DEVBOOT_INSTALL", "install.sh: the script (a file or an https address) that installs devboot"),
    read("DEVBOOT_BIN_DIR", "install.sh: where the program goes, instead of ~/.local/bin"),
    read("DEVBOOT_RELEASE_URL", "install.sh: a mirror of the releases, instead of the project's own"),
    read("DEVBOOT_VERSION", "install.sh: the version to install, instead of the latest"),
    read("DEVBOOT_INSTALL_LOG", "install.sh: where it logs, instead of ~/.devboot-install.log"),
    read("NO_COLOR", "set and not empty: no colours"),
    read("HOME", "the home directory"),
    read("PATH", "where programs are looked for"),
    read("TERM", "dumb: no colours"),
    read("SHELL", "the login shell"),
    read("ZDOTDIR", "where zsh looks for its rc files"),
    read("EDITOR", "the editor of `profile edit`"),
    read("VISUAL", "the editor of `profile edit`, before EDITOR"),
    read("USER", "the user's name, for profiles"),
    read("XDG_RUNTIME_DIR", "where a systemd user session shows itself"),
    set("DEVBOOT_DISABLE", "1 in the shells that `doctor` measures without devboot"),
    set("HOME", "the throwaway home, in the shell of `devboot try`"),
    read("VIRTUAL_ENV", "the Python environment of a project that has none of its own"),
    set("PATH", "the programs of a project's Python environment first, for its stages"),
    read("PYENV_ROOT", "where pyenv keeps its Pythons, when not in ~/.pyenv"),
    read("UV_DEFAULT_INDEX", "the package index, as uv reads it"),
    read("UV_INDEX_URL", "the package index, as older uv reads it"),
    read("PIP_INDEX_URL", "the package index, as pip reads it"),
    read("PIP_NO_INDEX", "no package index is asked, as pip reads it"),
    read("UV_NO_INDEX", "no package index is asked, as uv reads it"),
    read("PIP_CONFIG_FILE", "pip's configuration, which may name the index"),
    read("UV_PYTHON_INSTALL_DIR", "where uv keeps its Pythons, when not in ~/.local/share/uv/python"),
    read("CONDA_PREFIX", "the conda environment that is active"),
    read("GIT_SSH_COMMAND", "the ssh command for repositories, as git reads it"),
    read("GIT_CONFIG_SYSTEM", "the machine's configuration of git, instead of the usual file"),
    read("GIT_CONFIG_GLOBAL", "the user's configuration of git, instead of the usual files"),
    read("GIT_CONFIG_NOSYSTEM", "1: the machine's configuration of git is not read"),
    read("GIT_CONFIG_COUNT", "how many values of git's configuration the environment holds"),
    read("GIT_CONFIG_KEY_0", "the name of such a value; and so on with 1, 2, ..."),
    read("GIT_CONFIG_VALUE_0", "the value itself; and so on with 1, 2, ..."),
    read("GIT_SSL_CAINFO", "the certificate authorities for repositories, before http.sslCAInfo"),
    read("GIT_SSL_NO_VERIFY", "not followed; named in the hint when a certificate is not accepted"),
    read("HTTPS_PROXY", "the proxy for https; also in lower case, as the other proxy variables"),
    read("HTTP_PROXY", "the proxy for http"),
    read("ALL_PROXY", "the proxy for what has no other"),
    read("NO_PROXY", "hosts that are reached without a proxy"),
    read("SSL_CERT_FILE", "the certificate authorities, instead of the machine's"),
    set("GIT_DIR", "taken away from git, which must read the repository it is given"),
    set("GIT_PROTOCOL", "taken away from git, which must speak its first protocol"),
    set("GIT_TERMINAL_PROMPT", "0 for child processes: git never asks in an unattended run"),
    set("GIT_ASKPASS", "empty for git's credential helpers: no program asks for a password"),
    set("SSH_ASKPASS", "taken away from git's credential helpers, for the same reason"),
    set("PIP_DISABLE_PIP_VERSION_CHECK", "1 for pip: no request that nobody asked for"),
    set("PIP_NO_INPUT", "1 for pip: it never asks"),
    set("PIP_CACHE_DIR", "devboot's cache, unless it is set: pip leaves nothing else in the home"),
    set("UV_CACHE_DIR", "devboot's cache, unless it is set"),
    read("XDG_DATA_HOME", "where uv would keep credentials"),
    set("UV_CREDENTIALS_DIR", "devboot's cache, unless it is set or uv keeps credentials already"),
    set("PIP_RETRIES", "1, unless it is set: a silent index is soon given up"),
    set("PIP_DEFAULT_TIMEOUT", "15 seconds, unless it is set"),
    set("UV_HTTP_RETRIES", "1, unless it is set"),
    set("UV_HTTP_TIMEOUT", "15 seconds, unless it is set"),
    set("PIP_USER", "taken away from pip, which must install into the environment"),
    set("PIP_TARGET", "taken away from pip, which must install into the environment"),
    set("PIP_PREFIX", "taken away from pip, which must install into the environment"),
    set("PYTHONHOME", "taken away from Python, which must find its own libraries"),
    set("PYTHONPATH", "taken away while an environment is built"),
    set("PYTHONUNBUFFERED", "1 while an environment is built, so that its log is up to date"),
    set("PYTHONDONTWRITEBYTECODE", "1 for tests, so that they leave the repository clean"),
    set("PYTEST_ADDOPTS", "for tests: the report that verdicts are read from, and no cache folder"),
    set("PYTEST_PLUGINS", "taken away from tests, which load their own"),
    set("PYTHONSTARTUP", "taken away from tests: it is for a person at a prompt"),
    set("TMPDIR", "for tests: a folder of their own that goes away"),
    set("COVERAGE_FILE", "for tests: coverage writes outside the repository"),
    set("HYPOTHESIS_STORAGE_DIRECTORY", "for tests: hypothesis writes outside the repository"),
    set("MYPY_CACHE_DIR", "for tests: mypy writes outside the repository"),
    set("RUFF_CACHE_DIR", "for tests: ruff writes outside the repository"),
    set("PYLINTHOME", "for tests: pylint writes outside the home"),
    set("TOX_OVERRIDE", "for tests: tox hands on the variables of its tests"),
    set("VIRTUAL_ENV", "the Python environment that tests run in"),
    set("MAKEFLAGS", "taken away from make, which must not talk to another make"),
];
