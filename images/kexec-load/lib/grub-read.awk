# SPDX-License-Identifier: MIT
# GRUB's script language, taken apart: files and texts become the token arrays kind[], word[], line_of[], mate[].
# Kinds: "word" (as written, quotes and all), "newline" (or ";"), "{", "}", "end" (of one file or text).
# mate[] leads from an opening brace to its closing one.
BEGIN {
    MOST_LINE = 8192
    MOST_TOKENS = 40000
    tokens = 0
}

# Ends the program: nothing that follows could be trusted.
function give_up(reason) {
    print "refuse\t" one_line(readable(reason))
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

# One more line of the script. Quoted strings go on over lines: `quote` is the one that is open, `built` the word so
# far. Each character is looked at once, whatever the lines hold.
function take_line(text, number) {
    if (built == "") started = number
    if (length(text) + length(built) > MOST_LINE) {
        if (quote != "") give_up(reading ", line " started ": a quoted string without an end")
        give_up(reading ", line " number ": longer than " MOST_LINE " characters")
    }
    if (text ~ /[\001-\003]/) give_up(reading ", line " number ": control characters")
    gsub(/\r/, "", text)
    rest = text
    while (quote != "" ? take_quoted() : take_plain(number));
}

# Adds to the word up to the closing quote; fails if it is not in this line.
function take_quoted(    stop) {
    stop = quote == "'" ? index(rest, quote) : closing_quote(rest)
    if (!stop) {
        built = built rest "\n"
        return 0
    }
    take(stop)
    quote = ""
    return 1
}

# Where the first double quote is that no backslash takes away; 0 if there is none.
function closing_quote(text,    passed) {
    passed = 0
    while (match(text, /["\\]/)) {
        if (substr(text, RSTART, 1) == "\"") return passed + RSTART
        passed += RSTART + 1
        text = substr(text, RSTART + 2)
    }
    return 0
}

# Moves the next characters of the line to the word.
function take(count) {
    built = built substr(rest, 1, count)
    rest = substr(rest, count + 1)
    return 1
}

# One step outside of quotes; fails at the end of the line.
function take_plain(number,    first) {
    if (built == "") sub(/^[ \t]+/, "", rest)
    first = substr(rest, 1, 1)
    if (rest == "\\") {
        built = built "\\\n"
        return 0
    }
    if (first == "'" || first == "\"") {
        quote = first
        return take(1)
    }
    if (first == "\\") return take(2)
    if (first == "$") return take(match(rest, /^[$][{][^}]*[}]/) ? RLENGTH : 1)
    if (match(rest, /^[^ \t\n;{}|&<>'"\\$]+/) && (built != "" || first != "#")) return take(RLENGTH)
    return end_of_word(first, number)
}

function end_of_word(first, number) {
    if (built != "") add_token("word", built, started)
    built = ""
    started = number
    if (first == "" || first == "#") {
        add_token("newline", "", number)
        return 0
    }
    if (first == ";" && kind[tokens] !~ /^(word|})$/) give_up(reading ", line " number ": ';' is not understood here")
    if (first == ";" || first == "\n") add_token("newline", first, number)
    else if (first == "{" || first == "}") add_token(first, first, number)
    else if (index("|&<>", first)) give_up(reading ", line " number ": '" first "' is not understood")
    rest = substr(rest, 2)
    return 1
}

function begin_reading(name) {
    reading = name
    built = quote = ""
    return tokens + 1
}

function finish_reading(number) {
    if (quote != "") give_up(reading ", line " started ": a quoted string without an end")
    if (built != "") add_token("word", built, started)
    add_token("end", "", number)
    if (braces) give_up(reading ", line " line_of[open_brace[braces]] ": a brace that is not closed")
}

# The same file or text may be run again and again: it is read once.
function script_at(file, name) {
    if (!(file in first_token)) first_token[file] = read_script(file, name)
    return first_token[file]
}

function text_at(lines, name) {
    if (!((name, lines) in first_token)) first_token[name, lines] = read_text(lines, name)
    return first_token[name, lines]
}

# Returns the index of the first token of the file.
function read_script(file, name,    first, number, text) {
    first = begin_reading(name)
    number = 0
    while ((getline text < file) > 0) take_line(text, ++number)
    close(file)
    finish_reading(number)
    return first
}

# The same for lines that are at hand, parted by newlines.
function read_text(lines, name,    first, count, at, list) {
    first = begin_reading(name)
    count = split(lines, list, "\n")
    for (at = 1; at <= count; at++) take_line(list[at], at)
    finish_reading(count)
    return first
}
