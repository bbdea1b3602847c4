# SPDX-License-Identifier: MIT
# What GRUB would boot: runs its configuration as GRUB does, far enough to know the menu, then the default entry.
# In:  MENU_DIRECTORY (of grub.cfg), MENU_FILES (regular files there, a name per line), MENU_PLATFORM (efi or pc),
#      BLOCK_ENVIRONMENT (what `env_block` leads to), ENTRY_FILES (Boot Loader Specification entries for `blscfg`, a
#      path per line), MACHINE (architecture).
# Out: lines of NAME<tab>VALUE: why, kernel and initrd as (DEVICE)/PATH, command_line, once; or `refuse` and the
#      reason. Needs grub-read.awk, grub-words.awk, entry.awk and version.awk.
BEGIN {
    MOST_STEPS = 20000
    MOST_DEPTH = 60
    directory = ENVIRON["MENU_DIRECTORY"]
    note_names(ENVIRON["MENU_FILES"])
    preset_variables(ENVIRON["MENU_PLATFORM"])
    run(read_script(directory "/grub.cfg", "grub.cfg"), 1)
    choose_entry()
    report()
}

function note_names(list,    count, names, at) {
    count = split(list, names, "\n")
    for (at = 1; at <= count; at++) if (names[at] != "") present[names[at]] = 1
}

# What GRUB itself sets before it reads the configuration (normal/main.c and its manual, "Special variables").
function preset_variables(platform,    count, names, at) {
    variable["prefix"] = variable["config_directory"] = "(menu)"
    variable["grub_platform"] = platform
    variable["grub_cpu"] = platform == "efi" ? "x86_64" : "i386"
    count = split("chainloader_bpb ntldr platform_search_hint default_font_path all_video_module menuentry_id " \
        "menuentry_options 200_final nativedisk_cmd timeout_style", names, " ")
    for (at = 1; at <= count; at++) variable["feature_" names[at]] = "y"
}

# Only files beside grub.cfg are looked at. A test for another one may hide a part of the menu: that is noted.
function file_exists(path) {
    if (path ~ /^\(menu\)\/[^\/]+$/) return substr(path, 8) in present
    part_unseen = 1
    return 0
}

# -- statements ---------------------------------------------------------------------------------------------

# Runs (or, if not active, passes over) statements up to what ends their block; returns its index.
function run(at, active) {
    if (++depth > MOST_DEPTH) give_up(reading ": nested too deep")
    for (;;) {
        if (++steps > MOST_STEPS) give_up("grub.cfg takes too many steps")
        if (kind[at] == "newline") at++
        else if (kind[at] == "end" || kind[at] == "}") break
        else if (kind[at] == "word" && word[at] ~ /^(then|elif|else|fi)$/) break
        else if (active && leaving) break
        else at = statement(at, active)
    }
    depth--
    return at
}

function statement(at, active) {
    if (kind[at] == "{") return run(at + 1, active) + 1
    if (word[at] == "if") return run_if(at + 1, active)
    if (word[at] == "function") return note_function(at, active)
    if (word[at] == "menuentry" || word[at] == "submenu") return note_entry(at, active)
    if (active && word[at] ~ /^(for|while|until|case|select|time)$/)
        give_up("grub.cfg, line " line_of[at] ": '" word[at] "' is not understood")
    if (!active) {
        while (kind[at] == "word") at++
        return at
    }
    at = expand_command(at)
    if (argc) command()
    return at
}

function run_if(at, active,    start, truth, done) {
    start = at
    done = 0
    for (;;) {
        at = expect(run(at, active && !done), "then", start)
        truth = active && !done && status == 0
        at = run(at, truth)
        if (truth) done = 1
        if (word[at] == "elif") {
            at++
            continue
        }
        if (word[at] == "else") at = run(at + 1, active && !done)
        return expect(at, "fi", start)
    }
}

function expect(at, keyword, start) {
    if (kind[at] == "word" && word[at] == keyword) return at + 1
    # `return` and the like leave a block half-way; the rest is only passed over.
    if (leaving) return expect(run_inactive(at), keyword, start)
    give_up("grub.cfg, line " line_of[start] ": 'if' without '" keyword "'")
}

function run_inactive(at,    was) {
    was = leaving
    leaving = 0
    at = run(at, 0)
    if (kind[at] == "end" || kind[at] == "}") give_up("grub.cfg: 'if' without its end")
    return at
}

function find_body(at) {
    while (kind[at] == "newline") at++
    if (kind[at] != "{") give_up("grub.cfg, line " line_of[at] ": a block should begin here")
    return at
}

function note_function(at, active,    body) {
    body = find_body(at + 2)
    if (active) function_body[word[at + 1]] = body + 1
    return mate[body] + 1
}

# -- the menu -----------------------------------------------------------------------------------------------

