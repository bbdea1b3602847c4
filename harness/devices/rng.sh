# Guest side of the check of random numbers. Set before: STAGE DRIVER.
# shellcheck shell=sh disable=SC2154
SOURCE=/sys/class/misc/hw_random/rng_current
BYTES=256

some_bytes() {
    timeout 30 dd if=/dev/hwrng bs="$BYTES" count=1 iflag=fullblock status=none | od -An -v -tx1 | tr -d ' \n'
}

check_rng() {
    check_driver "$DRIVER"
    case $(cat "$SOURCE") in
        virtio_rng*) echo "ok source the kernel takes random numbers from $(cat "$SOURCE")" ;;
        *) echo "fail source the kernel takes random numbers from $(cat "$SOURCE")" ;;
    esac
    one=$(some_bytes)
    other=$(some_bytes)
    if [ "${#one}" -ne $((BYTES * 2)) ] || [ "${#other}" -ne $((BYTES * 2)) ]; then
        echo "fail bytes $BYTES bytes were asked for twice, $((${#one} / 2)) and $((${#other} / 2)) came"
    elif [ "$one" = "$other" ]; then
        echo "fail bytes the same $BYTES bytes came twice"
    else
        echo "ok bytes twice $BYTES bytes came, and they differ"
    fi
}

[ "$STAGE" != after ] || check_rng
