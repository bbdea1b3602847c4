# Guest side of the checks of virtio's serial ports. Set before: STAGE DRIVER NONCE PORT (its name; empty for a console),
# MESSAGE (what the kernel is to say on the console).
# shellcheck shell=sh disable=SC2154
PAYLOAD_BYTES=65536
ECHO_WAIT=30
ECHOED=/run/kexec-harness-port

payload() {
    yes "$NONCE" | head -c "$PAYLOAD_BYTES"
}

port_there() {
    [ -e "/dev/virtio-ports/$PORT" ]
}

# A port can be open once only: reading and writing go through one file.
check_port() {
    if ! within 20 port_there; then
        echo "fail port there is no /dev/virtio-ports/$PORT"
        return
    fi
    exec 4<>"/dev/virtio-ports/$PORT"
    payload >&4 &
    timeout "$ECHO_WAIT" head -c "$PAYLOAD_BYTES" <&4 >"$ECHOED"
    exec 4>&-
    if [ "$(sha256sum <"$ECHOED")" = "$(payload | sha256sum)" ]; then
        echo "ok port $PAYLOAD_BYTES bytes to the host and back"
    else
        echo "fail port $PAYLOAD_BYTES bytes went to the host, and $(wc -c <"$ECHOED") came back, or others"
    fi
    rm -f "$ECHOED"
}

check_console() {
    case " $(cat /sys/class/tty/console/active) " in
        *" hvc0 "*) echo "ok console is one of $(cat /sys/class/tty/console/active)" ;;
        *) echo "fail console hvc0 is none of $(cat /sys/class/tty/console/active)" ;;
    esac
    echo "<2>$MESSAGE" >/dev/kmsg
    sleep 1
}

if [ "$STAGE" = after ]; then
    check_driver "$DRIVER"
    if [ -n "$PORT" ]; then check_port; else check_console; fi
fi
