# SPDX-License-Identifier: MIT
# The expressions of `[` and `test`: args[at_test..last_test], parsed by descent as GRUB's test.c takes them. Each
# function returns 1 (true), 0 (false) or UNKNOWN; then test_why says what is not known. For GRUB, no expression is true.

function truth_of(first, last,    result) {
    at_test = first
    last_test = last
    test_error = ""
    result = test_or()
    if (test_error == "") return result
    test_why = test_error
    return UNKNOWN
}

function test_or(    result) {
    result = test_and()
    while (is_word("-o")) {
        at_test++
        result = either(result, test_and())
    }
    return result
}

# Expressions that stand beside one another are joined as by -a.
function test_and(    result) {
    result = 1
    while (at_test <= last_test && !is_word("-o") && !is_word(")")) {
        if (is_word("-a")) at_test++
        else result = both(result, test_one())
    }
    return result
}

# Whatever stands before an operator with something behind it is its operand, be it -o.
function is_comparison() {
    return at_test + 2 <= last_test && \
        args[at_test + 1] ~ /^(=|==|!=|-eq|-ne|-lt|-le|-gt|-ge|<|<=|>|>=|-nt|-ot|-p[gl]t)$/
}

function is_word(text) {
    return at_test <= last_test && args[at_test] == text && !is_comparison()
}

function both(a, b) {
    if (a == 0 || b == 0) return 0
    return a == UNKNOWN || b == UNKNOWN ? UNKNOWN : 1
}

function either(a, b) {
    if (a == 1 || b == 1) return 1
    return a == UNKNOWN || b == UNKNOWN ? UNKNOWN : 0
}

function negated(a) {
    return a == UNKNOWN ? UNKNOWN : !a
}

function not_known(why) {
    test_why = why
    return UNKNOWN
}

# Where GRUB finds an error, the whole expression fails, whatever its other parts are.
function in_error(why) {
    if (test_error == "") test_error = why
    return UNKNOWN
}

function test_one(    first, result) {
    if (is_comparison()) {
        at_test += 3
        return compare(args[at_test - 3], args[at_test - 2], args[at_test - 1])
    }
    first = args[at_test++]
    if (first == "!") {
        if (at_test > last_test || is_word("!") || is_word("-a") || is_word("-o") || is_word(")"))
            return in_error("a test with '!' before no expression")
        return negated(test_one())
    }
    if (first == "(") {
        result = test_or()
        at_test++
        return result
    }
    if (first ~ /^-[nzefsd]$/ && at_test <= last_test) return test_about(first, args[at_test++])
    return test_about("-n", first)
}

function test_about(operator, text) {
    if (operator == "-n" || operator == "-z") return operator == "-n" ? is_filled(text) : negated(is_filled(text))
    return test_file(operator, text)
}

function is_filled(text) {
    if (!is_unknown(text)) return text != ""
    return text ~ /^(\001\?[^\002]*\002)+$/ ? not_known(what_is_unknown(text)) : 1
}

# GRUB: -f is no folder, -s is not empty, -e is anything.
function test_file(operator, path,    found) {
    found = file_kind(path)
    if (found == "unknown") return not_known("the file " readable(path))
    if (operator == "-d") return found == "folder"
    if (operator == "-e") return found != "none"
    if (operator == "-f") return found ~ /^(text|empty|other)$/
    return found == "folder" ? not_known("the size of the folder " readable(path)) : found ~ /^(text|other)$/
}

function compare(first, operator, second) {
    if (operator ~ /^(=|==|!=)$/) return operator == "!=" ? negated(are_equal(first, second)) : are_equal(first, second)
    if (is_unknown(first second)) return in_error(what_is_unknown(first second))
    if (first !~ /^(0|-?[1-9][0-9]*)$/ || second !~ /^(0|-?[1-9][0-9]*)$/ || length(first second) > 16)
        return in_error("the test '" operator "' of '" first "' and '" second "'")
    if (operator == "-eq") return first + 0 == second + 0
    if (operator == "-ne") return first + 0 != second + 0
    if (operator == "-lt") return first + 0 < second + 0
    if (operator == "-le") return first + 0 <= second + 0
    if (operator == "-gt") return first + 0 > second + 0
    if (operator == "-ge") return first + 0 >= second + 0
    return in_error("the test '" operator "'")
}

# An unknown part may be anything, also nothing; two texts differ for sure if what is known before it differs.
function are_equal(first, second,    at) {
    if (!is_unknown(first second)) return first "" == second ""
    for (at = 1; at <= length(first) && at <= length(second); at++) {
        if (substr(first, at, 1) == "\001" || substr(second, at, 1) == "\001") break
        if (substr(first, at, 1) != substr(second, at, 1)) return 0
    }
    return not_known(what_is_unknown(is_unknown(first) ? first : second))
}
