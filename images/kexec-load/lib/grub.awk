# SPDX-License-Identifier: MIT
# What GRUB would boot: runs its configuration as GRUB does, far enough to know the menu, then the default entry.
# What cannot be known here (a command that asks the hardware, a file on another disk) is UNKNOWN: where a condition
# hangs on it, everything is run both ways, and only what comes out the same whatever GRUB finds is an answer.
# In:  MENU_DIRECTORY (of grub.cfg), MENU_FACTS (what is known of files, see grub-files.awk), MENU_PLATFORM (efi or pc),
#      ENVIRONMENT (grubenv), BLOCK_ENVIRONMENT (what `env_block` leads to), ENTRY_FILES (Boot Loader Specification
#      entries for `blscfg`, a path per line), MACHINE (architecture).
# Out: lines of NAME<tab>VALUE: why, kernel and initrd as (DEVICE)/PATH, command_line, once, relative; or `refuse` and
#      the reason; or `look` and a (DEVICE)/PATH of which MENU_FACTS should say more. DEVICE is UUID=..., LABEL=...,
#      MENU (where grub.cfg is) or a name that only GRUB knows.
BEGIN {
    # In all runs together.
    MOST_STEPS = 20000
    MOST_DEPTH = 60
    MOST_RUNS = 64
    directory = ENVIRON["MENU_DIRECTORY"]
    note_facts(ENVIRON["MENU_FACTS"])
    main = script_at(directory "/grub.cfg", "grub.cfg")
    try_all()
    printf "%s", answers
}

# Depth first over the decisions that the runs ask for, success before failure.
function try_all(    runs) {
    for (;;) {
        if (++runs > MOST_RUNS) give_up("grub.cfg: too much depends on what cannot be known here (" turned ")")
        forget_run()
        answer = ""
        run(main, 1)
        choose_entry()
        report()
        if (runs == 1) answers = answer
        else if (essence(answer) != essence(answers))
            give_up("grub.cfg: what is booted depends on what cannot be known here: " turned)
        while (decisions > 0 && !decided[decisions]) decisions--
        if (decisions == 0) return
        decided[decisions] = 0
        turned = decided_on[decisions]
    }
}

# True or false, each once: of what GRUB may find, and what this run takes it to have found.
function decide(on) {
    if (++asked > decisions) {
        decisions = asked
        decided[asked] = 1
        decided_on[asked] = on
    }
    return decided[asked]
}

# vt.handoff= (Ubuntu, by what `hwmatch` makes of the graphics card) says what the screen shows until X starts.
function essence(text) {
    gsub(/ ?vt\.handoff=[0-9]+/, "", text)
    return text
}

function forget_run() {
    asked = depth = entries = inside = includes = including = status = result = scope = entry_scope = 0
    leaving = one_shot = kernel = other = command_line = menu_from_files = in_entry = ""
    initrds = 0
    split("", variable)
    split("", exported)
    split("", function_body)
    preset_variables(ENVIRON["MENU_PLATFORM"])
}

# What GRUB itself sets before it reads the configuration (normal/main.c and its manual, "Special variables").
function preset_variables(platform,    count, names, at) {
    variable["root"] = marked("d", "MENU")
    variable["prefix"] = variable["config_directory"] = "(" variable["root"] ")" marked("p", "MENU")
    variable["grub_platform"] = platform
    if (ENVIRON["MACHINE"] ~ /^(|x86_64|i[3-6]86)$/) variable["grub_cpu"] = platform == "efi" ? "x86_64" : "i386"
    else variable["grub_cpu"] = unknown("what GRUB calls this CPU")
    count = split("chainloader_bpb ntldr platform_search_hint default_font_path all_video_module menuentry_id " \
        "menuentry_options 200_final nativedisk_cmd timeout_style", names, " ")
    for (at = 1; at <= count; at++) variable["feature_" names[at]] = "y"
    count = split("? root prefix config_directory grub_platform grub_cpu", names, " ")
    for (at = 1; at <= count; at++) exported[names[at]] = 1
}

