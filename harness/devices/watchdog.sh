# Guest side of the watchdog checks. Set before: STAGE MODULE DRIVER, SECONDS_ARMED (0: it is not armed), IDENTITY (empty:
# its driver is older than the class of watchdogs, and knows only /dev/watchdog).
# shellcheck shell=sh disable=SC2154
SETTINGS=/etc/systemd/system.conf.d/kexec-harness-watchdog.conf
OTHER=iTCO_wdt

# What /sys/class/watchdog calls it.
watchdog() {
    [ -n "$IDENTITY" ] || return 1
    for path in /sys/class/watchdog/*; do
        [ "$(cat "$path/identity" 2>/dev/null)" = "$IDENTITY" ] && echo "${path##*/}" && return
    done
    return 1
}

is_there() {
    if [ -n "$IDENTITY" ]; then watchdog >/dev/null; else is_bound "$DRIVER" && [ -c /dev/watchdog ]; fi
}

is_armed() {
    [ "$(cat "/sys/class/watchdog/$(watchdog)/state")" = active ]
}

# The machine's own watchdog would take the first place in one boot and not in another. A word on the command line keeps
# its module out of later boots, in their initramfs as well; in this one it cannot go while its timer runs, as firmware
# may have left it.
load_it_alone() {
    mkdir -p /etc/modules-load.d
    echo "$MODULE" >/etc/modules-load.d/kexec-harness-watchdog.conf
    if [ "$MODULE" != "$OTHER" ]; then
        for found in $(bound "$OTHER"); do
            echo "$found" >"/sys/bus/platform/drivers/$OTHER/unbind"
        done
    fi
    modprobe "$MODULE"
    within 10 is_there || { echo "$MODULE has no watchdog"; exit 1; }
}

# systemd keeps it armed while it reboots and kexecs, and whoever boots next arms it again.
arm() {
    mkdir -p "${SETTINGS%/*}"
    printf '[Manager]\nRuntimeWatchdogSec=%s\nRebootWatchdogSec=%s\nKExecWatchdogSec=%s\nWatchdogDevice=/dev/%s\n' \
        "$SECONDS_ARMED" "$SECONDS_ARMED" "$SECONDS_ARMED" "$(watchdog)" >"$SETTINGS.new"
    if cmp -s "$SETTINGS.new" "$SETTINGS"; then
        rm "$SETTINGS.new"
    else
        mv "$SETTINGS.new" "$SETTINGS" && systemctl daemon-reexec
    fi
    within 20 is_armed || { echo "the watchdog is not armed"; exit 1; }
}

check_watchdog() {
    if ! within 20 is_there; then
        echo "fail watchdog $MODULE has none"
        return
    fi
    found=$(watchdog || echo watchdog)
    echo "ok watchdog $found is $MODULE's"
    [ "$SECONDS_ARMED" -gt 0 ] || return 0
    if within 20 is_armed; then
        echo "ok armed $found has $(cat "/sys/class/watchdog/$found/timeout") s"
    else
        echo "fail armed $found is $(cat "/sys/class/watchdog/$found/state")"
    fi
}

case $STAGE in
    before)
        load_it_alone
        [ "$SECONDS_ARMED" -eq 0 ] || arm
        sync
        ;;
    after) check_watchdog ;;
esac
