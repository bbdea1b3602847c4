"""The one table of settings: it makes pytest's options, TOML keys, environment and make variables alike."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import platformdirs
from msgspec import Struct

from harness.model import Firmware, Loader
from harness.model.architectures import ARCHITECTURES

#: the folder that this package's checkout is
PROJECT = Path(__file__).resolve().parents[2]

#: the longest campaign: a block every second for eleven days
MAX_BLOCKS = 1_000_000
MAX_SEED = 2**63 - 1
#: every machine type, as people name it
MACHINES = tuple(dict.fromkeys(machine.name for arch in ARCHITECTURES.values() for machine in arch.machines))


class Kind(StrEnum):
    """What a setting's value is, as its message calls it."""

    TEXT = "text"
    WHOLE = "a whole number"
    NUMBER = "a number"
    CHOICE = "one word"
    LIST = "a list of names"
    PATH = "a path"
    SHARD = "a shard"
    STOP = "a stop rule"


class Definition(Struct, frozen=True, kw_only=True):
    """One setting. `default` None means that there is none, or that it is drawn or found elsewhere."""

    name: str
    kind: Kind
    help: str
    default: object = None
    #: the only words allowed, for a choice or a list
    choices: tuple[str, ...] = ()
    #: limits of a number, both allowed
    low: float = 0
    high: float = 0
    #: what a message shows as an example
    example: str = ""
    #: whether empty text means "none given" instead of a mistake
    may_be_empty: bool = False
    #: a dimension of cells: what the matrix varies
    dimension: bool = False
    #: whether the matrix may set it for single cells and for a selection
    per_cell: bool = False

    @property
    def option(self) -> str:
        """pytest's option, e.g. `--kexec-cache-dir`."""
        return f"--kexec-{self.name.replace('_', '-')}"

    @property
    def key(self) -> str:
        """The key in pytest's configuration, and the attribute of its parsed options, e.g. `kexec_cache_dir`."""
        return f"kexec_{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable, e.g. `KEXEC_CACHE_DIR`."""
        return f"KEXEC_{self.name.upper()}"

    @property
    def make_variable(self) -> str:
        """The make variable, e.g. `CACHE_DIR`."""
        return self.name.upper()

    @property
    def ini_type(self) -> str:
        """What pytest's `addini` calls values of this kind."""
        return {Kind.WHOLE: "int", Kind.NUMBER: "float", Kind.LIST: "args"}.get(self.kind, "string")


def _dimension(name: str, help: str, example: str, choices: tuple[str, ...] = ()) -> Definition:  # noqa: A002
    return Definition(
        name=name, kind=Kind.LIST, help=help, default=(), choices=choices, example=example, dimension=True
    )


