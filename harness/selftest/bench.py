"""The test bench: one image's machine, saved while it ran, and put back before each fault.

Faults that end QEMU, or change its devices, take the machine with them: the next one starts from a copy of the saved
disk and goes on where the machine was saved.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from harness.campaign.usual import UsualOfCell
from harness.classify.case import visible
from harness.classify.milestones import Progress
from harness.cycle import Running, drain, watch
from harness.deadlines import Deadlines
from harness.errors import GuestGone, MachineError
from harness.faults.machine import adapt
from harness.lab import Lab, SavedMachine
from harness.model import BootPath, Cell
from harness.model.sizes import console_text
from harness.qemu.argv import build, flatten
from harness.qemu.machine import QemuMachine
from harness.selftest.saved import SNAPSHOT, Boot, SavedMachines

#: Drivers of parts of QEMU's machines that no fault is about, and of a CPU's abilities: a third of userspace's time.
NEEDLESS_DRIVERS = (
    *("ahci", "button", "i2c_i801", "lpc_ich", "pcspkr", "psmouse", "qemu_fw_cfg", "serio_raw", "cfg80211"),
    *("kvm_amd", "kvm_intel", "powernow_k8", "acpi_cpufreq", "aesni_intel", "ghash_clmulni_intel", "crc32_pclmul"),
    *("crct10dif_pclmul", "polyval_clmulni", "sha1_ssse3", "sha256_ssse3", "sha512_ssse3"),
)
#: The self-test reboots this machine a hundred times, and asks what is said of it, not what it does: so it does less.
#:
#: The initrd has what this machine needs; it is loaded, checked and unpacked in every trial, and a third of the size.
#: Squeezing out its last bytes takes an emulated CPU minutes; Debian 11 knows no other way to zstd. Programs start at
#: the same addresses each time (norandmaps), so that QEMU need not translate them again. No driver is loaded in vain.
LIGHTEN = f"""
set -e
settings=/etc/initramfs-tools/conf.d/selftest
printf '%s\\n' MODULES=dep COMPRESSLEVEL=1 >$settings
grep -q COMPRESSLEVEL /usr/sbin/mkinitramfs || echo COMPRESS=gzip >>$settings
update-initramfs -u -k "$(uname -r)"
printf 'blacklist %s\\n' {" ".join(NEEDLESS_DRIVERS)} >/etc/modprobe.d/selftest.conf
sed -i 's/^[[:space:]]*linux .*/& norandmaps/' /boot/grub/grub.cfg
systemctl mask --quiet getty@tty1.service grub-common.service
sync
"""
LIGHTEN_TIMEOUT_S = 900.0
#: tries to put a machine back, and seconds within which its agent has to answer then
RESTORES = 4
ANSWERS_WITHIN_S = 45.0


class Bench:
    """The machine of one image. `say` gets progress."""

    def __init__(self, lab: Lab, cell: Cell, cache_dir: Path, say: Callable[[str], None]) -> None:
        self.cell = cell
        self._lab = lab
        emulated = lab.accel.accel.emulated
        self.deadlines = Deadlines(emulated=emulated)
        self.usual = UsualOfCell(emulated=emulated)
        self._say = say
        self._saved_machines = SavedMachines(cache_dir / "selftest", cell.image, self._made_of())
        self._saved: SavedMachine | None = None
        self._boot: Boot | None = None
        self._machine: QemuMachine | None = None

    def start(self) -> None:
        """Have a saved machine: one of an earlier self-test, or one that is booted now.

        Raises MachineError if it does not come up, InfraError if it cannot be kept.
        """
        found = self._saved_machines.find()
        if found is None:
            self._say(f"{self.cell.image}: booting a machine, to be saved and put back before each fault")
            found = self._boot_and_save()
        self._saved, self._boot = found
        booted = Progress(None).feed_all(self._boot.events)
        self.deadlines.learn(booted.at, BootPath.FIRMWARE)
        self.usual.learn_signatures([sign.signature for sign in booted.console.symptoms])

    def _boot_and_save(self) -> tuple[SavedMachine, Boot]:
        machine = self._machine = self._lab.make_machine(self.cell, adapt=adapt)
        try:
            machine.power_on()
            watched = watch(machine, Progress(None), self.deadlines)
            ready = watched.progress.ready
            if ready is None or ready.get("state") != "running":
                state = "did not come up" if ready is None else f"came up {visible(str(ready.get('state')))}"
                raise MachineError(f"{self.cell.cell_id}: the machine that was to be saved {state}")
            reply = machine.run(LIGHTEN, purpose="selftest", timeout=LIGHTEN_TIMEOUT_S)
            if reply.status != 0:
                raise MachineError(f"{self.cell.cell_id}: the machine could not be made lighter: {reply.output[-400:]}")
            drain(machine)
            machine.save(SNAPSHOT)
            with suppress(GuestGone):
                machine.execute("quit")
            machine.wait()
            boot = Boot(ready, list(watched.events))
            return self._saved_machines.keep(machine.spec.root_disk, boot), boot
        finally:
            self.discard()

    def _made_of(self) -> list[str]:
        spec = adapt(self._lab.spec(self.cell, Path("MACHINE")))
        qemu, image = self._lab.qemu, self._lab.image(self.cell.image)
        return [image.key, qemu.version, LIGHTEN, *flatten(build(spec))]

    def restored(self) -> tuple[QemuMachine, Running]:
        """The machine, as it was when it was saved, and answering. Raises MachineError."""
        if self._saved is None or self._boot is None:
            raise MachineError(f"{self.cell.cell_id}: the machine was not saved")
        for _ in range(RESTORES - 1):
            try:
                return self._put_back(self._saved), Running.from_report(self._boot.ready)
            except MachineError as error:
                self._say(f"{self.cell.image}: a new machine, as the last one could not be put back: {error}")
                self.discard()
        return self._put_back(self._saved), Running.from_report(self._boot.ready)

    def _put_back(self, saved: SavedMachine) -> QemuMachine:
        if self._machine is not None:
            self._machine.restore(SNAPSHOT)
        else:
            self._machine = self._lab.make_machine(self.cell, adapt=adapt, start_from=saved)
            self._machine.power_on()
        # Under emulation a machine that was put back may spin and never answer; no fault has struck it yet.
        self._machine.run(":", purpose="selftest", timeout=ANSWERS_WITHIN_S)
        drain(self._machine)
        return self._machine

    def discard(self) -> None:
        """Give up the machine: the next one is made from what was saved."""
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.close()

    def kill(self) -> None:
        """End QEMU under the hands of whoever uses the machine; from any thread."""
        if self._machine is not None and self._machine.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._machine.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the machine. May be called twice."""
        self.discard()

    def console_before(self) -> str:
        """What the console had printed when the machine was saved, as Latin-1."""
        events = self._boot.events if self._boot is not None else []
        return "".join(map(console_text, events))
