# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# Source 2: the Boot Loader Specification, as systemd-boot reads it. bls.awk picks the entry; here its files are found.

choose_from_boot_loader_specification() {
    entries=$(for_each_partition entry_files)
    unified=$(for_each_partition image_files)
    systemd_boot_governs || return
    [ -n "$entries$unified" ] ||
        refuse_choice "started by systemd-boot, whose entries are not in /efi, /boot/efi or /boot" || return
    read_answer "$(ask_systemd_boot)" || refuse_choice "systemd-boot: its entries cannot be understood" || return
    [ -z "$ANSWER_REFUSE" ] || refuse_choice "$ANSWER_REFUSE" || return
    CHOSEN_REASON=$ANSWER_WHY
    take_entry_files
}

# Who started this system says so in EFI variables; without them, entries count where there is no GRUB.
systemd_boot_governs() {
    loader=$(loader_variable LoaderInfo)
    case $loader in
        systemd-boot*) return 0 ;;
        GRUB*) return 1 ;;
        ?*) refuse_choice "started by a boot loader whose configuration is not known here ($loader)" || return ;;
    esac
    [ -z "$(loader_variable StubInfo)" ] ||
        refuse_choice "started as a unified kernel image: what its stub does, a kexec would leave out" || return
    ! find_grub >/dev/null && [ -n "$entries$unified" ]
}

# A file of efivarfs: four bytes of attributes, then the value, here UTF-16. Names of entries are ASCII.
loader_variable() {
    variable_file=$(loader_variable_file "$1")
    [ ! -f "$variable_file" ] || head -c 1024 "$variable_file" | tail -c +5 | tr -d '\000-\037\177'
}

loader_variable_file() {
    printf '%s' "$EFIVARS/$1-$EFI_LOADER"
}

# Where the EFI system partition and the extended boot loader partition are mounted (specification, "Locating").
for_each_partition() {
    for partition in "$ROOT/efi" "$ROOT/boot/efi" "$ROOT/boot"; do
        "$1" "$partition"
    done
}

# More than a menu has are listed unseen: who reads the list refuses it for its length.
entry_files() {
    set -- "$1"/loader/entries/*.conf
    for file in "$@"; do
        ! is_one_line "$file" || { [ $# -le 100 ] && ! is_text_file "$file"; } || printf '%s\n' "$file"
    done | head -n 101
}

image_files() {
    for file in "$1"/EFI/Linux/*.efi; do
        ! is_one_line "$file" || [ ! -f "$file" ] || printf '%s\n' "$file"
    done
}

loader_conf() {
    for file in "$ROOT/efi/loader/loader.conf" "$ROOT/boot/efi/loader/loader.conf" "$ROOT/boot/loader/loader.conf"; do
        ! is_text_file "$file" || { printf '%s' "$file" && return; }
    done
}

ask_systemd_boot() {
    ENTRY_FILES=$entries IMAGE_FILES=$unified LOADER_CONF=$(loader_conf) MACHINE=$(machine) \
        ONE_SHOT=$(loader_variable LoaderEntryOneShot) EFI_DEFAULT=$(loader_variable LoaderEntryDefault) \
        LAST_BOOTED=$(loader_variable LoaderEntryLastBooted) \
        run_awk -f "$LIB/version.awk" -f "$LIB/entry.awk" -f "$LIB/bls.awk"
}

# Paths are relative to the partition that the entry is on.
take_entry_files() {
    CHOSEN_KERNEL=$ANSWER_FOLDER/${ANSWER_KERNEL#/}
    CHOSEN_COMMAND_LINE=$ANSWER_COMMAND_LINE
    CHOSEN_HAS_COMMAND_LINE=yes
    [ -z "$ANSWER_ONCE" ] || CHOSEN_ONE_SHOT=$(loader_variable_file LoaderEntryOneShot)
    [ -n "$ANSWER_INITRDS" ] || return 0
    while IFS= read -r file; do
        add_initrd "$ANSWER_FOLDER/${file#/}"
    done <<END_OF_LIST
$ANSWER_INITRDS
END_OF_LIST
}
