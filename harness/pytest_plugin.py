"""The pytest plugin: options, parametrization and fixtures. What they do lies in the rest of the harness.

A test that asks for `soak`, `guest` or `cell` runs once for each cell of the matrix; with `method`, once for each
arm of it. Dimension fixtures: `cell`, `method`, `device_set`. Life-cycle fixtures: `lab` (the host, made ready),
`machine` (made, not powered on), `guest` (booted), `standing_guest` (booted, shared), `soak` (the cell's campaign).
"""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.gates import Gate, GateStatus, judge_arm, judge_comparison, judge_specification
from harness.campaign.session import RunSession
from harness.clock import HostClock
from harness.config import DIMENSIONS, SETTINGS, Settings, Sources, resolve
from harness.config.cells import expand
from harness.config.matrix import read_matrix
from harness.config.settings import DRAWN
from harness.devices.base import DeviceSet
from harness.errors import HarnessError, MachineError, Unsupported
from harness.guest import Guest
from harness.lab import Lab, device_set_of, known_names
from harness.model import Cell, CycleEnd
from harness.pytest_guests import Guests
from harness.pytest_jobs import CellScheduling
from harness.qemu.machine import QemuMachine
from harness.report import terminal
from harness.report.model import Report
from harness.report.summarise import has_worse_arm, summarise
from harness.report.write import write_reports
from harness.store import new_run_id, read_run

#: how a skip begins that is a verdict of its own, neither pass nor fail
UNDECIDED = "undecided: "
GATE_FAILED_STATUS, INFRASTRUCTURE_STATUS = 1, 3
JUNIT = "junit.xml"


