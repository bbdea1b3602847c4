# shellcheck shell=dash disable=SC2034  # the other parts use what is set here
# SPDX-License-Identifier: MIT
# The settings: /etc/default/kexec-load, then drop-ins of the administrator, then those of this boot; the last wins.
#
# The files look like shell, and are not: config.awk takes them apart as text. What it cannot understand makes
# CONFIG_ERROR, and kexec-load stands aside: some setting is not what its writer meant.

CONFIG=$ROOT/etc/default/kexec-load
# One call of `load` must end before systemd's TimeoutStopSec= (90 s, kexec-load.service), with time to clean up.
LONGEST_LOAD_TIMEOUT=75
# What the files set. MAX_FAILURES=0 counts, and never refuses.
KERNEL='' INITRD='' APPEND='' APPEND_ONCE='' LOAD_CALL='' LOAD_TIMEOUT=30 MAX_FAILURES=3
CONFIG_ERROR=''

read_config() {
    for config_file in "$CONFIG" "$CONFIG.d"/*.conf "$STATE"/conf.d/*.conf; do
        [ ! -e "$config_file" ] || read_config_file "$config_file"
    done
    check_number LOAD_TIMEOUT "$LOAD_TIMEOUT" 1 "$LONGEST_LOAD_TIMEOUT" 30
    LOAD_TIMEOUT=$checked
    check_number MAX_FAILURES "$MAX_FAILURES" 0 999999999 3
    MAX_FAILURES=$checked
    case $LOAD_CALL in
        '' | kexec_file_load | kexec_load) ;;
        *)
            warn "LOAD_CALL=$(clean_text "$LOAD_CALL") is neither kexec_file_load nor kexec_load; taken as unset"
            LOAD_CALL=''
            ;;
    esac
}

read_config_file() {
    shown_file=$(clean_text "$(shown "$1")")
    if [ ! -f "$1" ] || [ ! -r "$1" ]; then
        config_error "$shown_file cannot be read"
        return
    fi
    while IFS= read -r setting; do
        apply_setting "${setting%%=*}" "${setting#*=}"
    done <<END
$(tr '\000' '\001' <"$1" | CONFIG_FILE=$shown_file awk -f "$LIB/config.awk")
END
}

# What config.awk prints: NAME=value for a setting, error=text.
apply_setting() {
    case $1 in
        KERNEL) KERNEL=$2 ;;
        INITRD) INITRD=$2 ;;
        APPEND) APPEND=$2 ;;
        APPEND_ONCE) APPEND_ONCE=$2 ;;
        LOAD_CALL) LOAD_CALL=$2 ;;
        LOAD_TIMEOUT) LOAD_TIMEOUT=$2 ;;
        MAX_FAILURES) MAX_FAILURES=$2 ;;
        error) config_error "$2" ;;
    esac
}

config_error() {
    warn "$1"
    CONFIG_ERROR=${CONFIG_ERROR:-$1}
}

# check_number NAME VALUE LOWEST HIGHEST DEFAULT: sets `checked`. Zeros in front are nothing: they do not make it octal.
check_number() {
    checked=$2
    while [ "${checked#0[0-9]}" != "$checked" ]; do
        checked=${checked#0}
    done
    set -- "$1" "$checked" "$3" "$4" "$5"
    if ! is_number "$2" || [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
        warn "$1=$2 is not a number from $3 to $4; taken as $5"
        checked=$5
    fi
}
