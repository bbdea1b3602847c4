#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make setup` does: check for system packages (as root or with sudo, install them), and make .venv with
# the locked Python packages. Nothing to do costs a few hundredths of a second.
#
#   sh setup.sh            PYTHON=/path/to/python3 picks the Python
#
# Exit status: 0 everything is there, 1 something is missing and it says what to do.
set -eu
cd "$(dirname "$0")"

TABLE=harness/host/tools.txt
LOCK=requirements.lock
VENV=.venv
STAMP=$VENV/.setup-stamp
# Debian keeps administrators' programs where a normal user's PATH does not look.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() {
    printf 'setup: %s\n' "$*" >&2
}

die() {
    say "$@"
    exit 1
}

is_there() {
    case $1 in
        /*)
            old_ifs=$IFS
            IFS=,
            for file in $1; do
                [ ! -e "$file" ] || { IFS=$old_ifs && return 0; }
            done
            IFS=$old_ifs
            return 1
            ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# Prints "TOOL PACKAGE" for every row of the table that is missing.
missing_rows() {
    while read -r tool package; do
        case $tool in
            '' | '#'*) continue ;;
        esac
        is_there "$tool" || printf '%s %s\n' "${tool%%,*}" "$package"
    done <"$TABLE"
}

# The first Python that is new enough, the system's own before what a version manager puts first.
find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
        [ -z "${PYTHON-}" ] || return 1
    done
    return 1
}

# Packages without which there is no virtual environment.
missing_python() {
    if ! python=$(find_python); then
        [ -n "${PYTHON-}" ] || [ -x /usr/bin/python3 ] || echo "python3 python3-venv"
    elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "python3-venv"
    fi
}

install_packages() {
    packages=$1
    if ! command -v apt-get >/dev/null 2>&1; then
        die "this system has no apt-get; install, with its own package manager, what brings these:
$({ missing_rows | sed 's/ \([^ ]*\)$/   (on Debian: \1)/' && missing_python; } | sed 's/^/  /')"
    fi
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        die "some packages are missing; as root, run:
  apt-get update && apt-get install --no-install-recommends $packages"
    fi
    say "installing $packages"
    log=$(mktemp)
    # shellcheck disable=SC2086  # words are meant
    if ! { $as_root env DEBIAN_FRONTEND=noninteractive apt-get update ||
        say "apt-get update failed; trying with the package lists as they are"; } >"$log" ||
        ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages >>"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "apt-get could not install: $packages"
    fi
    rm -f "$log"
}

check_system() {
    packages=$({ missing_rows | cut -d' ' -f2 && missing_python; } | tr ' ' '\n' | sort -u | tr '\n' ' ')
    packages=${packages% }
    [ -z "$packages" ] || install_packages "$packages"
    still=$(missing_rows)
    [ -z "$still" ] || die "still missing after the installation (tool, package):
$still"
    python=$(find_python) || die "no Python 3.11 or newer${PYTHON:+ at $PYTHON}; name one: PYTHON=/path/to/python3"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python cannot make virtual environments (module ensurepip)"
}

fingerprint() {
    cksum "$LOCK" pyproject.toml setup.sh
    printf '%s\n' "${PYTHON-}" "$PWD"
}

make_venv() {
    if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        say "making $VENV with $python"
        "$python" -m venv --clear "$VENV"
    fi
    say "installing the locked Python packages"
    set -- --quiet --disable-pip-version-check --no-input
    "$VENV/bin/python" -m pip install "$@" --require-hashes --requirement "$LOCK" >&2
    "$VENV/bin/python" -m pip install "$@" --no-deps --no-build-isolation --editable . >&2
}

up_to_date() {
    [ -x "$VENV/bin/python" ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$(fingerprint)" ] && [ -z "$(missing_rows)" ]
}

! up_to_date || exit 0
check_system
# Two set-ups at once would install into each other's environment. The lock is the folder's, so it needs no file.
if [ -z "${KEXEC_SETUP_LOCKED-}" ] && command -v flock >/dev/null 2>&1; then
    KEXEC_SETUP_LOCKED=1 exec flock . sh "$PWD/setup.sh"
fi
make_venv
fingerprint >"$STAMP"
say "done"
