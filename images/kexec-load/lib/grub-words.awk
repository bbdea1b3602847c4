# SPDX-License-Identifier: MIT
# GRUB's variables, the expansion of words into args[1..argc], and the expressions of `[` and `test`.

# Takes the variable at the front of `text` (which begins with "$"); sets `value`, returns how long its name was.
function take_variable(text) {
    value = ""
    if (match(text, /^[$][{][^}]*[}]/)) value = variable[substr(text, 3, RLENGTH - 3)]
    else if (match(text, /^[$][A-Za-z_][A-Za-z0-9_]*/)) value = variable[substr(text, 2, RLENGTH - 1)]
    else if (match(text, /^[$][0-9]+/)) value = variable[substr(text, 2, RLENGTH - 1)]
    else if (match(text, /^[$][?@*#]/)) value = text ~ /^[$][?]/ ? status "" : ""
    else {
        value = "$"
        return 1
    }
    return RLENGTH
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
    }
    return result text
}

# An unquoted variable may become several words, or none.
function append_split(text,    count, parts, at) {
    if (text ~ /^[ \t\n]/) end_word()
    count = split(text, parts, /[ \t\n]+/)
    for (at = 1; at <= count; at++) {
        if (parts[at] == "") continue
        if (at > 1) end_word()
        building = building parts[at]
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

# -- test expressions: args[at_test..last_test], parsed by descent ------------------------------------------

function is_true(first, last) {
    at_test = first
    last_test = last
    return first > last ? 0 : test_or()
}

function test_or(    result) {
    result = test_and()
    while (at_test <= last_test && args[at_test] == "-o") {
        at_test++
        result = test_and() || result
    }
    return result
}

function test_and(    result) {
    result = test_one()
    while (at_test <= last_test && args[at_test] == "-a") {
        at_test++
        result = test_one() && result
    }
    return result
}

function test_one(    first, operator, second, result) {
    first = args[at_test++]
    if (at_test <= last_test && args[at_test] ~ /^(=|==|!=|-eq|-ne|-lt|-le|-gt|-ge|<|<=|>|>=|-nt|-ot)$/) {
        operator = args[at_test++]
        second = at_test <= last_test ? args[at_test++] : ""
        return compare(first, operator, second)
    }
    if (first == "!" && at_test <= last_test) return !test_one()
    if (first == "(") {
        result = test_or()
        at_test++
        return result
    }
    if (first == "-n" && at_test <= last_test) return args[at_test++] != ""
    if (first == "-z" && at_test <= last_test) return args[at_test++] == ""
    if (first ~ /^-[efs]$/ && at_test <= last_test) return file_exists(args[at_test++])
    if (first == "-d" && at_test <= last_test) return args[at_test++] == "(menu)"
    return first != ""
}

function compare(first, operator, second) {
    if (operator == "=" || operator == "==") return first "" == second ""
    if (operator == "!=") return first "" != second ""
    if (operator == "-eq") return first + 0 == second + 0
    if (operator == "-ne") return first + 0 != second + 0
    if (operator == "-lt") return first + 0 < second + 0
    if (operator == "-le") return first + 0 <= second + 0
    if (operator == "-gt") return first + 0 > second + 0
    if (operator == "-ge") return first + 0 >= second + 0
    give_up("the test '" operator "' is not understood")
}
