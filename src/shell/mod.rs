//! bash, zsh and fish as text: quoting, generated files, hooks. Pure.
