# Guest side of the checks of panic notifiers. Set before: STAGE DRIVER, and NOTE for the file of a note.
# shellcheck shell=sh disable=SC2154

# Host's and guest's format are 16 bits each; 1 is an ELF note, which the guest has written an address and a size for.
check_note() {
    format=$(od -An -v -tu2 -j2 -N2 "$NOTE" | tr -d ' ')
    address=$(od -An -v -tx8 -j8 -N8 "$NOTE" | tr -d ' ')
    if [ "$format" = 1 ] && [ "$address" != 0000000000000000 ]; then
        echo "ok note at 0x$address"
    else
        echo "fail note has format ${format:-none} and address ${address:-none}"
    fi
}

if [ "$STAGE" = after ]; then
    check_driver "$DRIVER"
    [ -z "${NOTE:-}" ] || check_note
fi
