# What the agent asks of systemd. Sourced by the agent, with its functions in reach.
# shellcheck shell=sh disable=SC2034

# Waits for the end of the boot; sets `state` (running, degraded) and `failed` (names, one a line).
wait_for_end_of_boot() {
    # Returns when the default target is reached and no job is queued any more: nothing is polled.
    state=$(systemctl is-system-running --wait)
    failed=$(systemctl list-units --failed --no-legend --plain --no-pager | cut -d' ' -f1)
}

# Members of the ready report that only this init system knows, each after a comma: times in microseconds since the
# kernel started; 0 means that it has not happened.
boot_times() {
    for name in Kernel InitRD Userspace Finish; do
        printf ',"%s_usec":%s' "$(echo "$name" | tr '[:upper:]' '[:lower:]')" \
            "$(systemctl show --property="${name}TimestampMonotonic" --value)"
    done
}
