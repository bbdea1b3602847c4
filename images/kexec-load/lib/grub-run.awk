# SPDX-License-Identifier: MIT
# GRUB's statements: lists, `if`, functions, and the menu that `menuentry` and `submenu` make.
# `status` is what $? says; `result` what the list came to so far: 0 between a condition and the first command after it.
# `leaving` says that a block ends early: "function" after `return`, "boot" after `boot`, which ends everything.

# Runs (or, if not active, passes over) statements up to what ends their block; returns its index.
function run(at, active) {
    if (++depth > MOST_DEPTH) give_up(reading ": nested too deep")
    for (;;) {
        if (kind[at] == "newline") at++
        else if (kind[at] == "end" || kind[at] == "}") break
        else if (kind[at] == "word" && word[at] ~ /^(then|elif|else|fi)$/) break
        else if (active && leaving != "") break
        else {
            if (++steps > MOST_STEPS) give_up("grub.cfg takes too many steps")
            at = statement(at, active)
        }
    }
    depth--
    return at
}

function statement(at, active) {
    if (kind[at] == "{") {
        run(at + 1, active)
        not_understood(at, "{")
    }
    if (word[at] == "if") return run_if(at + 1, active)
    if (word[at] == "function") return note_function(at, active)
    if (word[at] == "menuentry" || word[at] == "submenu") return note_entry(at, active)
    if (active && word[at] ~ /^(for|while|until|case|select|time)$/) not_understood(at, word[at])
    if (!active) return skip_words(at)
    line = line_of[at]
    at = expand_command(at)
    if (argc) command()
    result = status
    if (kind[at] == "{") not_understood(at, "{")
    return at
}

function not_understood(at, what) {
    give_up("grub.cfg, line " line_of[at] ": '" what "' is not understood here")
}

# A list inside of something else. GRUB takes none without a command, and no functions in it: then it passes over all of
# the outermost statement.
function run_block(at, active) {
    if (word[at] == ";") not_understood(at, ";")
    while (kind[at] == "newline") at++
    if (kind[at] == "}" || kind[at] == "word" && word[at] ~ /^(then|elif|else|fi)$/)
        give_up("grub.cfg, line " line_of[at] ": a block without a command is an error for GRUB")
    inside++
    at = run(at, active)
    inside--
    return at
}

function run_if(at, active,    start, truth, done) {
    start = at
    done = 0
    for (;;) {
        at = expect(run_block(at, active && !done), "then", start)
        truth = active && !done && leaving == "" && succeeded()
        if (active) result = 0
        at = run_block(at, truth)
        if (active && leaving != "") return skip_if(at, start)
        if (truth) done = 1
        if (word[at] == "elif") {
            at++
            continue
        }
        if (word[at] == "else") {
            at = run_block(at + 1, active && !done)
            if (active && leaving != "") return skip_if(at, start)
        }
        # What no branch has been taken of has succeeded.
        if (active) status = result
        return expect(at, "fi", start)
    }
}

# Whether the last command has succeeded; where that is not known, it is decided.
function succeeded() {
    if (status == UNKNOWN) status = decide(status_why) ? 0 : SOME_FAILURE
    return status == 0
}

function expect(at, keyword, start) {
    if (kind[at] == "word" && word[at] == keyword) return at + 1
    if (leaving != "") return expect(run_inactive(at, start), keyword, start)
    give_up("grub.cfg, line " line_of[start] ": 'if' without '" keyword "'")
}

# The rest of a block that was left half-way is only passed over.
function run_inactive(at, start) {
    at = run(at, 0)
    if (kind[at] != "word") give_up("grub.cfg, line " line_of[start] ": 'if' without its end")
    return at
}

function skip_if(at, start) {
    for (;;) {
        at = run_inactive(at, start)
        if (word[at] == "fi") return at + 1
        at++
    }
}

function find_body(at) {
    while (kind[at] == "newline") at++
    if (kind[at] != "{") give_up("grub.cfg, line " line_of[at] ": a block should begin here")
    return at
}

function note_function(at, active,    body) {
    body = find_body(at + 2)
    if (inside) not_understood(at, "function")
    check_block(body)
    if (active && is_command(word[at + 1]))
        give_up("grub.cfg, line " line_of[at] ": a function has the name of the command '" word[at + 1] "'")
    if (active) function_body[word[at + 1]] = body + 1
    return mate[body] + 1
}

# A function sees its arguments as $1, $2, ...
function call(body,    at) {
    if (++scope > MOST_DEPTH) give_up(reading ": nested too deep")
    parameters[scope] = argc - 1
    for (at = 1; at < argc; at++) parameter[scope, at] = args[at + 1]
    result = 0
    run(body, 1)
    status = result
    scope--
    if (leaving == "function") leaving = ""
}

# -- the menu -----------------------------------------------------------------------------------------------

function note_entry(at, active,    body, is_submenu) {
    is_submenu = word[at] == "submenu"
    if (!active) return mate[find_body(skip_words(at))] + 1
    body = find_body(expand_command(at + 1))
    check_block(body)
    add_entry(body + 1, is_submenu)
    read_entry_options()
    status = 0
    return mate[body] + 1
}

function add_entry(body, is_submenu) {
    entries++
    entry_body[entries] = body
    entry_is_submenu[entries] = is_submenu
    entry_title[entries] = entry_id[entries] = ""
    entry_open[entries] = 0
}

# What GRUB would find wrong with a block before any of it is run. Once is enough.
function check_block(body) {
    if (checked[body]) return
    checked[body] = 1
    run_block(body + 1, 0)
}

function skip_words(at) {
    while (kind[at] == "word") at++
    return at
}

# Options as `menuentry` takes them (GRUB manual, "menuentry"); the first other word is the title.
function read_entry_options(    at, titled) {
    for (at = 1; at <= argc; at++) {
        if (is_unknown(args[at]) && args[at] ~ /^[-\001]/)
            give_up("grub.cfg: the options of an entry depend on " what_is_unknown(args[at]))
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