# -- which entry ----------------------------------------------------------------------------------------------

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

# The menu is entries[first..entries]. GRUB falls back to the first entry when the default names none. What it takes
# for a number is what strtoul(3) does, with octal, hexadecimal and leading blanks; only plain ones are plain to people.
function find_entry(step, first,    at) {
    if (is_unknown(step)) give_up("grub.cfg: the default entry depends on " what_is_unknown(step))
    if (step ~ /^[ \t\n\r]*[0-9]/ && step !~ /^(0|[1-9][0-9]*)$/ && !menu_from_files)
        give_up("grub.cfg: versions of GRUB differ on whether '" step "' is a number or a title")
    if (step ~ /^(0|[1-9][0-9]*)$/) at = length(step) > 6 ? 0 : first + step
    else for (at = first; at <= entries; at++) {
        if (entry_title[at] == step || entry_id[at] == step) break
        if (is_unknown(entry_title[at] entry_id[at]))
            give_up("grub.cfg: an entry's name depends on " what_is_unknown(entry_title[at] entry_id[at]))
    }
    if (step != "" && at >= first && at <= entries) return at
    if (step != "") why = why " (names no entry, so the first)"
    rest_of_path = ""
    return first
}

function choose_entry(    first, step) {
    path = variable["default"]
    why = "default " (path == "" ? "unset" : path)
    first = 1
    for (;;) {
        if (entries < first) give_up("grub.cfg: " (first == 1 ? "the menu" : "the submenu") " has no entries")
        if (is_unknown(path)) give_up("grub.cfg: the default entry depends on " what_is_unknown(path))
        step = first_step(path)
        chosen = find_entry(step, first)
        check_password(chosen)
        set_value("default", rest_of_path)
        if (!entry_is_submenu[chosen]) break
        first = entries + 1
        enter_submenu()
        run_entry(chosen)
        path = variable["default"]
    }
    run_entry(chosen)
    if (leaving == "" && result != 0 && result != UNKNOWN)
        give_up("grub.cfg: entry '" entry_title[chosen] "' ends with a command that fails, so GRUB does not boot it")
}

# A submenu sees only the variables that were exported.
function enter_submenu(    name) {
    for (name in variable) if (!(name in exported) && name !~ /^feature_|^default$/) hidden[name] = 1
    for (name in hidden) delete variable[name]
    split("", hidden)
}

# What was loaded outside the entry is not what is booted. The entry's own title is its $1.
function run_entry(at) {
    other = kernel = ""
    leaving = ""
    status = result = 0
    in_entry = !entry_is_submenu[at]
    # grub.cfg has been read: what this was before GRUB read it is this again.
    variable["config_directory"] = unknown("GRUB's variable 'config_directory'")
    scope = entry_scope = 1
    parameters[scope] = 1
    parameter[scope, 1] = entry_title[at]
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
    add_answer("why", "grub.cfg: entry '" one_line(readable(entry_title[chosen])) "' (" one_line(readable(why)) ")")
    add_file("kernel", kernel)
    for (at = 1; at <= initrds; at++) add_file("initrd", initrd[at])
    add_value("command_line", command_line)
    if (variable["btrfs_relative_path"] ~ /^y/) add_answer("relative", "yes")
    if (one_shot != "") add_answer("once", one_line(one_shot))
}

function add_answer(name, text) {
    answer = answer name "\t" text "\n"
}

function add_value(name, text) {
    if (is_unknown(text))
        give_up("grub.cfg: the " name " of entry '" entry_title[chosen] "' depends on " what_is_unknown(text))
    if (text ~ /[[:cntrl:]]/) give_up("grub.cfg: control characters in the entry's " name)
    if (length(text) > 4096) give_up("grub.cfg: the entry's " name " is longer than any kernel takes")
    add_answer(name, text)
}

# GRUB names files as (DEVICE)/PATH, or /PATH on the device that `root` names.
function add_file(name, path) {
    add_value(name, plain_path(path))
}
