# What the agent asks of the init script. Sourced by the agent, with its functions in reach.
# shellcheck shell=sh disable=SC2034

# The applets of one small static program start several times as fast under emulation as the programs of coreutils.
PATH=/usr/lib/busybox:$PATH

# The init script starts the agent last, when everything else is done. Sets `state` (running, degraded) and `failed`
# (names, one a line).
wait_for_end_of_boot() {
    failed=$(cat /run/kexec-harness/failed 2>/dev/null)
    state=${failed:+degraded}
    state=${state:-running}
}

# Nobody keeps them here.
boot_times() {
    :
}
