# SPDX-License-Identifier: MIT
# What is UNKNOWN, and what is known of the files and devices that GRUB's configuration names.
#
# In a value, "\001" TAG TEXT "\002" stands for a part that only GRUB knows: with the tag "d" it is the name of the
# device TEXT (UUID=..., LABEL=..., MENU), with "p" the path of grub.cfg's folder, with "?" anything, and TEXT says what.
# MENU_FACTS: lines of KIND<tab>FILE<tab>(DEVICE)/PATH; the kinds: text, empty, folder, other (a file that is no text),
# none, unknown. FILE is where a text is in the running system.
BEGIN {
    UNKNOWN = -1
    # A command failed, with which of GRUB's error numbers is not known.
    SOME_FAILURE = -2
}

function marked(tag, text) {
    gsub(/[ \t\n]+/, "\003", text)
    return "\001" tag text "\002"
}

function unknown(what) {
    return marked("?", readable(what))
}

function is_unknown(text) {
    return index(text, "\001") > 0
}

# For people: the text with what stands in the marks.
function readable(text) {
    gsub(/\001./, "", text)
    gsub(/\002/, "", text)
    gsub(/\003/, " ", text)
    return text
}

function what_is_unknown(text,    mark) {
    mark = substr(text, index(text, "\001") + 1)
    mark = substr(mark, 1, index(mark, "\002") - 1)
    if (mark ~ /^d/) return "the name that GRUB gives to a disk"
    return mark ~ /^p/ ? "where GRUB was installed" : readable("\001" mark "\002")
}

# A path with its device as (DEVICE)/PATH; the folder of grub.cfg as (menu). GRUB's own names of disks stay as they are.
function plain_path(path,    device) {
    if (path !~ /^\(/) path = "(" variable["root"] ")" path
    if (match(path, /^\(\001d[^\002]*\002\)/)) {
        device = substr(path, 4, RLENGTH - 5)
        gsub(/\003/, " ", device)
        path = "(" device ")" substr(path, RLENGTH + 1)
    }
    if (path ~ /^\(MENU\)\001pMENU\002\//) path = "(menu)" substr(path, 14)
    return path
}

function note_facts(list,    count, lines, at, parts) {
    count = split(list, lines, "\n")
    for (at = 1; at <= count; at++) {
        if (split(lines[at], parts, "\t") != 3) continue
        fact[parts[3]] = parts[1]
        real_file[parts[3]] = parts[2]
    }
}

# The kind of what is there, as in MENU_FACTS. What was not looked at yet ends the program: then it will be.
function file_kind(path) {
    path = plain_path(path)
    if (is_unknown(path) || path ~ /[[:cntrl:]*?[\\]/ || path !~ /^\((menu|MENU|UUID=[^)]*|LABEL=[^)]*)\)\//) return "unknown"
    if (variable["btrfs_relative_path"] ~ /^y/) sub(/^\((MENU|UUID=[^)]*)\)/, "(relative)", path)
    if (path in fact) return fact[path]
    print "look\t" path
    exit 0
}

# The file of the running system that holds the text `path`.
function text_file(path) {
    path = plain_path(path)
    if (variable["btrfs_relative_path"] ~ /^y/) sub(/^\((MENU|UUID=[^)]*)\)/, "(relative)", path)
    return real_file[path]
}
