# Guest side of the checks of memory. Set before: STAGE NONCE DRIVER (may be empty); and some of LEAST_MIB and MOST_MIB,
# PMEM (a persistent memory's block device), HUGE_PAGES.
# shellcheck shell=sh disable=SC2154
PATTERN_BYTES=4194304
HUGE=/run/kexec-harness-huge

total_mib() {
    awk '/^MemTotal:/ { printf "%d", $2 / 1024 }' /proc/meminfo
}

is_within_limits() {
    [ "$(total_mib)" -ge "$LEAST_MIB" ] && [ "$(total_mib)" -le "$MOST_MIB" ]
}

check_total() {
    # A balloon takes its time to be inflated.
    if within 60 is_within_limits; then
        echo "ok memory $(total_mib) MiB"
    else
        echo "fail memory $(total_mib) MiB, should be from $LEAST_MIB to $MOST_MIB"
    fi
}

pattern() {
    yes "$NONCE" | head -c "$PATTERN_BYTES"
}

check_pmem() {
    if [ "$(dd if="$PMEM" bs=65536 iflag=direct,count_bytes count="$PATTERN_BYTES" status=none | sha256sum)" = \
        "$(pattern | sha256sum)" ]; then
        echo "ok pattern $PATTERN_BYTES bytes written to $PMEM before the reboot are read back"
    else
        echo "fail pattern what is read from $PMEM is not what was written before the reboot"
    fi
}

# All of the huge pages, filled by a file on them.
use_huge_pages() {
    mkdir -p "$HUGE"
    mountpoint -q "$HUGE" || mount -t hugetlbfs none "$HUGE"
    fallocate -l $((HUGE_PAGES * 2))MiB "$HUGE/file"
}

check_huge_pages() {
    total=$(awk '/^HugePages_Total:/ { print $2 }' /proc/meminfo)
    if [ "$total" -eq "$HUGE_PAGES" ] && use_huge_pages; then
        echo "ok hugepages $total, and all can be used"
    else
        echo "fail hugepages $total of $HUGE_PAGES; $(grep HugePages_Free /proc/meminfo)"
    fi
}

if [ "$STAGE" = before ]; then
    [ -z "${PMEM:-}" ] || pattern | dd of="$PMEM" bs=65536 iflag=fullblock oflag=direct conv=fsync status=none || exit 1
elif [ "$STAGE" = after ]; then
    [ -z "$DRIVER" ] || check_driver "$DRIVER"
    [ -z "${LEAST_MIB:-}" ] || check_total
    [ -z "${PMEM:-}" ] || check_pmem
    [ -z "${HUGE_PAGES:-}" ] || check_huge_pages
fi
