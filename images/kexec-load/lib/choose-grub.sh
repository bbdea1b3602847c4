# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# Source 3: what GRUB's configuration would boot by default. grub.awk reads it; here its files are found.

choose_from_grub() {
    grub_directory=$(find_grub) || return 1
    is_text_file "$grub_directory/grub.cfg" ||
        refuse_choice "$(shown "$grub_directory/grub.cfg") cannot be read as text of at most $MOST_TEXT bytes" || return
    read_answer "$(ask_grub)" || refuse_choice "$(shown "$grub_directory/grub.cfg") cannot be understood" || return
    [ -z "$ANSWER_REFUSE" ] || refuse_choice "$ANSWER_REFUSE" || return
    CHOSEN_REASON=$ANSWER_WHY
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
        BLOCK_ENVIRONMENT=$(block_environment) ENTRY_FILES=$(entry_files "$ROOT/boot") MACHINE=$(machine) \
        run_awk -f "$LIB/version.awk" -f "$LIB/entry.awk" -f "$LIB/grub-read.awk" \
        -f "$LIB/grub-words.awk" -f "$LIB/grub-commands.awk" -f "$LIB/grub.awk"
}

# The files beside grub.cfg that it may look at or read, by name: regular, and none that would take long.
grub_files() {
    for file in "$grub_directory"/*.cfg "$grub_directory"/*.txt "$grub_directory/grubenv"; do
        ! is_text_file "$file" || ! is_one_line "$file" || printf '%s\n' "${file##*/}"
    done
}

# GRUB cannot write to btrfs: there grubenv only says env_block=FIRST+COUNT, sectors of the same file system where the
# variables are (openSUSE's and Fedora's grub2-editenv).
block_environment() {
    is_text_file "$grub_directory/grubenv" || return 0
    sectors=$(sed -n 's/^env_block=\([0-9]\{1,9\}+[0-9]\{1,2\}\)$/\1/p' "$grub_directory/grubenv" | head -n 1)
    [ -n "$sectors" ] || return 0
    device=$ROOT$(printf '%s\n' "$MOUNTS" | awk '($1 == "/boot" || $1 == "/") && !found { print $3; found = 1 }')
    [ -f "$device" ] || [ -b "$device" ] || return 0
    dd if="$device" bs=512 skip="${sectors%+*}" count="${sectors#*+}" 2>/dev/null | tr -d '\000'
}

take_grub_files() {
    find_boot_file "$ANSWER_KERNEL" || refuse_choice "$CHOSEN_REASON: $BOOT_FILE_PROBLEM" || return
    CHOSEN_KERNEL=$BOOT_FILE
    CHOSEN_COMMAND_LINE=$ANSWER_COMMAND_LINE
    CHOSEN_HAS_COMMAND_LINE=yes
    CHOSEN_ONE_SHOT=${ANSWER_ONCE:+"$grub_directory/grubenv"}
    [ -n "$ANSWER_INITRDS" ] || return 0
    while IFS= read -r file; do
        find_boot_file "$file" || refuse_choice "$CHOSEN_REASON: $BOOT_FILE_PROBLEM" || return
        add_initrd "$BOOT_FILE"
    done <<END_OF_LIST
$ANSWER_INITRDS
END_OF_LIST
}
