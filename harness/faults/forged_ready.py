"""A program of the old system imitates a reboot: kernel log, and a report with every right word in it."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_shutdown
from harness.model import FailureClass

NAME = "forged-ready"

# It knows all that root knows, the nonce included.
_LIE = """
stamp=$(cut -d' ' -f1 /proc/uptime)
{
    printf '[%12.6f] kexec_core: Starting new kernel\\r\\n' "$stamp"
    printf '[    0.000000] Linux version %s\\r\\n' "$(uname -r)"
    printf '[    1.000000] Run /init as init process\\r\\n'
    printf '[    2.000000] systemd[1]: systemd 257 running in system mode\\r\\n'
} >/dev/console
nonce=$(cat /var/lib/kexec-harness/nonce)
{
    printf '\\036{"type":"ready","boot_id":"7c0f1c2e-0000-4000-8000-000000000000","state":"running"'
    printf ',"nonce":"%s","cmdline_nonce":"%s","bootloader_type":208,"failed_units":[]' "$nonce" "$nonce"
    printf ',"kernel_release":"%s","kexec_loaded":0}\\n' "$(uname -r)"
} >/dev/ttyS1
sleep 120
"""

FAULT = Fault(
    name=NAME,
    summary="the old system prints a whole reboot and reports itself ready",
    target=Target.USERSPACE,
    classes=(FailureClass.PROOF_CONFLICT,),
    # The agent and the network are there until the lie is told and looked into.
    sabotage=unit_at_shutdown(_LIE, unit="After=kexec-harness-agent.service systemd-networkd.service"),
    quick=True,
)
