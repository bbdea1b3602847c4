# shellcheck shell=dash disable=SC2034,SC2154  # STAGE_REASON is read, next_command_line set, in kexec-load
# SPDX-License-Identifier: MIT
# Load the chosen kernel, all of it or nothing: kexec_file_load first, the classic call where that is not possible.
#
# Both calls put the new image in place as their last step, so a failed one leaves what was loaded before, which may
# be an older kernel: everything is unloaded first. The hook starts an image only if this file's stamp says that
# kexec-load put it there: not somebody else's, and not one that a hung kexec brought to an end after its time.

STAGED=$STATE/staged
# Some image may be half-way in: from the first unload to the end.
STAGING=$STATE/staging
JOINED_INITRD=$STATE/initrd

# True if the kernel says that an image is loaded. The file moved to a folder of its own in Linux 6.18.
image_loaded() {
    for loaded_file in "$ROOT/sys/kernel/kexec/loaded" "$ROOT/sys/kernel/kexec_loaded"; do
        [ ! -e "$loaded_file" ] || [ "$(cat "$loaded_file")" != 1 ] || return 0
    done
    return 1
}

# After this nothing is loaded, or it says so loudly and fails.
unload_image() {
    rm -f "$STAGED"
    image_loaded || return 0
    unload_output=$(kexec --unload 2>&1)
    image_loaded || return 0
    say 3 "an image is still loaded and cannot be unloaded (it will not be started): $unload_output"
    return 1
}

# How many more loads the kernel allows (sysctl, Linux 6.3 and newer); each one takes one away, whoever asks for it. By
# that the hook sees that another image has been put in the place of this one. -1 means that nobody counts: then this
# starts to, from a number that no boot uses up.
LOADS_LEFT=$ROOT/proc/sys/kernel/kexec_load_limit_reboot
MANY_LOADS=1000000

count_loads() {
    [ "$(kernel_value "$LOADS_LEFT")" != -1 ] || { echo "$MANY_LOADS" >"$LOADS_LEFT"; } 2>/dev/null || :
}

# Load what was chosen. Sets STAGE_REASON when that fails; the caller has to clear away. The image is started only
# once mark_staged has been called.
stage() {
    if ! mkdir -p "$STATE" || ! true >"$STAGING"; then
        STAGE_REASON="cannot write to $(shown "$STATE")"
        return 1
    fi
    if image_loaded; then
        inform "unloading an image that someone else has loaded"
    fi
    count_loads
    load_image
}

# From here on the hook starts the image.
mark_staged() {
    rm -f "$JOINED_INITRD" # may be what fills /run
    {
        printf 'kernel=%s\n' "$(clean_text "$(shown "$CHOSEN_KERNEL")")"
        printf 'loads_left=%s\n' "$(kernel_value "$LOADS_LEFT")"
    } >"$STAGED" && finish_staging
}

finish_staging() {
    rm -f "$JOINED_INITRD" "$STAGING"
}

load_image() {
    unload_image || {
        STAGE_REASON="the image that was loaded before cannot be unloaded"
        return 1
    }
    one_initrd && load_or_make_room || return 1
    image_loaded || {
        STAGE_REASON="kexec succeeded, but the kernel says that nothing is loaded"
        return 1
    }
}

# kexec takes one initrd. The kernel reads several cpio archives in a row; each has to begin at a multiple of four.
one_initrd() {
    case $CHOSEN_INITRDS in
        *'
'*) ;;
        *)
            initrd=$CHOSEN_INITRDS
            return
            ;;
    esac
    initrd=$JOINED_INITRD
    join_initrds >"$JOINED_INITRD" && return
    STAGE_REASON="the initrds cannot be joined into $(shown "$JOINED_INITRD")"
    return 1
}

join_initrds() {
    while IFS= read -r part; do
        [ -n "$part" ] || continue
        expendable cat "$part" || return
        head -c "$(((4 - $(wc -c <"$part") % 4) % 4))" /dev/zero || return
    done <<END
$CHOSEN_INITRDS
END
}

# At the end of a machine's life memory may be full of cache or in small pieces: that is mended once.
load_or_make_room() {
    try_to_load && return
    [ "$short_of_memory" = yes ] || return 1
    inform "no memory for the kernel: dropping caches, compacting memory, and trying once more"
    echo 3 >"$ROOT/proc/sys/vm/drop_caches" 2>/dev/null
    echo 1 >"$ROOT/proc/sys/vm/compact_memory" 2>/dev/null
    try_to_load
}

