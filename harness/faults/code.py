"""Machine code for functions of a guest's kernel (x86-64), and how a service of the next boot has one overwritten."""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.faults.base import Hands, Reaction
from harness.faults.scripts import unit_at_boot

#: Ticks of the time stamp counter for which a function spins: 7 s at 5 GHz, half a minute at 1 GHz.
SPIN_TICKS = 1 << 35
_NOW = "0f31 48c1e220 4809d0"  # rdtsc; shl $32, %rdx; or %rdx, %rax
_SPIN = b"".join(
    (
        bytes.fromhex(f"{_NOW} 48b9"),
        SPIN_TICKS.to_bytes(8, "little"),
        bytes.fromhex("4801c1"),  # add %rax, %rcx
        bytes.fromhex(f"f390 {_NOW} 4839c8 72f0"),  # pause; until cmp %rcx, %rax says that it is over
        bytes.fromhex("31c0"),
    )
)
#: cli; hlt; and back to the halt, should anything wake it
HALT = bytes.fromhex("faf4ebfd")
#: ud2, an undefined instruction that is in no table of the kernel's own
OOPS = bytes.fromhex("0f0b")
#: of the taint flags, the one of a warning (Linux Documentation/admin-guide/tainted-kernels.rst, bit 9)
TAINT_WARN = 9

#: what the service calls until it does not come back: the kernel behind `cat /proc/version`
VICTIM = "version_proc_show"
_HELPER = "__warn"
_ASKED = re.compile(r"fault: kernel at ([0-9a-f]+) is ([0-9a-f]+), overwrite ([0-9a-f]+), helper ([0-9a-f]+)\.")


def spin(victim: int, helper: int) -> bytes:  # noqa: ARG001
    """A function that returns 0 after `SPIN_TICKS`, and lets nothing else run on its CPU but interrupts."""
    return _SPIN + bytes.fromhex("c3")


def spin_deaf(victim: int, helper: int) -> bytes:  # noqa: ARG001
    """The same with interrupts off: what a kernel whose RCU can be preempted does not take for a quiet moment."""
    return bytes.fromhex("9cfa") + _SPIN + bytes.fromhex("9dc3")  # pushf; cli; ...; popf; ret


def oops(victim: int, helper: int) -> bytes:  # noqa: ARG001
    """A function that the kernel does not survive in this task."""
    return OOPS


def warn(victim: int, helper: int) -> bytes:
    """`return __warn(NULL, 0, victim, TAINT_WARN, NULL, NULL), 0`, which is what WARN() comes to (kernel/panic.c)."""
    return b"".join(
        (
            bytes.fromhex("4883ec08 31ff 31f6 48ba"),
            victim.to_bytes(8, "little"),
            b"\xb9" + TAINT_WARN.to_bytes(4, "little"),
            bytes.fromhex("4531c0 4531c9 48b8"),
            helper.to_bytes(8, "little"),
            bytes.fromhex("ffd0 31c0 4883c408 c3"),
        )
    )


def call_when_patched(setup: str = "true") -> str:
    """Guest script: a service of the next boot asks for `VICTIM` to be overwritten, and calls it again and again."""
    return unit_at_boot(
        f"""
{setup}
start=$(sed -n 's/^ *\\([0-9a-f]*\\)-.* : Kernel code$/\\1/p' /proc/iomem)
address() {{ awk -v name="$1" '$3 == name {{ print $1; exit }}' /proc/kallsyms; }}
victim=$(address {VICTIM})
echo "fault: kernel at $start is $(address _text), overwrite $victim, helper $(address {_HELPER})." >/dev/kmsg
for try in 1 2 3 4 5 6 7 8; do
    sleep 0.5
    before=$(cut -d. -f1 /proc/uptime)
    cat /proc/version || break
    [ "$(($(cut -d. -f1 /proc/uptime) - before))" -lt 3 ] || break
done
""",
        service="Type=oneshot\nTimeoutStartSec=infinity",
    )


def patch_when_asked(code: Callable[[int, int], bytes]) -> Reaction:
    """The host's part: `code` gets the virtual addresses of `VICTIM` and of the helper."""

    def overwrite(hands: Hands, asked: re.Match[str]) -> None:
        physical, text, victim, helper = (int(asked[number], 16) for number in range(1, 5))
        hands.write_memory(physical + victim - text, code(victim, helper))

    return Reaction(_ASKED, overwrite)
