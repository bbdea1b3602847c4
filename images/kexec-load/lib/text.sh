# shellcheck shell=dash
# SPDX-License-Identifier: MIT
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
    [ -z "$(printf '%s' "$1" | LC_ALL=C tr -cd '\000-\037\177')" ] && case $1 in
        *'
'*) return 1 ;;
    esac
}

# The value of NAME in lines of NAME<tab>VALUE.
value_of() {
    printf '%s\n' "$2" | while IFS='	' read -r name value; do
        [ "$name" != "$1" ] || { printf '%s' "$value" && break; }
    done
}
