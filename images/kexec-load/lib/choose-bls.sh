# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2034  # what is set here is read elsewhere
# Source 2: the Boot Loader Specification, as systemd-boot reads it. bls.awk picks the entry; here its files are found.

# Vendor id of the variables by which boot loader and system talk (systemd.io/BOOT_LOADER_INTERFACE).
LOADER_VARIABLES=4a67b082-0a4c-41cf-b6c7-440b29bb8c4f

choose_from_boot_loader_specification() {
    entries=$(for_each_partition entry_files)
    unified=$(for_each_partition image_files)
    systemd_boot_governs || return
    [ -n "$entries$unified" ] ||
        refuse_choice "started by systemd-boot, whose entries are not in /efi, /boot/efi or /boot" || return
    answer=$(ask_systemd_boot) || refuse_choice "systemd-boot: its entries cannot be understood" || return
    reason=$(value_of refuse "$answer")
    [ -z "$reason" ] || refuse_choice "$reason" || return
    CHOSEN_REASON=$(value_of why "$answer")
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
    printf '%s' "$ROOT/sys/firmware/efi/efivars/$1-$LOADER_VARIABLES"
}

# Where the EFI system partition and the extended boot loader partition are mounted (specification, "Locating").
for_each_partition() {
    for partition in "$ROOT/efi" "$ROOT/boot/efi" "$ROOT/boot"; do
        "$1" "$partition"
    done
}

# One more than are accepted, so that too many are noticed.
entry_files() {
    listed=0
    for file in "$1"/loader/entries/*.conf; do
        [ "$listed" -le 100 ] || break
        listed=$((listed + 1))
        ! is_one_line "$file" || ! is_text_file "$file" || printf '%s\n' "$file"
    done
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
    partition=$(value_of folder "$answer")
    value=$(value_of kernel "$answer")
    CHOSEN_KERNEL=$partition/${value#/}
    CHOSEN_COMMAND_LINE=$(value_of command_line "$answer")
    CHOSEN_HAS_COMMAND_LINE=yes
    [ -z "$(value_of once "$answer")" ] || CHOSEN_ONE_SHOT=$(loader_variable_file LoaderEntryOneShot)
    while IFS='	' read -r name value; do
        [ "$name" != initrd ] || add_initrd "$partition/${value#/}"
    done <<END_OF_ANSWER
$answer
END_OF_ANSWER
}
