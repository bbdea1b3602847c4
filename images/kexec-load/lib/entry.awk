# SPDX-License-Identifier: MIT
# One entry of the Boot Loader Specification (type 1): lines of KEY VALUE. Keys that may come more than once
# (options, initrd) are joined by a blank. An entry for another architecture is passed over.

# More than this is no boot menu (the list has at most one more per partition).
function too_many(count) {
    if (count > 100) give_up("more than 100 entries of the Boot Loader Specification")
}

function base_name(path) {
    sub(/.*\//, "", path)
    return path
}

# Fills field[]; returns 0 if the entry is not for this machine or cannot be read.
function read_entry(file,    line, key, value) {
    for (key in field) delete field[key]
    while ((getline line < file) > 0) {
        if (length(line) > 8192) {
            close(file)
            return 0
        }
        gsub(/\r/, "", line)
        sub(/^[ \t]+/, "", line)
        sub(/[ \t]+$/, "", line)
        if (line == "" || line ~ /^#/ || !match(line, /^[^ \t]+[ \t]+/)) continue
        key = substr(line, 1, RLENGTH)
        value = substr(line, RLENGTH + 1)
        sub(/[ \t]+$/, "", key)
        if (key ~ /^(options|initrd)$/ && field[key] != "") field[key] = field[key] " " value
        else field[key] = value
    }
    close(file)
    return for_this_machine(field["architecture"])
}

# Architectures as the specification (EFI's names) and as `uname -m` spell them.
function for_this_machine(wanted,    machine) {
    machine = ENVIRON["MACHINE"]
    wanted = tolower(wanted)
    if (wanted == "" || machine == "" || wanted == machine) return 1
    if (wanted == "x64") return machine == "x86_64"
    if (wanted == "ia32") return machine ~ /^i[3-6]86$/
    if (wanted == "aa64") return machine == "aarch64"
    if (wanted == "arm") return machine ~ /^arm/
    if (wanted == "riscv64" || wanted == "loongarch64") return machine == wanted
    return 0
}
