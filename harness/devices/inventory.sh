# Guest side of the inventory: what is on each bus, as links and values of /sys, once nothing changes any more.
# Set before: BUSES, WANTED (checksum of the listing that is waited for; empty if none is), MODULES.
# shellcheck shell=sh disable=SC2154
STEADY=5
LONGEST=20

# NAME|NAME is there if any one of them is; one that is built in counts.
has_module() {
    old_ifs=$IFS
    IFS='|'
    for name in $1; do
        if modprobe -n -q "$name" || [ -d "/sys/module/$(echo "$name" | tr - _)" ]; then
            IFS=$old_ifs
            return 0
        fi
    done
    IFS=$old_ifs
    return 1
}

# A guest without modprobe is not asked.
say_what_is_lacking() {
    command -v modprobe >/dev/null || return 0
    for module in $MODULES; do
        has_module "$module" || echo "lacks $module $(uname -r)"
    done
}

links_and_values() {
    for bus in $BUSES; do
        ls -ld "/sys/bus/$bus/devices"/* "/sys/bus/$bus/devices"/*/driver
    done 2>/dev/null | awk '/ -> / { print "link", $(NF-2), $NF }'
    # shellcheck disable=SC2012
    ls -ld /sys/class/net/* 2>/dev/null | awk '/ -> / { print "link", $(NF-2), $NF }'
    for bus in $BUSES; do
        for file in vendor device idVendor idProduct model name; do
            grep -Hs . "/sys/bus/$bus/devices"/*/"$file"
        done
    done 2>/dev/null | sed 's/^/value /'
}

# Disks on USB appear seconds after their controller, and some drivers are bound while nobody waits for them.
settled() {
    tries=0
    same=0
    before=
    while listing=$(links_and_values) && sum=$(echo "$listing" | cksum) && [ "$sum" != "$WANTED" ]; do
        [ "$sum" = "$before" ] && same=$((same + 1)) || same=0
        [ "$same" -lt "$STEADY" ] && [ "$tries" -lt "$LONGEST" ] || break
        before=$sum
        tries=$((tries + 1))
        sleep 1
    done
    echo "$listing"
    echo "sum $sum"
}

say_what_is_lacking
settled
