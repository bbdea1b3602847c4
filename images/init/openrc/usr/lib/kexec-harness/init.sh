# What the agent asks of OpenRC. Sourced by the agent, with its functions in reach.
# shellcheck shell=sh disable=SC2034

# busybox's init starts the agent once the default runlevel is reached. Sets `state` (running, degraded) and `failed`
# (names, one a line).
wait_for_end_of_boot() {
    failed=$(ls /run/openrc/failed 2>/dev/null)
    state=${failed:+degraded}
    state=${state:-running}
}

# Nobody keeps them here.
boot_times() {
    :
}
