# Guest side of the disk checks. Set before: STAGE NONCE DRIVER SERIAL (the ECHO_ variables are not used).
# shellcheck shell=sh disable=SC2154
PATTERN_BYTES=4194304

# The whole disk with our serial number, whatever name its driver gave it.
disk_by_serial() {
    udevadm settle --timeout=30
    for link in /dev/disk/by-id/*"$SERIAL"; do
        [ -b "$link" ] && readlink -f "$link" && return
    done
    return 1
}

# The driver may be bound to the disk itself, to its controller, or anywhere above it.
driver_is_bound() {
    path=$(readlink -f "/sys/class/block/${1##*/}/device")
    while [ "${path#/sys/devices}" != "$path" ] && [ "$path" != /sys/devices ]; do
        link=$(readlink "$path/driver") && [ "${link##*/}" = "$DRIVER" ] && return 0
        path=${path%/*}
    done
    return 1
}

pattern() {
    yes "$NONCE" | head -c "$PATTERN_BYTES"
}

write_pattern() {
    disk=$(disk_by_serial) || exit 1
    pattern | dd of="$disk" bs=65536 iflag=fullblock oflag=direct conv=fsync status=none
}

check_disk() {
    if ! disk=$(disk_by_serial); then
        echo "fail disk no disk has the serial number $SERIAL"
        return
    fi
    echo "ok disk $disk has the serial number $SERIAL"
    if driver_is_bound "$disk"; then
        echo "ok driver $disk is bound to $DRIVER"
    else
        echo "fail driver $disk is not bound to $DRIVER"
    fi
    wanted=$(pattern | sha256sum)
    found=$(dd if="$disk" bs=65536 iflag=direct,count_bytes count="$PATTERN_BYTES" status=none | sha256sum)
    if [ "$wanted" = "$found" ]; then
        echo "ok pattern $PATTERN_BYTES bytes written before the reboot are read back"
    else
        echo "fail pattern what was written before the reboot is not what is read"
    fi
}

case $STAGE in
    before) write_pattern ;;
    after) check_disk ;;
esac
