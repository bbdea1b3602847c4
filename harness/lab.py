"""The lab: what every cell needs of this host, found and built once, and machines made from it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from msgspec import Struct, structs

from harness import devices, faults, host, images, reboot
from harness.clock import Clock
from harness.config import Known, Settings
from harness.config.cells import TOGETHER
from harness.devices.base import DISK_MIB, ROOT, DeviceSet, several
from harness.devices.needs import fitted, lacking
from harness.errors import ConfigError, Unsupported
from harness.faults.base import Fault
from harness.images.own_kernel import OwnKernel, release_of, with_own_kernel
from harness.images.preparing_machine import preparing_machine
from harness.images.probe_kit import ensure_probe_kit
from harness.model import (
    DEFAULT_KERNEL,
    Accel,
    Cell,
    Firmware,
    KernelChoice,
    Loader,
    Option,
    find_release,
    is_disk_file,
    is_kernel_file,
    kernel_choice,
)
from harness.model.architectures import ARCHITECTURES, MachineType
from harness.qemu.argv import MachineSpec, build, flatten, no_commas, parse
from harness.qemu.folder import PrivateFolder
from harness.qemu.machine import QemuMachine
from harness.reboot.base import Method
from harness.registry import collect, lookup, members, unknown
from harness.rehearsal import why_refused

#: what the root disk hangs on unless the device set says otherwise
DEFAULT_ROOT: tuple[Option, ...] = (("-device", f"virtio-blk-pci,drive={ROOT},bootindex=1"),)
#: room for one machine's overlay in the folder for temporary files
MIN_OVERLAY_BYTES = 1 << 30


def device_sets() -> dict[str, DeviceSet]:
    """Every device set by name."""
    return collect(devices, "DEVICE_SETS", DeviceSet)


def device_set_of(cell: Cell) -> DeviceSet:
    """The devices under test in this cell: one set, or several on one machine. Raises ConfigError."""
    known = device_sets()
    return several([lookup(known, name, "device set") for name in cell.device_set.split(TOGETHER)])


def methods() -> dict[str, Method]:
    """Every reboot method by name."""
    return {name: module.METHOD for name, module in members(reboot).items()}


def all_faults() -> dict[str, Fault]:
    """Every fault by name."""
    return {name: module.FAULT for name, module in members(faults).items()}


def recipe_of(settings: Settings, name: str) -> images.Recipe | images.DiskRecipe:
    """The recipe of that name, or for the disk image at that path. Raises ConfigError."""
    if is_disk_file(name):
        return images.recipe_of_file(name, settings.cache_dir)
    return images.load_recipe(settings.images_dir, name)


def known_names(settings: Settings) -> Known:
    """Every image, device set and method that exists here. Raises ConfigError for a file that is no disk image."""
    for name in filter(is_disk_file, settings.image):
        images.inspect(Path(name).expanduser(), settings.origins["image"])
    return Known(
        image=tuple(images.recipes(settings.images_dir)),
        device=tuple(device_sets()),
        methods=tuple(methods()),
        faults=tuple(all_faults()),
    )


class DirectBoot(Struct, frozen=True):
    """What QEMU's `-kernel` starts."""

    kernel: Path
    initrd: Path
    cmdline: str


def machine_spec(
    cell: Cell,
    settings: Settings,
    *,
    folder: Path,
    accel: Accel,
    ovmf_code: Path | None = None,
    seabios: Path | None = None,
    direct_boot: DirectBoot | None = None,
) -> MachineSpec:
    """What a machine of this cell is made of; pure. Raises ConfigError for a machine type or device set unknown."""
    board = _board(cell)
    devices_here = device_set_of(cell)
    root = devices_here.root_argv(Path(no_commas(str(folder))))
    return MachineSpec(
        cell=cell,
        machine=board,
        accel=accel,
        memory_mib=settings.memory,
        cpus=settings.smp,
        screen=bool(settings.screen),
        folder=folder,
        root_disk=folder / "root.qcow2",
        device_options=tuple(fitted(devices_here.argv(Path(no_commas(str(folder)))), board)),
        more_options=tuple(_own_options(settings)),
        root_options=tuple(fitted(root or DEFAULT_ROOT, board)),
        disks=tuple(devices_here.disk_names),
        folders=tuple(devices_here.folder_names),
        helpers=tuple(devices_here.helpers_in(folder)),
        echoes=len(devices_here.members),
        seabios=seabios,
        ovmf_code=ovmf_code,
        ovmf_vars=folder / "ovmf-vars.fd" if ovmf_code else None,
        kernel=direct_boot.kernel if direct_boot else None,
        initrd=direct_boot.initrd if direct_boot else None,
        cmdline=" ".join((direct_boot.cmdline, *devices_here.kernel_words)) if direct_boot else None,
    )


def _own_options(settings: Settings) -> list[Option]:
    try:
        return parse(settings.device_args or "")
    except ValueError as error:
        mend = "give options as for a shell, such as DEVICE_ARGS='-device edu'"
        raise settings.error("device_args", str(error), mend=mend) from error


