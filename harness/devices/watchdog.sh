# Guest side of the watchdog checks. Set before: STAGE DRIVER MODULE IDENTITY.
# shellcheck shell=sh disable=SC2154
SETTINGS=/etc/systemd/system.conf.d/kexec-harness-watchdog.conf
SECONDS_ARMED=300

watchdog() {
    for path in /sys/class/watchdog/*; do
        [ "$(cat "$path/identity" 2>/dev/null)" = "$IDENTITY" ] && echo "${path##*/}" && return
    done
    return 1
}

is_armed() {
    [ "$(cat "/sys/class/watchdog/$found/state")" = active ]
}

# Who boots next loads the module and arms the watchdog as well. systemd keeps it armed when it reboots and kexecs.
arm() {
    mkdir -p /etc/modules-load.d "${SETTINGS%/*}"
    echo "$MODULE" >/etc/modules-load.d/kexec-harness-watchdog.conf
    modprobe "$MODULE"
    within 10 watchdog >/dev/null || { echo "there is no watchdog '$IDENTITY'"; exit 1; }
    found=$(watchdog)
    printf '[Manager]\nRuntimeWatchdogSec=%s\nRebootWatchdogSec=%s\nKExecWatchdogSec=%s\nWatchdogDevice=/dev/%s\n' \
        "$SECONDS_ARMED" "$SECONDS_ARMED" "$SECONDS_ARMED" "$found" >"$SETTINGS.new"
    cmp -s "$SETTINGS.new" "$SETTINGS" || { mv "$SETTINGS.new" "$SETTINGS" && systemctl daemon-reexec; }
    sync
    within 20 is_armed || { echo "the watchdog $found is not armed"; exit 1; }
}

check_watchdog() {
    if ! within 20 watchdog >/dev/null; then
        echo "fail watchdog there is no '$IDENTITY'"
        return
    fi
    found=$(watchdog)
    echo "ok watchdog $found is '$IDENTITY'"
    if within 20 is_armed; then
        echo "ok armed $found has $(cat "/sys/class/watchdog/$found/timeout") s"
    else
        echo "fail armed $found is $(cat "/sys/class/watchdog/$found/state")"
    fi
}

case $STAGE in
    before) arm ;;
    after) check_watchdog ;;
esac
