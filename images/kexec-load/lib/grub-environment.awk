# SPDX-License-Identifier: MIT
# GRUB's environment block: a signature, lines of NAME=VALUE with \ before \ and newline, filled up with "#".

function load_environment(    file, at, allowed, some) {
    file = "(menu)/grubenv"
    for (at = 2; at <= argc; at++) {
        if (args[at] == "-f" || args[at] == "--file") file = args[++at]
        else if (args[at] ~ /^--file=/) file = substr(args[at], 8)
        else if (args[at] !~ /^-/) some = allowed[args[at]] = 1
    }
    status = 0
    if (file != "(menu)/grubenv") file = plain_path(file)
    if (file ~ /^\([^)]*\)[0-9]+\+[0-9]+$/) {
        read_environment(ENVIRON["BLOCK_ENVIRONMENT"], some, allowed)
        if (status) give_up("grub.cfg: GRUB's variables in disk blocks (" readable(file) ") cannot be read")
        if (one_shot != "") give_up("grub.cfg: an entry is asked for once, in disk blocks that only GRUB writes")
    } else if (file == "(menu)/grubenv") read_environment(ENVIRON["ENVIRONMENT"], some, allowed)
    else if (file_kind(file) == "none") status = SOME_FAILURE
    else give_up("grub.cfg, line " line ": GRUB's variables in " readable(file) " cannot be read")
}

# What is behind the last newline does not count.
function read_environment(text, some, allowed,    count, lines, at, equals, name) {
    count = split(text, lines, "\n")
    if (count < 2 || lines[1] != "# GRUB Environment Block") {
        status = SOME_FAILURE
        return
    }
    for (at = 2; at < count; at++) {
        if (lines[at] ~ /^#/) continue
        equals = index(lines[at], "=")
        if (!equals || lines[at] ~ /\\$/ && lines[at] !~ /[^\\](\\\\)+$/)
            give_up("grubenv: a line that is not of the form NAME=VALUE")
        name = substr(lines[at], 1, equals - 1)
        if (some && !(name in allowed)) continue
        set_value(name, environment_value(substr(lines[at], equals + 1)))
        if (name == "next_entry" && variable[name] != "") one_shot = variable[name]
    }
}

function environment_value(text,    result, at) {
    if (text ~ /[[:cntrl:]]/) return unknown("control characters in grubenv")
    result = ""
    while (at = index(text, "\\")) {
        result = result substr(text, 1, at - 1) substr(text, at + 1, 1)
        text = substr(text, at + 2)
    }
    return result text
}
