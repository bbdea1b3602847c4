# SPDX-License-Identifier: MIT
# One settings file, taken apart as text: NAME=value words with the quoting of sh, without any of its expansion.
# Prints what apply_setting() in config.sh reads. The file's name for messages comes in CONFIG_FILE.

BEGIN {
    count = split("KERNEL INITRD APPEND APPEND_ONCE LOAD_CALL LOAD_TIMEOUT MAX_FAILURES", names, " ")
    for (i = 1; i <= count; i++) known[names[i]] = 1
    LONGEST_LINE = 8192 # twice the longest command line of any architecture
}

{ sub(/\r$/, "") }

/^[ \t]*(#|$)/ { next }

length($0) > LONGEST_LINE {
    complain("error", "the line is longer than " LONGEST_LINE " characters")
    next
}

/[[:cntrl:]]/ {
    without_tabs = $0
    gsub(/\t/, " ", without_tabs)
    if (without_tabs ~ /[[:cntrl:]]/) {
        complain("error", "control character")
        next
    }
}

{ read_line($0) }

function complain(kind, text) {
    print kind "=" ENVIRON["CONFIG_FILE"] " line " NR ": " text
}

# Settings of a line count only if the whole line is understood.
function read_line(line,    position, word, name, found, i) {
    found = 0
    position = 1
    while (position <= length(line)) {
        if (substr(line, position, 1) ~ /[ \t]/) {
            position++
            continue
        }
        if (substr(line, position, 1) == "#") break
        if (!match(substr(line, position), /^[A-Za-z_][A-Za-z0-9_]*=/)) {
            complain("error", "not of the form NAME=value")
            return
        }
        name = substr(line, position, RLENGTH - 1)
        position = unquote(line, position + RLENGTH)
        if (!position) return
        found++
        set[found] = name
        value[found] = unquoted
    }
    for (i = 1; i <= found; i++) {
        if (set[i] in known) print set[i] "=" value[i]
        else complain("error", "unknown name " set[i] meant(set[i]))
    }
}

function meant(name) {
    return toupper(name) in known ? " (names are in capitals: " toupper(name) ")" : ""
}

# Read the value that begins at `position` into `unquoted`; the position behind it, or 0 if it cannot be understood.
function unquote(line, position,    quote, character, dollar) {
    unquoted = ""
    quote = ""
    dollar = 0
    for (; position <= length(line); position++) {
        character = substr(line, position, 1)
        if (quote == "" && character ~ /[ \t]/) break
        if (character == quote) {
            quote = ""
        } else if (quote == "" && (character == "'" || character == "\"")) {
            quote = character
        } else if (character == "\\" && quote != "'") {
            position++
            character = substr(line, position, 1)
            # Between double quotes sh keeps the backslash but before these.
            if (quote != "" && character !~ /[\\"$`]/) character = "\\" character
            unquoted = unquoted character
        } else {
            if (quote != "'" && character ~ /[$`]/) dollar = 1
            if (quote == "" && character ~ /[;&|<>()]/) {
                complain("error", "'" character "' outside quotes: this file is no shell script")
                return 0
            }
            unquoted = unquoted character
        }
    }
    if (quote != "") {
        complain("error", "unfinished quote")
        return 0
    }
    if (dollar) {
        complain("error", "nothing is expanded here; write '$' and '`' in single quotes if they are meant")
        return 0
    }
    return position
}