class Plugin:
    """What one pytest process knows: its settings and its run. Registered per process as `kexec-harness-run`."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        #: what pytest-xdist's controller told this worker; empty in any other process
        shared: dict[str, Any] = getattr(config, "workerinput", {})
        self.is_worker = bool(shared)
        clock = HostClock()
        self.settings = _resolve(config, config.option, shared.get("kexec_seed"))
        self.run = RunSession(self.settings, shared.get("kexec_run_id") or new_run_id(clock), clock, self.say)
        self.guests = Guests(self.run.lab, self.settings.seed, self.run.run_dir / "scenarios", self.run.collector)
        self.infrastructure_failed = False
        #: whether JUNIT is written into the run's folder, rather than nowhere or where the user named it
        self.writes_junit = False
        self._report: Report | None = None

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of this run. Raises ConfigError."""
        if self.settings.shard is not None and self.settings.origins["seed"] == DRAWN:
            mend = f"give all shards the same one, for example SEED={self.settings.seed}"
            raise self.settings.error("shard", "a shard needs a SEED: parts with other seeds are no one run", mend=mend)
        matrix = read_matrix(self.settings.matrix, folder=self._config.invocation_params.dir)
        found = expand(matrix, self.settings, known_names(self.settings))
        for left in found.excluded:
            self.say(f"left out: {left.cell.cell_id}: {left.reason} ({left.place})")
        return found.cells

    @property
    def gates(self) -> int:
        """Comparisons of this run; they share one error of calling an arm worse for nothing."""
        return max(1, len(self.cells) * (len(self.settings.methods) - 1))

    def say(self, line: str) -> None:
        """A line of progress, past pytest's capturing; a CI system that waits for output sees one per cycle."""
        capture = self._config.pluginmanager.getplugin("capturemanager")
        # Whoever reads the progress may have had enough; the run goes on.
        with capture.global_and_fixture_disabled() if capture else nullcontext(), suppress(OSError):
            print(line, file=sys.stderr, flush=True)

    @contextmanager
    def plain_words(self) -> Iterator[None]:
        """Errors of the harness as messages instead of tracebacks: a cell's own end it, all others the run.

        A cell that cannot run here is skipped.
        """
        try:
            yield
        except Unsupported as error:
            pytest.skip(str(error))
        except MachineError as error:
            self.infrastructure_failed = True
            pytest.fail(str(error), pytrace=False)
        except HarnessError as error:
            pytest.exit(str(error), returncode=error.exit_code)

    # ---- hooks ------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        if self.settings.matrix.is_file() or any(getattr(self.settings, name) for name in DIMENSIONS):
            try:
                with _usage_errors():
                    self.cells  # noqa: B018  # a wrong name is said before anything is collected
            except pytest.UsageError:
                self._leave_no_junit()
                raise

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "cell" in metafunc.fixturenames:
            metafunc.parametrize("cell", self.cells, ids=[cell.cell_id for cell in self.cells], scope="session")
        if "method" in metafunc.fixturenames:
            metafunc.parametrize("method", self.settings.methods)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tests without machines are no run, and have no folder for a JUnit file."""
        if not any(_cell_of(item) for item in session.items):
            self._leave_no_junit()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """The same where workers collect."""
        if not any(f"[{cell.cell_id}" in nodeid for nodeid in ids for cell in self.cells):
            self._leave_no_junit()

    def pytest_keyboard_interrupt(self) -> None:
        """Ctrl-C, or an error that ends the run: if nothing was recorded, nothing is left behind."""
        if not self.run.started:
            self._leave_no_junit()

    def _leave_no_junit(self) -> None:
        """Take `_write_junit` back: pytest's plugin for it ends as it does at the end of a session."""
        if self.writes_junit:
            self.writes_junit = False
            junit: Any = self._config.pluginmanager.get_plugin("junitxml")
            junit.pytest_unconfigure(self._config)
            self._config.option.xmlpath = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["kexec_run_id"] = self.run.run_dir.name
        node.workerinput["kexec_seed"] = self.settings.seed

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> CellScheduling | None:
        """Unless the user chose another way with `--dist`."""
        if config.option.dist != "load":
            return None
        return CellScheduling(config, log, [cell.cell_id for cell in self.cells])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A failed scenario keeps what its guest has said, and the state of its machine."""
        report = yield
        if report.failed:
            try:
                if (said := self.guests.keep_last_words(item.name)) is not None:
                    report.sections.append(("guest", said))
            except OSError as error:
                self.say(f"the guest's last words could not be kept: {error}")
            self.guests.discard_standing()
        if report.when == "teardown":
            self.guests.current = None
        return report

    def pytest_unconfigure(self) -> None:
        self.guests.close()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if self.infrastructure_failed and session.testsfailed == 0:
            session.exitstatus = INFRASTRUCTURE_STATUS
        if self.is_worker or not self.run.started:
            return
        try:
            self.run.close(int(session.exitstatus or exitstatus))
            self._report = summarise(*read_run(self.run.run_dir), margin=self.settings.margin)
            write_reports(self._report, self.run.run_dir)
            if session.exitstatus == 0 and has_worse_arm(self._report):
                # Each gate was judged before the others were known; together they can say more (Holm's method).
                session.exitstatus = GATE_FAILED_STATUS
                self.run.close(GATE_FAILED_STATUS)
        except HarnessError as error:
            self.say(f"the reports could not be written: {error}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._report is None:
            return
        width = shutil.get_terminal_size().columns
        text = terminal.render(self._report, width, colour=terminalreporter.hasmarkup).decode("utf-8")
        terminalreporter.section("reboots")
        terminalreporter.write(text)
        terminalreporter.write_line(f"results: {self.run.run_dir}")


# ---- hooks of the module ---------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kexec-harness", "reboots by kexec against cold ones, in virtual machines")
    for setting in SETTINGS:
        group.addoption(setting.option, dest=setting.key, default=None, help=setting.help.replace("%", "%%"))
        ini_type: Any = setting.ini_type
        parser.addini(setting.key, setting.help, type=ini_type, default=None)


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Several jobs are pytest-xdist's workers.

    Said as an option before options are parsed: a worker gets the same settings, and pytest-xdist takes the option
    away from it, so that it starts no workers of its own.
    """
    given = early_config.known_args_namespace
    with _usage_errors():
        jobs = _resolve(early_config, given).jobs
    if jobs > 1 and getattr(given, "numprocesses", None) is None:
        args[:] = ["--numprocesses", str(jobs), *args]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    with _usage_errors():
        plugin = Plugin(config)
    config.pluginmanager.register(plugin, "kexec-harness-run")
    config.stash[_PLUGIN] = plugin
    _write_junit(config, plugin)


