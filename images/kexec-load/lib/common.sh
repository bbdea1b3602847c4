# shellcheck shell=dash disable=SC2034  # the other parts use what is set here
# SPDX-License-Identifier: MIT
# What every part needs: where things are, how to say something, how to read a file of the kernel.
#
# Read with `.`; wants `set -u`. Nothing here or elsewhere evaluates text from a file.

# A prefix for every path, so that tests can use fake roots. Empty on a real machine.
ROOT=${KEXEC_LOAD_ROOT-}
# Gone with the next boot: skip, staged (see stage.sh), conf.d.
STATE=$ROOT/run/kexec-load
EFIVARS=$ROOT/sys/firmware/efi/efivars
# Vendor id of the Boot Loader Interface's variables (systemd.io/BOOT_LOADER_INTERFACE).
EFI_LOADER=4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
# Messages of other programs are read further down, so they must be in English.
LC_ALL=C
export LC_ALL

# Whether messages also go to the kernel log. Only `load` sets it: its last words must reach the console, and the
# journal may be gone before they are written.
ANNOUNCE=no
# Constants by which `journalctl MESSAGE_ID=...` finds each outcome; made once with `systemd-id128 new`.
ID_LOADED=8b27430574d74c75bb56dde7d86a9e7d
ID_STOOD_ASIDE=60a4518212d944c5a3ce41fb9811e21d
ID_FAILED=fc90568a8a4f47cd8f539165fdf5f06c

LONGEST_TEXT=600

# One line of bounded length without control characters: file names and settings may hold anything.
clean_text() {
    text=$*
    case $text in
        *[[:cntrl:]]*) text=$(printf '%s' "$text" | tr '\000-\037\177' ' ') ;;
    esac
    [ "${#text}" -le "$LONGEST_TEXT" ] || text=$(printf '%s' "$text" | cut -c "1-$LONGEST_TEXT")
    printf '%s' "$text"
}

# say PRIORITY TEXT [FIELD=value ...]: to the journal with its fields, or to standard output; when announcing, to the
# kernel log too. Priorities are syslog's: 3 error, 4 warning, 6 information.
say() {
    priority=$1
    message=$(clean_text "$2")
    shift 2
    to_journal "$@" || printf '%s\n' "$message"
    [ "$ANNOUNCE" = yes ] || return 0
    { printf '<%s>kexec-load: %s\n' "$priority" "$message" >>"$ROOT/dev/kmsg"; } 2>/dev/null || :
}

# True if the journal took the message. systemd sets JOURNAL_STREAM when standard output is the journal's.
# OBJECT_SYSTEMD_UNIT makes the message one of the service's (systemd.journal-fields(7)); the journal cannot find that
# out by itself once logger, and at the end of a load its caller, have ended.
to_journal() {
    [ -n "${JOURNAL_STREAM-}" ] || return 1
    {
        printf 'SYSLOG_IDENTIFIER=kexec-load\nPRIORITY=%s\nMESSAGE=%s\n' "$priority" "$message"
        echo OBJECT_SYSTEMD_UNIT=kexec-load.service
        for field in "$@"; do
            clean_text "$field"
            echo
        done
    } | logger --journald 2>/dev/null
}

inform() {
    say 6 "$*"
}

warn() {
    say 4 "$*"
}

# The first line of a file below /proc or /sys, or nothing. Not with `read`: dash reads byte for byte, and some of
# these files give their whole content to the first read(2) only.
kernel_value() {
    [ -e "$1" ] && kernel_text=$(cat "$1" 2>/dev/null) || return
    printf '%s' "${kernel_text%%
*}"
}

# A path as people know it: without the prefix of a fake root.
shown() {
    printf '%s' "${1#"$ROOT"}"
}

# A number that the shell's arithmetic can hold, and does not take for octal.
is_number() {
    case $1 in
        '' | *[!0-9]* | 0?* | ???????????????????*) return 1 ;;
    esac
}

# write_durably FILE: standard input becomes the file's content, whole or not at all, and on the disk when this
# returns. The folder is synced as well, else a power cut may undo the rename.
write_durably() {
    { mkdir -p "${1%/*}" && cat >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1" && sync "${1%/*}"; } 2>/dev/null
}

# Run a program as the first that the kernel kills when memory runs out (proc(5), oom_score_adj): better no kexec than a
# service killed that was still stopping.
expendable() (
    { echo 1000 >"$ROOT/proc/self/oom_score_adj"; } 2>/dev/null
    exec "$@"
)

# bounded SECONDS COMMAND...: the command's status, or 124 when it was not done in time; then it is killed with all
# its children, and not waited for: a process in an uninterruptible sleep (a dead disk) does not die.
bounded() {
    seconds=$1 late=no
    shift
    trap 'late=yes' USR1
    setsid "$@" &
    bounded_pid=$!
    # shellcheck disable=SC2016  # for the inner shell
    setsid sh -c 'sleep "$1" && kill -USR1 "$2"' sh "$seconds" "$$" >/dev/null 2>&1 &
    timer_pid=$!
    wait "$bounded_pid" 2>/dev/null
    bounded_status=$?
    kill_group "$timer_pid"
    [ "$late" = yes ] || return "$bounded_status"
    kill_group "$bounded_pid"
    return 124
}

# The session's group; or, when setsid has not come to make one yet, the process alone.
kill_group() {
    kill -9 "-$1" 2>/dev/null || kill -9 "$1" 2>/dev/null || :
}
