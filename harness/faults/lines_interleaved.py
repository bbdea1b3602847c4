"""Two programs print at once, in pieces: their lines run into each other's and the kernel's."""

from __future__ import annotations

from harness.faults.base import Fault, Target
from harness.faults.scripts import unit_at_boot

NAME = "lines-interleaved"

FAULT = Fault(
    name=NAME,
    summary="two writers on one console",
    target=Target.USERSPACE,
    classes=(),
    sabotage=unit_at_boot("""
(for piece in 'Kernel ' 'panic ' '- not ' 'syncing' ': no' '\\n'; do printf "$piece" >/dev/ttyS0; sleep 0.1; done) &
(for word in one two three four five; do echo "mydaemon: $word" >/dev/kmsg; sleep 0.1; done) &
for piece in 'ALERT! ' 'x does not ' 'exist. ' 'Dropping to ' 'a shell!\\n'; do
    printf "$piece" >/dev/ttyS0
    sleep 0.1
done
wait
"""),
)
