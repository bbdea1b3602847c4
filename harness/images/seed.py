"""The seed disk by which cloud-init makes a disk of the user's own a guest: its NoCloud data source.

A FAT file system with the label CIDATA, on which cloud-init finds user-data, meta-data and network-config
(https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html). Everything that the guest needs is in
the user-data, so that nothing has to be mounted there. JSON is YAML, which is what cloud-init reads.
"""

from __future__ import annotations

import base64
import hashlib
import tempfile
from pathlib import Path

import msgspec

from harness.images.disk import FAT_SERIAL
from harness.images.guestfiles import GuestFile, write_tar
from harness.images.rootfs import EPOCH
from harness.images.run import run

LABEL = "CIDATA"
#: what the guest's first message says, before the script's own
SEED_READ = "cloud-init has read the seed disk"
#: where the guest has the archive and the script while it is prepared
FOLDER = "/run/kexec-harness-seed"
TTY = "/dev/ttyS1"
#: addresses are left to the guest's files: what cloud-init would write is for the one network card of this boot
NETWORK_CONFIG = '{"config": "disabled"}\n'
KIB, LEAST_KIB = 1024, 1024


def _message(kind: str, text: str) -> str:
    """Shell command that sends a message, for where the script is not there yet."""
    return f'printf \'\\036{{"type":"{kind}","step":"{text}"}}\\n\' >{TTY}'


def user_data(files: tuple[GuestFile, ...], script: bytes, *, network: bool) -> str:
    """What cloud-init is told: to write the guest's files, and to run the script with them.

    `network`: whether the script may fetch packages.
    """
    archive, prepare = f"{FOLDER}/files.tar", f"{FOLDER}/prepare"
    start = f"sh {prepare} {archive} {'yes' if network else 'no'}"
    lost = f"{_message('failed', 'cloud-init has not written the script that was to be run')}; poweroff"
    config = {
        "bootcmd": [["sh", "-c", _message("step", SEED_READ)]],
        "write_files": [
            {"path": archive, "encoding": "b64", "content": _base64(_archive(files)), "permissions": "0600"},
            {"path": prepare, "encoding": "b64", "content": _base64(script), "permissions": "0700"},
        ],
        "runcmd": [["sh", "-c", f"if [ -r {prepare} ]; then {start}; else {lost}; fi"]],
        # The sources of packages are the image's own.
        "apt": {"preserve_sources_list": True},
    }
    return f"#cloud-config\n{msgspec.json.format(msgspec.json.encode(config)).decode()}\n"


def meta_data(user_data: str) -> str:
    """A new instance for other user-data: on one that it knows cloud-init would do nothing."""
    instance = f"kexec-harness-{hashlib.sha256(user_data.encode()).hexdigest()[:16]}"
    return msgspec.json.encode({"instance-id": instance, "local-hostname": "guest"}).decode() + "\n"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _archive(files: tuple[GuestFile, ...]) -> bytes:
    with tempfile.NamedTemporaryFile() as tar:
        write_tar(files, Path(tar.name), EPOCH)
        return tar.read()


def write_seed(user_data: str, folder: Path, log: Path) -> Path:
    """Make `folder`/seed.img. Raises ImageError, NoSpace or ToolMissing."""
    seed = folder / "seed.img"
    contents = {"user-data": user_data, "meta-data": meta_data(user_data), "network-config": NETWORK_CONFIG}
    size_kib = LEAST_KIB + 2 * sum(len(text) for text in contents.values()) // KIB
    with seed.open("wb") as file:
        file.truncate(size_kib * KIB)
    env = {"SOURCE_DATE_EPOCH": str(EPOCH), "TZ": "UTC"}
    run(["mkfs.vfat", "--invariant", "-i", f"{FAT_SERIAL:08x}", "-n", LABEL, str(seed)], log=log, env=env)
    for name, text in contents.items():
        path = folder / name
        path.write_text(text, "utf-8")
        run(["mcopy", "-i", str(seed), str(path), f"::{name}"], log=log, env=env)
        path.unlink()
    return seed
