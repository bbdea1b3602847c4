# SPDX-License-Identifier: MIT
# GRUB's commands, as far as they decide what is booted; all the others (insmod, echo, ...) just succeed.
# The command's words are args[1..argc]; what it came to is left in `status`.

function command(    name) {
    name = args[1]
    status = 0
    if (name == "!") negated_command()
    else if (name in function_body) call(function_body[name])
    else if (name ~ /^[A-Za-z_][A-Za-z0-9_]*=/) assign(name)
    else if (name == "set" && argc > 1) assign(args[2])
    else if (name == "unset") delete variable[args[2]]
    else if (name == "[") status = !is_true(2, argc - (args[argc] == "]"))
    else if (name == "test") status = !is_true(2, argc)
    else if (name == "false") status = 1
    else if (name == "load_env") load_environment()
    else if (name == "increment") variable[args[2]]++
    else if (name == "decrement") count_boot()
    else if (name ~ /^search([._]|$)/) search(name)
    else if (name == "source" || name == "." || name == "configfile") include(args[2])
    else if (name == "blscfg") add_entry_files()
    else if (name ~ /^linux(16|efi)?$/) note_kernel()
    else if (name ~ /^initrd(16|efi)?$/) note_initrds()
    else if (name == "return" || name == "break") leaving = 1
    else if (name ~ /^(chainloader|fwsetup|halt|reboot|exit|devicetree|multiboot2?|ntldr|linuxloader)$/) not_linux(name)
    else if (name ~ /^(xen_|knetbsd|kfreebsd|kopenbsd|xnu_|plan9|truecrypt|loopback|efi|normal_exit|freedos)/)
        not_linux(name)
}

function not_linux(name) {
    if (other == "") other = name
}

function negated_command(    at) {
    for (at = 1; at < argc; at++) args[at] = args[at + 1]
    argc--
    if (argc) command()
    status = !status
}

# A function sees its arguments as $1, $2, ...; they are gone when it returns.
function call(body,    at, given) {
    given = argc - 1
    for (at = 1; at <= given; at++) variable[at] = args[at + 1]
    run(body, 1)
    leaving = 0
    for (at = 1; at <= given; at++) delete variable[at]
}

function assign(text,    at) {
    at = index(text, "=")
    if (at > 1) variable[substr(text, 1, at - 1)] = substr(text, at + 1)
}

# Boards that try an update a number of times let GRUB count; a kexec would not be counted.
function count_boot() {
    give_up("grub.cfg: GRUB counts this boot in '" args[2] "', and a kexec would not be counted")
}

# GRUB's environment block: a signature, lines of NAME=VALUE with \ before \ and newline, filled up with "#".
function load_environment(    file, at, allowed, some) {
    file = "(menu)/grubenv"
    for (at = 2; at <= argc; at++) {
        if (args[at] == "-f" || args[at] == "--file") file = args[++at]
        else if (args[at] ~ /^--file=/) file = substr(args[at], 8)
        else if (args[at] !~ /^-/) some = allowed[args[at]] = 1
    }
    if (file ~ /^\([^)]*\)[0-9]+\+[0-9]+$/) {
        read_environment(ENVIRON["BLOCK_ENVIRONMENT"], some, allowed)
        if (status) give_up("grub.cfg: GRUB's variables in disk blocks (" file ") cannot be read")
        if (one_shot != "") give_up("grub.cfg: an entry is asked for once, in disk blocks that only GRUB writes")
    } else if (file_exists(file)) read_environment(whole_text(directory substr(file, 7)), some, allowed)
    else status = 1
}

function whole_text(file,    line, text) {
    text = ""
    while ((getline line < file) > 0 && length(text) < MOST_LINE) text = text line "\n"
    close(file)
    return text
}