SETTINGS: tuple[Definition, ...] = (
    _dimension(
        "device",
        "device sets under test, with commas; each gives a cell; nvme+e1000e: both on one machine",
        "virtio-net,nvme",
    ),
    _dimension("image", "images to boot, with commas; or a disk image ./disk.qcow2", "debian-13"),
    _dimension("firmware", "firmware of the machine: seabios, ovmf, ovmf-secboot", "seabios,ovmf", tuple(Firmware)),
    _dimension("loader", "how a cold boot gets its kernel: grub, direct", "grub", tuple(Loader)),
    _dimension("kernel", "kernel: default, 6.12, from one to another '6.1->6.12', or a file ./bzImage", "6.12"),
    _dimension("machine", f"machine type: {', '.join(MACHINES)}", "q35,i440fx"),
    Definition(
        name="modules",
        kind=Kind.PATH,
        help="modules of a KERNEL that is a file: what make modules_install filled; empty: none",
        example="build/modules",
        may_be_empty=True,
    ),
    Definition(
        name="initrd",
        kind=Kind.PATH,
        help="initramfs of a KERNEL that is a file; empty: micro's, with its modules",
        example="build/initrd.img",
        may_be_empty=True,
    ),
    Definition(
        name="methods",
        kind=Kind.LIST,
        help="reboot methods to compare, with commas",
        default=("kexec", "cold"),
        example="kexec,cold",
    ),
    Definition(
        name="blocks",
        per_cell=True,
        kind=Kind.WHOLE,
        help="blocks per cell; each is one cycle of every method",
        default=10,
        low=1,
        high=MAX_BLOCKS,
        example="10",
    ),
    Definition(
        name="chain",
        per_cell=True,
        kind=Kind.WHOLE,
        help="cycles of each method in a row, for what builds up from kexec to kexec; 1: interleaved as well as can be",
        default=1,
        low=1,
        high=MAX_BLOCKS,
        example="20",
    ),
    Definition(
        name="jobs",
        kind=Kind.WHOLE,
        help="cells to run side by side",
        default=1,
        low=1,
        high=1024,
        example="2",
    ),
    Definition(
        name="seed",
        kind=Kind.WHOLE,
        help="seed of the random order; empty: a new one, recorded in run.json",
        low=0,
        high=MAX_SEED,
        example="1",
        may_be_empty=True,
    ),
    Definition(
        name="stop",
        per_cell=True,
        kind=Kind.STOP,
        help="fixed: run all blocks; auto: until every question is settled, BLOCKS at most; time:2h: for that long",
        default="fixed",
        example="auto",
    ),
    Definition(
        name="results",
        kind=Kind.PATH,
        help="folder for results",
        default=Path("results"),
        example="results",
    ),
    Definition(
        name="accel",
        kind=Kind.CHOICE,
        help="accelerator; auto: KVM if it is proven to work, else TCG",
        default="auto",
        choices=("auto", "kvm", "tcg"),
    ),
    Definition(
        name="qemu",
        kind=Kind.TEXT,
        help="QEMU binary; empty: the one on the PATH",
        example="/opt/qemu/bin/qemu-system-x86_64",
        may_be_empty=True,
    ),
    Definition(
        name="mirror",
        kind=Kind.TEXT,
        help="address of the Debian mirror to build images from; empty: the one this host's apt uses",
        may_be_empty=True,
    ),
    Definition(
        name="select",
        kind=Kind.LIST,
        help="selections of the matrix to run, with commas",
        default=(),
        example="smoke",
    ),
    Definition(
        name="memory",
        per_cell=True,
        kind=Kind.WHOLE,
        help="memory of a machine in MiB",
        default=1024,
        low=128,
        high=1 << 20,
        example="1024",
    ),
    Definition(
        name="smp",
        per_cell=True,
        kind=Kind.WHOLE,
        help="CPUs of a machine",
        default=2,
        low=1,
        high=255,
        example="2",
    ),
    Definition(
        name="margin",
        per_cell=True,
        kind=Kind.NUMBER,
        help="difference of failure rates that still counts as no worse, 0.01 or 1% for one in a hundred",
        default=0.01,
        low=1e-6,
        high=0.5,
        example="0.01",
    ),
    Definition(
        name="failure_budget",
        per_cell=True,
        kind=Kind.WHOLE,
        help="failed cycles allowed per arm",
        default=0,
        low=0,
        high=MAX_BLOCKS,
        example="0",
    ),
    Definition(
        name="cycle_seconds",
        per_cell=True,
        kind=Kind.NUMBER,
        help="seconds that a reboot takes, for estimates where no run on this host has shown it, and for shards",
        default=45.0,
        low=0.1,
        high=7200,
        example="45",
    ),
    Definition(
        name="shard",
        kind=Kind.SHARD,
        help="run one of several parts of the cells, e.g. 2/5; every cell is in one of them; empty: all cells",
        example="2/5",
        may_be_empty=True,
    ),
    Definition(
        name="fault",
        kind=Kind.TEXT,
        help="fault to inject into reboots on purpose, one of docs/faults.md; empty: none",
        example="panic-at-shutdown",
        may_be_empty=True,
    ),
    Definition(
        name="fault_rate",
        kind=Kind.NUMBER,
        help="share of the reboots of the fault's own method that it is injected into, e.g. 5%",
        default=1.0,
        low=1e-6,
        high=1,
        example="5%",
    ),
    Definition(
        name="device_args",
        kind=Kind.TEXT,
        help="options of QEMU's for devices beside the device set's, as for a shell; empty: none",
        example='"-device edu -device pcie-root-port,id=rp1"',
        may_be_empty=True,
    ),
    Definition(
        name="screen",
        kind=Kind.WHOLE,
        help="1: machines have a display (VGA), so that failures have a picture of it; boots take a little longer",
        default=0,
        low=0,
        high=1,
        example="1",
    ),
    Definition(
        name="keep_disk",
        kind=Kind.WHOLE,
        help="1: keep the disk of every failed cycle",
        default=0,
        low=0,
        high=1,
        example="1",
    ),
    Definition(
        name="keep_memory",
        kind=Kind.WHOLE,
        help="1: keep a dump of the guest's memory of every failed cycle, for crash or drgn",
        default=0,
        low=0,
        high=1,
        example="1",
    ),
    Definition(
        name="artefacts_mib",
        kind=Kind.WHOLE,
        help="MiB that the artefacts of a run's failures may take; the oldest large ones go first",
        default=2048,
        low=1,
        high=1 << 30,
        example="2048",
    ),
    Definition(
        name="max_failure_rate",
        kind=Kind.NUMBER,
        help="failure rate that every arm must stay below, e.g. 1/500; replaces the budget; empty: none",
        low=1e-6,
        high=0.5,
        example="1/500",
        may_be_empty=True,
    ),
    Definition(
        name="max_slowdown",
        kind=Kind.NUMBER,
        help="slow-down from one run to another that compare lets pass, e.g. 5%",
        default=0.05,
        low=0,
        high=10,
        example="5%",
    ),
    Definition(
        name="firmware_seconds",
        kind=Kind.NUMBER,
        help="seconds that a real machine's firmware takes, to say what kexec saves there; empty: none",
        low=0.1,
        high=7200,
        example="180",
        may_be_empty=True,
    ),
    Definition(
        name="matrix",
        kind=Kind.PATH,
        help="file that says which cells exist",
        default=PROJECT / "scenarios" / "matrix.toml",
        example="scenarios/matrix.toml",
    ),
    Definition(
        name="images_dir",
        kind=Kind.PATH,
        help="folder of image recipes",
        default=PROJECT / "images",
        example="images",
    ),
    Definition(
        name="cache_dir",
        kind=Kind.PATH,
        help="folder for built images",
        default=platformdirs.user_cache_path("kexec-harness"),
        example="/var/cache/kexec-harness",
    ),
)

#: names of the settings that are dimensions of cells, in the order in which cells vary: the last one fastest
DIMENSIONS: tuple[str, ...] = tuple(definition.name for definition in SETTINGS if definition.dimension)

#: name -> definition
BY_NAME: dict[str, Definition] = {definition.name: definition for definition in SETTINGS}

#: names of the settings that a single cell may have of its own
PER_CELL: tuple[str, ...] = tuple(definition.name for definition in SETTINGS if definition.per_cell)
