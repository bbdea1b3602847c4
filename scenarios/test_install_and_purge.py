"""The package: installed on a clean system it makes the next plain reboot a kexec; purged it leaves nothing behind."""

from __future__ import annotations

import pytest
from kexec_load import PLAIN_COLD, PLAIN_KEXEC, sh

pytestmark = pytest.mark.vm

#: the package itself, and what kexec-tools has under a similar name
NOT_OURS = "/usr/lib/kexec-harness/ /etc/init.d/kexec-load$ /etc/rc[0-9S].d/[SK][0-9]*kexec-load$ /kexec-load-kernel$"
LEFT_BEHIND = f"""
find / -xdev -name '*kexec-load*' | while read -r file; do
    for pattern in {NOT_OURS}; do
        ! echo "$file" | grep -q "$pattern" || continue 2
    done
    echo "$file"
done
find / -xdev -xtype l -lname '*kexec-load*'
"""
PURGE = "dpkg --purge kexec-load && systemctl daemon-reload"
INSTALL = "dpkg --install /usr/lib/kexec-harness/kexec-load.deb"
#: until Debian 12 kexec-tools has a loader of its own, which is on unless the installation said otherwise
NO_OTHER_LOADER = "! test -e /etc/default/kexec || sed -i 's/^LOAD_KEXEC=.*/LOAD_KEXEC=false/' /etc/default/kexec"


def test_installed_the_next_reboot_is_a_kexec_and_purged_it_is_cold(guest):
    sh(guest, NO_OTHER_LOADER)
    sh(guest, PURGE)
    assert sh(guest, LEFT_BEHIND) == ""
    clean = guest.reboot(PLAIN_COLD)
    assert clean.outcome == "pass", clean.reason

    sh(guest, INSTALL)
    assert sh(guest, "systemctl is-enabled kexec-load.service").strip() == "enabled"
    loaded = guest.reboot(PLAIN_KEXEC)
    assert (loaded.outcome, loaded.path) == ("pass", "kexec"), loaded.reason
    assert "came-up" in sh(guest, "kexec-load status")

    sh(guest, PURGE)
    assert sh(guest, LEFT_BEHIND) == ""
    purged = guest.reboot(PLAIN_COLD)
    assert purged.outcome == "pass", purged.reason
