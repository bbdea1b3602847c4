# shellcheck shell=dash
# SPDX-License-Identifier: MIT
# Is an initrd whole? It is a row of cpio archives, each plain or compressed, with zeros between them
# (Documentation/driver-api/early-userspace/buffer-format.rst). Debian writes plain ones first (microcode, since 13
# firmware and modules too), then a compressed one with the rest.
#
# Plain ones are found by their trailers, the first compressed one is given to its own decompressor, if that program is
# there and as far as its time and memory go. What cannot be tested is taken as whole.

# Seconds for a test. A machine too slow for it gets its kexec all the same.
TEST_SECONDS=10
# A trailer is a cpio entry of this name; the name stands behind a header of 110 bytes that begins with a magic number.
TRAILER_NAME='TRAILER!!!'
HEADER_BYTES=110

# True, with the reason, if the initrd is not whole or not an initrd.
refuse_initrd() {
    archive_format=$(format_at "$1" 0)
    case $archive_format in
        cpio) ;;
        unknown)
            printf 'initrd %s is of no known format' "$(shown "$1")"
            return
            ;;
        *)
            refuse_damaged initrd "$1" 0 "$archive_format"
            return
            ;;
    esac
    # busybox's grep cannot tell where it found something.
    trailers=$(grep -obaF "$TRAILER_NAME" "$1" 2>/dev/null) || [ $? -lt 2 ] || return 1
    plain_end=$(last_trailer "$1" "$trailers")
    if [ -z "$plain_end" ]; then
        printf 'initrd %s is truncated: its first archive has no end' "$(shown "$1")"
        return
    fi
    # Anything but a known format behind the last trailer is nothing, or nothing that can be judged.
    next_archive=$(first_non_zero "$1" "$plain_end") || return 1
    archive_format=$(format_at "$1" "$next_archive")
    case $archive_format in
        unknown) return 1 ;;
        cpio)
            printf 'initrd %s is truncated: its last archive has no end' "$(shown "$1")"
            ;;
        *) refuse_damaged initrd "$1" "$next_archive" "$archive_format" ;;
    esac
}

# last_trailer FILE "OFFSET:NAME ...": where the row of plain archives ends. Compressed data and programs that know
# cpio may hold the name as well: only one behind a header counts, and only as far as plain archives go.
last_trailer() {
    trailer_end=
    for found in $2; do
        found_at=${found%%:*}
        [ "$found_at" -ge "$HEADER_BYTES" ] && [ "$(format_at "$1" "$((found_at - HEADER_BYTES))")" = cpio ] || continue
        trailer_end=$((found_at + ${#TRAILER_NAME}))
        next=$(first_non_zero "$1" "$trailer_end") && [ "$(format_at "$1" "$next")" = cpio ] || break
    done
    printf '%s' "$trailer_end"
}

# first_non_zero FILE OFFSET: the offset of the first byte from there on that is not zero; fails if there is none.
first_non_zero() {
    differs=$(tail -c "+$(($2 + 1))" "$1" 2>/dev/null | cmp - /dev/zero 2>/dev/null)
    differs=${differs##*byte } differs=${differs##*char }
    differs=${differs%%,*}
    is_number "$differs" && printf '%s' "$(($2 + differs - 1))"
}

# format_at FILE OFFSET: the format of what begins there.
format_at() {
    case $(od -An -v -tx1 -j "$2" -N 6 "$1" 2>/dev/null) in
        ' 30 37 30 37 30 31' | ' 30 37 30 37 30 32') echo cpio ;;
        ' 1f 8b'*) echo gzip ;;
        ' 28 b5 2f fd'*) echo zstd ;;
        ' fd 37 7a 58 5a 00') echo xz ;;
        ' 02 21 4c 18'*) echo lz4 ;;
        ' 42 5a 68'*) echo bzip2 ;;
        ' 5d 00 00'*) echo lzma ;;
        ' 89 4c 5a 4f'*) echo lzop ;;
        *) echo unknown ;;
    esac
}

# refuse_damaged KIND FILE OFFSET FORMAT: true, with the reason, if the decompressor finds the data damaged.
refuse_damaged() {
    case $4 in
        lzma) set -- "$1" "$2" "$3" xz --format=lzma ;;
        *) set -- "$1" "$2" "$3" "$4" ;;
    esac
    decompressor=$4
    command -v "$decompressor" >/dev/null 2>&1 || return 1
    tested=$(tail -c "+$(($3 + 1))" "$2" |
        expendable timeout "$TEST_SECONDS" "$decompressor" ${5:+"$5"} -t 2>&1 >/dev/null)
    case $?,$decompressor in
        # Whole; gzip's mere warning of something behind the data.
        0,* | 2,gzip) return 1 ;;
        # No verdict: not done in time (timeout of coreutils), could not be run, killed (out of memory, or by busybox's
        # timeout).
        12[4-9],* | 13?,* | 14?,*) return 1 ;;
    esac
    case $tested in
        # The data were fine, and what comes behind them is something else, e.g. zeros.
        *'unsupported format'*) return 1 ;;
        # zstd, xz. A window too large for zstd's own limit is another matter: it is the kernel's limit, too.
        *'not enough memory'* | *'Cannot allocate memory'* | *'emory usage limit'*) return 1 ;;
    esac
    printf '%s %s is truncated or damaged: %s: %s' "$1" "$(shown "$2")" "$decompressor" "$(clean_text "$tested")"
}
