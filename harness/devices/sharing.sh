# Guest side of the checks of shared folders. Set before: STAGE NONCE DRIVER, TYPE and OPTIONS of the mount.
# shellcheck shell=sh disable=SC2154
PATTERN_BYTES=1048576
PLACE=/run/kexec-harness-shared
TAG=kexec-harness

mount_it() {
    mkdir -p "$PLACE"
    mountpoint -q "$PLACE" || mount -t "$TYPE" -o "$OPTIONS" "$TAG" "$PLACE"
}

pattern() {
    yes "$NONCE" | head -c "$PATTERN_BYTES"
}

check_share() {
    check_driver "$DRIVER"
    if ! mount_it; then
        echo "fail mount the folder could not be mounted"
        return
    fi
    if [ "$(sha256sum <"$PLACE/pattern")" = "$(pattern | sha256sum)" ]; then
        echo "ok pattern $PATTERN_BYTES bytes written before the reboot are read back"
    else
        echo "fail pattern what is read is not what was written before the reboot"
    fi
}

if [ "$STAGE" = before ]; then
    modprobe "$DRIVER"
    # It stays mounted while the machine reboots.
    { mount_it && pattern >"$PLACE/pattern" && sync; } || exit 1
elif [ "$STAGE" = after ]; then
    modprobe "$DRIVER"
    check_share
fi
