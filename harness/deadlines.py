"""How long a silent reboot may take: limits for each stretch of a reboot, learnt from what the cell has been doing.

Only silence costs a deadline; text decides at once. Each stretch between two milestones has three limits: one for a
machine that is seen to be dead, one for a machine of which nothing is seen, a longer one for a machine at work
(harness/classify/pulse.py). Time in which the host gave a vCPU no CPU does not count. docs/verdicts.md explains it.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Mapping

from msgspec import Struct
from scipy.special import stdtrit

from harness.classify.pulse import INTERNAL_ERROR, GuestState, Pulse
from harness.model import BootPath, Milestone, Stage

#: A limit is exceeded by a healthy boot once in so many, if logarithms of a stretch's times are normally distributed.
FALSE_ALARMS = 1e-4
#: What is known of a cell's spread before anything is measured, as the standard deviation of logarithms, and how many
#: measurements that is worth: identical emulated boots within one hour took 18 to 50 s, so +-1.5 of these.
PRIOR_SPREAD = 0.35
PRIOR_WEIGHT = 4
#: however little the times of a stretch vary, a limit is never less than this many times the longest
LEAST_FACTOR = 2.0
#: a machine seen to be at work gets this many times the limit of one that is merely silent
BUSY_FACTOR = 2.0
#: and whatever the host does to the machine, never more than this many times
HARD_FACTOR = 10.0
#: spinning in place is given up after this many times the longest that the stretch ever took
SPIN_FACTOR = 3.0
#: halted with interrupts off, or stopped by QEMU: nothing but a reset or a person ends that
DEAD_S = 5.0
QEMU_HUNG_S = 15.0
#: so many of the newest times of a stretch count
MEMORY = 200


class Patience(Struct, frozen=True):
    """Limits of a stage in seconds, before and below what is learnt."""

    #: before anything is known of this cell; long enough for emulation on a busy host
    first_s: float
    #: never less than this, however fast the cell has been; above systemd's own 90 s for a job where systemd runs
    floor_s: float
    #: the same for a machine that spins in place
    spin_floor_s: float


PATIENCE: dict[Stage, Patience] = {
    Stage.SHUTDOWN: Patience(300.0, 120.0, 60.0),
    Stage.DEVICE_SHUTDOWN: Patience(120.0, 60.0, 20.0),
    Stage.HANDOFF: Patience(120.0, 30.0, 15.0),
    Stage.KERNEL: Patience(180.0, 60.0, 30.0),
    Stage.INITRD: Patience(240.0, 120.0, 60.0),
    Stage.USERSPACE: Patience(420.0, 150.0, 60.0),
}

#: Where the CPU is emulated, loops of code that runs before a kernel - a boot loader's, a decompressor's - take up to
#: fifteen times their usual time at random (docs/verdicts.md): 1.6 to over 30 s, spinning in place all along.
EMULATED = {**PATIENCE, Stage.HANDOFF: Patience(180.0, 120.0, 90.0)}

#: the stage that follows each milestone; None: power-on
STAGE_AFTER: dict[Milestone | None, Stage] = {
    None: Stage.HANDOFF,
    Milestone.TRIGGER: Stage.SHUTDOWN,
    Milestone.SHUTDOWN_DONE: Stage.DEVICE_SHUTDOWN,
    Milestone.HANDOFF: Stage.HANDOFF,
    Milestone.FIRMWARE: Stage.HANDOFF,
    Milestone.LOADER: Stage.HANDOFF,
    Milestone.KERNEL: Stage.KERNEL,
    Milestone.INIT: Stage.INITRD,
    Milestone.SYSTEMD: Stage.USERSPACE,
}
#: before these, the two paths are different journeys: loading a kernel, firmware, boot loader
_OF_ONE_PATH = {Stage.SHUTDOWN, Stage.DEVICE_SHUTDOWN, Stage.HANDOFF}


class Limit(Struct, frozen=True, kw_only=True):
    """How long a stretch may take, in seconds, and what that was learnt from."""

    path: BootPath
    after: Milestone | None
    silent_s: float
    busy_s: float
    spin_s: float
    #: boots that it was learnt from, and the shortest and longest of their times
    n: int = 0
    shortest_s: float | None = None
    longest_s: float | None = None

    def learnt(self) -> str:
        """What the limit rests on, for a sentence's end."""
        if self.shortest_s is None or self.longest_s is None:
            return "nothing is known yet of how long this cell takes"
        low, high = f"{self.shortest_s:.1f}", f"{self.longest_s:.1f}"
        return f"this cell took {low if low == high else f'{low}-{high}'} s so far"


class GivenUp(Struct, frozen=True):
    """A silence that has lasted too long."""

    #: seconds since the last milestone
    after_s: float
    #: why, for people
    note: str


