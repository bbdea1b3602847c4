# SPDX-License-Identifier: MIT
# One kernel command line on standard input, taken apart as the kernel does it: blanks part words, except between
# double quotes (lib/cmdline.c, next_arg).
# With KEXEC_LOAD_ARGUMENT: prints the value of its last occurrence before "--".
# Else: prints the line without BOOT_IMAGE=..., initrd=... and everything from the word KEXEC_LOAD_MARKER on.
BEGIN {
    wanted = ENVIRON["KEXEC_LOAD_ARGUMENT"]
    marker = ENVIRON["KEXEC_LOAD_MARKER"]
}

{
    text = text (NR > 1 ? " " : "") substr($0, 1, 8192)
    if (length(text) > 8192) exit
}

END {
    kept = found = ""
    while ((one = take_word()) != "") {
        if (one == marker || (wanted != "" && one == "--")) break
        if (wanted != "" && index(unquoted(one), wanted "=") == 1) found = substr(unquoted(one), length(wanted) + 2)
        if (one !~ /^"?(BOOT_IMAGE|initrd)=/) kept = kept (kept == "" ? "" : " ") one
    }
    print wanted != "" ? found : kept
}

function take_word(    one) {
    sub(/^[ \t\r\n]+/, "", text)
    one = match(text, /^([^ \t\r\n"]|"[^"]*("|$))+/) ? substr(text, 1, RLENGTH) : ""
    text = substr(text, length(one) + 1)
    return one
}

function unquoted(text) {
    gsub(/"/, "", text)
    return text
}
