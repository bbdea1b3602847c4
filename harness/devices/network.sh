# Guest side of the network checks. Set before: STAGE NONCE DRIVER (any of several, with | between) MAC_END ECHO_ADDRESS
# ECHO_PORT.
# shellcheck shell=sh disable=SC2154
PAYLOAD_BYTES=1048576
ADDRESS_WAIT=30
ECHO_WAIT=30
ECHO_FILE=/run/kexec-harness-echo-$ECHO_ADDRESS

# QEMU gives cards on USB a first byte of its own.
find_interface() {
    for path in /sys/class/net/*; do
        interface=${path##*/}
        case $(cat "$path/address" 2>/dev/null) in
            ??:"$MAC_END") return 0 ;;
        esac
    done
    return 1
}

driver_of() {
    link=$(readlink "/sys/class/net/$1/device/driver" || readlink "/sys/class/net/$1/device/../driver") && echo "${link##*/}"
}

address_of() {
    ip -4 -oneline address show dev "$1" scope global | awk '{ print $4; exit }'
}

wait_for_address() {
    tries=$((ADDRESS_WAIT * 5))
    while [ "$tries" -gt 0 ]; do
        address=$(address_of "$1")
        [ -z "$address" ] || return 0
        sleep 0.2
        tries=$((tries - 1))
    done
    return 1
}

# The nonce goes into every line, so that an echo of an earlier boot's bytes is not taken for this one's.
payload() {
    yes "$NONCE" 2>/dev/null | head -c "$PAYLOAD_BYTES"
}

# busybox nc does not end by itself once everything has come back: the echo service never closes.
echo_payload() {
    : >"$ECHO_FILE"
    payload | busybox nc "$ECHO_ADDRESS" "$ECHO_PORT" >"$ECHO_FILE" &
    client=$!
    tries=$((ECHO_WAIT * 10))
    while [ "$(wc -c <"$ECHO_FILE")" -lt "$PAYLOAD_BYTES" ] && [ "$tries" -gt 0 ]; do
        sleep 0.1
        tries=$((tries - 1))
    done
    kill "$client" 2>/dev/null
}

check_network() {
    if ! within "$DRIVER_WAIT" find_interface; then
        echo "fail driver no interface is bound to $DRIVER: none has an address that ends with $MAC_END, after $DRIVER_WAIT s"
        return
    fi
    bound=$(driver_of "$interface")
    case "|$DRIVER|" in
        *"|$bound|"*) echo "ok driver $interface is bound to $bound" ;;
        *) echo "fail driver $interface is bound to ${bound:-nothing}, not to $DRIVER" ;;
    esac
    state=$(cat "/sys/class/net/$interface/operstate")
    if ! wait_for_address "$interface"; then
        echo "fail address $interface (state $state) has no address after $ADDRESS_WAIT s"
        return
    fi
    echo "ok address $interface has $address"
    echo_payload
    back=$(wc -c <"$ECHO_FILE")
    if [ "$back" -ne "$PAYLOAD_BYTES" ]; then
        echo "fail traffic $PAYLOAD_BYTES bytes sent to the host, $back came back within $ECHO_WAIT s"
    elif [ "$(payload | sha256sum)" = "$(sha256sum <"$ECHO_FILE")" ]; then
        echo "ok traffic $PAYLOAD_BYTES bytes to the host and back"
    else
        echo "fail traffic $PAYLOAD_BYTES bytes sent to the host, and others came back"
    fi
    rm -f "$ECHO_FILE"
}

[ "$STAGE" != after ] || check_network
