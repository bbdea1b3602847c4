# Guest side of the disk checks. Set before: STAGE NONCE DRIVER SERIAL DISKS.
# shellcheck shell=sh disable=SC2154
PATTERN_BYTES=4194304
# Disks behind USB, and those of adapters that scan on their own, come after everything else.
DISK_WAIT=30

# The whole disks with our serial number, whatever names their driver gave them. Behind it may stand a namespace or a
# logical unit, but no digit: that would be another set's.
disks_by_serial() {
    for link in /dev/disk/by-id/*"$SERIAL" /dev/disk/by-id/*"$SERIAL"[!0-9]*; do
        [ -b "$link" ] && readlink -f "$link"
    done | sort -u
}

wait_for_disks() {
    tries=$DISK_WAIT
    while udevadm settle --timeout=30; [ "$(disks_by_serial | wc -l)" -lt "$DISKS" ] && [ "$tries" -gt 0 ]; do
        sleep 1
        tries=$((tries - 1))
    done
    [ "$(disks_by_serial | wc -l)" -eq "$DISKS" ]
}

# Each disk has a pattern of its own: one that answers for another is found out.
pattern() {
    yes "$NONCE $1" | head -c "$PATTERN_BYTES"
}

write_patterns() {
    wait_for_disks || { echo "$(disks_by_serial | wc -l) of $DISKS disks have the serial number $SERIAL"; exit 1; }
    number=0
    for disk in $(disks_by_serial); do
        pattern "$number" | dd of="$disk" bs=65536 iflag=fullblock oflag=direct conv=fsync status=none || exit 1
        number=$((number + 1))
    done
}

flushes_of() {
    awk '{ print $16 }' "/sys/class/block/${1##*/}/stat"
}

# A disk that says it has a volatile cache must take the flush that ends a write; others have nothing to flush.
check_flush() {
    cache=$(cat "/sys/class/block/${1##*/}/queue/write_cache")
    flushed=$(flushes_of "$1")
    if ! dd if=/dev/zero of="$1" bs=65536 count=1 seek=128 conv=fsync,notrunc status=none; then
        echo "fail flush a write to $1 that ends with a flush gave an error"
    elif [ "$cache" != "write back" ]; then
        echo "ok flush $1 is $cache, and has nothing to flush"
    elif [ "$(flushes_of "$1")" -gt "$flushed" ]; then
        echo "ok flush $1 is write back, and was flushed"
    else
        echo "fail flush $1 is write back, and was not flushed"
    fi
}

check_disk() {
    if driver_is_bound "$DRIVER" "/sys/class/block/${1##*/}/device"; then
        echo "ok driver $1 is bound to $DRIVER"
    else
        echo "fail driver $1 is not bound to $DRIVER"
    fi
    wanted=$(pattern "$2" | sha256sum)
    found=$(dd if="$1" bs=65536 iflag=direct,count_bytes count="$PATTERN_BYTES" status=none | sha256sum)
    if [ "$wanted" = "$found" ]; then
        echo "ok pattern $PATTERN_BYTES bytes written to $1 before the reboot are read back"
    else
        echo "fail pattern what is read from $1 is not what was written before the reboot"
    fi
    check_flush "$1"
}

check_disks() {
    if ! wait_for_disks; then
        echo "fail disk $(disks_by_serial | wc -l) of $DISKS disks have the serial number $SERIAL"
        return
    fi
    echo "ok disk $DISKS with the serial number $SERIAL"
    number=0
    for disk in $(disks_by_serial); do
        check_disk "$disk" "$number"
        number=$((number + 1))
    done
}

case $STAGE in
    before) write_patterns ;;
    after) check_disks ;;
esac
