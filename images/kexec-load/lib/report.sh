# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# What `check` and `status` say of the next reboot and of the last ones, to people and to programs.

# Look ahead: true with the choice in CHOSEN_*, or false with REFUSAL.
foresee() {
    read_config
    REFUSAL=$(refuse_idle_service) && return 1
    assess
}

report_check() {
    if foresee; then
        printf 'would kexec %s (%s)\n' "$(shown "$CHOSEN_KERNEL")" "$(clean_text "$CHOSEN_REASON")"
    else
        printf 'would stand aside: %s\n' "$(clean_text "$REFUSAL")"
        return 1
    fi
}

report_status() {
    if foresee; then
        printf 'next reboot: kexec of %s (%s)\n' "$(shown "$CHOSEN_KERNEL")" "$(clean_text "$CHOSEN_REASON")"
        printf '%s\n' "$CHOSEN_INITRDS" | while IFS= read -r image; do
            printf 'initrd: %s\n' "$(shown "${image:-none}")"
        done
        printf 'command line: %s\n' "$(command_line_for_one_boot | tr '\000-\037\177' ' ')"
    else
        printf 'next reboot: normal (%s)\n' "$(clean_text "$REFUSAL")"
    fi
    ! image_loaded || [ -e "$STAGED" ] ||
        echo 'loaded now: an image of somebody else; from systemd 255 on a plain reboot starts that ("kexec --unload")'
    show_attempts
}

show_attempts() {
    if [ -s "$NOTE" ]; then
        printf 'attempt not settled yet: %s at %s\n' "$(note_value kernel)" "$(note_value time)"
    fi
    [ ! -s "$FAILURES" ] || while read -r count _ kernel; do
        printf 'failures in a row: %s of %s (limit %s)\n' "$count" "$kernel" "$MAX_FAILURES"
    done <"$FAILURES"
    [ ! -s "$HISTORY" ] || while read -r time outcome kernel; do
        printf 'attempt: %s %s %s\n' "$time" "$outcome" "$kernel"
    done <"$HISTORY"
}

# report_json [attempts]: one object on one line, with or without the last attempts; status as of report_check.
report_json() {
    if foresee >/dev/null; then
        foreseen=true why=$CHOSEN_REASON
    else
        foreseen=false why=$REFUSAL CHOSEN_KERNEL='' CHOSEN_INITRDS='' CHOSEN_COMMAND_LINE=''
    fi
    printf '{"kexec":%s,"reason":%s' "$foreseen" "$(json_string "$why")"
    printf ',"kernel":%s,"initrds":[%s]' "$(json_string "$(shown "$CHOSEN_KERNEL")")" "$(json_initrds)"
    printf ',"command_line":%s' "$(json_string "${CHOSEN_KERNEL:+"$(command_line_for_one_boot)"}")"
    [ $# -eq 0 ] || printf ',"unsettled":%s,"attempts":[%s]' "$(json_string "$(note_value kernel)")" "$(json_attempts)"
    echo '}'
    "$foreseen"
}

json_initrds() {
    comma=
    [ -z "$CHOSEN_INITRDS" ] || printf '%s\n' "$CHOSEN_INITRDS" | while IFS= read -r image; do
        printf '%s%s' "$comma" "$(json_string "$(shown "$image")")"
        comma=,
    done
}

json_attempts() {
    comma=
    [ ! -s "$HISTORY" ] || while read -r time outcome kernel; do
        printf '%s{"time":%s,"outcome":%s,"kernel":%s}' "$comma" \
            "$(json_string "$time")" "$(json_string "$outcome")" "$(json_string "$kernel")"
        comma=,
    done <"$HISTORY"
}

# A string of JSON is Unicode, and a file name need not be: whatever is no printable ASCII becomes "?".
json_string() {
    printf '"%s"' "$(printf '%s' "$1" | tr '\000-\037\177-\377' '?' | sed 's/[\\"]/\\&/g')"
}
