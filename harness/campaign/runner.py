"""The loop of a cell: one cycle after the other on one machine, each recorded before the next.

The first boot of a machine is set-up, not a sample. After a cycle that did not pass, the machine is thrown
away and the next one starts from the untouched image; the failure stays in the records.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from functools import partial

from msgspec import Struct

from harness.artefacts.collect import Collector
from harness.campaign.arms import unable
from harness.campaign.plan import Slot, nonce_of, plan
from harness.campaign.records import Identity, Recorder, describe
from harness.campaign.spoiling import Spoiler
from harness.campaign.stopping import StopRule, StopSettings
from harness.campaign.usual import UsualOfCell
from harness.classify.milestones import Progress
from harness.config.stop import time_limit
from harness.cycle import CycleResult, Running, Watched, change_kernel, drain, has_left, judge_again, run_cycle, watch
from harness.deadlines import Deadlines
from harness.device_checks import list_devices, plug_devices
from harness.devices.base import DeviceSet
from harness.errors import MachineError, SystemDied, Unsupported
from harness.model import (
    SETUP,
    AgentMessage,
    BootPath,
    Cell,
    CommandSent,
    CycleEnd,
    CycleStart,
    EndReason,
    Event,
    KernelChoice,
    Outcome,
)
from harness.qemu.machine import Machine
from harness.reboot.base import Method
from harness.store import CellStore

#: machines in a row that do not come up, or cannot be prepared for a reboot, before the cell is given up
MAX_SETUP_FAILURES = 3


class _Passed(Struct, frozen=True):
    """A cycle that passed, in case its system does not last."""

    end: CycleEnd
    result: CycleResult
    running: Running
    name: str
    #: the system that was rebooted, and the log of its boot
    before: Running
    console_before: str | None


class CellCampaign:
    """Runs one cell. `make_machine` gives a machine, not yet powered on, on an untouched image.

    `kernels`: releases that every reboot goes from and to. After one that has left the first, a cold reboot that is not
    counted leads back to it.
    """

    def __init__(
        self,
        cell: Cell,
        methods: Sequence[Method],
        device_set: DeviceSet,
        *,
        identity: Identity,
        seed: int,
        blocks: int,
        chain: int = 1,
        stop: StopSettings,
        spoiler: Spoiler | None = None,
        make_machine: Callable[[], Machine],
        kernels: KernelChoice | None = None,
        store: CellStore,
        artefacts: Collector,
        say: Callable[[str], None],
        leave_out: Callable[[dict[str, str]], None] = lambda _: None,
    ) -> None:
        """`leave_out` is told of the methods that the image's system cannot do, each with its reason."""
        self._cell, self._methods, self._device_set = cell, methods, device_set
        self._seed, self._blocks, self._chain, self._stop = seed, blocks, chain, stop
        self._spoiler = spoiler
        self._record = Recorder(cell, identity)
        self._make_machine = make_machine
        self._kernels = kernels
        self._store = store
        self._artefacts = artefacts
        self._say = say
        self._deadlines = Deadlines(emulated=identity.accel.emulated)
        self._usual = UsualOfCell(emulated=identity.accel.emulated)
        self._leave_out = leave_out
        #: method -> why it cannot be; None as long as no system has been asked
        self._unable: dict[str, str] | None = None
        self._machine: Machine | None = None
        #: made with the first machine, whose clock it goes by
        self._rule: StopRule | None = None
        self._running: Running | None = None
        self._chain_depth = 0
        self._machines = 0
        #: log of the machine's cycle before this one, or of its set-up boot
        self._console_before: str | None = None
        #: the last cycle, as long as it passed and its system has not been seen dead
        self._last: _Passed | None = None
        #: what has been taken from the machine since
        self._since: list[Event] = []
        #: cycles in a row whose reboot could not be asked for
        self._not_armed = 0

    def run(self) -> None:
        """Run the plan, as far as the stop rule lets it.

        Raises MachineError when no machine comes up any more, and Unsupported when the guest's kernel cannot do the
        device set, or its system none of the methods; what was recorded until then stays.
        """
        try:
            self._choose_methods()
            for slot in plan(self._methods, self._blocks, self._seed, self._cell.cell_id, chain=self._chain):
                self._run_slot(slot)
                if slot.order == len(self._methods) - 1 and self._is_enough(slot):
                    break
            self._look_after_last()
        finally:
            self._discard_machine()

    def _choose_methods(self) -> None:
        """Boot the first machine, if it takes that to know, and leave out the methods that its system cannot do."""
        if all(method.lacking is None for method in self._methods):
            return
        machine, _ = self._ensure_running(Slot(0, 0, 0, self._methods[0]))
        if reasons := self._unable:
            self._methods = [method for method in self._methods if method.name not in reasons]
            self._rule = self._new_rule(machine)
            self._leave_out(reasons)
            if not self._methods:
                raise Unsupported("; ".join(f"{name}: {reason}" for name, reason in reasons.items()))

    def _new_rule(self, machine: Machine) -> StopRule:
        return StopRule(self._stop, [method.name for method in self._methods], machine.clock)

    def _is_enough(self, slot: Slot) -> bool:
        """Asked after each whole block; says why the campaign stops."""
        if self._rule is None:
            return False
        self._look_after_last()
        why = self._rule.after_block(slot.block)
        said = why or (self._rule.at_cap() if slot.block == self._blocks - 1 else None)
        if said is not None:
            self._say(f"{self._cell.cell_id}: {said}")
        return why is not None

    def _run_slot(self, slot: Slot) -> None:
        machine, running = self._ensure_running(slot)
        nonce = nonce_of(self._seed, self._cell.cell_id, slot.cycle)
        spoiler = self._spoiler if self._spoiler is not None and self._spoiler.strikes(slot) else None
        start = self._record.start(
            cycle=slot.cycle,
            block=slot.block,
            order=slot.order,
            method=slot.method.name,
            nonce=nonce,
            at=machine.clock.wall(),
            fault=spoiler.fault.name if spoiler is not None else None,
        )
        self._store.append(start)
        name = f"{slot.cycle:06d}-{slot.method.name}"
        try:
            result = run_cycle(
                machine if spoiler is None else spoiler.spoilt(machine),
                self._cell,
                slot.method,
                self._device_set,
                nonce=nonce,
                before=running,
                since=self._since,
                deadlines=self._deadlines,
                kernel_chosen=self._kernels.incoming if self._kernels else None,
                usual=self._usual.of(slot.method.name),
                at_reset=lambda: self._artefacts.before_reset(
                    name, self._cell.cell_id, machine, boot_before=running.boot_id
                ),
            )
        except SystemDied as error:
            events = [*error.events, *drain(machine)]
            if self._last is None:
                self._note_not_armed(start, name, machine, error, events)
                return
            self._take_back(str(error), events)
            # Nothing was asked of this cycle yet: it has a machine of its own now.
            self._run_slot(slot)
            return
        except MachineError as error:
            self._note_not_armed(start, name, machine, error, drain(machine))
            return
        self._not_armed = 0
        self._usual.learn(slot.method.name, result)
        console = self._store.keep_events(name, result.events)
        end = self._record.judged(start, result, depth_before=self._chain_depth, console=console)
        if result.evidence.ended_by is EndReason.DEADLINE:
            self._say_deadlines("by which this cycle was given up")
        if self._rule is not None:
            self._rule.add(end)
        console_before = self._console_before
        self._close_cycle(name, end, machine, result.events, running, up=result.running is not None)
        self._go_on_with(result, end)
        if self._machine is not None and result.running is not None:
            self._last = _Passed(end, result, result.running, name, running, console_before)

    def _note_not_armed(
        self, start: CycleStart, name: str, machine: Machine, error: MachineError, events: Sequence[Event]
    ) -> None:
        """The reboot could not be asked for, which says nothing of it. Raises MachineError after too many in a row."""
        console = self._store.keep_events(name, events)
        end = self._record.not_armed(start, str(error), console=console)
        self._close_cycle(name, end, machine, events, self._running)
        self._not_armed += 1
        if self._not_armed >= MAX_SETUP_FAILURES:
            raise MachineError(f"{self._cell.cell_id}: {self._not_armed} reboots in a row: {error}") from error

    def _look_after_last(self) -> None:
        """Before a number is drawn from it: whether the system that came up last is still there."""
        if self._last is None or self._machine is None:
            return
        alive = self._machine.answers()
        self._since += drain(self._machine)
        died = has_left(self._since, self._last.running) or (None if alive else "the guest did not answer")
        if died is not None:
            self._take_back(died, self._since)

    def _take_back(self, died: str, since: Sequence[Event]) -> None:
        """The last cycle passed, and its system is dead: it has failed, and a second end of it says so."""
        last, machine = self._last, self._machine
        if last is None or machine is None:
            return
        result = judge_again(last.result, since, died)
        console = self._store.keep_events(last.name, result.events)
        end = self._record.taken_back(last.end, result, console=console)
        if self._rule is not None:
            self._rule.take_back(end)
        self._console_before = last.console_before
        self._close_cycle(last.name, end, machine, result.events, last.before)

    def _close_cycle(
        self,
        name: str,
        end: CycleEnd,
        machine: Machine,
        events: Sequence[Event],
        before: Running | None,
        *,
        up: bool = False,
    ) -> None:
        """Record the end; of a cycle that did not pass, artefacts are kept and the machine is thrown away."""
        self._last, self._since = None, []
        self._store.append(end)
        self._say(describe(end, self._planned))
        if end.outcome is not Outcome.PASS:
            self._artefacts.collect(
                name,
                end,
                machine,
                events=events,
                console=end.console,
                console_before=self._console_before,
                boot_before=before.boot_id if before else None,
                up=up,
            )
            self._discard_machine()
        else:
            self._artefacts.forget(name, end.cell_id)
        self._console_before = end.console

    def _go_on_with(self, result: CycleResult, end: CycleEnd) -> None:
        if self._machine is None:
            return
        self._running = result.running
        self._chain_depth = end.chain_depth or 0
        self._deadlines.learn(end.milestones, end.path)
        if end.block == 0 and end.order == len(self._methods) - 1:
            self._say_deadlines("learnt so far")

    def _say_deadlines(self, what: str) -> None:
        self._say(f"{self._cell.cell_id}: deadlines {what}:\n{textwrap.indent(self._deadlines.table().rstrip(), '  ')}")

    @property
    def _planned(self) -> int | None:
        """Cycles that will run; None if nobody knows."""
        return None if time_limit(self._stop.stop) else self._blocks * len(self._methods)

    # ---- machines -----------------------------------------------------------------------------------------

    def _ensure_running(self, slot: Slot) -> tuple[Machine, Running]:
        """The machine, up and with the right kernel. A boot that this takes is set-up, and not a sample."""
        for _ in range(MAX_SETUP_FAILURES):
            machine = self._machine
            if machine is None:
                self._say(f"{self._cell.cell_id}: booting a new machine (set-up, not counted)")
                machine = self._machine = self._make_machine()
                self._rule = self._rule or self._new_rule(machine)
                self._set_up(machine, slot, machine.power_on)
            if self._kernels and self._running is not None and self._running.kernel != self._kernels.outgoing:
                self._go_back(machine, slot, self._kernels.outgoing)
            if self._running is not None:
                return machine, self._running
        raise MachineError(
            f"{self._cell.cell_id}: {MAX_SETUP_FAILURES} machines in a row did not come up; "
            f"what they said is in {self._store.folder / 'failures'}"
        )

    def _go_back(self, machine: Machine, slot: Slot, release: str) -> None:
        """Reboot to the kernel that the next cycle starts from; the system that ends by it was well until now."""
        self._look_after_last()
        if self._machine is None:
            return
        self._last, self._since = None, []
        self._say(f"{self._cell.cell_id}: a cold reboot to {release} (set-up, not counted)")
        try:
            self._set_up(machine, slot, partial(change_kernel, machine, release))
        except MachineError as error:
            self._say(f"{self._cell.cell_id}: another machine, as this one could not be asked for that: {error}")
            self._discard_machine()
        if self._running is not None and self._running.kernel != release:
            raise MachineError(f"{self._cell.cell_id}: {release} was to run, and it is {self._running.kernel}")

    def _set_up(self, machine: Machine, slot: Slot, start: Callable[[], None]) -> None:
        """A boot that `start` begins; afterwards the system is known, or the machine is gone."""
        before, self._running = self._running, None
        watched = self._boot(machine, slot, start, boot_before=before.boot_id if before else None)
        running = Running.of(watched.progress)
        if running is None:
            self._discard_machine()
            return
        self._deadlines.learn(watched.progress.at, BootPath.FIRMWARE)
        self._usual.learn_signatures([sign.signature for sign in watched.progress.console.symptoms])
        self._running = running
        self._chain_depth = 0

    def _boot(self, machine: Machine, slot: Slot, start_boot: Callable[[], None], boot_before: str | None) -> Watched:
        at = machine.clock.wall()
        self._console_before = None
        start_boot()
        watched = self._learn_system(machine, watch(machine, Progress(boot_before), self._deadlines))
        watched = self._learn_kernel(machine, watched)
        name = f"{SETUP}-{self._machines:04d}"
        self._machines += 1
        console = self._console_before = self._store.keep_events(name, watched.events)
        if Running.of(watched.progress) is None:
            start = self._record.start(
                cycle=slot.cycle, block=slot.block, order=slot.order, method=SETUP, nonce="", at=at
            )
            end = self._record.failed_setup(start, watched, console=console)
            self._store.append(start)
            self._console_before = None
            self._close_cycle(name, end, machine, watched.events, None)
        return watched

    def _learn_system(self, machine: Machine, watched: Watched) -> Watched:
        """Ask after the cell's first boot for methods that its system cannot do, and for the devices, against which
        every reboot is held, on whichever machine. Raises Unsupported if the guest's kernel cannot do the device set.
        """
        running = Running.of(watched.progress)
        if running is None:
            return watched
        plug_devices(machine, self._device_set)
        if self._unable is None:
            self._unable = unable(machine, self._methods)
        if self._usual.devices is not None:
            return watched.with_late(drain(machine))
        try:
            self._usual.devices = list_devices(machine, self._device_set, running.kernel)
        except MachineError as error:
            self._say(f"{self._cell.cell_id}: its devices are not compared, as they could not be listed: {error}")
        return watched.with_late(drain(machine))

    def _learn_kernel(self, machine: Machine, watched: Watched) -> Watched:
        """Make the kernel that came up known to the artefacts; what arrived meanwhile belongs to the set-up boot."""
        running = Running.of(watched.progress)
        if running is None or not self._artefacts.learn(machine, running.kernel):
            return watched
        # A megabyte of symbols is no event of the boot.
        late = [event for event in drain(machine) if not isinstance(event, AgentMessage | CommandSent)]
        return watched.with_late(late)

    def _discard_machine(self) -> None:
        if self._machine is not None:
            self._machine.close()
        self._machine = self._running = None
