# Guest side of the checks of input devices. Set before: STAGE DRIVER, INPUTS (their names, with | between).
# shellcheck shell=sh disable=SC2154
INPUT_WAIT=20

inputs_missing() {
    echo "$INPUTS" | tr '|' '\n' | while read -r name; do
        grep -qxF "N: Name=\"$name\"" /proc/bus/input/devices || echo "$name"
    done
}

all_inputs_there() {
    [ -z "$(inputs_missing)" ]
}

if [ "$STAGE" = after ]; then
    check_driver "$DRIVER"
    if within "$INPUT_WAIT" all_inputs_there; then
        echo "ok input $(echo "$INPUTS" | tr '|' ',') are there"
    else
        echo "fail input there is no $(inputs_missing | tr '\n' ',')"
    fi
fi
