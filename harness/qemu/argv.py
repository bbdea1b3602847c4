"""QEMU's command line as a pure function of what the machine is to be."""

from __future__ import annotations

import shlex
from pathlib import Path

from msgspec import Struct

from harness.host.helpers import Helper
from harness.model import Accel, Cell, Firmware, Loader, Option
from harness.model.architectures import ARCHITECTURES, MachineType

#: what ids of chardevs begin with that echo what the guest sends, one for each device set
ECHO = "echo"
#: channel -> file name of its socket below the machine's private folder; QEMU connects, the harness listens
SOCKETS = {
    "qmp": "qmp.sock",
    "agent": "agent.sock",
    "firmware": "fw.sock",
}

#: name of the console's FIFOs there, without their ends
CONSOLE = "console"

#: the port that Linux calls ttyS1, on a board that has only the first
SECOND_SERIAL_PORT = "isa-serial,index=1,chardev=agent"

#: Only code in SMM writes to OVMF's variables; what SMM has in memory does not survive sleep (edk2: OvmfPkg/README).
SECURE_BOOT: tuple[Option, ...] = (
    ("-machine", "smm=on"),
    ("-global", "driver=cfi.pflash01,property=secure,value=on"),
    ("-global", "ICH9-LPC.disable_s3=1"),
)

# Neither fork nor exec, no new privileges, no obsolete system calls, no changes of scheduling.
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


class MachineSpec(Struct, frozen=True, kw_only=True):
    """Everything that decides a machine's command line; every file in it exists before QEMU starts."""

    cell: Cell
    #: the cell's
    machine: MachineType
    accel: Accel
    memory_mib: int
    cpus: int
    #: whether it has a display, which nobody looks at but who keeps a picture of it
    screen: bool = False
    #: the machine's private folder (mode 0700), with its sockets
    folder: Path
    #: root disk, a qcow2 overlay
    root_disk: Path
    #: what the root disk hangs on, as drive `root0`
    root_options: tuple[Option, ...]
    #: the devices under test, as their set gives them
    device_options: tuple[Option, ...]
    #: names of the disks and folders that its device sets borrow
    disks: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    #: programs that run beside QEMU for its devices
    helpers: tuple[Helper, ...] = ()
    #: how many device sets have an echo service
    echoes: int = 1
    #: SeaBIOS as built for the machine; None for the one that QEMU takes by itself
    seabios: Path | None = None
    #: OVMF's code and this machine's own copy of its variables; None under SeaBIOS
    ovmf_code: Path | None = None
    ovmf_vars: Path | None = None
    #: for `Loader.DIRECT` only
    kernel: Path | None = None
    initrd: Path | None = None
    cmdline: str | None = None
    #: what this one machine has beside its cell: another socket, a slot for a device
    more_options: tuple[Option, ...] = ()
    #: name of a snapshot in the root disk that the machine starts from instead of its firmware
    snapshot: str | None = None


def sockets(echoes: int) -> dict[str, str]:
    """Every channel but the console -> file name of its socket."""
    names = [f"{ECHO}{number or ''}" for number in range(echoes)]
    return {**SOCKETS, **{name: f"{name}.sock" for name in names}}


def build(spec: MachineSpec) -> list[Option]:
    """The options after QEMU's name, each with its value ("" for an option that takes none)."""
    return [
        ("-name", f"kexec-harness-{no_commas(spec.cell.cell_id)}"),
        ("-nodefaults", ""),
        ("-no-user-config", ""),
        ("-sandbox", SANDBOX),
        ("-display", "none"),
        # Stopped until every channel listens, so that not a byte is lost.
        ("-S", ""),
        *_board(spec),
        *_channels(spec),
        *_firmware(spec),
        *_kernel(spec),
        ("-drive", f"if=none,id=root0,format=qcow2,file={no_commas(str(spec.root_disk))},cache=unsafe"),
        *spec.root_options,
        # The guest says where its VMCOREINFO is, which a dump of its memory needs to be opened.
        ("-device", "vmcoreinfo"),
        *([("-device", "VGA")] if spec.screen else []),
        *spec.device_options,
        *spec.more_options,
        *([("-loadvm", spec.snapshot)] if spec.snapshot else []),
    ]


def flatten(options: list[Option]) -> list[str]:
    """The options as an argument list."""
    return [word for option, value in options for word in ((option, value) if value else (option,))]


def parse(text: str) -> list[Option]:
    """The options in `text`, which is quoted as for a shell. Raises ValueError for quotes or values that stand alone.

    >>> parse("-device edu -nodefaults")
    [('-device', 'edu'), ('-nodefaults', '')]
    """
    options: list[Option] = []
    for word in shlex.split(text):
        if word.startswith("-"):
            options.append((word, ""))
        elif options and not options[-1][1]:
            options[-1] = (options[-1][0], word)
        else:
            raise ValueError(f"'{word}' belongs to no option")
    return options


def to_text(options: list[Option]) -> str:
    """One option with its value per line, as golden files and failure reports have it."""
    return "".join(f"{option} {value}".rstrip() + "\n" for option, value in options)


def no_commas(value: str) -> str:
    """A value as QEMU's option syntax wants it: a comma within it is written twice."""
    return value.replace(",", ",,")


def _board(spec: MachineSpec) -> list[Option]:
    arch = ARCHITECTURES[spec.cell.arch]
    # Several translation threads, and a code cache that holds a distro's boot without being flushed.
    accel = "tcg,thread=multi,tb-size=256" if spec.accel is Accel.TCG else "kvm"
    return [
        ("-machine", spec.machine.qemu),
        ("-accel", accel),
        ("-cpu", arch.cpu[spec.accel]),
        ("-smp", str(spec.cpus)),
        ("-m", str(spec.memory_mib)),
    ]


def _channels(spec: MachineSpec) -> list[Option]:
    options = [
        ("-chardev", f"socket,id={name},path={no_commas(str(spec.folder / file))}")
        for name, file in sockets(spec.echoes).items()
    ]
    options += [
        ("-chardev", f"pipe,id={CONSOLE},path={no_commas(str(spec.folder / CONSOLE))}"),
        ("-mon", "chardev=qmp,mode=control"),
        ("-serial", "chardev:console"),
        ("-serial", "chardev:agent") if spec.machine.serial_ports > 1 else ("-device", SECOND_SERIAL_PORT),
    ]
    port = ARCHITECTURES[spec.cell.arch].debug_port
    if port is not None:
        options.append(("-device", f"isa-debugcon,iobase={port:#x},chardev=firmware"))
    return options


def _firmware(spec: MachineSpec) -> list[Option]:
    if spec.cell.firmware is Firmware.SEABIOS:
        return [("-bios", str(spec.seabios))] if spec.seabios else []
    code, variables = no_commas(str(spec.ovmf_code)), no_commas(str(spec.ovmf_vars))
    return [
        *(SECURE_BOOT if spec.cell.firmware is Firmware.OVMF_SECBOOT else ()),
        ("-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}"),
        ("-drive", f"if=pflash,unit=1,format=raw,file={variables}"),
    ]


def _kernel(spec: MachineSpec) -> list[Option]:
    if spec.cell.loader is not Loader.DIRECT:
        return []
    return [
        ("-kernel", no_commas(str(spec.kernel))),
        ("-initrd", no_commas(str(spec.initrd))),
        ("-append", spec.cmdline or ""),
    ]
