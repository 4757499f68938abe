#!/bin/sh
# Installs devboot from its release and runs `devboot setup` with the arguments given:
#
#   curl -fsSL ADDRESS-OF-THIS-FILE | sh -s -- --yes
#   sh install.sh --no-setup                            only install
#
# Nothing is unpacked or run before its checksum is right; an installed devboot is replaced in one step or not at
# all. This script never asks and needs no root.
#
#   DEVBOOT_VERSION       the version, such as 0.1.0; the latest without it
#   DEVBOOT_BIN_DIR       where devboot goes, instead of ~/.local/bin
#   DEVBOOT_RELEASE_URL   a mirror: what stands here for https://github.com/OWNER/NAME/releases (http is allowed)

# One group around everything: a shell runs it only once it has read the last line.
{
set -u
repository=devboot/devboot
scratch=''
fresh=''

say() {
    printf 'devboot install: %s\n' "$*" >&2
}

# fail WHAT NEXT
fail() {
    printf 'devboot was not installed: %s\n  next: %s\n' "$1" "$2" >&2
    exit 1
}

# The traps call it.
# shellcheck disable=SC2317,SC2329
clean_up() {
    [ -z "$scratch" ] || rm -rf "$scratch"
    [ -z "$fresh" ] || rm -f "$fresh"
    scratch='' fresh=''
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Sets `target` to the name of this machine's build.
find_target() {
    system=$(uname -s) || system='unknown'
    machine=$(uname -m) || machine='unknown'
    case $machine in
    x86_64 | amd64) cpu=x86_64 ;;
    aarch64 | arm64) cpu=aarch64 ;;
    *) cpu='' ;;
    esac
    case $system in
    Linux) target=$cpu-unknown-linux-musl ;;
    Darwin)
        # Rosetta says x86_64 on an arm64 machine.
        [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" != 1 ] || cpu=aarch64
        target=$cpu-apple-darwin
        ;;
    *) cpu='' ;;
    esac
    [ -n "$cpu" ] || fail "there is no build for $system on $machine" \
        'build it with Rust: cargo install --locked devboot'
}

# Sets `base` to the address of the directory that holds the release's files.
find_release() {
    base=${DEVBOOT_RELEASE_URL:-https://github.com/$repository/releases}
    base=${base%/}
    case $base in
    https://?*) protocols='=https' ;;
    http://?*) protocols='=http,https' ;;
    *) fail "DEVBOOT_RELEASE_URL is no https or http address: $base" 'correct it, or unset it for the usual place' ;;
    esac
    version=${DEVBOOT_VERSION:-latest}
    case $version in
    latest) base=$base/latest/download ;;
    *[!0-9A-Za-z.+-]* | .*) fail 'DEVBOOT_VERSION is no version' 'set it to one like 0.1.0, or unset it for the latest' ;;
    *) base=$base/download/v${version#v} ;;
    esac
}

# fetch NAME: downloads one file of the release into the scratch directory.
fetch() {
    say "downloading $base/$1"
    if has curl; then
        curl --fail --silent --show-error --location --proto "$protocols" --retry 2 --connect-timeout 30 \
            --speed-limit 1 --speed-time 60 --output "$scratch/$1" "$base/$1" && return 0
    elif has wget; then
        # -S shows the redirects; wget would follow one from https to http.
        if wget -S -T 60 -O "$scratch/$1" "$base/$1" 2>"$scratch/wget.log"; then
            [ "$protocols" = '=https' ] || return 0
            grep -i '^ *location: *http:' "$scratch/wget.log" >&2 || return 0
            say 'a redirect led away from https'
        else
            tail -n 3 "$scratch/wget.log" >&2
        fi
    else
        fail 'neither curl nor wget is here' 'install one of them and run this again'
    fi
    fail "$base/$1 cannot be downloaded" \
        'check the network and the version; a proxy goes in HTTPS_PROXY, a mirror in DEVBOOT_RELEASE_URL'
}

