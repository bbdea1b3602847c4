# SPDX-License-Identifier: MIT
# What a kernel file says of itself: prints "FORMAT ARCHITECTURE BYTES", each "-" if the file does not say, where BYTES
# is the least that the whole file must have. Reads the file's first 8192 bytes as `od -An -v -tu1` writes them.
#
# Linux boot protocol (Documentation/arch/x86/boot.rst), arm64 booting (Documentation/arch/arm64/booting.rst),
# PE format (learn.microsoft.com, "PE Format"), ELF (System V ABI, chapter 4).

{ for (i = 1; i <= NF; i++) byte[count++] = $i }

END {
    format = architecture = needed = "-"
    if (text(514, 4) == "HdrS") {
        bzimage()
    } else if (text(0, 4) == "\177ELF") {
        elf()
    } else if (byte[0] == 31 && byte[1] == 139) {
        format = "gzip"
    } else if (text(56, 3) == "ARM" && byte[59] == 100) {
        format = "arm64-image"
        architecture = "aarch64"
        portable_executable()
    } else if (text(0, 2) == "MZ") {
        format = "efi"
        portable_executable()
    }
    print format, architecture, needed
}

function text(at, length_,    i, read) {
    read = ""
    for (i = at; i < at + length_; i++) read = read sprintf("%c", byte[i] + 0)
    return read
}

function little(at, length_,    i, number) {
    number = 0
    for (i = at + length_ - 1; i >= at; i--) number = number * 256 + byte[i]
    return number
}

function big(at, length_,    i, number) {
    number = 0
    for (i = at; i < at + length_; i++) number = number * 256 + byte[i]
    return number
}

# setup_sects at 0x1f1 (0 means 4) in sectors, syssize at 0x1f4 in units of 16 bytes. One file serves both widths.
function bzimage() {
    format = "bzimage"
    architecture = "x86"
    needed = ((byte[497] ? byte[497] : 4) + 1) * 512 + little(500, 4) * 16
}

# The file reaches at least to the end of each section. (The size in arm64's own header is the size in memory.)
function portable_executable(    header, sections, table, i, end) {
    header = little(60, 4)
    if (text(header, 2) != "PE") return
    machine(little(header + 4, 2), "34404 x86 332 x86 43620 aarch64 452 arm 20580 riscv 25188 loongarch")
    sections = little(header + 6, 2)
    table = header + 24 + little(header + 20, 2)
    for (i = 0; i < sections && table + 40 * i + 40 <= count; i++) {
        end = little(table + 40 * i + 16, 4) + little(table + 40 * i + 20, 4)
        if (needed == "-" || end > needed) needed = end
    }
}

# The table of sections usually ends the file; that of program headers has what is loaded.
function elf(    wide) {
    format = "elf"
    wide = byte[4] == 2
    machine(number(18, 2), "62 x86 3 x86 183 aarch64 40 arm 243 riscv 258 loongarch 20 ppc 21 ppc 22 s390 8 mips")
    if (wide) needed = number(40, 8) + number(58, 2) * number(60, 2)
    else needed = number(32, 4) + number(46, 2) * number(48, 2)
}

function number(at, length_) {
    return byte[5] == 2 ? big(at, length_) : little(at, length_)
}

function machine(code, table,    pairs, entries, i) {
    entries = split(table, pairs, " ")
    for (i = 1; i < entries; i += 2) if (pairs[i] == code) architecture = pairs[i + 1]
}
