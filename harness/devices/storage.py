"""Disks: a pattern written and flushed before the reboot is read back after it, past every cache; flushes arrive.

A row is a disk, or several behind one controller: name, driver, what it is, the controller (`@` stands for its id),
and the devices behind it. A device gets a disk and its serial number, unless its row says that it has none.
"""

from __future__ import annotations

from msgspec import Struct

from harness.devices.base import ROOT, DeviceSet, Resources
from harness.model import Option


class Row(Struct, frozen=True, kw_only=True):
    """One line of the table. `@` is the controller's id, `!` the set's serial number."""

    name: str
    driver: str
    summary: str
    #: devices without a disk of their own, in order
    controllers: tuple[str, ...] = ()
    #: devices with one disk each
    disks: tuple[str, ...]
    modules: tuple[str, ...] | None = None
    since: str = ""
    #: whether SeaBIOS boots from it, so that it can be the root disk as well
    boots: bool = True
    #: what the guest finds the disks by, if they have no serial number that can be set
    serial: str | None = None


SCSI = "scsi-hd,bus=@.0,serial=!"
XHCI = "qemu-xhci,id=@usb"

ROWS = (
    Row(
        name="virtio-blk",
        driver="virtio_blk",
        summary="virtio block device on PCI",
        disks=("virtio-blk-pci,serial=!",),
    ),
    Row(
        name="virtio-scsi",
        driver="virtio_scsi",
        summary="SCSI disk on a virtio host adapter",
        controllers=("virtio-scsi-pci,id=@",),
        disks=(SCSI,),
    ),
    Row(name="nvme", driver="nvme", summary="NVMe controller with one namespace", disks=("nvme,serial=!",)),
    Row(
        name="nvme-ns",
        driver="nvme",
        summary="NVMe controller with two namespaces",
        controllers=("nvme,id=@,serial=!",),
        disks=("nvme-ns,bus=@,nsid=1", "nvme-ns,bus=@,nsid=2"),
        boots=False,
    ),
    Row(
        name="ahci",
        driver="ahci",
        summary="SATA disk on an AHCI controller",
        controllers=("ahci,id=@",),
        disks=("ide-hd,bus=@.0,serial=!",),
    ),
    Row(
        name="piix-ide",
        driver="ata_piix",
        summary="parallel ATA disk on the PIIX3's IDE controller",
        controllers=("piix3-ide,id=@",),
        disks=("ide-hd,bus=@.0,serial=!",),
    ),
    Row(
        name="megasas",
        driver="megaraid_sas",
        summary="disk on LSI's MegaRAID SAS 1078",
        controllers=("megasas,id=@",),
        disks=(SCSI,),
    ),
    Row(
        name="megasas-gen2",
        driver="megaraid_sas",
        summary="disk on LSI's MegaRAID SAS 2108",
        controllers=("megasas-gen2,id=@",),
        disks=(SCSI,),
        boots=False,
    ),
    Row(
        name="mptsas",
        driver="mptsas",
        summary="disk on LSI's Fusion-MPT SAS1068",
        controllers=("mptsas1068,id=@",),
        disks=(SCSI,),
    ),
    Row(
        name="pvscsi",
        driver="vmw_pvscsi",
        summary="disk on VMware's paravirtual SCSI adapter",
        controllers=("pvscsi,id=@",),
        disks=(SCSI,),
    ),
    Row(
        name="lsi53c895a",
        driver="sym53c8xx",
        summary="SCSI disk on LSI's 53C895A",
        controllers=("lsi53c895a,id=@",),
        disks=(SCSI,),
    ),
    Row(
        name="am53c974",
        driver="am53c974",
        summary="SCSI disk on AMD's 53C974",
        controllers=("am53c974,id=@",),
        disks=(SCSI,),
    ),
    Row(
        name="usb-storage",
        driver="usb-storage",
        summary="USB stick (bulk-only transport), behind an xHCI controller",
        controllers=(XHCI,),
        disks=("usb-storage,bus=@usb.0,serial=!",),
        modules=("xhci_pci", "usb-storage", "sd_mod"),
    ),
    Row(
        name="uas",
        driver="uas",
        summary="disk on USB Attached SCSI, behind an xHCI controller",
        controllers=(XHCI, "usb-uas,id=@,bus=@usb.0,serial=!"),
        disks=(SCSI,),
        modules=("xhci_pci", "uas", "sd_mod"),
        # SeaBIOS 1.16: "Superspeed UAS devices not supported (yet)".
        boots=False,
    ),
    Row(
        name="uas-ehci",
        driver="uas",
        summary="disk on USB Attached SCSI, behind an EHCI controller",
        controllers=("usb-ehci,id=@usb", "usb-uas,id=@,bus=@usb.0,serial=!"),
        disks=(SCSI,),
        modules=("ehci_pci", "uas", "sd_mod"),
    ),
    Row(
        name="sdhci",
        driver="sdhci-pci",
        summary="SD card in a PCI host controller",
        controllers=("sdhci-pci,id=@",),
        disks=("sd-card",),
        modules=("sdhci-pci", "mmc_block"),
        # QEMU's SD cards all have this one.
        serial="0xdeadbeef",
        boots=False,
    ),
    Row(
        name="ufs",
        driver="ufshcd",
        summary="logical unit of a UFS host controller",
        controllers=("ufs,id=@,serial=!",),
        disks=("ufs-lu,bus=@,lun=0",),
        modules=("ufshcd-pci",),
        since="8.2",
        boots=False,
    ),
)


def _options(row: Row, lent: Resources) -> list[Option]:
    options = [("-device", _filled(controller, lent)) for controller in row.controllers]
    for which, disk in enumerate(row.disks):
        drive = f"{lent.id('data')}-{which}" if which else lent.id("data")
        kind, _, properties = _filled(disk, lent).partition(",")
        properties = f",{properties}" if properties else ""
        options += [
            ("-drive", f"if=none,id={drive},format=raw,file={lent.disk(which)},cache=writeback"),
            ("-device", f"{kind},drive={drive}{properties}"),
        ]
    return options


def _filled(text: str, lent: Resources) -> str:
    return text.replace("@", lent.id("disk-adapter")).replace("!", lent.serial)


def _root_options(row: Row, lent: Resources) -> list[Option]:
    kind, _, properties = _filled(row.disks[0], lent).partition(",")
    properties = f",{properties}" if properties else ""
    options = [("-device", _filled(controller, lent)) for controller in row.controllers]
    return [*options, ("-device", f"{kind},drive={ROOT},bootindex=1{properties}")]


def _as_root(row: Row) -> DeviceSet:
    return DeviceSet(
        name=f"root-{row.name}",
        summary=f"{row.summary}, as the root disk",
        options=lambda _: [],
        root=lambda lent: _root_options(row, lent),
        script="root.sh",
        driver=row.driver,
        # The guest runs on it.
        modules=(),
        since=row.since,
    )


def _set(row: Row) -> DeviceSet:
    return DeviceSet(
        name=row.name,
        summary=row.summary,
        options=lambda lent: _options(row, lent),
        script="storage.sh",
        driver=row.driver,
        modules=row.modules,
        since=row.since,
        disks=len(row.disks),
        values={"DISKS": str(len(row.disks)), **({"SERIAL": row.serial} if row.serial else {})},
    )


DEVICE_SETS = (*map(_set, ROWS), *(_as_root(row) for row in ROWS if row.boots and row.name != "virtio-blk"))
