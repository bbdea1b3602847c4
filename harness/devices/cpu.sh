# Guest side of the checks of CPUs. Set before: STAGE CPUS NODES, OFFLINE (CPUs to take offline before the reboot).
# shellcheck shell=sh disable=SC2154

# A CPU that was plugged in is brought up by whoever asks for it: no rule of udev does.
bring_up() {
    for path in /sys/devices/system/cpu/cpu[0-9]*; do
        [ ! -e "$path/online" ] || [ "$(cat "$path/online")" = 1 ] || echo 1 >"$path/online"
    done
}

take_offline() {
    for number in $OFFLINE; do
        echo 0 >"/sys/devices/system/cpu/cpu$number/online" || exit 1
    done
}

are_all_online() {
    bring_up
    [ "$(nproc --all)" -ge "$CPUS" ] && [ "$(grep -c '^processor' /proc/cpuinfo)" -eq "$CPUS" ]
}

check_cpus() {
    # Taken offline before the reboot, a CPU has to be back by itself.
    if [ -n "$OFFLINE" ] && [ "$(grep -c '^processor' /proc/cpuinfo)" -ne "$CPUS" ]; then
        echo "fail online $(cat /sys/devices/system/cpu/online) of $CPUS CPUs came up"
        return
    fi
    if ! within 20 are_all_online; then
        echo "fail online $(cat /sys/devices/system/cpu/online), there should be $CPUS"
        return
    fi
    echo "ok online $(cat /sys/devices/system/cpu/online)"
    idle=
    number=0
    while [ "$number" -lt "$CPUS" ]; do
        timeout 20 taskset -c "$number" true || idle="$idle $number"
        number=$((number + 1))
    done
    if [ -z "$idle" ]; then
        echo "ok run each of $CPUS CPUs has run a program"
    else
        echo "fail run no program ran on$idle"
    fi
}

check_nodes() {
    found=$(find /sys/devices/system/node -maxdepth 1 -name 'node[0-9]*' | wc -l)
    said=$(cat /sys/devices/system/node/node[0-9]*/cpulist | tr '\n' ' ')
    if [ "$found" -eq "$NODES" ]; then
        echo "ok nodes $found, with CPUs $said"
    else
        echo "fail nodes there are $found, with CPUs $said, and should be $NODES"
    fi
}

if [ "$STAGE" = before ]; then
    bring_up
    take_offline
elif [ "$STAGE" = after ]; then
    check_cpus
    check_nodes
fi
