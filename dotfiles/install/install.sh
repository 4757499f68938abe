#!/bin/sh
# Sets this machine up from the profile beside this file. Codespaces, devcontainers and Coder run it after they
# have cloned a dotfiles repository. It never asks.
#
# When devboot is not installed, DEVBOOT_INSTALL names the script that installs it (a file or an https address),
# which is run with --no-setup; without it `cargo install --locked devboot` is used. DEVBOOT_BIN_DIR is where that
# script puts devboot, when that is not ~/.local/bin.
# Everything said goes to DEVBOOT_INSTALL_LOG, or ~/.devboot-install.log.
set -u

fail() {
    printf 'devboot: setup failed: %s (log: %s)\n' "$1" "$log" >&2
    exit 1
}

fetch() {
    if command -v curl >/dev/null 2>&1; then
        curl --fail --silent --show-error --location --proto '=https' --retry 2 --output "$2" -- "$1"
    elif command -v wget >/dev/null 2>&1; then
        wget --quiet --https-only --output-document="$2" -- "$1"
    else
        echo 'neither curl nor wget is installed'
        return 1
    fi
}

install_devboot() {
    case ${DEVBOOT_INSTALL-} in
    '')
        command -v cargo >/dev/null 2>&1 || {
            echo 'devboot is not installed, DEVBOOT_INSTALL is not set, and there is no cargo'
            return 1
        }
        cargo install --locked devboot
        ;;
    https://*)
        script=$(mktemp) || return 1
        fetch "$DEVBOOT_INSTALL" "$script" && sh "$script" --no-setup
        result=$?
        rm -f "$script"
        return "$result"
        ;;
    *)
        sh "$DEVBOOT_INSTALL" --no-setup
        ;;
    esac
}

if [ -z "${HOME-}" ]; then
    log='none'
    fail 'HOME is not set'
fi
log=${DEVBOOT_INSTALL_LOG:-$HOME/.devboot-install.log}
: >"$log" || fail 'the log file cannot be written'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || fail 'its own directory cannot be found'
export PATH="${DEVBOOT_BIN_DIR:-$HOME/.local/bin}:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
export GIT_TERMINAL_PROMPT=0

if ! command -v devboot >/dev/null 2>&1; then
    install_devboot </dev/null >>"$log" 2>&1 || fail 'devboot could not be installed'
    command -v devboot >/dev/null 2>&1 || fail 'devboot was installed but is not on PATH'
fi
devboot setup --yes --profile "$here" </dev/null >>"$log" 2>&1
result=$?
[ "$result" -eq 0 ] || fail "devboot setup ended with code $result"
