# SPDX-License-Identifier: MIT
# GRUB's variables, and the expansion of words into args[1..argc].

# Takes the variable at the front of `text` (which begins with "$"); sets `value`, returns how long its name was.
function take_variable(text) {
    value = ""
    if (match(text, /^[$][{][^}]*[}]/)) value = value_of(substr(text, 3, RLENGTH - 3))
    else if (match(text, /^[$][A-Za-z_][A-Za-z0-9_]*/)) value = value_of(substr(text, 2, RLENGTH - 1))
    else if (match(text, /^[$]([0-9]+|[?@*#])/)) value = value_of(substr(text, 2, RLENGTH - 1))
    else {
        value = "$"
        return 1
    }
    return RLENGTH
}

# Some variables GRUB sets by itself, so that unset here is not unset there (GRUB manual, "Special variables").
function value_of(name) {
    if (name == "?") return status >= 0 ? status "" : unknown(status == UNKNOWN ? status_why : "a command's error number")
    if (name ~ /^([0-9]+|[@*#])$/) return parameter_of(name)
    if (name in variable) return variable[name]
    if (name ~ /^(net_|pxe_|feature_)/ || name ~ /^(YEAR|MONTH|DAY|HOUR|MINUTE|SECOND|WEEKDAY)$/ || \
        name ~ /^(cmdpath|fw_path|lockdown|shim_lock|secureboot|biosnum|boot_device|config_file|chosen)$/)
        return unknown("GRUB's variable '" name "'")
    return ""
}

# An entry's parameters but the first are not kept.
function parameter_of(name) {
    if (name !~ /^[1-9][0-9]?$/ || (entry_scope && scope == 1 && name > 1))
        give_up("grub.cfg, line " line ": '$" name "' is not understood")
    return scope > 0 && name + 0 <= parameters[scope] ? parameter[scope, name + 0] : ""
}

# GRUB takes the parentheses off a name of `root`.
function set_value(name, text) {
    if (name == "root" && text ~ /^\(.*\)$/) text = substr(text, 2, length(text) - 2)
    variable[name] = text
}

# The inside of double quotes: a backslash escapes only $, " and itself, and joins lines.
function expand_quoted(text,    result, at) {
    result = ""
    while (match(text, /[$\\]/)) {
        result = result substr(text, 1, RSTART - 1)
        text = substr(text, RSTART)
        if (substr(text, 1, 1) == "$") {
            at = take_variable(text)
            result = result value
        } else {
            at = 2
            if (text ~ /^\\[$"\\]/) result = result substr(text, 2, 1)
            else if (text !~ /^\\\n/) result = result substr(text, 1, 2)
        }
        text = substr(text, at + 1)
        check_length(result)
    }
    return result text
}

# Variables that double themselves would fill the memory.
function check_length(text) {
    if (length(text) > 4 * MOST_LINE) give_up("grub.cfg, line " line ": a word longer than " 4 * MOST_LINE " characters")
}

# An unquoted variable may become several words, or none.
function append_split(text,    count, parts, at) {
    if (text ~ /^[ \t\n]/) end_word()
    count = split(text, parts, /[ \t\n]+/)
    for (at = 1; at <= count; at++) {
        if (parts[at] == "") continue
        if (at > 1) end_word()
        building = building parts[at]
        check_length(building)
        begun = 1
    }
    if (text ~ /[ \t\n]$/) end_word()
}

function end_word() {
    if (begun) args[++argc] = building
    building = ""
    begun = 0
}

function append(text) {
    building = building text
    check_length(building)
    begun = 1
}

function expand_word(raw,    length_taken, first) {
    building = ""
    begun = 0
    while (raw != "") {
        first = substr(raw, 1, 1)
        if (first == "'") {
            length_taken = index(substr(raw, 2), "'") + 1
            append(substr(raw, 2, length_taken - 2))
        } else if (first == "\"") {
            length_taken = closing_quote(substr(raw, 2)) + 1
            append(expand_quoted(substr(raw, 2, length_taken - 2)))
        } else if (first == "\\") {
            length_taken = 2
            if (raw !~ /^\\\n/) append(substr(raw, 2, 1))
        } else if (first == "$") {
            length_taken = take_variable(raw)
            append_split(value)
        } else {
            match(raw, /^[^'"\\$]+/)
            length_taken = RLENGTH
            append(substr(raw, 1, length_taken))
        }
        raw = substr(raw, length_taken + 1)
    }
    end_word()
}

# Words from `at` up to the end of the command become args[]; returns the index of what ends the command.
function expand_command(at) {
    argc = 0
    for (; kind[at] == "word"; at++) expand_word(word[at])
    return at
}
