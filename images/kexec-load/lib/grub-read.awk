# SPDX-License-Identifier: MIT
# GRUB's script language, taken apart: files and texts become the token arrays kind[], word[], line_of[], mate[].
# Kinds: "word" (as written, quotes and all), "newline" (or ";"), "{", "}", "end" (of one file or text).
# mate[] leads from an opening brace to its closing one.
BEGIN {
    MOST_LINE = 8192
    MOST_TOKENS = 200000
    # One word: plain characters, escaped ones, quoted strings and variables, in any mixture.
    WORD = "^([^] \t\n;{}|&<>'\"\\\\$[]|\\[|\\]|\\\\(.|\n)|'[^']*'|\"([^\"\\\\]|\\\\(.|\n))*\"|" \
        "[$][{][^}]*[}]|[$])+"
    tokens = 0
}

# Ends the program: nothing that follows could be trusted.
function give_up(reason) {
    print "refuse\t" one_line(reason)
    exit 0
}

# For people: no control characters, and no longer than they would read.
function one_line(text) {
    gsub(/[[:cntrl:]]+/, " ", text)
    return length(text) > 300 ? substr(text, 1, 300) "..." : text
}

function add_token(what, text, number) {
    if (++tokens > MOST_TOKENS) give_up(reading " is longer than a boot menu can be")
    kind[tokens] = what
    word[tokens] = text
    line_of[tokens] = number
    if (what == "{") open_brace[++braces] = tokens
    if (what != "}") return
    if (braces == 0) give_up(reading ", line " number ": a closing brace too many")
    mate[open_brace[braces--]] = tokens
}

# Takes the tokens off the front of text; returns what is left if a quoted string goes on in the next line.
function take_tokens(text, number,    first) {
    for (;;) {
        sub(/^[ \t]+/, "", text)
        first = substr(text, 1, 1)
        if (text == "\\") return text
        if (first == "" || first == "#") break
        if (first == ";" || first == "\n") add_token("newline", first, number)
        else if (first == "{" || first == "}") add_token(first, first, number)
        else if (index("|&<>", first)) give_up(reading ", line " number ": '" first "' is not understood")
        else if (match(text, WORD)) {
            if (substr(text, RLENGTH + 1, 1) ~ /['"\\]/) return text
            add_token("word", substr(text, 1, RLENGTH), number)
            text = substr(text, RLENGTH + 1)
            continue
        } else return text
        text = substr(text, 2)
    }
    add_token("newline", "", number)
    return ""
}

# One more line; `held` is the start of a word whose closing quote has not come yet.
function take_line(text, number) {
    if (length(text) + length(held) > MOST_LINE) {
        if (held == "") give_up(reading ", line " number ": longer than " MOST_LINE " characters")
        give_up(reading ", line " held_at ": a quoted string without an end")
    }
    gsub(/\r/, "", text)
    if (held == "") held_at = number
    else text = held "\n" text
    # Without a further quote the string goes on; looking again at every line would take long.
    if (held != "" && held !~ /\\$/ && substr(text, length(held) + 1) !~ /['"]/) held = text
    else held = take_tokens(text, held_at)
}

function finish_reading(number) {
    if (held != "") give_up(reading ", line " held_at ": a quoted string without an end")
    add_token("end", "", number)
    if (braces) give_up(reading ", line " line_of[open_brace[braces]] ": a brace that is not closed")
}

# Returns the index of the first token of the file.
function read_script(file, name,    first, number, text) {
    reading = name
    first = tokens + 1
    held = ""
    number = 0
    while ((getline text < file) > 0) take_line(text, ++number)
    close(file)
    finish_reading(number)
    return first
}

# The same for lines that are at hand, parted by newlines.
function read_text(lines, name,    first, count, at, list) {
    reading = name
    first = tokens + 1
    held = ""
    count = split(lines, list, "\n")
    for (at = 1; at <= count; at++) take_line(list[at], at)
    finish_reading(count)
    return first
}
