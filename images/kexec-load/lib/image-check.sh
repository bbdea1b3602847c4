# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# Is the chosen kernel one that can be started here, and is the file whole? kexec-tools does not ask: a bzImage cut
# to its first megabytes is loaded without complaint (kexec-tools 2.0.20) and hangs.

# True, with the reason, if a chosen file cannot be what it should be.
refuse_images() {
    refuse_file kernel "$CHOSEN_KERNEL" && return
    refuse_kernel "$CHOSEN_KERNEL" && return
    while IFS= read -r image; do
        [ -n "$image" ] || continue
        refuse_file initrd "$image" && return
        refuse_initrd "$image" && return
    done <<END
$CHOSEN_INITRDS
END
    return 1
}

# refuse_file KIND FILE. Opening it is the test of being readable: root may open what `test -r` cannot judge.
refuse_file() {
    if [ ! -e "$2" ]; then
        printf '%s %s is missing' "$1" "$(shown "$2")"
    elif [ ! -f "$2" ]; then
        printf '%s %s is not a regular file' "$1" "$(shown "$2")"
    elif [ ! -s "$2" ]; then
        printf '%s %s is empty' "$1" "$(shown "$2")"
    elif ! head -c 1 "$2" >/dev/null 2>&1; then
        printf '%s %s is unreadable' "$1" "$(shown "$2")"
    else
        return 1
    fi
}

refuse_kernel() {
    # shellcheck disable=SC2046  # three words are meant
    set -- "$1" $(od -An -v -tu1 -N 8192 "$1" | awk -f "$LIB/image-check.awk")
    file_size=$(wc -c <"$1")
    if [ "$3" != - ] && [ "$3" != "$(machine_family)" ]; then
        printf 'kernel %s is for another architecture: %s, and this is %s' "$(shown "$1")" "$3" "$(uname -m)"
    elif [ "$4" != - ] && [ "$file_size" -lt "$4" ]; then
        printf 'kernel %s is truncated: %s bytes of %s' "$(shown "$1")" "$file_size" "$4"
    elif [ "$2" = gzip ]; then
        refuse_damaged kernel "$1" 0 gzip
    elif [ "$2" = - ] && [ "$(machine_family)" = x86 ]; then
        printf 'kernel %s is of no format known on x86' "$(shown "$1")"
    else
        return 1
    fi
}

# The name that image-check.awk has for this machine: one name for what one kernel, or kexec itself, can cross.
machine_family() {
    case $(uname -m) in
        x86_64 | i?86) echo x86 ;;
        aarch64 | arm64) echo aarch64 ;;
        arm*) echo arm ;;
        riscv*) echo riscv ;;
        loongarch*) echo loongarch ;;
        ppc*) echo ppc ;;
        s390*) echo s390 ;;
        mips*) echo mips ;;
        *) uname -m ;;
    esac
}
