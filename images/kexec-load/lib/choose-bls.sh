# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# Source 2: the Boot Loader Specification, as systemd-boot reads it.

choose_from_boot_loader_specification() {
    return 1
}

entry_files() {
    for file in "$1"/loader/entries/*.conf; do
        is_one_line "$file" && is_text_file "$file" && printf '%s\n' "$file"
    done
}
