# SPDX-License-Identifier: MIT
# Version order as dpkg, rpm and the Boot Loader Specification define it. Each function returns less than,
# equal to or greater than 0. Strings are cut to MOST characters: no version is that long.
BEGIN {
    MOST = 255
    for (code = 1; code < 256; code++) CODE[sprintf("%c", code)] = code
}

function sign(number) {
    return number < 0 ? -1 : number > 0
}

# Digits as a number of any length: without leading zeros the longer one is greater.
function compare_digits(a, b) {
    sub(/^0+/, "", a)
    sub(/^0+/, "", b)
    if (length(a) != length(b)) return sign(length(a) - length(b))
    # The letter keeps awk from comparing them as (inexact) numbers.
    return ("d" a) < ("d" b) ? -1 : ("d" a) > ("d" b)
}

function leading(text, pattern) {
    return match(text, pattern) ? substr(text, 1, RLENGTH) : ""
}

# Debian Policy 5.6.12: "~" sorts before everything, even the end; then the end; letters; everything else.
function dpkg_weight(character) {
    if (character == "~") return -1
    if (character == "" || character ~ /[0-9]/) return 0
    if (character ~ /[A-Za-z]/) return CODE[character]
    return CODE[character] + 256
}

function compare_dpkg(a, b,    at, words_a, words_b, numbers_a, numbers_b, order) {
    a = substr(a, 1, MOST)
    b = substr(b, 1, MOST)
    while (a != "" || b != "") {
        words_a = leading(a, "^[^0-9]+")
        words_b = leading(b, "^[^0-9]+")
        for (at = 1; at <= length(words_a) || at <= length(words_b); at++) {
            order = dpkg_weight(substr(words_a, at, 1)) - dpkg_weight(substr(words_b, at, 1))
            if (order) return sign(order)
        }
        a = substr(a, length(words_a) + 1)
        b = substr(b, length(words_b) + 1)
        numbers_a = leading(a, "^[0-9]+")
        numbers_b = leading(b, "^[0-9]+")
        order = compare_digits(numbers_a, numbers_b)
        if (order) return order
        a = substr(a, length(numbers_a) + 1)
        b = substr(b, length(numbers_b) + 1)
    }
    return 0
}

# The next run of digits or letters decides; a run of digits beats a run of letters. 2: no decision yet.
function compare_runs(a, b,    run_a, run_b, order) {
    if (a ~ /^[0-9]/ && b ~ /^[0-9]/)
        order = compare_digits(leading(a, "^[0-9]+"), leading(b, "^[0-9]+"))
    else if (a ~ /^[0-9]/ || b ~ /^[0-9]/)
        order = a ~ /^[0-9]/ ? 1 : -1
    else {
        run_a = leading(a, "^[A-Za-z]+")
        run_b = leading(b, "^[A-Za-z]+")
        order = compare_letters(run_a, run_b)
    }
    return order ? order : 2
}

# Byte by byte, whatever the locale's order is; a prefix sorts first.
function compare_letters(a, b,    at, order) {
    for (at = 1; at <= length(a) || at <= length(b); at++) {
        order = CODE[substr(a, at, 1)] - CODE[substr(b, at, 1)]
        if (order) return sign(order)
    }
    return 0
}

function without_run(text) {
    if (!sub(/^[0-9]+/, "", text)) sub(/^[A-Za-z]+/, "", text)
    return text
}

# rpm's rpmvercmp: separators only part runs, "~" sorts before the end, "^" after the end but before more.
function compare_rpm(a, b,    order) {
    a = substr(a, 1, MOST)
    b = substr(b, 1, MOST)
    while (a != "" || b != "") {
        sub(/^[^A-Za-z0-9~^]+/, "", a)
        sub(/^[^A-Za-z0-9~^]+/, "", b)
        if (a ~ /^~/ || b ~ /^~/) {
            if (a !~ /^~/) return 1
            if (b !~ /^~/) return -1
            a = substr(a, 2)
            b = substr(b, 2)
        } else if (a ~ /^\^/ || b ~ /^\^/) {
            if (a == "") return -1
            if (b == "") return 1
            if (a !~ /^\^/) return 1
            if (b !~ /^\^/) return -1
            a = substr(a, 2)
            b = substr(b, 2)
        } else {
            if (a == "" || b == "") break
            order = compare_runs(a, b)
            if (order != 2) return order
            a = without_run(a)
            b = without_run(b)
        }
    }
    return a == b ? 0 : a == "" ? -1 : 1
}

# The one of "~", "-", "^" and "." (in this order) that only one side begins with decides. 2: no decision.
function compare_separators(a, b,    at, mark, in_a, in_b) {
    for (at = 1; at <= 4; at++) {
        mark = substr("~-^.", at, 1)
        in_a = substr(a, 1, 1) == mark
        in_b = substr(b, 1, 1) == mark
        # The end of a string comes after "~" and before all the others.
        if (at == 2 && (a == "" || b == "")) return a == b ? 0 : a == "" ? -1 : 1
        if (in_a != in_b) return in_a ? -1 : 1
    }
    return 2
}

# The Version Format Specification of uapi-group.org, in whose order the Boot Loader Specification puts entries.
function compare_uapi(a, b,    order) {
    a = substr(a, 1, MOST)
    b = substr(b, 1, MOST)
    for (;;) {
        gsub(/^[^A-Za-z0-9~^.-]+/, "", a)
        gsub(/^[^A-Za-z0-9~^.-]+/, "", b)
        order = compare_separators(a, b)
        if (order != 2) return order
        if (a ~ /^[~^.-]/) {
            a = substr(a, 2)
            b = substr(b, 2)
            continue
        }
        order = compare_runs(a, b)
        if (order != 2) return order
        a = without_run(a)
        b = without_run(b)
    }
}

function compare_versions(order, a, b) {
    if (order == "rpm") return compare_rpm(a, b)
    if (order == "dpkg") return compare_dpkg(a, b)
    return compare_uapi(a, b)
}

# Sorts list[1..count], newest first. Insertion: kernels are few, and it keeps equal ones in their order.
function sort_versions(order, list, count,    at, to, one) {
    for (at = 2; at <= count; at++) {
        one = list[at]
        for (to = at - 1; to >= 1 && compare_versions(order, one, list[to]) > 0; to--) list[to + 1] = list[to]
        list[to + 1] = one
    }
}
