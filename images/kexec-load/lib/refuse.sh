# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# Reasons to stand aside that hold whatever the kernel: one small function each. A function that refuses prints its
# reason and succeeds; one that has nothing against a kexec prints nothing and fails.

RUN_SYSTEMD=$ROOT/run/systemd
# Vendor id of the UEFI specification's own variables.
EFI_GLOBAL=8be4df61-93ca-11d2-aa0d-00e098032b8c

# The first reason against any kexec, or failure if there is none.
refusal() {
    for refuse in refuse_skip refuse_coldreboot refuse_config refuse_container refuse_no_kexec refuse_disabled \
        refuse_crash_kernel refuse_firmware_setup refuse_loader_request refuse_next_boot_entry refuse_reboot_parameter \
        refuse_firmware_update; do
        "$refuse" && return
    done
    return 1
}

refuse_skip() {
    [ -e "$STATE/skip" ] && printf 'asked to skip (%s)' "$(shown "$STATE/skip")"
}

# coldreboot(8) of Debian's kexec-tools leaves this file behind and calls reboot.
COLDREBOOT=$ROOT/no-kexec-reboot

refuse_coldreboot() {
    [ -e "$COLDREBOOT" ] && printf 'asked for by coldreboot (%s)' "$(shown "$COLDREBOOT")"
}

# It holds for one reboot, and whoever honours it takes it away, as kexec-tools itself does.
forget_coldreboot() {
    rm -f "$COLDREBOOT" 2>/dev/null
}

# Of `check` and `status` only: a load is what the service does when it is stopped.
refuse_idle_service() {
    [ -d "$RUN_SYSTEMD/system" ] && ! systemctl is-active --quiet kexec-load.service 2>/dev/null &&
        printf 'kexec-load.service is not running; "systemctl enable --now kexec-load" starts it'
}

refuse_config() {
    [ -n "$CONFIG_ERROR" ] && printf 'the settings are not understood: %s' "$CONFIG_ERROR"
}

# A kexec would be the host's.
refuse_container() {
    [ -e "$RUN_SYSTEMD/container" ] && printf 'this is a container'
}

refuse_no_kexec() {
    command -v kexec >/dev/null 2>&1 && return 1
    printf 'there is no kexec program (package kexec-tools)'
}

refuse_disabled() {
    if [ "$(kernel_value "$ROOT/proc/sys/kernel/kexec_load_disabled")" = 1 ]; then
        printf 'kernel.kexec_load_disabled is set'
    elif [ "$(kernel_value "$ROOT/proc/sys/kernel/kexec_load_limit_reboot")" = 0 ]; then
        printf 'kernel.kexec_load_limit_reboot allows no more loads'
    else
        return 1
    fi
}

# This is the kernel that was started to save a dump of a crashed one: its machine is in a state for nothing else.
refuse_crash_kernel() {
    [ -e "$ROOT/proc/vmcore" ] && printf 'this is a crash kernel (/proc/vmcore exists)'
}

# `systemctl reboot --firmware-setup`. Where there is no EFI, logind leaves a file (systemd-logind.service, environment
# SYSTEMD_REBOOT_TO_FIRMWARE_SETUP); with EFI it is bit 0 of OsIndications (UEFI specification 8.5.4).
refuse_firmware_setup() {
    if [ -e "$RUN_SYSTEMD/reboot-to-firmware-setup" ]; then
        printf 'a reboot to firmware setup was asked for'
        return
    fi
    [ -e "$EFIVARS/OsIndications-$EFI_GLOBAL" ] || return 1
    indications=$(os_indications)
    case $((indications & 0x1)),$((indications & 0x4)),$((indications & 0x60)) in
        0,0,0) return 1 ;;
        1,*) printf 'a reboot to firmware setup was asked for (EFI variable OsIndications)' ;;
        0,4,*) printf 'a firmware update is pending (EFI variable OsIndications: capsule on disk)' ;;
        *) printf 'a reboot to firmware recovery was asked for (EFI variable OsIndications)' ;;
    esac
}

# The lowest byte of OsIndications, which has all defined bits. A file of efivarfs is four bytes
# of attributes, then the value.
os_indications() {
    indicated=$(od -An -v -tu1 -j 4 -N 1 "$EFIVARS/OsIndications-$EFI_GLOBAL" 2>/dev/null | tr -d ' \n')
    printf '%s' "${indicated:-0}"
}

# `systemctl reboot --boot-loader-entry= --boot-loader-menu=`: only a boot loader can show its menu. With EFI the
# menu's timeout is in a variable; the entry's is for the part that chooses the kernel.
refuse_loader_request() {
    if [ -e "$RUN_SYSTEMD/reboot-to-boot-loader-menu" ] || [ -e "$EFIVARS/LoaderConfigTimeoutOneShot-$EFI_LOADER" ]; then
        printf 'a reboot to the boot loader menu was asked for'
    elif [ -e "$RUN_SYSTEMD/reboot-to-boot-loader-entry" ]; then
        printf 'a reboot to a boot loader entry was asked for (%s)' "$(kernel_value "$RUN_SYSTEMD/reboot-to-boot-loader-entry")"
    else
        return 1
    fi
}

# `efibootmgr --bootnext`, and how fwupd has its own updater started: firmware is to start something else, once.
refuse_next_boot_entry() {
    [ -e "$EFIVARS/BootNext-$EFI_GLOBAL" ] && printf 'firmware was asked to boot another entry once (EFI variable BootNext)'
}

# `systemctl reboot ARGUMENT`: for firmware or a boot loader to act upon, e.g. "recovery".
refuse_reboot_parameter() {
    [ -s "$RUN_SYSTEMD/reboot-param" ] &&
        printf 'the reboot has an argument (%s)' "$(kernel_value "$RUN_SYSTEMD/reboot-param")"
}

# Firmware settings that wait for a reboot (Documentation/ABI/testing/sysfs-class-firmware-attributes), and what fwupd
# has put down since this boot. Its database cannot be read here; that it was written to is reason enough.
refuse_firmware_update() {
    for pending in "$ROOT"/sys/class/firmware-attributes/*/attributes/pending_reboot; do
        [ "$(kernel_value "$pending")" = 1 ] || continue
        printf 'changed firmware settings wait for a reboot (%s)' "$(shown "$pending")"
        return
    done
    [ -e "$ROOT/var/lib/fwupd/pending.db" ] || return 1
    booted=$(awk '$1 == "btime" { print $2 }' "$ROOT/proc/stat" 2>/dev/null)
    updated=$(stat -c %Y "$ROOT/var/lib/fwupd/pending.db" 2>/dev/null)
    is_number "$booted" && is_number "$updated" && [ "$updated" -ge "$booted" ] &&
        printf 'a firmware update may be pending (fwupd wrote /var/lib/fwupd/pending.db since this boot)'
}