def pytest_report_teststatus(report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
    """`undecided` has a name of its own in every summary."""
    if report.skipped and isinstance(report.longrepr, tuple) and report.longrepr[2].startswith(f"Skipped: {UNDECIDED}"):
        return "undecided", "u", "UNDECIDED"
    return None


# ---- fixtures: dimensions ---------------------------------------------------------------------------------------


@pytest.fixture
def device_set(cell: Cell) -> DeviceSet:
    """The devices under test in this cell."""
    return device_set_of(cell)


# ---- fixtures: life cycle ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Lab:
    """This host, made ready: QEMU, the accelerator, images."""
    return pytestconfig.stash[_PLUGIN].run.lab


@pytest.fixture
def machine(lab: Lab, cell: Cell, pytestconfig: pytest.Config) -> Iterator[QemuMachine]:
    """A machine of this cell on an untouched image, not powered on."""
    with pytestconfig.stash[_PLUGIN].plain_words():
        made = lab.make_machine(cell)
    yield made
    made.close()


@pytest.fixture
def guest(machine: QemuMachine, cell: Cell, pytestconfig: pytest.Config) -> Guest:
    """A machine of this cell, booted and ready, for one test alone."""
    plugin = pytestconfig.stash[_PLUGIN]
    with plugin.plain_words():
        return plugin.guests.boot(machine, cell)


@pytest.fixture
def standing_guest(cell: Cell, pytestconfig: pytest.Config) -> Guest:
    """A machine of this cell, booted and ready, that the cell's tests share: leave it as it was."""
    plugin = pytestconfig.stash[_PLUGIN]
    with plugin.plain_words():
        return plugin.guests.standing(cell)


@pytest.fixture(scope="session")
def campaign_cycles(cell: Cell, pytestconfig: pytest.Config) -> Sequence[CycleEnd]:
    """Every finished cycle of this cell's campaign, which runs when the first test asks for it."""
    plugin = pytestconfig.stash[_PLUGIN]
    plugin.run.gates = plugin.gates
    with plugin.plain_words():
        return plugin.run.run_cell(cell)


class Soak:
    """A cell's finished campaign, for the tests that judge it."""

    def __init__(
        self,
        cycles: Sequence[CycleEnd],
        settings: Settings,
        gates: int,
        record: Callable[[str, object], None],
        skipped: Mapping[str, str],
    ) -> None:
        """`skipped`: the methods that could not run, each with its reason."""
        self.cycles, self._skipped = cycles, skipped
        self._settings, self._gates = settings, gates
        self._anytime = settings.stop != "fixed"
        self._record = record

    def judge_arm(self, method: str) -> None:
        """Fail if more cycles of this arm failed than the budget or the specification allows."""
        if method in self._skipped:
            pytest.skip(self._skipped[method])
        specified = self._settings.max_failure_rate
        if specified is None:
            self._settle(judge_arm(method, self.cycles, self._settings.failure_budget))
        else:
            self._settle(judge_specification(method, self.cycles, specified, anytime=self._anytime))

    def judge_comparison(self) -> None:
        """Fail if kexec fails more often than cold; end as undecided if nobody can say."""
        settings = self._settings
        ran = [name for name in settings.methods if name not in self._skipped]
        self._settle(judge_comparison(ran, self.cycles, settings.margin, gates=self._gates, anytime=self._anytime))

    def _settle(self, gate: Gate) -> None:
        for name, value in gate.figures.items():
            self._record(name, value)
        if gate.status is GateStatus.FAILED:
            pytest.fail(gate.message, pytrace=False)
        if gate.status is GateStatus.UNDECIDED:
            pytest.skip(UNDECIDED + gate.message.removeprefix(UNDECIDED))


@pytest.fixture
def soak(
    cell: Cell, campaign_cycles: Sequence[CycleEnd], request: pytest.FixtureRequest, pytestconfig: pytest.Config
) -> Soak:
    """The cell's campaign, finished."""
    properties, plugin = request.node.user_properties, pytestconfig.stash[_PLUGIN]
    return Soak(
        campaign_cycles,
        plugin.settings.for_cell(cell),
        plugin.gates,
        lambda name, value: properties.append((name, value)),
        plugin.run.skipped_arms(cell),
    )


# ---- the rest ---------------------------------------------------------------------------------------------------

_PLUGIN = pytest.StashKey[Plugin]()


@contextmanager
def _usage_errors() -> Iterator[None]:
    try:
        yield
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None


def _resolve(config: pytest.Config, options: Namespace, seed: int | None = None) -> Settings:
    sources = Sources(
        command_line={setting.name: getattr(options, setting.key, None) for setting in SETTINGS},
        environment=os.environ,
        ini={setting.name: config.getini(setting.key) for setting in SETTINGS},
        ini_file=config.inipath,
        folder=Path(config.invocation_params.dir),
    )
    return resolve(sources) if seed is None else resolve(sources, draw_seed=lambda: seed)


def _cell_of(item: pytest.Item) -> Cell | None:
    cell = item.callspec.params.get("cell") if hasattr(item, "callspec") else None
    return cell if isinstance(cell, Cell) else None


def _write_junit(config: pytest.Config, plugin: Plugin) -> None:
    """pytest's own JUnit file goes into the run's folder, if no other place was named."""
    if not config.option.xmlpath and not config.option.collectonly and not plugin.is_worker:
        config.option.xmlpath = str(plugin.run.run_dir / JUNIT)
        plugin.writes_junit = True
