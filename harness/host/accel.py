"""Which accelerator works here, proven by booting a kernel to its userspace.

That /dev/kvm exists and opens proves nothing: there are hosts on which QEMU then aborts, or runs a guest that
never says a word. So a tiny guest is booted, whose init prints a nonce from its kernel command line on the
serial console; only that line is a proof.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import selectors
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from harness.clock import Clock, Deadline, HostClock
from harness.errors import InfraError
from harness.host.qemu import QemuBinary
from harness.host.tools import die_with_parent
from harness.model import Accel
from harness.model.architectures import ARCHITECTURES

Request = Literal["auto", "kvm", "tcg"]

KVM_DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: the word on the kernel command line, and what the guest's init prints before the nonce
NONCE_WORD, PROOF_WORD = "kexec_harness.nonce", "kexec-harness-probe"
#: Working KVM boots the probe in about a second.
DEADLINE_S = 8.0
#: Nobody is waiting for TCG to be fast: what its probe shows is that QEMU and the kernel work at all.
TCG_DEADLINE_S = 90.0
MAX_CONSOLE_BYTES = 1 << 20


class AccelChoice(Struct, frozen=True):
    """The accelerator to use."""

    accel: Accel
    #: why, in one line
    reason: str
    #: True if a guest was seen to boot with it
    proven: bool


class ProbeResult(Struct, frozen=True):
    """What one probe boot gave."""

    works: bool
    #: what happened, in one line
    detail: str


def probe_accel(
    request: Request,
    qemu: QemuBinary,
    kernel: Path,
    initrd: Path,
    cache_dir: Path,
    *,
    clock: Clock | None = None,
    deadline_s: float = DEADLINE_S,
    kvm_device: Path = KVM_DEVICE,
) -> AccelChoice:
    """The accelerator that `request` comes to on this host; `kernel` and `initrd` are a probe kit's.

    The answer for KVM is kept in `cache_dir` until the host boots again, QEMU changes, or /dev/kvm does.
    Raises InfraError if KVM is asked for and does not work.
    """
    if request == "tcg":
        return AccelChoice(Accel.TCG, "TCG was asked for", proven=False)
    result = _cached_probe(qemu, kernel, initrd, cache_dir, clock=clock, deadline_s=deadline_s, device=kvm_device)
    if result.works:
        return AccelChoice(Accel.KVM, f"KVM works: {result.detail}", proven=True)
    if request == "kvm":
        raise InfraError(
            f"KVM was asked for and does not work here: {result.detail}",
            mend="use ACCEL=auto or ACCEL=tcg, or a host that KVM works on",
        )
    return AccelChoice(Accel.TCG, f"KVM does not work here: {result.detail}", proven=False)


def _cached_probe(
    qemu: QemuBinary,
    kernel: Path,
    initrd: Path,
    cache_dir: Path,
    *,
    clock: Clock | None,
    deadline_s: float,
    device: Path,
) -> ProbeResult:
    if not device.exists():
        return ProbeResult(works=False, detail=f"no {device}")
    if not os.access(device, os.R_OK | os.W_OK):
        return ProbeResult(works=False, detail=f"no permission to use {device} (is this user in the group kvm?)")
    path = cache_dir / "accel" / f"{_fingerprint(qemu, device)}.json"
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode(path.read_bytes(), type=ProbeResult)
    result = boot_probe(Accel.KVM, qemu, kernel, initrd, clock=clock, deadline_s=deadline_s)
    with suppress(OSError):  # without a cache the next run probes again
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(msgspec.json.encode(result))
        fresh.replace(path)
    return result


def _fingerprint(qemu: QemuBinary, device: Path) -> str:
    """Everything the answer may depend on, hashed."""
    status, binary = device.stat(), qemu.path.stat()
    with suppress(OSError):
        boot_id = BOOT_ID.read_text("ascii").strip()
        facts = (boot_id, str(qemu.path), qemu.version, binary.st_mtime_ns, binary.st_size)
        rights = (status.st_mode, status.st_uid, status.st_gid, status.st_rdev, os.geteuid())
        return hashlib.sha256(repr((facts, rights)).encode()).hexdigest()[:24]
    return secrets.token_hex(12)  # no boot id: never the same again


def probe_argv(accel: Accel, qemu: QemuBinary, kernel: Path, initrd: Path, nonce: str) -> list[str]:
    """The probe guest's command line: nothing but a CPU, memory and a serial port on stdout."""
    arch = ARCHITECTURES["x86_64"]
    return [
        str(qemu.path),
        *("-nodefaults", "-no-user-config", "-no-reboot"),
        *("-machine", arch.machines[0].qemu),
        *("-accel", accel.value),
        *("-cpu", arch.cpu[accel]),
        *("-m", "512M"),
        *("-display", "none"),
        *("-chardev", "stdio,id=console,signal=off"),
        *("-serial", "chardev:console"),
        *("-kernel", str(kernel)),
        *("-initrd", str(initrd)),
        *("-append", f"console={arch.serial_console} quiet panic=-1 {NONCE_WORD}={nonce}"),
        *("-sandbox", "on"),
    ]


def boot_probe(
    accel: Accel,
    qemu: QemuBinary,
    kernel: Path,
    initrd: Path,
    *,
    clock: Clock | None = None,
    deadline_s: float | None = None,
) -> ProbeResult:
    """Boot the probe guest with `accel` and watch its console for the nonce, for at most `deadline_s` seconds."""
    clock = clock or HostClock()
    seconds = deadline_s if deadline_s is not None else (DEADLINE_S if accel is Accel.KVM else TCG_DEADLINE_S)
    nonce = secrets.token_hex(8)
    began = clock.monotonic()
    try:
        process = subprocess.Popen(
            [*die_with_parent(), *probe_argv(accel, qemu, kernel, initrd, nonce)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        return ProbeResult(works=False, detail=f"{qemu.path} cannot be started: {error.strerror}")
    console = b""
    try:
        console, ended = _watch(process, f"{PROOF_WORD} {nonce}".encode(), Deadline.after(clock, seconds))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
    took = clock.monotonic() - began
    return _judge(console, nonce, process.returncode if ended else None, took)


def _watch(process: subprocess.Popen[bytes], wanted: bytes, deadline: Deadline) -> tuple[bytes, bool]:
    """Read the console until `wanted` is in it, QEMU ends or time is up; what was read, and whether QEMU ended."""
    assert process.stdout is not None
    console = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not deadline.expired() and len(console) < MAX_CONSOLE_BYTES:
            if not selector.select(deadline.remaining()):
                break
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(deadline.remaining())
                return console, process.poll() is not None
            console += data
            if wanted in console:
                break
    return console, False


def _judge(console: bytes, nonce: str, status: int | None, took: float) -> ProbeResult:
    """What the console says; `status` is QEMU's if it ended by itself."""
    if f"{PROOF_WORD} {nonce}".encode() in console:
        return ProbeResult(works=True, detail=f"a guest booted to its userspace in {took:.1f} s")
    last = console.decode("ascii", "replace").strip().splitlines()[-1:]
    said = "".join(c if c.isprintable() else "?" for c in "".join(last))[-160:]
    if status is not None:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return ProbeResult(works=False, detail=f"QEMU {how}" + (f": {said}" if said else ""))
    if said:
        return ProbeResult(works=False, detail=f"the guest did not come up within {took:.0f} s (last line: {said})")
    return ProbeResult(works=False, detail=f"the guest printed nothing within {took:.0f} s")
