"""A machine for kexec-load without a machine: a fake root, and stubs of the programs that would change the real one.

The stub of kexec does what its orders say, one line a call: `ok`, `fail TEXT`, `killed`, `lies` (status 0, nothing
loaded) or `hang`. Without orders it succeeds.
"""

from __future__ import annotations

import atexit
import gzip
import os
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "images/kexec-load"
KERNEL = "/boot/vmlinuz-6.1.0-1-amd64"
INITRD = "/boot/initrd.img-6.1.0-1-amd64"
BOOT_ID = "11111111-2222-3333-4444-555555555555"
NEXT_BOOT_ID = "99999999-2222-3333-4444-555555555555"
SHELLS = ("dash", "busybox")

KEXEC = r"""#!/bin/sh
calls=$FAKE/calls
{ printf '%s|' "$@"; echo; } >>"$calls"
loaded=$KEXEC_LOAD_ROOT/sys/kernel/kexec_loaded
case $1 in
    --unload)
        [ ! -e "$FAKE/unload-fails" ] || { echo 'kexec_load (unload) failed: Operation not permitted'; exit 1; }
        echo 0 >"$loaded"
        exit
        ;;
    --exec) exit 3 ;;
    --kexec-file-syscall) call=kexec_file_load ;;
    *) call=kexec_load ;;
esac
for argument in "$@"; do
    case $argument in
        --initrd=*) cat "${argument#--initrd=}" >"$FAKE/initrd" ;;
    esac
done
number=$(grep -c "^$1|" "$calls")
order=$(sed -n "${number}p" "$FAKE/$call" 2>/dev/null)
case $order in
    '' | ok) echo 1 >"$loaded" ;;
    lies) ;;
    killed) kill -9 $$ ;;
    hang) echo $$ >"$FAKE/hung"; trap '' TERM; while :; do sleep 5; done ;;
    fail*) echo "$call failed: ${order#fail }" >&2; exit 255 ;;
esac
"""
SYSTEMCTL = '#!/bin/sh\n[ ! -e "$FAKE/no-systemd" ] || exit 1\ncat "$FAKE/jobs"\n'
LOGGER = '#!/bin/sh\n[ "$1" = --journald ] || exit 1\ncat >>"$FAKE/journal"\necho >>"$FAKE/journal"\n'
UNAME = '#!/bin/sh\ncat "$FAKE/machine"\n'
# The tests' files are of no lasting value, and this host's disk may be busy.
SYNC = "#!/bin/sh\n"


