# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# An entry asked for once (grub-reboot, bootctl set-oneshot): a boot loader forgets the request when it honours it,
# so whoever honours it by kexec must do the same, or the next boot through firmware would honour it again.

# True, with the reason, if an entry is asked for once and nobody looked at that for the choice: KERNEL= of the settings
# names the kernel, or GRUB the default, while the request is an EFI variable.
refuse_one_shot() {
    asked_for=$(loader_variable_file LoaderEntryOneShot)
    if [ -e "$asked_for" ] && [ "$CHOSEN_ONE_SHOT" != "$asked_for" ]; then
        printf 'a reboot to a boot loader entry was asked for (EFI variable LoaderEntryOneShot: %s)' \
            "$(loader_variable LoaderEntryOneShot)"
        return
    fi
    [ "$CHOSEN_SOURCE" = configuration ] || return 1
    asked_for=$(for grubenv in "$ROOT"/boot/grub/grubenv "$ROOT"/boot/grub2/grubenv; do
        [ ! -f "$grubenv" ] || head -c 65536 "$grubenv" | tr '\000' '\n' | sed -n 's/^next_entry=\(..*\)/\1/p'
    done | head -n 1)
    [ -n "$asked_for" ] && printf 'a reboot to a boot loader entry was asked for (grub-reboot: %s)' "$asked_for"
}

# Call when the chosen kernel is loaded; fails if the request could not be taken back.
consume_one_shot() {
    case $CHOSEN_ONE_SHOT in
        '') ;;
        */grubenv) clear_next_entry "$CHOSEN_ONE_SHOT" ;;
        *) remove_efi_variable "$CHOSEN_ONE_SHOT" ;;
    esac
}

# GRUB itself can only overwrite the file's blocks, so it keeps its size and place: "#" fills it up.
clear_next_entry() {
    is_text_file "$1" || return 1
    cleared=$(run_awk -v size="$(wc -c <"$1")" '
        /^next_entry=/ { $0 = "next_entry=" }
        /^#/ && NR > 1 { next }
        { text = text $0 "\n" }
        END {
            while (length(text) < size) text = text "#"
            print text
        }' "$1") || return 1
    printf '%s' "$cleared" | dd of="$1" conv=notrunc,fsync 2>/dev/null
}

# efivarfs marks variables immutable, so that no careless `rm -r` can break a machine.
remove_efi_variable() {
    chattr -i "$1" 2>/dev/null || :
    rm -f "$1"
}
