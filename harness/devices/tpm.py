"""TPMs, emulated by swtpm: the driver is bound, PCRs are read, and the firmware's event log is there.

The firmware measures into the PCRs when it starts; a kexec leaves them as they are. A kernel that is started by kexec
has to find the log of the firmware's boot.
"""

from __future__ import annotations

from harness.devices.base import DeviceSet, Resources
from harness.host.helpers import Helper
from harness.model import Option

STATE = "tpm"


def _helper(lent: Resources) -> Helper:
    state = lent.lent_folder(STATE)
    return Helper(
        program="swtpm",
        package="swtpm",
        arguments=("socket", "--tpm2", "--tpmstate", f"dir={state}", "--ctrl", f"type=unixio,path={state}/socket"),
        socket=state / "socket",
    )


def _options(device: str, lent: Resources) -> list[Option]:
    chardev, tpm = lent.id("tpm-socket"), lent.id("tpm")
    return [
        ("-chardev", f"socket,id={chardev},path={lent.lent_folder(STATE)}/socket"),
        ("-tpmdev", f"emulator,id={tpm},chardev={chardev}"),
        ("-device", f"{device},tpmdev={tpm}"),
    ]


def _set(name: str, device: str, driver: str, summary: str) -> DeviceSet:
    return DeviceSet(
        name=name,
        summary=summary,
        options=lambda lent: _options(device, lent),
        script="tpm.sh",
        driver=driver,
        folders=(STATE,),
        helper=_helper,
    )


DEVICE_SETS = (
    _set("tpm-tis", "tpm-tis", "tpm_tis", "TPM 2.0 with the TIS interface"),
    _set("tpm-crb", "tpm-crb", "tpm_crb", "TPM 2.0 with the command response buffer"),
)
