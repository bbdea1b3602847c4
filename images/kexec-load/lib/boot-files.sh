# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# Where a file that the boot loader names is in the running system: boot loaders see file systems, not mounts.

# MOUNTS gets lines of MOUNT_POINT<blank>ROOT_IN_FILE_SYSTEM<blank>SOURCE for the places where kernels live; of several
# mounts on one place the last is the visible one. Without /proc: as if / and /boot were mounted from anywhere.
note_mounts() {
    MOUNTS='/boot / ?
/ / ?'
    [ -r "$ROOT/proc/self/mountinfo" ] || return 0
    # proc(5): fields 4 and 5 are the root in the file system and the mount point; after " - " type and source.
    MOUNTS=$(run_awk '{
        at = 7
        while (at < NF && $at != "-") at++
        mount[$5] = $5 " " $4 " " $(at + 2)
    }
    END {
        count = split("/boot/efi /efi /boot /", places, " ")
        for (at = 1; at <= count; at++) if (places[at] in mount) print mount[places[at]]
    }' "$ROOT/proc/self/mountinfo")
}

# True unless the boot loader's device (UUID=..., LABEL=..., or a name only it knows) is known to be another one.
is_device() {
    case $1 in
        UUID=*) device_link=$ROOT/dev/disk/by-uuid/${1#UUID=} ;;
        LABEL=*) device_link=$ROOT/dev/disk/by-label/$(udev_name "${1#LABEL=}") ;;
        *) return 0 ;;
    esac
    [ -d "${device_link%/*}" ] || return 0
    # One btrfs may be on several devices, and the link and the mount may name different ones.
    [ ! -e "$ROOT/sys/fs/btrfs/${1#UUID=}/devices/${2##*/}" ] || return 0
    case $2 in
        /dev/root) return 0 ;;
        /dev/*) [ "$(readlink -f "$device_link")" = "$(readlink -f "$ROOT$2")" ] ;;
    esac
}

# find_boot_file (DEVICE)/PATH: sets BOOT_FILE (with $ROOT) to the file that GRUB means, or BOOT_FILE_PROBLEM.
# On btrfs its paths begin with the subvolume: /@/boot/vmlinuz is /boot/vmlinuz where /@ is mounted on /.
find_boot_file() {
    boot_device=${1%%)*}
    boot_device=${boot_device#(} boot_path=${1#*)}
    BOOT_FILE='' BOOT_FILE_PROBLEM="there is no $boot_path on a file system that is mounted here"
    while read -r mount_point mount_root mount_source; do
        is_device "$boot_device" "$mount_source" || continue
        for inner_path in "${boot_path#"${mount_root%/}"}" "${boot_path#*@}" "$boot_path"; do
            BOOT_FILE=$ROOT${mount_point%/}$inner_path
            [ "${inner_path#/}" = "$inner_path" ] || [ ! -f "$BOOT_FILE" ] || return 0
        done
    done <<END_OF_MOUNTS
$MOUNTS
END_OF_MOUNTS
    return 1
}

# Follows symbolic links, taking absolute ones as meant for $ROOT.
follow_links() {
    followed=$1
    for _ in 1 2 3 4 5 6 7 8; do
        [ -L "$followed" ] || break
        target=$(readlink "$followed")
        case $target in
            /*) followed=$ROOT$target ;;
            *) followed=${followed%/*}/$target ;;
        esac
    done
    printf '%s' "$followed"
}

# As `uname -m` says; a fake root may say otherwise.
machine() {
    machine=$(kernel_value "$ROOT/proc/sys/kernel/arch")
    printf '%s' "${machine:-$(uname -m)}"
}