try_to_load() {
    short_of_memory=no
    if [ "$LOAD_CALL" != kexec_load ]; then
        call_kexec kexec_file_load --kexec-file-syscall && return
        file_load_error=$call_error
        if [ "$LOAD_CALL" = kexec_file_load ]; then
            STAGE_REASON="$file_load_error; LOAD_CALL=$LOAD_CALL allows no other way"
            return 1
        fi
        if locked_down; then
            STAGE_REASON="$file_load_error; kernel lockdown allows no other way"
            return 1
        fi
        inform "kexec_file_load refused: $file_load_error"
    fi
    call_kexec kexec_load --kexec-syscall && return
    STAGE_REASON=$call_error
    return 1
}

# call_kexec SYSCALL OPTION: sets call_error when it fails.
call_kexec() {
    # The outer redirection takes what the shell says of a kexec that was killed.
    {
        kexec_output=$(expendable kexec "$2" --load "$CHOSEN_KERNEL" ${initrd:+--initrd="$initrd"} \
            --command-line="$next_command_line" 2>&1)
    } 2>/dev/null
    kexec_status=$?
    [ "$kexec_status" -ne 0 ] || return 0
    call_error="$1: $(error_meaning "$kexec_status" "$kexec_output")"
    case $call_error in
        *ENOMEM* | *EADDRNOTAVAIL* | *'out of memory'* | *'no room'*) short_of_memory=yes ;;
    esac
    return 1
}

# kexec-tools passes on what strerror(3) says (glibc's words, then musl's); what each means here is from the kernel's
# kernel/kexec.c, kernel/kexec_file.c and crypto/asymmetric_keys/.
error_meaning() {
    case $2 in
        *'Cannot allocate memory'* | *'Out of memory'*) meaning='ENOMEM, no memory for the kernel and its initrd' ;;
        *'Cannot assign requested address'* | *'Address not available'*)
            meaning='EADDRNOTAVAIL, no room at an address where this kernel can run'
            ;;
        *'Could not find a free area of memory'* | *'locate_hole failed'*) meaning='no room at an address where this kernel can run' ;;
        *'malloc'*'failed'* | *'alloc'*'failed'*) meaning='out of memory in kexec itself' ;;
        *'Exec format error'*) meaning='ENOEXEC, not a kernel that this call can load' ;;
        *'Operation not permitted'*) meaning='EPERM, not allowed: lockdown, kexec_load_disabled or no CAP_SYS_BOOT' ;;
        *'Permission denied'*) meaning='EACCES, refused by a security module' ;;
        *'Device or resource busy'* | *'Resource busy'*) meaning='EBUSY, another kexec is loading' ;;
        *'Key was rejected'*) meaning='EKEYREJECTED, the signature is not valid' ;;
        *'Required key not available'*) meaning='ENOKEY, signed with a key that this kernel does not trust' ;;
        *'Package not installed'*) meaning='ENOPKG, the signature uses an algorithm that this kernel lacks' ;;
        *'Bad message'*) meaning='EBADMSG, the signature cannot be read' ;;
        *'No data available'*) meaning='ENODATA, the kernel has no signature' ;;
        *'Function not implemented'*) meaning='ENOSYS, this kernel lacks the call' ;;
        *'Invalid argument'*) meaning='EINVAL, the kernel or its command line does not suit this call' ;;
        *'Input/output error'* | *'I/O error'*) meaning='EIO, the disk cannot be read' ;;
        *'No such file or directory'*) meaning='ENOENT, a file is gone' ;;
        *) meaning="kexec ended with status $1" ;;
    esac
    [ "$1" -ne 137 ] || meaning='out of memory: kexec was killed'
    printf '%s (%s)' "$meaning" "$(clean_text "$2")"
}

# kernel_lockdown(7): under either mode the classic call is refused, and kexec_file_load takes signed kernels only.
locked_down() {
    case $(kernel_value "$ROOT/sys/kernel/security/lockdown") in
        *'[integrity]'* | *'[confidentiality]'*) ;;
        *) return 1 ;;
    esac
}
