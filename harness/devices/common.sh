# What check scripts share; stands before each of them. Set before: STAGE WORDS.
# shellcheck shell=sh disable=SC2154
# The boot is finished before udev is, if no unit waits for it: a driver may be bound, and an interface be renamed, later.
DRIVER_WAIT=20
UDEV_WAIT=30

# bound DRIVER|DRIVER: devices that one of the drivers is bound to, on whatever bus, one per line.
bound() {
    echo "$1" | tr '|' '\n' | while read -r driver; do
        for path in /sys/bus/*/drivers/"$driver"/*; do
            [ ! -L "$path" ] || [ "${path##*/}" = module ] || echo "${path##*/}"
        done
    done
}

is_bound() {
    found=$(bound "$1" | head -n 1)
    [ -n "$found" ]
}

# Says whether the set's driver is bound to anything.
check_driver() {
    if within "$DRIVER_WAIT" is_bound "$1"; then
        echo "ok driver $found is bound to $1"
    else
        echo "fail driver nothing is bound to $1"
    fi
}

# driver_is_bound DRIVER PATH: the driver may be bound to the device that stands there in /sys, to its controller, or
# anywhere above it.
driver_is_bound() {
    path=$(readlink -f "$2")
    while [ "${path#/sys/devices}" != "$path" ] && [ "$path" != /sys/devices ]; do
        link=$(readlink "$path/driver") && [ "${link##*/}" = "$1" ] && return 0
        path=${path%/*}
    done
    return 1
}

# within SECONDS COMMAND...: tries until the command succeeds.
within() {
    left=$(($1 * 5))
    shift
    until "$@"; do
        [ "$left" -gt 0 ] || return 1
        left=$((left - 1))
        sleep 0.2
    done
}

GRUB_CFG=${GRUB_CFG:-/boot/grub/grub.cfg}

# Words that the kernel needs go on GRUB's entries, once; every reboot from here on has them, by kexec-load, too.
add_words() {
    for word in $WORDS; do
        grep -qF " $word" "$GRUB_CFG" && continue
        { sed -i "s#^[[:space:]]*linux .*#& $word#" "$GRUB_CFG" && sync; } || exit 1
    done
}

# Says whether the kernel that runs was given them.
check_words() {
    for word in $WORDS; do
        case " $(cat /proc/cmdline) " in
            *" $word "*) echo "ok word the kernel runs with $word" ;;
            *) echo "fail word the kernel runs without $word" ;;
        esac
    done
}

wait_for_udev() {
    command -v udevadm >/dev/null || return 0
    udevadm settle --timeout="$UDEV_WAIT"
}

if [ "$STAGE" = before ]; then
    add_words
elif [ "$STAGE" = after ]; then
    check_words
    wait_for_udev
fi
