# Guest side of the checks of IOMMUs. Set before: STAGE, UNIT (what its name below /sys/class/iommu begins with).
# shellcheck shell=sh disable=SC2154

check_iommu() {
    found=
    for path in /sys/class/iommu/*; do
        case $path in */"$UNIT"*) [ ! -e "$path" ] || found=$path ;; esac
    done
    if [ -z "$found" ]; then
        echo "fail iommu the kernel has no unit whose name begins with $UNIT"
        return
    fi
    echo "ok iommu ${found##*/}"
    translated=$(cat /sys/kernel/iommu_groups/*/type 2>/dev/null | grep -c '^DMA')
    groups=$(find /sys/kernel/iommu_groups -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)
    if [ "$translated" -gt 0 ]; then
        echo "ok translation for $translated of $groups groups of devices"
    else
        echo "fail translation for none of $groups groups of devices"
    fi
}

[ "$STAGE" != after ] || check_iommu
