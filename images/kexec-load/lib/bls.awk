# SPDX-License-Identifier: MIT
# Which entry of the Boot Loader Specification systemd-boot would boot.
# In:  ENTRY_FILES (type 1 entries, a path per line), IMAGE_FILES (unified kernel images), LOADER_CONF (its path),
#      ONE_SHOT, EFI_DEFAULT, LAST_BOOTED (EFI variables LoaderEntry...), MACHINE (architecture).
# Out: lines of NAME<tab>VALUE: title, why, folder (of the partition), kernel, initrd, command_line, once; or
#      `refuse` and the reason. Needs entry.awk and version.awk.
BEGIN {
    read_entries(ENVIRON["ENTRY_FILES"])
    images = read_images(ENVIRON["IMAGE_FILES"])
    sort_entries()
    report(choose_entry())
}

function give_up(reason) {
    gsub(/[[:cntrl:]]+/, " ", reason)
    print "refuse\t" substr(reason, 1, 300)
    exit 0
}

function read_entries(list,    total, files, at) {
    total = split(list, files, "\n")
    too_many(total)
    for (at = 1; at <= total; at++) if (files[at] != "" && read_entry(files[at])) keep_entry(files[at])
}

function keep_entry(file,    key) {
    entries++
    ranking[entries] = entries
    file_of[entries] = file
    for (key in field) entry[entries, key] = field[key]
    note_tries(base_name(file))
}

# NAME+LEFT.conf and NAME+LEFT-DONE.conf: the boot loader counts tries in the file's name; "" if it does not.
function note_tries(name,    tries) {
    left[entries] = ""
    if (match(name, /\+[0-9]+(-[0-9]+)?\.conf$/)) {
        tries = substr(name, RSTART + 1)
        sub(/[-.].*/, "", tries)
        left[entries] = tries + 0
        name = substr(name, 1, RSTART - 1) ".conf"
    }
    id[entries] = tolower(name)
}

function read_images(list,    total, files, at, found) {
    total = split(list, files, "\n")
    for (at = 1; at <= total; at++) {
        if (files[at] == "") continue
        image_id[++found] = tolower(base_name(files[at]))
        sub(/\+[0-9]+(-[0-9]+)?\.efi$/, ".efi", image_id[found])
    }
    return found + 0
}

# -- the order of the menu (specification, "Sorting") ---------------------------------------------------------

function sort_entries(    at, to, one) {
    for (at = 2; at <= entries; at++) {
        one = ranking[at]
        for (to = at - 1; to >= 1 && comes_before(one, ranking[to]); to--) ranking[to + 1] = ranking[to]
        ranking[to + 1] = one
    }
}

function comes_before(a, b,    decision) {
    # Entries that used up their tries are the last resort.
    if ((left[a] "" == "0") != (left[b] "" == "0")) return left[b] "" == "0"
    if ((entry[a, "sort-key"] == "") != (entry[b, "sort-key"] == "")) return entry[a, "sort-key"] != ""
    if (entry[a, "sort-key"] != "") {
        decision = compare_letters(entry[a, "sort-key"], entry[b, "sort-key"])
        if (!decision) decision = compare_letters(entry[a, "machine-id"], entry[b, "machine-id"])
        if (!decision) decision = -compare_uapi(entry[a, "version"], entry[b, "version"])
        if (decision) return decision < 0
    }
    return compare_uapi(id[a], id[b]) > 0
}

# -- the default ----------------------------------------------------------------------------------------------

# First that applies: the one-shot entry, the one set with `bootctl set-default`, `default` of loader.conf.
function choose_entry(    found, wanted) {
    wanted = ENVIRON["ONE_SHOT"]
    if (found = find_entry(wanted, "one-shot entry")) {
        once = wanted
        return found
    }
    wanted = ENVIRON["EFI_DEFAULT"]
    if (wanted != "" && wanted != "@saved") {
        if (found = find_entry(wanted, "default set by bootctl")) return found
    } else {
        if (wanted == "") wanted = configured_default(ENVIRON["LOADER_CONF"])
        if (wanted == "@saved") wanted = ENVIRON["LAST_BOOTED"]
        if (found = find_entry(wanted, "default of loader.conf")) return found
    }
    if (images) give_up("systemd-boot: whether a unified kernel image comes first is not known")
    if (!entries) give_up("systemd-boot: there are no entries for this machine")
    why = wanted == "" ? "first of the entries" : "'" wanted "' names no entry, so the first"
    return ranking[1]
}

