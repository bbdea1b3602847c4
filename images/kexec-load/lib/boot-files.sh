# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154  # what is set here is read elsewhere, and what choose-grub.sh sets here
# Where a file that the boot loader names is in the running system: boot loaders see file systems, not mounts.

# MOUNTS gets lines of MOUNT_POINT<blank>ROOT_IN_FILE_SYSTEM<blank>SOURCE for the places where kernels live; of several
# mounts on one place the last is the visible one. Without /proc: as if / and /boot were mounted from anywhere.
note_mounts() {
    MOUNTS='/boot / ?
/ / ?'
    [ -r "$ROOT/proc/self/mountinfo" ] || return 0
    # proc(5): field 3 is MAJOR:MINOR, 4 and 5 are the root in the file system and the mount point; after " - " type and
    # source. /dev/root is a name that only the kernel knows.
    MOUNTS=$(run_awk '{
        at = 7
        while (at < NF && $at != "-") at++
        source = $(at + 2) == "/dev/root" ? "/dev/block/" $3 : $(at + 2)
        mount[$5] = $5 " " $4 " " source
    }
    END {
        count = split("/boot/efi /efi /boot/grub /boot/grub2 /boot /", places, " ")
        for (at = 1; at <= count; at++) if (places[at] in mount) print mount[places[at]]
    }' "$ROOT/proc/self/mountinfo")
}

# Sets mount_point, mount_root and mount_source to the mount of MOUNTS that the path (of the running system) is on.
find_mount() {
    while read -r mount_point mount_root mount_source; do
        case $1 in
            "${mount_point%/}"/*) return 0 ;;
        esac
    done <<END_OF_MOUNTS
$MOUNTS
END_OF_MOUNTS
    return 1
}

# is_device DEVICE SOURCE: whether the boot loader's device is the one that is mounted. UUID=... and LABEL=... are taken
# for it unless they are known to be another one; MENU is the device with grub.cfg on it. Names that only the boot
# loader gives (hd1,gpt2) say nothing here.
is_device() {
    case $1 in
        MENU) [ "$2" = "$MENU_SOURCE" ]; return ;;
        UUID=*) device_link=$ROOT/dev/disk/by-uuid/${1#UUID=} ;;
        LABEL=*) device_link=$ROOT/dev/disk/by-label/$(udev_name "${1#LABEL=}") ;;
        *) return 1 ;;
    esac
    [ -d "${device_link%/*}" ] || return 0
    # One btrfs may be on several devices, and the link and the mount may name different ones.
    [ ! -e "$ROOT/sys/fs/btrfs/${1#UUID=}/devices/${2##*/}" ] || return 0
    case $2 in
        /dev/*) [ "$(readlink -f "$device_link")" = "$(readlink -f "$ROOT$2")" ] ;;
    esac
}

# places_of DEVICE PATH: where in the running system (without $ROOT) a path of the boot loader's may be, one a line.
# Its paths begin at the root of the file system: on btrfs /@/boot/vmlinuz is /boot/vmlinuz where /@ is mounted on /,
# on ZFS /ROOT/debian@/boot/vmlinuz where pool/ROOT/debian is. RELATIVE (of a grub.cfg that says so): they begin
# at the default subvolume, which is the running system's. What another mount hides is no such place.
places_of() {
    while read -r mount_point mount_root mount_source; do
        is_device "$1" "$mount_source" || continue
        inner_path=$(inner_path "$2") || continue
        found_place=${mount_point%/}$inner_path
        [ "$mount_source" = '?' ] || is_visible_on "$mount_point" "$found_place" || continue
        printf '%s\n' "$found_place"
    done <<END_OF_MOUNTS
$MOUNTS
END_OF_MOUNTS
}

# The path from the mount point on.
inner_path() {
    dataset=${mount_source#*/}
    case $1 in
        "/$dataset@/"*) [ "$dataset" = "$mount_source" ] || { printf '%s' "${1#"/$dataset@"}" && return; } ;;
    esac
    case $1 in
        "${mount_root%/}"/*) printf '%s' "${1#"${mount_root%/}"}" ;;
        *) [ -n "$RELATIVE" ] && [ "$mount_point" = / ] && printf '%s' "$1" ;;
    esac
}

is_visible_on() (
    wanted_point=$1
    find_mount "$2" && [ "$mount_point" = "$wanted_point" ]
)

# find_boot_file (DEVICE)/PATH: sets BOOT_FILE (with $ROOT) to the file that GRUB means, or BOOT_FILE_PROBLEM.
find_boot_file() {
    boot_device=${1%%)*}
    boot_device=${boot_device#(} boot_path=${1#*)}
    case $boot_device in
        menu) BOOT_FILE=${grub_directory}$boot_path && [ -f "$BOOT_FILE" ] && return ;;
    esac
    BOOT_FILE_PROBLEM="there is no $boot_path on a file system that is mounted here"
    case $boot_device in
        menu | MENU | UUID=* | LABEL=*) ;;
        *) BOOT_FILE_PROBLEM="there is no $boot_path on a file system that is known here by the name ($boot_device)" ;;
    esac
    while IFS= read -r boot_place; do
        BOOT_FILE=$ROOT$boot_place
        [ -z "$boot_place" ] || [ ! -f "$BOOT_FILE" ] || return 0
    done <<END_OF_PLACES
$(places_of "$boot_device" "$boot_path")
END_OF_PLACES
    BOOT_FILE=''
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