# Compares the archive with the one line of SHA256SUMS that names it.
verify() {
    wanted=''
    while read -r sum name; do
        [ "${name#\*}" = "$archive" ] || continue
        [ -z "$wanted" ] || fail "SHA256SUMS names $archive twice" 'report this; the release is not in order'
        wanted=$sum
    done <"$scratch/SHA256SUMS"
    [ -n "$wanted" ] || fail "SHA256SUMS does not name $archive" \
        'this release has no build for this machine; try another DEVBOOT_VERSION'
    if has sha256sum; then
        found=$(sha256sum <"$scratch/$archive")
    elif has shasum; then
        found=$(shasum -a 256 <"$scratch/$archive")
    else
        fail 'neither sha256sum nor shasum is here, so nothing can be verified' 'install coreutils and run this again'
    fi
    found=${found%% *}
    # Without a sum two empty texts would be equal.
    if [ "${#found}" -ne 64 ] || [ "$found" != "$wanted" ]; then
        fail "the checksum of $archive is wrong (expected $wanted, found $found)" \
            'run this again; when it stays wrong, do not use the file and report it'
    fi
}

# Puts the verified program at its place. It is tried there first: a directory may forbid programs.
put_in_place() {
    (cd "$scratch" && tar -xzf "$archive" devboot) || fail "$archive cannot be unpacked" \
        'see the message above; tar, gzip and some free space in TMPDIR are needed'
    if [ ! -f "$scratch/devboot" ] || [ -L "$scratch/devboot" ]; then
        fail "$archive holds no devboot" 'report this; the release is not in order'
    fi
    mkdir -p "$bin" || fail "$bin cannot be made" 'set DEVBOOT_BIN_DIR to a directory that you may write'
    [ ! -d "$bin/devboot" ] || fail "$bin/devboot is a directory" 'move it away, or set DEVBOOT_BIN_DIR'
    fresh=$(mktemp "$bin/.devboot.XXXXXX") || fail "$bin cannot be written" \
        'set DEVBOOT_BIN_DIR to a directory that you may write'
    { cat "$scratch/devboot" >"$fresh" && chmod 755 "$fresh"; } || fail "$bin cannot be written" \
        'see the message above; is the disk full?'
    said=$("$fresh" --version </dev/null) || fail "the downloaded devboot does not run in $bin" \
        'see the message above; a file system mounted with noexec needs another DEVBOOT_BIN_DIR'
    mv -f "$fresh" "$bin/devboot" || fail "$bin/devboot cannot be replaced" \
        'set DEVBOOT_BIN_DIR to a directory that you may write'
    fresh=''
    say "$said is now $bin/devboot"
}

main() {
    setup=yes
    if [ "${1-}" = --no-setup ]; then
        setup=no
        shift
    fi
    bin=${DEVBOOT_BIN_DIR:-${HOME:+$HOME/.local/bin}}
    case $bin in
    /*) ;;
    '') fail 'HOME is not set' 'set it, or set DEVBOOT_BIN_DIR' ;;
    *) bin=$(pwd)/$bin ;;
    esac
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    find_target
    find_release
    for program in tar gzip mktemp; do
        has "$program" || fail "$program is not here" 'install it and run this again'
    done
    scratch=$(mktemp -d) || fail 'no temporary directory can be made' 'set TMPDIR to a directory that you may write'
    archive=devboot-$target.tar.gz
    fetch SHA256SUMS
    fetch "$archive"
    verify
    put_in_place
    clean_up
    case :${PATH-}: in
    *":$bin:"*) ;;
    *) say "$bin is not on PATH in this shell; until it is, start $bin/devboot" ;;
    esac
    [ "$setup" = yes ] || exit 0
    # Standard input may be this script itself. Setup shows its plan and asks once where there is a terminal.
    if [ -t 0 ]; then
        exec "$bin/devboot" setup "$@"
    elif [ -t 2 ] && (: </dev/tty) 2>/dev/null; then
        exec "$bin/devboot" setup "$@" </dev/tty
    else
        exec "$bin/devboot" setup "$@" </dev/null
    fi
}

main "$@"
exit
}
