//! The profiles and dotfiles that are part of the program, and the texts for a profile of one's own.

/// The embedded profiles: name and text, in the order they are listed.
pub(super) const PROFILES: &[(&str, &str)] = &[
    ("default", include_str!("../../profiles/default.toml")),
    ("minimal", include_str!("../../profiles/minimal.toml")),
    ("mlops", include_str!("../../profiles/mlops.toml")),
    ("vim", include_str!("../../profiles/vim.toml")),
    ("zsh", include_str!("../../profiles/zsh.toml")),
];

/// The embedded files that those profiles name as a source.
const DOTFILES: &[(&str, &str)] = &[
    ("git/devboot.gitconfig", include_str!("../../dotfiles/git/devboot.gitconfig")),
    ("vim/python.vim", include_str!("../../dotfiles/vim/python.vim")),
];

/// The text of an embedded profile.
pub fn profile(name: &str) -> Option<&'static str> {
    PROFILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The text of an embedded dotfile.
pub(super) fn dotfile(name: &str) -> Option<&'static str> {
    DOTFILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The text of a new profile, with every part explained.
pub fn starter() -> &'static str {
    include_str!("../../dotfiles/install/starter.toml")
}

/// The `install.sh` of a dotfiles repository: what Codespaces, devcontainers and Coder run after cloning it.
pub fn install_sh() -> &'static str {
    include_str!("../../dotfiles/install/install.sh")
}
