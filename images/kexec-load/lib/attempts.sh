# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# The safety net: a kernel that did not come up by kexec MAX_FAILURES times in a row is booted cold, until it
# changes or the operator says `kexec-load reset`.
#
#   note       written before the kexec, settled by the boot after it: kernel=, key=, boot=, time=
#   failures   "COUNT KEY KERNEL" for each kernel that failed since it last came up
#   history    "TIME OUTCOME KERNEL", the newest last
#
# A boot through firmware that finds the note is a failure: the kexec returned, hung until someone pressed reset, or
# its kernel panicked. A boot by kexec settles the note once it has reached its target (kexec-load-confirm.service);
# one that came up and was rebooted before is put down as unfinished, and not counted: nobody knows whose fault it was.

ATTEMPTS=$ROOT/var/lib/kexec-load
NOTE=$ATTEMPTS/note
FAILURES=$ATTEMPTS/failures
HISTORY=$ATTEMPTS/history
HISTORY_LENGTH=20
# Put behind the marker of words for one boot where the kernel does not tell how it was started; see came_by_kexec.
ATTEMPT_WORD=kexec_load.attempt

this_boot() {
    kernel_value "$ROOT/proc/sys/kernel/random/boot_id"
}

# What has to change for a kernel to be tried again: path, size and time of the kernel and of each initrd.
identity_key() {
    while IFS= read -r identity_file; do
        [ -z "$identity_file" ] || TZ=UTC stat -L -c '%n %s %y' "$identity_file"
    done <<END | sha256sum | cut -c 1-16
$CHOSEN_KERNEL
$CHOSEN_INITRDS
END
}

now() {
    date -u +%Y-%m-%dT%H:%M:%SZ
}

note_value() {
    sed -n "s/^$1=//p" "$NOTE" 2>/dev/null | head -n 1
}

# Write down that the chosen kernel is about to be started. False if that cannot be kept.
write_note() {
    {
        printf 'kernel=%s\n' "$(clean_text "$(shown "$CHOSEN_KERNEL")")"
        printf 'key=%s\nboot=%s\ntime=%s\n' "$(identity_key)" "$(this_boot)" "$(now)"
    } | write_durably "$NOTE"
}

# A load that is given up has made no attempt; the note of an earlier boot stays.
drop_note_of_this_boot() {
    [ "$(note_value boot)" != "$(this_boot)" ] || rm -f "$NOTE"
}

# x86 says who started the kernel: 13 in the upper four bits is kexec (Documentation/arch/x86/boot.rst,
# type_of_loader). A device tree says it since Linux 5.13 if kexec_file_load made it (drivers/of/kexec.c). Elsewhere
# a word on the command line says it, made of the boot that loaded the kernel.
came_by_kexec() {
    loader=$(kernel_value "$ROOT/proc/sys/kernel/bootloader_type")
    if is_number "$loader"; then
        [ "$((loader >> 4))" -eq 13 ]
        return
    fi
    [ ! -e "$ROOT/proc/device-tree/chosen/linux,booted-from-kexec" ] || return 0
    grep -qF "$ATTEMPT_WORD=$(note_value boot)" "$ROOT/proc/cmdline" 2>/dev/null
}

# The words by which the next boot knows that it came by kexec, where it needs them.
attempt_words() {
    [ -e "$ROOT/proc/sys/kernel/bootloader_type" ] || printf '%s=%s' "$ATTEMPT_WORD" "$(this_boot)"
}

# Settle the note of an earlier boot, if there is one; the argument is what a boot by kexec is put down as.
settle_note() {
    [ -s "$NOTE" ] && [ "$(note_value boot)" != "$(this_boot)" ] || return 0
    settled_key=$(note_value key) settled_kernel=$(note_value kernel)
    if ! came_by_kexec; then
        # Where it cannot be counted now, the note stays for the next one who can.
        count_failure "$settled_key" "$settled_kernel" || {
            warn "the failed kexec of $settled_kernel cannot be put down in $(shown "$FAILURES")"
            return 1
        }
        settled=failed
    else
        settled=$1
        [ "$settled" != "came-up" ] || forget_failures "$settled_key"
    fi
    { tail -n "$((HISTORY_LENGTH - 1))" "$HISTORY" 2>/dev/null; printf '%s %s %s\n' "$(note_value time)" "$settled" "$settled_kernel"; } |
        write_durably "$HISTORY"
    rm -f "$NOTE"
    say_settled
}

say_settled() {
    case $settled in
        failed)
            warn "the last kexec did not come up: $settled_kernel was loaded, and this boot came through firmware" \
                "($(failures_of "$settled_key") in a row)"
            ;;
        came-up) inform "the last kexec came up: $settled_kernel" ;;
        *) inform "the last kexec came up, and was rebooted before it reached its target: $settled_kernel" ;;
    esac
}

failures_of() {
    failure_count=$(awk -v key="$1" '$2 == key { count = $1 } END { print count + 0 }' "$FAILURES" 2>/dev/null)
    printf '%s' "${failure_count:-0}"
}

count_failure() {
    counted=$(($(failures_of "$1") + 1))
    { other_failures "$1" | tail -n "$((HISTORY_LENGTH - 1))"; printf '%s %s %s\n' "$counted" "$1" "$2"; } |
        write_durably "$FAILURES"
}

forget_failures() {
    [ "$(failures_of "$1")" -eq 0 ] || other_failures "$1" | write_durably "$FAILURES"
}

other_failures() {
    awk -v key="$1" '$2 != key' "$FAILURES" 2>/dev/null
}

# True, with the reason, if the chosen kernel has failed too often.
refuse_attempts() {
    [ "$MAX_FAILURES" -gt 0 ] || return 1
    attempted=$(failures_of "$(identity_key)")
    [ "$attempted" -ge "$MAX_FAILURES" ] || return 1
    printf '%s did not come up by kexec %s times in a row (MAX_FAILURES=%s; "kexec-load reset" tries it again)' \
        "$(shown "$CHOSEN_KERNEL")" "$attempted" "$MAX_FAILURES"
}

reset_attempts() {
    rm -f "$NOTE" "$FAILURES"
}