function configured_default(file,    line, found) {
    if (file == "") return ""
    while ((getline line < file) > 0) {
        gsub(/\r/, "", line)
        if (line ~ /^[ \t]*default[ \t]/) {
            found = line
            sub(/^[ \t]*default[ \t]+/, "", found)
            sub(/[ \t]+$/, "", found)
        }
    }
    close(file)
    return found
}

# Patterns are shell globs over the file name, in any case; older versions leave off its suffix.
function find_entry(pattern, what,    at) {
    if (pattern == "") return 0
    why = what " '" pattern "'"
    if (pattern ~ /^auto-/) give_up("systemd-boot: " why " is no Linux entry")
    pattern = tolower(substr(pattern, 1, 255))
    for (at = 1; at <= images; at++)
        if (matches(image_id[at], pattern))
            give_up("systemd-boot: " why " is a unified kernel image: what its stub does, a kexec would leave out")
    for (at = 1; at <= entries; at++)
        if (matches(id[ranking[at]], pattern) || matches(without_suffix(id[ranking[at]]), pattern)) return ranking[at]
    return 0
}

function without_suffix(name) {
    sub(/\.conf$/, "", name)
    return name
}

# fnmatch(3). On a mismatch the last "*" takes one more character: no pattern can make that slow.
function matches(text, pattern,    at, to, star, mark, width) {
    at = to = 1
    star = 0
    while (at <= length(text)) {
        width = match_one(substr(text, at, 1), substr(pattern, to))
        if (substr(pattern, to, 1) == "*") {
            star = to++
            mark = at
        } else if (width) {
            at++
            to += width
        } else if (star) {
            to = star + 1
            at = ++mark
        } else return 0
    }
    while (substr(pattern, to, 1) == "*") to++
    return to > length(pattern)
}

# How much of the pattern's front matches the character; 0 if none does. An unclosed "[" stands for itself.
function match_one(character, pattern,    stop, set) {
    if (pattern == "") return 0
    if (pattern ~ /^[?]/) return 1
    stop = index(substr(pattern, 3), "]") + 2
    if (pattern !~ /^\[/ || stop == 2) return character == substr(pattern, 1, 1)
    set = substr(pattern, 2, stop - 2)
    if (set ~ /^[!^]/) return in_set(character, substr(set, 2)) ? 0 : stop
    return in_set(character, set) ? stop : 0
}

function in_set(character, set,    at) {
    for (at = 1; at <= length(set); at++) {
        if (substr(set, at + 1, 1) == "-" && at + 2 <= length(set)) {
            if (compare_letters(substr(set, at, 1), character) <= 0 && \
                compare_letters(character, substr(set, at + 2, 1)) <= 0) return 1
            at += 2
        } else if (substr(set, at, 1) == character) return 1
    }
    return 0
}

# -- the answer -----------------------------------------------------------------------------------------------

function report(chosen,    folder, total, list, at) {
    title = "systemd-boot: entry '" base_name(file_of[chosen]) "'"
    if (left[chosen] "" != "") give_up(title " is on trial, and only the boot loader counts its tries")
    if (entry[chosen, "linux"] == "") give_up(title " is no Linux that kexec could start")
    if (entry[chosen, "devicetree"] entry[chosen, "devicetree-overlay"] != "")
        give_up(title " brings a device tree of its own")
    folder = file_of[chosen]
    sub(/\/loader\/entries\/[^\/]*$/, "", folder)
    print "why\t" title " (" printable(why) ")"
    print "folder\t" folder
    print "kernel\t" printable(entry[chosen, "linux"])
    total = split(entry[chosen, "initrd"], list, /[ \t]+/)
    for (at = 1; at <= total; at++) print "initrd\t" printable(list[at])
    print "command_line\t" printable(entry[chosen, "options"])
    if (once != "") print "once\t" printable(once)
}

function printable(text) {
    if (text ~ /[[:cntrl:]]/) give_up(title ": control characters")
    if (length(text) > 4096) give_up(title ": a line longer than any kernel takes")
    return text
}
