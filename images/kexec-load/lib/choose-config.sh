# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# Source 1: KERNEL=, INITRD= and APPEND= of the settings (config.sh).

choose_from_configuration() {
    [ -n "$KERNEL$INITRD" ] || return 1
    CHOSEN_REASON="KERNEL= in the settings"
    [ -n "$KERNEL" ] || refuse_choice "INITRD= is set, but KERNEL= is not" || return
    case $KERNEL,${INITRD:-/} in
        /*,/*) ;;
        *) refuse_choice "$CHOSEN_REASON: file names must begin with /" || return ;;
    esac
    is_one_line "$KERNEL$INITRD" || refuse_choice "$CHOSEN_REASON: control characters in a file name" || return
    CHOSEN_KERNEL=$ROOT$KERNEL
    CHOSEN_INITRDS=${INITRD:+$ROOT$INITRD}
}
