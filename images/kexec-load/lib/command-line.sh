# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# Kernel command lines: what the running one says without the boot loader's additions, and whether root= of the
# chosen one names a device that exists.

# Words behind this marker hold for one boot only: the next load leaves them out again.
MARKER=kexec_load.once

running_command_line() {
    clean_command_line <"$ROOT/proc/cmdline"
}

# Filter: the command line less BOOT_IMAGE= and initrd=, which the boot loader adds, and what was for one boot only.
clean_command_line() {
    KEXEC_LOAD_MARKER=$MARKER run_awk -f "$LIB/command-line.awk"
}

# The value of the last root= before "--", as the kernel takes it; nothing if there is none.
root_argument() {
    KEXEC_LOAD_ARGUMENT=root run_awk -f "$LIB/command-line.awk"
}

# True if root= of CHOSEN_COMMAND_LINE can be found; else ROOT_PROBLEM says why not.
check_root_argument() {
    ROOT_PROBLEM=''
    wanted=$(printf '%s\n' "$CHOSEN_COMMAND_LINE" | root_argument)
    case $wanted in
        '') no_root_is_fine || ROOT_PROBLEM="its command line has no root=" ;;
        UUID=*) find_disk uuid "${wanted#*=}" || root_not_found ;;
        LABEL=*) find_disk label "${wanted#*=}" || root_not_found ;;
        PARTUUID=*) find_disk partuuid "${wanted#*=}" || root_not_found ;;
        PARTLABEL=*) find_disk partlabel "${wanted#*=}" || root_not_found ;;
        /dev/nfs | /dev/ram*) ;;
        /dev/*) [ -e "$ROOT$wanted" ] || root_not_found ;;
        *) is_known_to_initrds "$wanted" || ROOT_PROBLEM="root=$wanted is in no known form" ;;
    esac
    [ -z "$ROOT_PROBLEM" ]
}

# An initrd may find the root on its own (systemd's gpt-auto, a live system): then the running kernel has none either.
no_root_is_fine() {
    [ -n "$CHOSEN_INITRDS" ] && is_running_root ''
}

is_running_root() {
    [ "$1" = "$(root_argument <"$ROOT/proc/cmdline")" ]
}

root_not_found() {
    ROOT_PROBLEM="root=$wanted names no device here"
}

# Forms that no device file stands for; the first three lines: dracut and initramfs-tools, then others' hooks.
is_known_to_initrds() {
    case $1 in
        nfs:* | nfs4:* | nbd:* | iscsi:* | fcoe:* | cifs://* | live:* | dhcp | dhcp6 | either6 | block:/dev/* | \
            zfs:* | zfs=* | ZFS=* | zfs | tmpfs | overlay | virtiofs:* | 9p:* | ubi[0-9]* | ubi:* | mtd:* | \
            gpt-auto | gpt-auto-force | dissect | off | bind:* | fstab | http://* | https://*) ;;
        [0-9]*:[0-9]*) [ -e "$ROOT/sys/dev/block/$1" ] ;;
        *) is_running_root "$1" ;;
    esac
}

# Is there a /dev/disk/by-KIND/NAME? Without udev there is no such folder: then what runs now must do.
find_disk() {
    disk_folder=$ROOT/dev/disk/by-$1 disk_name=${2%/PARTNROFF=*}
    if [ ! -d "$disk_folder" ]; then
        is_running_root "$wanted"
        return
    fi
    is_in_disk_folder "$disk_name" || is_in_disk_folder "$(udev_name "$disk_name")" ||
        is_in_disk_folder "$(printf '%s' "$disk_name" | tr '[:upper:]' '[:lower:]')"
}

is_in_disk_folder() {
    case $1 in
        '' | . | .. | */*) return 1 ;;
    esac
    [ -e "$disk_folder/$1" ] || [ -L "$disk_folder/$1" ]
}

# udev writes characters that are unsafe in file names as \xHH (systemd, encode_devnode_name).
udev_name() {
    printf '%s' "$1" | LC_ALL=C od -An -v -tx1 | run_awk '
        BEGIN {
            for (code = 1; code < 256; code++) CHARACTER[sprintf("%02x", code)] = sprintf("%c", code)
        }
        {
            for (at = 1; at <= NF; at++) {
                one = CHARACTER[$at]
                safe = one ~ /[A-Za-z0-9#+.:=@_-]/ || $at ~ /^[89a-f]/
                printf "%s", (safe ? one : "\\x" $at)
            }
        }'
}