class SavedMachine(Struct, frozen=True):
    """A machine that was saved while it ran: its root disk, and the snapshot's name in it."""

    root_disk: Path
    snapshot: str


class Lab:
    """Finds QEMU, proves the accelerator, builds images, makes machines; everything on first use only."""

    def __init__(self, settings: Settings, clock: Clock, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._clock = clock
        self._say = say
        self._images: dict[str, images.BuiltImage] = {}
        #: machine type and device set -> why there is no such machine
        self._refusals: dict[tuple[str, str], str | None] = {}

    @cached_property
    def qemu(self) -> host.QemuBinary:
        """The QEMU that runs every machine. Raises ToolMissing, or ConfigError for a named one that is none."""
        return host.find_qemu("x86_64", self._settings.qemu)

    @cached_property
    def accel(self) -> host.AccelChoice:
        """The accelerator, proven by booting something. Raises InfraError if the wanted one does not work."""
        kit = ensure_probe_kit(self._settings.cache_dir, self._settings.mirror, self._say)
        choice = host.probe_accel(
            self._settings.accel, self.qemu, kit.kernel, kit.initrd, cache_dir=self._settings.cache_dir
        )
        self._say(f"accelerator: {choice.accel.value} ({choice.reason})")
        return choice

    def image(self, name: str) -> images.BuiltImage:
        """The built image of that name. Raises ConfigError for an unknown one, ImageError if it cannot be built."""
        if name not in self._images:
            settings = self._settings
            recipe = recipe_of(settings, name)
            if isinstance(recipe, images.DiskRecipe):
                self._images[name] = self._prepared(recipe)
            else:
                self._images[name] = images.ensure(
                    recipe,
                    images_dir=settings.images_dir,
                    cache_dir=settings.cache_dir,
                    mirror=settings.mirror,
                    progress=self._say,
                )
        return self._images[name]

    def _prepared(self, recipe: images.DiskRecipe) -> images.BuiltImage:
        settings = self._settings
        return images.ensure_prepared(
            recipe,
            images.fetch(recipe, settings.cache_dir, self._say),
            images_dir=settings.images_dir,
            cache_dir=settings.cache_dir,
            make_machine=lambda disks: preparing_machine(
                recipe.name,
                disks,
                qemu=self.qemu.path,
                accel=self.accel.accel,
                memory_mib=settings.memory,
                cpus=settings.smp,
                clock=self._clock,
                folder=PrivateFolder.new(),
            ),
            clock=self._clock,
            progress=self._say,
        )

    def image_of(self, cell: Cell) -> images.BuiltImage:
        """The image that this cell boots: the built one, or it with the user's own kernel. Raises as `image`."""
        if not is_kernel_file(cell.kernel):
            return self.image(cell.image)
        self._check_kernel(cell)
        name = f"{cell.image}:{cell.kernel}"
        if name not in self._images:
            settings, kernel = self._settings, Path(cell.kernel).expanduser().resolve()
            own = OwnKernel(kernel=kernel, modules=settings.modules, initrd=settings.initrd)
            # A wrong file is said before an image is built for it.
            release_of(kernel)
            self._images[name] = with_own_kernel(
                self.image(cell.image), own, cache_dir=settings.cache_dir, clock=self._clock, progress=self._say
            )
        return self._images[name]

    def kernels(self, cell: Cell) -> KernelChoice | None:
        """Releases of the kernels that the cell reboots from and to; None: the one that the image boots by itself.

        Raises ConfigError if the image does not have them, and as `image`.
        """
        choice = kernel_choice(cell.kernel)
        if choice is None:
            return None
        self._check_kernel(cell)
        try:
            found = [find_release(self.image(cell.image).kernels, name) for name in (choice.outgoing, choice.incoming)]
        except ValueError as error:
            raise self._settings.error("kernel", f"{cell.image}: {error}", mend=self._images_with_more()) from None
        return KernelChoice(*found)

    def _check_kernel(self, cell: Cell) -> None:
        """Only an image made here is laid out so that the harness can choose its kernel. Raises ConfigError."""
        if isinstance(recipe_of(self._settings, cell.image), images.DiskRecipe):
            problem = f"{cell.image} boots the kernel that its own boot loader starts, and {cell.kernel} is another"
            raise self._settings.error("kernel", problem, mend=f"leave it at {DEFAULT_KERNEL}")

    def _images_with_more(self) -> str:
        found = images.recipes(self._settings.images_dir)
        several = [name for name, one in found.items() if isinstance(one, images.Recipe) and one.more_kernels]
        return f"images with more kernels than one: {', '.join(several) or 'none'}"

    def spec(self, cell: Cell, folder: Path) -> MachineSpec:
        """What a machine of this cell is made of; nothing is created. Raises ConfigError or InfraError."""
        image, kernels = self.image_of(cell), self.kernels(cell)
        boot = None
        if cell.loader is Loader.DIRECT:
            files = image.boot_files(kernels.outgoing if kernels else image.kernel_release)
            boot = DirectBoot(*files, self._command_line(cell, image.cmdline))
        return machine_spec(
            cell,
            self._settings.for_cell(cell),
            folder=folder,
            accel=self.accel.accel,
            ovmf_code=host.firmware_files(cell.firmware).code,
            seabios=host.seabios_for(_board(cell)) if cell.firmware is Firmware.SEABIOS else None,
            direct_boot=boot,
        )

    def _command_line(self, cell: Cell, command_line: str) -> str:
        word = _board(cell).clock_word if self.accel.accel.emulated else ""
        return f"{command_line} {word.format(khz=host.tsc_khz())}" if word else command_line

    def why_unsupported(self, cell: Cell) -> str | None:
        """What this QEMU lacks for the cell, asked of the binary; None if it has everything.

        Raises InfraError, or ConfigError as `machine_spec`.
        """
        spec = machine_spec(cell, self._settings.for_cell(cell), folder=Path("MACHINE"), accel=Accel.TCG)
        board = spec.machine
        if board.qemu not in host.offers(self.qemu, "-machine"):
            return f"QEMU {self.qemu.version} has no machine type {board.qemu}"
        for part in (cell.firmware, cell.loader):
            if part in board.cannot:
                return f"{board.name} and {part.value}: {board.cannot[part]}"
        if cell.firmware is Firmware.OVMF_SECBOOT:
            absent = recipe_of(self._settings, cell.image).absent(ARCHITECTURES[cell.arch].signed_loader)
            if absent:
                return f"{cell.image} has no boot loader that is signed (its recipe lacks {' and '.join(absent)})"
        options = [*spec.root_options, *spec.device_options]
        missing = lacking(options, lambda option: host.offers(self.qemu, option))
        if missing:
            return f"QEMU {self.qemu.version} has no {', no '.join(missing)}"
        helper = next((helper for helper in spec.helpers if not helper.find()), None)
        if helper is not None:
            return f"this host has no {helper.program} (Debian package {helper.package})"
        return self._why_refused(cell)

    def _why_refused(self, cell: Cell) -> str | None:
        """Why QEMU does not take the device set on this board; the one that it is made for is not asked."""
        if cell.machine == ARCHITECTURES[cell.arch].machines[0].name:
            return None
        key = (cell.machine, cell.device_set)
        if key not in self._refusals:
            self._refusals[key] = self._rehearse(cell)
        return self._refusals[key]

    def _rehearse(self, cell: Cell) -> str | None:
        plain = structs.replace(cell, firmware=Firmware.SEABIOS, loader=Loader.GRUB)
        folder = PrivateFolder.new()
        try:
            spec = machine_spec(plain, self._settings.for_cell(cell), folder=folder.path, accel=Accel.TCG)
            images.create_empty(spec.root_disk)
            _lend(spec)
        except BaseException:
            folder.remove()
            raise
        machine = QemuMachine(self.qemu.path, spec, folder, self._clock)
        reason = why_refused(machine, device_set_of(cell).needed_of_the_board)
        return f"QEMU {self.qemu.version}, {cell.machine}: {reason}" if reason else None

    def command_line(self, cell: Cell) -> list[str]:
        """QEMU's command line for this cell, with a placeholder for the machine's private folder."""
        return [str(self.qemu.path), *flatten(build(self.spec(cell, Path("MACHINE"))))]

    def make_machine(
        self,
        cell: Cell,
        *,
        adapt: Callable[[MachineSpec], MachineSpec] | None = None,
        start_from: SavedMachine | None = None,
    ) -> QemuMachine:
        """A machine of this cell on an untouched image, not yet powered on; or one that goes on where one was saved.

        `adapt` makes of the cell's machine what this one is to be, before anything is made for it.
        Raises Unsupported, NoSpace, ConfigError or InfraError; then nothing is left behind.
        """
        reason = self.why_unsupported(cell)
        if reason is not None:
            raise Unsupported(reason)
        folder = PrivateFolder.new()
        try:
            folder.check_space(MIN_OVERLAY_BYTES)
            spec = self.spec(cell, folder.path)
            if adapt is not None:
                spec = adapt(spec)
            if start_from is None:
                images.create_overlay(self.image_of(cell), spec.root_disk)
            else:
                shutil.copyfile(start_from.root_disk, spec.root_disk)
                spec = structs.replace(spec, snapshot=start_from.snapshot)
            _lend(spec)
            template = host.firmware_files(cell.firmware).vars
            if spec.ovmf_vars is not None and template is not None:
                shutil.copyfile(template, spec.ovmf_vars)
        except BaseException:
            folder.remove()
            raise
        return QemuMachine(self.qemu.path, spec, folder, self._clock)


def _board(cell: Cell) -> MachineType:
    board = ARCHITECTURES[cell.arch].machine(cell.machine)
    if board is None:
        known = [machine.name for machine in ARCHITECTURES[cell.arch].machines]
        raise ConfigError(unknown(cell.machine, "machine type", known), key="machine")
    return board


def _lend(spec: MachineSpec) -> None:
    """Make the disks and folders that the device sets borrow."""
    for name in spec.folders:
        (spec.folder / name).mkdir()
    for name in spec.disks:
        with (spec.folder / name).open("wb") as disk:
            os.truncate(disk.fileno(), DISK_MIB << 20)
