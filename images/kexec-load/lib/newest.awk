# SPDX-License-Identifier: MIT
# The newest of the versions on standard input, by VERSION_ORDER (dpkg or rpm). Needs version.awk.
{
    if (NR == 1 || compare_versions(ENVIRON["VERSION_ORDER"], $0, newest) > 0) newest = $0
}

END {
    if (NR) print newest
}
