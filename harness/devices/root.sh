# Guest side of the check of the root disk. Set before: STAGE DRIVER NONCE.
# shellcheck shell=sh disable=SC2154
KEPT=/var/lib/kexec-harness/root-pattern
PATTERN_BYTES=4194304

pattern() {
    yes "$NONCE" | head -c "$PATTERN_BYTES"
}

if [ "$STAGE" = before ]; then
    mkdir -p "${KEPT%/*}"
    pattern | dd of="$KEPT" bs=65536 iflag=fullblock conv=fsync status=none || exit 1
elif [ "$STAGE" = after ]; then
    disk=$(readlink -f "/sys/dev/block/$(mountpoint -d /)")
    if driver_is_bound "$DRIVER" "$disk"; then
        echo "ok driver ${disk##*/} with the root is bound to $DRIVER"
    else
        echo "fail driver ${disk##*/} with the root is not bound to $DRIVER"
    fi
    if [ "$(sha256sum <"$KEPT")" = "$(pattern | sha256sum)" ]; then
        echo "ok pattern $PATTERN_BYTES bytes written before the reboot are read back"
    else
        echo "fail pattern what is read is not what was written before the reboot"
    fi
fi
