# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# Text from files that anyone may have written: bounded, and never evaluated.

# No configuration of a boot loader comes near this size (bytes).
MOST_TEXT=1048576

# awk with byte order and byte-wise characters, whatever the locale is.
run_awk() {
    LC_ALL=C awk "$@"
}

# A regular file (a FIFO would block), not too large, without NUL bytes.
is_text_file() {
    [ -f "$1" ] && [ -r "$1" ] || return 1
    size=$(wc -c <"$1") && [ "$size" -le "$MOST_TEXT" ] || return 1
    [ "$(LC_ALL=C tr -d '\000' <"$1" | wc -c)" -eq "$size" ]
}

# True if the text has no control characters: safe as one line of a list.
is_one_line() {
    case $1 in
        *[[:cntrl:]]*) return 1 ;;
    esac
}

# What grub.awk and bls.awk print, lines of NAME<tab>VALUE, into ANSWER_...; initrds as a list, one a line.
read_answer() {
    ANSWER_REFUSE='' ANSWER_WHY='' ANSWER_FOLDER='' ANSWER_KERNEL='' ANSWER_INITRDS='' ANSWER_COMMAND_LINE='' ANSWER_ONCE='' \
        ANSWER_RELATIVE=''
    while IFS='	' read -r name value; do
        case $name in
            refuse) ANSWER_REFUSE=$value ;;
            why) ANSWER_WHY=$value ;;
            folder) ANSWER_FOLDER=$value ;;
            kernel) ANSWER_KERNEL=$value ;;
            initrd) ANSWER_INITRDS="$ANSWER_INITRDS${ANSWER_INITRDS:+
}$value" ;;
            command_line) ANSWER_COMMAND_LINE=$value ;;
            once) ANSWER_ONCE=$value ;;
            relative) ANSWER_RELATIVE=$value ;;
        esac
    done <<END_OF_ANSWER
$1
END_OF_ANSWER
    [ -n "$ANSWER_REFUSE$ANSWER_WHY" ]
}
