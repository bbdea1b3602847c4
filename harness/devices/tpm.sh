# Guest side of the TPM checks. Set before: STAGE DRIVER.
# shellcheck shell=sh disable=SC2154
PCRS=/sys/class/tpm/tpm0/pcr-sha256
LOG=/sys/kernel/security/tpm0/binary_bios_measurements
# What the first cold boot's PCRs and log were; the disk is that of this machine alone.
KEPT=/var/lib/kexec-harness/tpm

pcrs() {
    for number in 0 1 2 3 4 5 6 7; do
        echo "$number $(cat "$PCRS/$number")"
    done
}

check_pcrs() {
    if [ "$(pcrs | grep -c ' [0-9A-Fa-f]\{64\}$')" -ne 8 ]; then
        echo "fail pcrs could not be read"
    elif pcrs | grep -q '^0 0*$'; then
        echo "fail pcrs the firmware has measured nothing into PCR 0"
    else
        echo "ok pcrs 8 read, PCR 0 is $(pcrs | sed -n 's/^0 //p' | cut -c 1-16)..."
    fi
}

check_log() {
    [ -d "${LOG%/*}" ] || mount -t securityfs none /sys/kernel/security 2>/dev/null
    size=$(wc -c <"$LOG" 2>/dev/null || echo 0)
    if [ "$size" -gt 0 ]; then
        echo "ok log $size bytes of the firmware's events"
    elif [ -e "$KEPT" ]; then
        echo "fail log there is none, and the first boot had one"
    else
        echo "ok log there is none, as after the first cold boot"
    fi
}

case $STAGE in
    before) [ ! -s "$LOG" ] || { mkdir -p "${KEPT%/*}" && : >"$KEPT" && sync -f "$KEPT"; } ;;
    after)
        check_driver "$DRIVER"
        check_pcrs
        check_log
        ;;
esac