class Deadlines:
    """The limits of one cell. Feed it the boots that came up; ask it about the one that is under way.

    `emulated`: no hardware runs the guest's code.
    """

    def __init__(self, *, emulated: bool = False) -> None:
        self._patience = EMULATED if emulated else PATIENCE
        self._times: dict[tuple[BootPath, Milestone | None], deque[float]] = {}

    def learn(self, milestones: Mapping[Milestone, float], path: BootPath) -> None:
        """Take the milestones of a boot that came up that way (seconds, in any origin) into account."""
        passed = sorted(milestones.items(), key=lambda item: item[1])
        for (milestone, start), (_, end) in itertools.pairwise(passed):
            if milestone in STAGE_AFTER:
                self._times.setdefault((path, milestone), deque(maxlen=MEMORY)).append(end - start)

    def limit(self, after: Milestone | None, path: BootPath) -> Limit:
        """How long it may take from this milestone to the next one, on this path."""
        patience = self._patience[STAGE_AFTER.get(after, Stage.USERSPACE)]
        times = self._known(after, path)
        if not times:
            first = patience.first_s
            spin = max(patience.spin_floor_s, first / 2)
            return Limit(path=path, after=after, silent_s=first, busy_s=BUSY_FACTOR * first, spin_s=spin)
        longest = max(times)
        likely = min(patience.first_s, max(patience.floor_s, _predict(times)))
        silent = max(likely, LEAST_FACTOR * longest)
        return Limit(
            path=path,
            after=after,
            silent_s=silent,
            busy_s=BUSY_FACTOR * silent,
            spin_s=min(silent, max(patience.spin_floor_s, SPIN_FACTOR * longest)),
            n=len(times),
            shortest_s=min(times),
            longest_s=longest,
        )

    def table(self) -> str:
        """Every limit that was learnt, as lines of text; empty if none was."""
        keys = sorted(self._times, key=lambda key: (key[0].value, list(STAGE_AFTER).index(key[1])))
        return "".join(_row(self.limit(after, path)) for path, after in keys)

    def _known(self, after: Milestone | None, path: BootPath) -> list[float]:
        known = self._times.get((path, after))
        if known is None and STAGE_AFTER.get(after) not in _OF_ONE_PATH:
            other = BootPath.KEXEC if path is BootPath.FIRMWARE else BootPath.FIRMWARE
            known = self._times.get((other, after))
        return list(known or ())


def _predict(times: list[float]) -> float:
    """A time that the next one exceeds with probability `FALSE_ALARMS`, in seconds.

    The predictive distribution of a normal sample (of logarithms) whose variance has a scaled inverse chi-squared
    prior: Student's t (Gelman et al., Bayesian Data Analysis, 3rd ed., sections 2.6 and 3.2). The prior keeps two equal
    times from being taken for a law of nature, and loses its weight as times come in.
    """
    logs = [math.log(max(time, 1e-3)) for time in times]
    n, mean = len(logs), math.fsum(logs) / len(logs)
    freedom = PRIOR_WEIGHT + n - 1
    variance = (PRIOR_WEIGHT * PRIOR_SPREAD**2 + math.fsum((value - mean) ** 2 for value in logs)) / freedom
    distance = float(stdtrit(freedom, 1 - FALSE_ALARMS)) * math.sqrt(variance * (1 + 1 / n))
    # e**12 s are two days.
    return math.exp(min(12.0, mean + distance))


def _row(limit: Limit) -> str:
    after = limit.after.value if limit.after else "power-on"
    seen = f"{limit.shortest_s:.1f}-{limit.longest_s:.1f} s in {limit.n}"
    given = f"spinning {limit.spin_s:.0f} s, silent {limit.silent_s:.0f} s, busy {limit.busy_s:.0f} s"
    return f"{limit.path.value:<8} after {after:<13} took {seen:<20} given up: {given}\n"


class Vigil:
    """The wait for the next milestone of one boot: when it is to be given up, as far as known."""

    def __init__(self, limit: Limit, pulse: Pulse, start: float) -> None:
        """`start`: when the milestone was passed, or watching began."""
        self.limit, self.start = limit, start
        self._pulse = pulse
        self._waited_before = pulse.waited_s

    def wake_at(self, now: float) -> float:
        """Until when to wait for an event before asking `given_up` again."""
        end = self._end(now)
        # What a machine at work was granted falls when nothing is heard of it any more.
        stale = self._pulse.stale_at
        return min(end, stale) if now < stale else end

    def given_up(self, now: float) -> GivenUp | None:
        """Whether it is time to give up, and why."""
        if now < self._end(now):
            return None
        pulse, limit = self._pulse, self.limit
        state = pulse.state_at(now)
        said = [limit.learnt()]
        if state is not None:
            lasted = f" for {now - pulse.since:.0f} s" if state is not GuestState.BUSY else ""
            said.append(pulse.describe() + lasted)
        if (held := self._held()) >= 1:
            said.append(f"the host held it up for {held:.0f} s of that")
        return GivenUp(now - self.start, "; ".join(said))

    def _held(self) -> float:
        return self._pulse.waited_s - self._waited_before

    def _end(self, now: float) -> float:
        limit, pulse = self.limit, self._pulse
        state = pulse.state_at(now)
        whole = limit.busy_s if state is GuestState.BUSY else limit.silent_s
        end = self.start + min(whole + self._held(), HARD_FACTOR * limit.silent_s)
        allowed = self._allowed(state)
        if allowed is None:
            return end
        held = pulse.waited_s - max(pulse.waited_before_s, self._waited_before)
        return min(end, max(self.start, pulse.since) + allowed + held)

    def _allowed(self, state: GuestState | None) -> float | None:
        """How long it may be in this state; None if the state sets no limit of its own."""
        if state is GuestState.STOPPED and self._pulse.runstate == INTERNAL_ERROR:
            return 0.0
        if state in {GuestState.HALTED, GuestState.STOPPED}:
            return DEAD_S
        if state is GuestState.QEMU_HUNG:
            return QEMU_HUNG_S
        # Between the kernels nobody waits for anything, but for firmware and boot loaders.
        jumping = self.limit.path is BootPath.KEXEC and self.limit.after is Milestone.HANDOFF
        if state is GuestState.SPINNING or (state is GuestState.IDLE and jumping):
            return self.limit.spin_s
        return None
