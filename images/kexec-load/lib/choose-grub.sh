# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# Source 3: what GRUB's configuration would boot by default. grub.awk reads it; here its files are found.

choose_from_grub() {
    grub_directory=$(find_grub) || return 1
    is_text_file "$grub_directory/grub.cfg" ||
        refuse_choice "$grub_directory/grub.cfg cannot be read as text of at most $MOST_TEXT bytes" || return
    answer=$(ask_grub) || refuse_choice "$grub_directory/grub.cfg cannot be understood" || return
    reason=$(value_of refuse "$answer")
    [ -z "$reason" ] || refuse_choice "$reason" || return
    CHOSEN_REASON="grub.cfg: entry '$(value_of title "$answer")' ($(value_of why "$answer"))"
    take_grub_files
}

# The folder of grub.cfg. An EFI system partition may have another one, which only leads on to this.
find_grub() {
    for directory in "$ROOT/boot/grub" "$ROOT/boot/grub2"; do
        [ ! -e "$directory/grub.cfg" ] || { printf '%s' "$directory" && return; }
    done
    return 1
}

ask_grub() {
    platform=pc
    [ ! -d "$ROOT/sys/firmware/efi" ] || platform=efi
    MENU_DIRECTORY=$grub_directory MENU_FILES=$(grub_files) MENU_PLATFORM=$platform \
        ENTRY_FILES=$(entry_files "$ROOT/boot") MACHINE=$(machine) \
        run_awk -f "$LIB/version.awk" -f "$LIB/entry.awk" -f "$LIB/grub-read.awk" \
        -f "$LIB/grub-words.awk" -f "$LIB/grub-commands.awk" -f "$LIB/grub.awk"
}

# The files beside grub.cfg that it may look at, by name.
grub_files() {
    for file in "$grub_directory"/*.cfg "$grub_directory/grubenv"; do
        is_one_line "$file" && is_text_file "$file" && printf '%s\n' "${file##*/}"
    done
}

take_grub_files() {
    device=$(value_of kernel_device "$answer")
    value=$(value_of kernel "$answer")
    find_boot_file "$device" "$value" ||
        refuse_choice "$CHOSEN_REASON: there is no $value on a file system that is mounted here" || return
    CHOSEN_KERNEL=$BOOT_FILE
    CHOSEN_COMMAND_LINE=$(value_of command_line "$answer")
    CHOSEN_HAS_COMMAND_LINE=yes
    CHOSEN_ONE_SHOT=$([ -z "$(value_of once "$answer")" ] || printf '%s' "$grub_directory/grubenv")
    while IFS='	' read -r name value; do
        [ "$name" != initrd_device ] || device=$value
        [ "$name" = initrd ] || continue
        find_boot_file "$device" "$value" ||
            refuse_choice "$CHOSEN_REASON: there is no $value on a file system that is mounted here" || return
        add_initrd "$BOOT_FILE"
    done <<END_OF_ANSWER
$answer
END_OF_ANSWER
}
