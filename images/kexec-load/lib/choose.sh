# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# Which kernel would a normal boot start now? Each source answers in a file of its own; the first that applies
# to this machine wins.
#
# choose returns 0 with all of CHOSEN_*, 1 if no kernel was found, 2 if what the boot loader would do is nothing
# that a kexec can do; CHOSEN_REASON says why in each case. Nothing that is read is ever evaluated.
# Needs common.sh, and the settings KERNEL INITRD APPEND.

for piece in text boot-files command-line one-shot choose-config choose-bls choose-grub choose-newest; do
    # shellcheck source=/dev/null  # all of them are in this folder
    . "$LIB/$piece.sh"
done
unset piece

choose() {
    forget_choice
    note_mounts
    for CHOSEN_SOURCE in configuration boot-loader-specification grub debian-links newest; do
        verdict=0
        choose_from "$CHOSEN_SOURCE" || verdict=$?
        [ "$verdict" -le 1 ] || return 2
        [ "$verdict" -eq 1 ] || break
    done
    if [ -z "$CHOSEN_KERNEL" ]; then
        CHOSEN_SOURCE='' CHOSEN_REASON="no kernel found: nothing is configured, and there is none in /boot"
        return 1
    fi
    settle_command_line && files_are_there
}

choose_from() {
    case $1 in
        configuration) choose_from_configuration ;;
        boot-loader-specification) choose_from_boot_loader_specification ;;
        grub) choose_from_grub ;;
        debian-links) choose_from_debian_links ;;
        newest) choose_from_newest ;;
    esac
}

forget_choice() {
    CHOSEN_KERNEL='' CHOSEN_INITRDS='' CHOSEN_COMMAND_LINE='' CHOSEN_SOURCE='' CHOSEN_REASON=''
    # Whether the entry brought a command line: an empty one is an answer, too.
    CHOSEN_HAS_COMMAND_LINE=no
    # What the boot loader would forget after using it once: grubenv, or the name of an EFI variable.
    CHOSEN_ONE_SHOT=''
}

# The governing source asks for something that is not to be kexeced: its reason is for people.
refuse_choice() {
    CHOSEN_REASON=$(clean_text "$*")
    return 2
}

settle_command_line() {
    if [ -n "$APPEND" ]; then
        CHOSEN_COMMAND_LINE=$APPEND
    elif [ "$CHOSEN_HAS_COMMAND_LINE" = no ]; then
        CHOSEN_COMMAND_LINE=$(running_command_line)
    else
        CHOSEN_COMMAND_LINE=$(printf '%s\n' "$CHOSEN_COMMAND_LINE" | clean_command_line)
    fi
    check_root_argument || refuse_choice "$CHOSEN_REASON: $ROOT_PROBLEM"
}

# What is loaded and logged is the file itself, not a link to it.
files_are_there() {
    CHOSEN_KERNEL=$(follow_links "$CHOSEN_KERNEL")
    is_one_line "$CHOSEN_KERNEL" && [ -f "$CHOSEN_KERNEL" ] ||
        refuse_choice "$CHOSEN_REASON: there is no file $(shown "$CHOSEN_KERNEL")" || return
    listed=$CHOSEN_INITRDS CHOSEN_INITRDS=''
    [ -n "$listed" ] || return 0
    while IFS= read -r file; do
        file=$(follow_links "$file")
        is_one_line "$file" && [ -f "$file" ] ||
            refuse_choice "$CHOSEN_REASON: there is no file $(shown "$file")" || return
        add_initrd "$file"
    done <<END_OF_LIST
$listed
END_OF_LIST
}

add_initrd() {
    CHOSEN_INITRDS="$CHOSEN_INITRDS${CHOSEN_INITRDS:+
}$1"
}
