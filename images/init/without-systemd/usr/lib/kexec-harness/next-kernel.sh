# What an image without systemd has in place of kexec-load: loads the next kernel, and executes it. Sourced by those that
# end a system.
#
# A kexec is asked for by the next kernel's command line in NEXT; LOAD_CALL, a setting of kexec-load, may stand in
# SETTINGS. The kernel is loaded when the system ends, as kexec-load does it, so that what loading takes is part of the
# reboot.
# shellcheck shell=sh
STATE=/run/kexec-harness
NEXT=$STATE/command-line
SETTINGS=$STATE/settings

# In the words of kexec-load, which the harness knows.
say() {
    printf '<6>kexec-load: %s' "$*" | tr '\n' ' ' >/dev/kmsg
}

# Loads the kernel that the boot loader would start, if a kexec is asked for. Fails, and says why, if that is refused.
load_next_kernel() {
    [ -e "$NEXT" ] || return 0
    case $(cat "$SETTINGS" 2>/dev/null) in
        *LOAD_CALL=kexec_file_load*) calls=--kexec-file-syscall ;;
        *LOAD_CALL=kexec_load*) calls=--kexec-syscall ;;
        *) calls='--kexec-file-syscall --kexec-syscall' ;;
    esac
    problems=
    for call in $calls; do
        said=$(/usr/sbin/kexec "$call" --load /vmlinuz --initrd=/initrd.img --command-line="$(cat "$NEXT")" 2>&1) &&
            return
        problems="$problems; $call: $said"
    done
    say "load failed: ${problems#; }"
    return 1
}

# Comes back only if no kernel is loaded, or the call is refused.
execute_next_kernel() {
    # New kernels have both, older ones the second only.
    loaded=$(cat /sys/kernel/kexec/loaded /sys/kernel/kexec_loaded 2>/dev/null | head -n 1)
    [ "$loaded" = 1 ] || return 0
    say "executing the loaded kernel"
    /usr/sbin/kexec --exec
    say "kexec --exec returned $?; rebooting through firmware"
}