function read_environment(text, some, allowed,    count, lines, line, at, name) {
    count = split(text, lines, "\n")
    if (lines[1] != "# GRUB Environment Block") {
        status = 1
        return
    }
    for (line = 2; line <= count; line++) {
        at = index(lines[line], "=")
        if (lines[line] ~ /^#/ || at < 2) continue
        name = substr(lines[line], 1, at - 1)
        if (some && !(name in allowed)) continue
        variable[name] = unescape(substr(lines[line], at + 1))
        if (name == "next_entry" && variable[name] != "") one_shot = variable[name]
    }
}

function unescape(text,    result, at) {
    result = ""
    while (at = index(text, "\\")) {
        result = result substr(text, 1, at - 1) substr(text, at + 1, 1)
        text = substr(text, at + 2)
    }
    return result text
}

# `search --fs-uuid --set=root UUID`: the variable gets "UUID=..." or "LABEL=...", to be looked up in /dev/disk.
function search(name,    at, type, target, what) {
    type = name ~ /uuid/ ? "UUID=" : name ~ /label/ ? "LABEL=" : name ~ /file/ ? "FILE=" : ""
    target = name ~ /^search[._]/ ? "" : "root"
    for (at = 2; at <= argc; at++) {
        if (args[at] == "--fs-uuid" || args[at] == "-u") type = "UUID="
        else if (args[at] == "--label" || args[at] == "-l") type = "LABEL="
        else if (args[at] == "--file" || args[at] == "-f") type = "FILE="
        else if (args[at] ~ /^--set=/) target = substr(args[at], 7)
        else if (args[at] == "--set" || args[at] == "-s") {
            if (at + 1 < argc) target = args[++at]
        } else if (args[at] ~ /^--hint(-[a-z]+)?$/) at++
        else if (args[at] !~ /^-/ && what == "") what = args[at]
        else if (args[at] !~ /^-/ && name ~ /^search[._]/ && target == "") target = args[at]
    }
    if (what != "" && type != "") variable[target == "" ? "root" : target] = type what
}

function include(path,    at) {
    if (!file_exists(path)) {
        part_unseen = 1
        status = 1
        return
    }
    if (++includes > 50) give_up("grub.cfg: too many files read by one another")
    at = read_script(directory substr(path, 7), substr(path, 8))
    run(at, 1)
    leaving = 0
}

function note_kernel(    at) {
    kernel = args[2]
    command_line = ""
    initrds = 0
    for (at = 3; at <= argc; at++) command_line = command_line (at > 3 ? " " : "") quoted(args[at])
    if (kernel ~ /memtest/) not_linux("memory test")
}

# As GRUB writes words into the command line (lib/cmdline.c): blanks get double quotes, quotes a backslash.
function quoted(text,    result, at) {
    result = ""
    while (match(text, /[\\'"]/)) {
        result = result substr(text, 1, RSTART - 1)
        text = substr(text, RSTART)
        result = result (text ~ /^\\x[0-9A-Fa-f][0-9A-Fa-f]/ ? "\\" : "\\" substr(text, 1, 1))
        text = substr(text, 2)
    }
    result = result text
    return index(result, " ") ? "\"" result "\"" : result
}

function note_initrds(    at) {
    initrds = 0
    for (at = 2; at <= argc; at++) {
        if (args[at] ~ /^-/) continue
        if (args[at] ~ /^newc:/) not_linux("an initrd made by GRUB")
        initrd[++initrds] = args[at]
    }
}

# -- blscfg: entries from /boot/loader/entries, newest first by rpm's order of their file names ---------------

function add_entry_files(    count, files, at, shown) {
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

function add_entry_file(file,    at, text) {
    text = "linux " field["linux"] " " field["options"] "\n"
    if (field["initrd"] != "") text = text "initrd " field["initrd"] "\n"
    if (field["linux"] == "") text = "chainloader " field["efi"] "\n"
    if (field["devicetree"] != "") text = text "devicetree " field["devicetree"] "\n"
    at = read_text(text, base_name(file))
    entries++
    entry_body[entries] = at
    entry_is_submenu[entries] = 0
    entry_title[entries] = field["title"]
    entry_id[entries] = base_name(file)
    entry_open[entries] = 1
    sub(/\.conf$/, "", entry_id[entries])
}
