# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# Source 4: without a boot loader's configuration, Debian's links /vmlinuz and /initrd.img; then the newest kernel in
# /boot, in the order of the distribution's package manager. The command line is the running one.

choose_from_debian_links() {
    for folder in "$ROOT" "$ROOT/boot"; do
        [ -L "$folder/vmlinuz" ] || [ -e "$folder/vmlinuz" ] || continue
        CHOSEN_REASON="$(shown "$folder/vmlinuz")"
        CHOSEN_KERNEL=$folder/vmlinuz
        CHOSEN_INITRDS=$folder/initrd.img
        return
    done
    return 1
}

choose_from_newest() {
    release=$(kernel_releases | newest_release)
    [ -n "$release" ] || return 1
    CHOSEN_REASON="the newest kernel in /boot ($release)"
    CHOSEN_KERNEL=$ROOT/boot/vmlinuz-$release
    CHOSEN_INITRDS=$(initrd_of "$release")
    # The others have one: this kernel's installation may not be complete.
    [ -n "$CHOSEN_INITRDS" ] || ! any_initrd || refuse_choice "$CHOSEN_REASON: it has no initrd, but others have"
}

# Leaves out what package managers leave behind, and rescue systems, which are for emergencies.
kernel_releases() {
    for file in "$ROOT"/boot/vmlinuz-*; do
        case $file in
            *.dpkg-* | *.rpmsave | *.rpmnew | *.old | *~ | *.sig | *.signed | *.hmac | *-rescue* | *-fallback*) ;;
            *) [ ! -f "$file" ] || ! is_one_line "$file" || printf '%s\n' "${file##*/vmlinuz-}" ;;
        esac
    done
}

newest_release() {
    VERSION_ORDER=$(package_order) run_awk -f "$LIB/version.awk" -f "$LIB/newest.awk"
}

package_order() {
    if [ ! -d "$ROOT/var/lib/dpkg" ] && { [ -d "$ROOT/var/lib/rpm" ] || [ -d "$ROOT/usr/lib/sysimage/rpm" ]; }; then
        echo rpm
    else
        echo dpkg
    fi
}

# As Debian, Fedora and Arch, and SUSE name them.
initrd_of() {
    for file in "$ROOT/boot/initrd.img-$1" "$ROOT/boot/initramfs-$1.img" "$ROOT/boot/initrd-$1" \
        "$ROOT/boot/initrd-$1.img" "$ROOT/boot/initramfs-$1"; do
        [ ! -f "$file" ] || { printf '%s' "$file" && return; }
    done
}

any_initrd() {
    for file in "$ROOT"/boot/initrd* "$ROOT"/boot/initramfs*; do
        [ ! -e "$file" ] || return 0
    done
    return 1
}