def bzimage(payload: int = 4096) -> bytes:
    """An x86 kernel as far as its header goes: setup of one sector besides the first, then `payload` bytes."""
    head = bytearray(1024)
    head[497] = 1
    head[500:504] = struct.pack("<I", payload // 16)
    head[510:514] = b"\x55\xaa\xeb\x66"
    head[514:518] = b"HdrS"
    return bytes(head) + b"k" * payload


def cpio(**files: bytes) -> bytes:
    """A plain archive in the format that the kernel takes, filled up to 512 bytes as cpio(1) does it."""
    archive = b""
    for name, content in [*files.items(), ("TRAILER!!!", b"")]:
        fields = [0, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        entry = b"070701" + b"".join(b"%08x" % number for number in fields) + name.encode() + b"\0"
        archive += entry + b"\0" * (-len(entry) % 4) + content + b"\0" * (-len(content) % 4)
    return archive + b"\0" * (-len(archive) % 512)


def debian_initrd() -> bytes:
    """Microcode in a plain archive, the rest compressed behind it."""
    return cpio(microcode=os.urandom(3000)) + gzip.compress(cpio(init=os.urandom(20000)))


@cache
def busybox_programs() -> str:
    """A folder with everything that busybox can be called as."""
    folder = tempfile.TemporaryDirectory(prefix="busybox-")
    atexit.register(folder.cleanup)
    subprocess.run(["busybox", "--install", "-s", folder.name], check=True)
    return folder.name


@dataclass
class Machine:
    """Where everything of one fake machine is."""

    folder: Path
    shell: str = "dash"
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = self.folder / "root"
        self.fake = self.folder / "fake"
        self.bin = self.folder / "bin"
        for path in (self.root, self.fake, self.bin):
            path.mkdir()
        stubs = {"kexec": KEXEC, "systemctl": SYSTEMCTL, "logger": LOGGER, "uname": UNAME, "sync": SYNC}
        for name, text in stubs.items():
            self.program(name, text)
        self.script = self._script()
        self.write("/proc/cmdline", f"BOOT_IMAGE={KERNEL} root=LABEL=root ro quiet\n")
        self.write("/proc/sys/kernel/random/boot_id", BOOT_ID + "\n")
        self.write("/proc/sys/kernel/bootloader_type", "114\n")
        self.write("/proc/sys/vm/drop_caches", "")
        self.write("/proc/sys/vm/compact_memory", "")
        self.write("/proc/stat", "cpu 1 2 3\nbtime 1700000000\n")
        self.write("/sys/kernel/kexec_loaded", "0\n")
        self.write("/dev/kmsg", "")
        self.write("/dev/disk/by-label/root", "")
        self.write(KERNEL, bzimage())
        self.write(INITRD, debian_initrd())
        self.config(f'KERNEL={KERNEL}\nINITRD={INITRD}\nAPPEND="root=LABEL=root ro quiet"\nMAX_FAILURES=2\n')
        self.orders("machine", "x86_64")
        self.queue("reboot.target")

    def _script(self) -> Path:
        """The entry script; for busybox one that busybox runs, with busybox's own programs only."""
        script = self.folder / "kexec-load"
        text = (SOURCE / "kexec-load").read_text("utf-8")
        if self.shell == "busybox":
            busybox = shutil.which("busybox")
            text = text.replace("#!/bin/sh", f"#!{busybox} sh", 1)
        script.write_text(text, "utf-8")
        script.chmod(0o755)
        return script

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text, "utf-8")
        path.chmod(0o755)

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def config(self, text: str | bytes) -> None:
        self.write("/etc/default/kexec-load", text)

    def orders(self, name: str, *lines: str) -> None:
        (self.fake / name).write_text("".join(f"{line}\n" for line in lines), "utf-8")

    def queue(self, *targets: str) -> None:
        self.orders("jobs", *(f"{number} {target} start waiting" for number, target in enumerate(targets, 1)))

    def run(self, *arguments: str, timeout: float = 20) -> subprocess.CompletedProcess[str]:
        path = f"{self.bin}:{busybox_programs() if self.shell == 'busybox' else os.environ['PATH']}"
        env = {"PATH": path, "FAKE": str(self.fake), "KEXEC_LOAD_ROOT": str(self.root)}
        env |= {"KEXEC_LOAD_LIB": str(SOURCE / "lib")} | self.extra
        return subprocess.run(
            [self.script, *arguments], env=env, capture_output=True, text=True, timeout=timeout, check=False
        )

    def load(self) -> str:
        """What `load` said, having ended well."""
        done = self.run("load")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def hook(self, verb: str = "reboot") -> None:
        env = {"PATH": f"{self.bin}:{os.environ['PATH']}", "FAKE": str(self.fake), "KEXEC_LOAD_ROOT": str(self.root)}
        self.write("/proc/sys/kernel/printk", "4")
        subprocess.run(["sh", SOURCE / "kexec-load.shutdown", verb], env=env, timeout=20, check=True)

    def boot(self, loader: int, boot_id: str = NEXT_BOOT_ID) -> None:
        """The next boot: /run is empty, nothing is loaded, and the kernel says who started it."""
        shutil.rmtree(self.path("/run"), ignore_errors=True)
        self.write("/proc/sys/kernel/random/boot_id", boot_id + "\n")
        self.write("/proc/sys/kernel/bootloader_type", f"{loader}\n")
        self.write("/sys/kernel/kexec_loaded", "0\n")

    @property
    def loaded(self) -> bool:
        return self.path("/sys/kernel/kexec_loaded").read_text() == "1\n"

    @property
    def will_start(self) -> bool:
        """Whether the last hook of a shutdown would start the image."""
        before = len(self.calls)
        self.hook()
        return "--exec|" in self.calls[before:]

    def names(self, folder: str) -> list[str]:
        """The names of what is in a folder, in order."""
        return sorted(path.name for path in self.path(folder).iterdir())

    @property
    def calls(self) -> list[str]:
        calls = self.fake / "calls"
        return calls.read_text("utf-8").splitlines() if calls.exists() else []

    @property
    def kernel_log(self) -> str:
        return self.path("/dev/kmsg").read_text("utf-8")
