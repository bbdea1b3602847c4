# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# Where a file that the boot loader names is in the running system: boot loaders see file systems, not mounts.

# Lines of MOUNT_POINT<blank>ROOT_IN_FILE_SYSTEM<blank>SOURCE for the places where kernels live; of several mounts on
# one place the last is the visible one. Without /proc: as if / and /boot were mounted, from unknown devices.
boot_mounts() {
    if [ -r "$ROOT/proc/self/mountinfo" ]; then
        # proc(5): fields 4 and 5 are the root in the file system and the mount point; after " - " type and source.
        run_awk '{
            at = 7
            while (at < NF && $at != "-") at++
            if ($5 ~ "^(/|/boot|/boot/efi|/efi)$") mount[$5] = $5 " " $4 " " $(at + 2)
        }
        END {
            for (at = split("/boot/efi /efi /boot /", places, " "); at >= 1; at--)
                if (places[at] in mount) order[++count] = mount[places[at]]
            while (count) print order[count--]
        }' "$ROOT/proc/self/mountinfo"
    else
        printf '%s\n' '/boot / ?' '/ / ?'
    fi
}

is_mount_point() {
    boot_mounts | grep -q "^$1 "
}

# True unless the boot loader's device (UUID=..., LABEL=..., or a name only it knows) is known to be another one.
is_device() {
    case $1 in
        UUID=*) device_link=$ROOT/dev/disk/by-uuid/${1#UUID=} ;;
        LABEL=*) device_link=$ROOT/dev/disk/by-label/$(udev_name "${1#LABEL=}") ;;
        *) return 0 ;;
    esac
    [ -d "${device_link%/*}" ] || return 0
    case $2 in
        /dev/root) return 0 ;;
        /dev/*) [ "$(readlink -f "$device_link")" = "$(readlink -f "$ROOT$2")" ] ;;
    esac
}

# find_boot_file DEVICE PATH: sets BOOT_FILE (with $ROOT) to the file that the boot loader means.
# GRUB's paths on btrfs begin with the subvolume: /@/boot/vmlinuz is /boot/vmlinuz where /@ is mounted on /.
find_boot_file() {
    BOOT_FILE=''
    while read -r mount_point mount_root mount_source; do
        is_device "$1" "$mount_source" || continue
        mount_point=${mount_point%/}
        for inner_path in "${2#"${mount_root%/}"}" "${2#*@}" "$2"; do
            if [ "${inner_path#/}" != "$inner_path" ] && [ -f "$ROOT$mount_point$inner_path" ]; then
                BOOT_FILE=$ROOT$mount_point$inner_path
                return 0
            fi
        done
    done <<END_OF_MOUNTS
$(boot_mounts)
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
