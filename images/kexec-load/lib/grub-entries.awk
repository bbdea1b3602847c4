# SPDX-License-Identifier: MIT
# `blscfg`: entries from /boot/loader/entries, newest first by rpm's order of their file names.

function add_entry_files(    count, files, at, shown) {
    if (variable["blsdir"] != "") give_up("grub.cfg: entries in '" readable(variable["blsdir"]) "' are not read")
    status = 0
    menu_from_files = 1
    count = split(ENVIRON["ENTRY_FILES"], files, "\n")
    too_many(count)
    while (count > 0 && files[count] == "") count--
    for (at = 1; at <= count; at++) files[at] = base_name(files[at]) "\n" files[at]
    sort_versions("rpm", files, count)
    for (at = 1; at <= count; at++) {
        shown = substr(files[at], index(files[at], "\n") + 1)
        if (read_entry(shown)) add_entry_file(shown)
    }
}

function add_entry_file(file,    text) {
    text = "linux " field["linux"] " " field["options"] "\n"
    if (field["initrd"] != "") text = text "initrd " field["initrd"] "\n"
    if (field["linux"] == "") text = "chainloader " field["efi"] "\n"
    if (field["devicetree"] != "") text = text "devicetree " field["devicetree"] "\n"
    add_entry(text_at(text, base_name(file)), 0)
    entry_title[entries] = field["title"]
    entry_id[entries] = base_name(file)
    entry_open[entries] = 1
    sub(/\.conf$/, "", entry_id[entries])
}
