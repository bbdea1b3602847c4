# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034,SC2154  # what is set here is read elsewhere, and what boot-files.sh sets here
# Source 3: what GRUB's configuration would boot by default. grub.awk reads it; here its files are found.

choose_from_grub() {
    other_grub || return
    grub_directory=$(find_grub) || return 1
    is_text_file "$grub_directory/grub.cfg" ||
        refuse_choice "$(shown "$grub_directory/grub.cfg") cannot be read as text of at most $MOST_TEXT bytes" || return
    find_mount "${grub_directory#"$ROOT"}/grub.cfg" || mount_source='?'
    MENU_SOURCE=$mount_source RELATIVE=''
    read_answer "$(ask_grub)" || refuse_choice "$(shown "$grub_directory/grub.cfg") cannot be understood" || return
    [ -z "$ANSWER_REFUSE" ] || refuse_choice "$ANSWER_REFUSE" || return
    CHOSEN_REASON=$ANSWER_WHY
    take_grub_files
}

# The folder of grub.cfg. An EFI system partition may have another one, which only leads on to this.
find_grub() {
    for directory in "$ROOT/boot/grub" "$ROOT/boot/grub2"; do
        ! is_there "$directory/grub.cfg" || { printf '%s' "$directory" && return; }
    done
    return 1
}

is_there() {
    [ -e "$1" ] || [ -L "$1" ]
}

# Fails if it is in doubt which grub.cfg is the one: of two that are not the same, or of one where only firmware looks.
other_grub() {
    if is_there "$ROOT/boot/grub/grub.cfg" && is_there "$ROOT/boot/grub2/grub.cfg"; then
        [ "$(readlink -f "$ROOT/boot/grub/grub.cfg")" = "$(readlink -f "$ROOT/boot/grub2/grub.cfg")" ] ||
            refuse_choice "there are /boot/grub/grub.cfg and /boot/grub2/grub.cfg, and GRUB reads one of them"
        return
    fi
    ! find_grub >/dev/null || return 0
    for file in "$ROOT"/boot/efi/EFI/*/grub.cfg "$ROOT"/efi/EFI/*/grub.cfg; do
        ! is_there "$file" || refuse_choice "$(shown "$file") is the only grub.cfg, and is not read" || return
    done
}

# grub.awk asks for the files that it has to know of, one after the other.
ask_grub() {
    platform=pc
    [ ! -d "$ROOT/sys/firmware/efi" ] || platform=efi
    facts=$(look_at_all "(menu)/grubenv" "(menu)/custom.cfg" "(menu)/user.cfg")
    environment=$(grub_environment) blocks=$(block_environment) files=$(entry_files "$ROOT/boot") machine=$(machine)
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
        grub_says=$(MENU_DIRECTORY=$grub_directory MENU_FACTS=$facts MENU_PLATFORM=$platform ENVIRONMENT=$environment \
            BLOCK_ENVIRONMENT=$blocks ENTRY_FILES=$files MACHINE=$machine run_grub_awk)
        case $grub_says in
            'look	'*) facts="$facts
$(look_at "${grub_says#look?}")" ;;
            *) printf '%s\n' "$grub_says" && return ;;
        esac
    done
    printf 'refuse\tgrub.cfg: asks for more files than a boot menu should\n'
}

run_grub_awk() {
    run_awk -f "$LIB/version.awk" -f "$LIB/entry.awk" -f "$LIB/grub-read.awk" -f "$LIB/grub-words.awk" \
        -f "$LIB/grub-files.awk" -f "$LIB/grub-test.awk" -f "$LIB/grub-run.awk" -f "$LIB/grub-commands.awk" \
        -f "$LIB/grub-environment.awk" -f "$LIB/grub-entries.awk" -f "$LIB/grub.awk"
}

look_at_all() {
    for path in "$@"; do
        look_at "$path"
    done
}

# One line of MENU_FACTS (grub-files.awk) for a path as grub.awk gives it.
look_at() {
    looked_kind='' looked_file='' subvolumes=no
    case $1 in
        '(menu)'/*) look_in "$grub_directory" "${1#*)}" ;;
        # A subvolume further down is a folder for GRUB, too.
        '(relative)'/*) subvolumes=yes && look_in "$ROOT" "${1#*)}" ;;
        *) look_on_device "$1" ;;
    esac
    is_one_line "$looked_file" || looked_kind=unknown looked_file=''
    printf '%s\t%s\t%s\n' "$looked_kind" "$looked_file" "$1"
}

# What is on none of the mounted file systems may be there all the same. Where two places come into question, both know.
look_on_device() {
    looked_kind=unknown
    look_device=${1%%)*}
    while IFS= read -r look_place; do
        find_mount "$look_place" || continue
        look_in "$ROOT${mount_point%/}" "${look_place#"${mount_point%/}"}"
        [ "$looked_kind" = none ] || break
    done <<END_OF_PLACES
$(places_of "${look_device#(}" "${1#*)}")
END_OF_PLACES
}

# Links may lead elsewhere in GRUB's eyes, and so do file systems that are mounted further down.
look_in() {
    looked_file=$1$2
    if is_elsewhere "$1" "$2"; then
        looked_kind=unknown
    elif [ -d "$looked_file" ]; then
        looked_kind=folder
    elif [ ! -e "$looked_file" ]; then
        looked_kind=none
    elif [ ! -s "$looked_file" ]; then
        looked_kind=empty
    elif is_text_file "$looked_file"; then
        looked_kind=text
    else
        looked_kind=other
    fi
    [ -d "$looked_file" ] || [ ! -e "$looked_file" ] || [ -f "$looked_file" ] || looked_kind=unknown
}

# True if the way from the folder $1 to $2 is not a plain one. What of it does not exist leads nowhere.
is_elsewhere() {
    look_top=$(readlink -f "${1:-/}") look_path=$2
    while ! is_there "$1$look_path" && [ -n "$look_path" ]; do
        look_path=${look_path%/*}
    done
    [ "$(readlink -f "$1${look_path:-/}")" != "${look_top%/}$look_path" ] && [ -n "$look_path" ] && return
    [ "$subvolumes" = no ] && [ "$(stat -c %d "$1${look_path:-/}")" != "$(stat -c %d "${1:-/}")" ]
}

# The environment block; what is behind its last newline is kept by the full stop. NUL is no text, and as good as any
# other control character.
grub_environment() {
    [ -f "$grub_directory/grubenv" ] && [ -r "$grub_directory/grubenv" ] || return 0
    head -c 65536 "$grub_directory/grubenv" | tr '\000-\003' '\004'
    echo .
}

# GRUB cannot write to btrfs: there grubenv only says env_block=FIRST+COUNT, sectors of the same file system where the
# variables are (openSUSE's and Fedora's grub2-editenv).
block_environment() {
    is_text_file "$grub_directory/grubenv" || return 0
    sectors=$(sed -n 's/^env_block=\([0-9]\{1,9\}+[0-9]\{1,2\}\)$/\1/p' "$grub_directory/grubenv" | head -n 1)
    [ -n "$sectors" ] || return 0
    device=$ROOT$(printf '%s\n' "$MOUNTS" | awk '($1 == "/boot" || $1 == "/") && !found { print $3; found = 1 }')
    [ -f "$device" ] || [ -b "$device" ] || return 0
    dd if="$device" bs=512 skip="${sectors%+*}" count="${sectors#*+}" 2>/dev/null | tr '\000-\003' '\004'
    echo .
}

take_grub_files() {
    RELATIVE=$ANSWER_RELATIVE
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