function note_entry(at, active,    body, is_submenu) {
    is_submenu = word[at] == "submenu"
    if (!active) return mate[find_body(skip_words(at))] + 1
    body = find_body(expand_command(at + 1))
    entries++
    entry_body[entries] = body + 1
    entry_is_submenu[entries] = is_submenu
    read_entry_options()
    return mate[body] + 1
}

function skip_words(at) {
    while (kind[at] == "word") at++
    return at
}

# Options as `menuentry` takes them (GRUB manual, "menuentry"); the first other word is the title.
function read_entry_options(    at, titled) {
    entry_id[entries] = ""
    entry_open[entries] = 0
    for (at = 1; at <= argc; at++) {
        if (args[at] == "--unrestricted") entry_open[entries] = 1
        else if (args[at] ~ /^--id=/) entry_id[entries] = substr(args[at], 6)
        else if (args[at] == "--id") entry_id[entries] = args[++at]
        else if (args[at] ~ /^--(class|users|hotkey|source)$/) at++
        else if (args[at] !~ /^--/ && !titled) {
            entry_title[entries] = args[at]
            titled = 1
        }
    }
    if (entry_id[entries] == "") entry_id[entries] = entry_title[entries]
}

# The part of a path up to the first single ">"; ">>" stands for one ">" in a title.
function first_step(path,    step) {
    step = ""
    rest_of_path = ""
    while (match(path, />/)) {
        step = step substr(path, 1, RSTART - 1)
        path = substr(path, RSTART + 1)
        if (path !~ /^>/) {
            rest_of_path = path
            return step
        }
        step = step ">"
        path = substr(path, 2)
    }
    return step path
}

# The menu is entries[first..entries]. GRUB falls back to the first entry when the default names none.
function find_entry(step, first,    at) {
    if (step ~ /^[0-9]+$/) at = length(step) > 6 ? 0 : first + step
    else for (at = first; at <= entries; at++) if (entry_title[at] == step || entry_id[at] == step) break
    if (step != "" && at >= first && at <= entries) {
        if (step ~ /^[0-9].*[^0-9]/ && !menu_from_files)
            give_up("grub.cfg: versions of GRUB differ on whether '" step "' is a number or a title")
        return at
    }
    if (step ~ /^[0-9].*[^0-9]/ && !menu_from_files)
        give_up("grub.cfg: versions of GRUB differ on whether '" step "' is a number or a title")
    if (part_unseen && step != "" && step !~ /^[0-9]+$/)
        give_up("grub.cfg: the default entry '" step "' is not in the part of the menu that can be read")
    if (step != "") why = why " (names no entry, so the first)"
    rest_of_path = ""
    return first
}

function choose_entry(    path, first, step) {
    path = variable["default"]
    why = "default " (path == "" ? "unset" : path)
    first = 1
    for (;;) {
        if (entries < first) give_up("grub.cfg: " (first == 1 ? "the menu" : "the submenu") " has no entries")
        step = first_step(path)
        path = rest_of_path
        chosen = find_entry(step, first)
        if (rest_of_path == "") path = ""
        check_password(chosen)
        if (!entry_is_submenu[chosen]) break
        first = entries + 1
        run_entry(chosen)
    }
    run_entry(chosen)
}

# What was said outside the entry (Debian 13 asks `fwsetup --is-supported`) is not what is booted.
function run_entry(at) {
    other = kernel = ""
    leaving = 0
    run(entry_body[at], 1)
}

function check_password(at) {
    if (variable["superusers"] != "" && !entry_open[at])
        give_up("grub.cfg: entry '" entry_title[at] "' asks for a password")
}

# -- the answer ---------------------------------------------------------------------------------------------

function report(    at) {
    if (other != "") give_up("grub.cfg: entry '" entry_title[chosen] "' is no Linux that kexec could start (" other ")")
    if (kernel == "") give_up("grub.cfg: entry '" entry_title[chosen] "' loads no Linux kernel")
    print "why\tgrub.cfg: entry '" one_line(entry_title[chosen]) "' (" one_line(why) ")"
    print_file("kernel", kernel)
    for (at = 1; at <= initrds; at++) print_file("initrd", initrd[at])
    print_value("command_line", command_line)
    if (one_shot != "") print "once\t" one_line(one_shot)
}

function print_value(name, text) {
    if (text ~ /[[:cntrl:]]/) give_up("grub.cfg: control characters in the entry's " name)
    if (length(text) > 4096) give_up("grub.cfg: the entry's " name " is longer than any kernel takes")
    print name "\t" text
}

# GRUB names files as (DEVICE)/PATH, or /PATH on the device that `root` names.
function print_file(name, path) {
    print_value(name, (path ~ /^\([^)]*\)/ ? "" : "(" variable["root"] ")") path)
}
