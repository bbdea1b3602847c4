"""Loading a kernel: each way it fails, all or nothing, and in bounded time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kexec_load_machine import INITRD, KERNEL, KEXEC, Machine, cpio

NO_MEMORY = "fail Cannot allocate memory"
ERRORS = {
    "Exec format error": "ENOEXEC, not a kernel that this call can load",
    "Operation not permitted": "EPERM, not allowed: lockdown, kexec_load_disabled or no CAP_SYS_BOOT",
    "Permission denied": "EACCES, refused by a security module",
    "Device or resource busy": "EBUSY, another kexec is loading",
    "Cannot allocate memory": "ENOMEM, no memory for the kernel and its initrd",
    "Cannot assign requested address": "EADDRNOTAVAIL, no room at an address where this kernel can run",
    "Key was rejected by service": "EKEYREJECTED, the signature is not valid",
    "Required key not available": "ENOKEY, signed with a key that this kernel does not trust",
    "Package not installed": "ENOPKG, the signature uses an algorithm that this kernel lacks",
    "Bad message": "EBADMSG, the signature cannot be read",
    "No data available": "ENODATA, the kernel has no signature",
    "Function not implemented": "ENOSYS, this kernel lacks the call",
    "Invalid argument": "EINVAL, the kernel or its command line does not suit this call",
    "Input/output error": "EIO, the disk cannot be read",
    "something new": "kexec ended with status 255",
}


def fail_always(machine: Machine, order: str) -> None:
    machine.orders("kexec_file_load", *[order] * 3)
    machine.orders("kexec_load", *[order] * 3)


def syscalls(machine: Machine) -> list[str]:
    return [call.split("|")[0] for call in machine.calls]


@pytest.mark.parametrize("text", ERRORS)
def test_a_failure_is_told_with_its_errno_and_what_it_means(machine, text):
    fail_always(machine, f"fail {text}")
    done = machine.run("load")
    assert done.returncode == 1
    assert f"kexec_file_load refused: kexec_file_load: {ERRORS[text]} (kexec_file_load failed: {text})" in done.stdout
    assert f"load failed: kexec_load: {ERRORS[text]} (kexec_load failed: {text})\n" in done.stdout
    assert "kexec-load: load failed: " in machine.kernel_log
    assert not machine.loaded
    assert not machine.will_start


def test_the_classic_call_is_tried_where_the_other_cannot(any_machine):
    machine = any_machine
    machine.orders("kexec_file_load", "fail Function not implemented")
    assert machine.load().endswith(f"loaded {KERNEL} (KERNEL= in the settings)\n")
    assert syscalls(machine) == ["--kexec-file-syscall", "--kexec-syscall"]
    assert machine.will_start


def test_lockdown_leaves_no_other_way_and_none_is_tried(machine):
    machine.write("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    machine.orders("kexec_file_load", "fail Key was rejected by service")
    done = machine.run("load")
    assert done.returncode == 1
    assert "EKEYREJECTED, the signature is not valid" in done.stdout
    assert done.stdout.endswith("; kernel lockdown allows no other way\n")
    assert syscalls(machine) == ["--kexec-file-syscall"]


@pytest.mark.parametrize("order", [NO_MEMORY, "fail Cannot assign requested address", "killed"])
def test_short_memory_is_made_room_in_once(machine, order):
    machine.orders("kexec_file_load", order)
    machine.orders("kexec_load", order)
    assert "dropping caches, compacting memory, and trying once more\n" in machine.load()
    assert machine.path("/proc/sys/vm/drop_caches").read_text() == "3\n"
    assert machine.path("/proc/sys/vm/compact_memory").read_text() == "1\n"
    assert machine.will_start


def test_memory_that_stays_short_means_a_normal_reboot_after_the_second_try(any_machine):
    machine = any_machine
    fail_always(machine, NO_MEMORY)
    assert machine.run("load").returncode == 1
    assert syscalls(machine) == ["--kexec-file-syscall", "--kexec-syscall"] * 2
    assert not machine.will_start


def test_when_memory_runs_out_kexec_is_killed_before_any_service(any_machine):
    machine = any_machine
    machine.write("/proc/self/x", "")
    machine.path("/proc/self/oom_score_adj").symlink_to("/proc/self/oom_score_adj")
    note = "cat /proc/self/oom_score_adj >>$FAKE/"
    machine.program("kexec", KEXEC.replace("\n", f"\n{note}expendable\n", 1))
    machine.program("timeout", f'#!/bin/sh\n{note}expendable\nshift\nexec "$@"\n')
    machine.program("sync", f"#!/bin/sh\n{note}own\n")
    assert machine.load().startswith("loaded ")
    expendable = (machine.fake / "expendable").read_text().split()
    assert set(expendable) == {"1000"}
    own = (machine.fake / "own").read_text().split()
    assert set(own) == {Path("/proc/self/oom_score_adj").read_text().strip()}


def test_other_failures_are_not_tried_again(machine):
    fail_always(machine, "fail Exec format error")
    machine.run("load")
    assert syscalls(machine) == ["--kexec-file-syscall", "--kexec-syscall"]
    assert machine.path("/proc/sys/vm/drop_caches").read_text() == ""


def test_an_older_image_is_unloaded_before_anything_is_loaded(machine):
    machine.write("/sys/kernel/kexec_loaded", "1\n")
    fail_always(machine, "fail Exec format error")
    assert "unloading an image that someone else has loaded\n" in machine.run("load").stdout
    assert machine.calls[0] == "--unload|"
    assert not machine.loaded


def test_an_older_image_that_cannot_be_unloaded_is_not_started(any_machine):
    machine = any_machine
    machine.write("/sys/kernel/kexec_loaded", "1\n")
    (machine.fake / "unload-fails").touch()
    done = machine.run("load")
    assert done.returncode == 1
    assert "<3>kexec-load: an image is still loaded and cannot be unloaded" in machine.kernel_log
    assert done.stdout.endswith("load failed: the image that was loaded before cannot be unloaded\n")
    assert machine.loaded
    assert not machine.will_start


def test_success_is_believed_only_if_the_kernel_says_that_an_image_is_loaded(machine):
    machine.orders("kexec_file_load", "lies")
    done = machine.run("load")
    assert done.returncode == 1
    assert done.stdout == "load failed: kexec succeeded, but the kernel says that nothing is loaded\n"
    assert not machine.will_start


def test_whatever_fails_nothing_is_left_to_be_started(machine):
    for file_load in ["ok", "killed", "lies", "fail Exec format error"]:
        for classic in ["ok", "killed", "lies"]:
            (machine.fake / "calls").unlink(missing_ok=True)
            machine.orders("kexec_file_load", file_load, file_load)
            machine.orders("kexec_load", classic, classic)
            machine.write("/sys/kernel/kexec_loaded", "1\n")
            done = machine.run("load")
            succeeded = done.returncode == 0
            assert succeeded == (file_load == "ok" or (file_load != "lies" and classic == "ok")), (file_load, classic)
            assert machine.loaded == machine.will_start == succeeded, (file_load, classic)
            assert machine.names("/run/kexec-load") == (["staged"] if succeeded else [])


def test_a_hung_kexec_holds_the_reboot_no_longer_than_configured(any_machine):
    machine = any_machine
    machine.config(f"KERNEL={KERNEL} LOAD_TIMEOUT=1\n")
    machine.orders("kexec_file_load", "hang")
    began = time.monotonic()
    done = machine.run("load")
    assert time.monotonic() - began < 4
    assert (done.returncode, done.stdout) == (1, "load failed: not done after 1 seconds (LOAD_TIMEOUT)\n")
    assert "kexec-load: load failed: not done after 1 seconds" in machine.kernel_log
    stopped = Path("/proc", (machine.fake / "hung").read_text().strip(), "stat")
    assert not stopped.exists() or stopped.read_text().split()[2] == "Z"


def test_what_reading_itself_from_a_dying_disk_takes_is_time_of_the_load(machine):
    machine.config(f"KERNEL={KERNEL} LOAD_TIMEOUT=4\n")
    machine.orders("kexec_file_load", "hang")
    machine.program("readlink", '#!/bin/sh\n/bin/sleep 2\nexec /usr/bin/readlink "$@"\n')
    machine.program("sleep", '#!/bin/sh\necho "$1" >>"$FAKE/limits"\nexec /bin/sleep "$1"\n')
    assert "load failed: not done after 4 seconds (LOAD_TIMEOUT)\n" in machine.run("load").stdout
    first_limit = int((machine.fake / "limits").read_text().split()[0])
    assert 1 <= first_limit <= 2


def test_a_hung_kexec_that_loads_after_its_time_is_not_started(machine):
    machine.config(f"KERNEL={KERNEL} LOAD_TIMEOUT=1\n")
    machine.orders("kexec_file_load", "hang")
    machine.run("load")
    machine.write("/sys/kernel/kexec_loaded", "1\n")
    assert not machine.will_start


def test_a_load_that_runs_out_of_time_with_its_last_word_is_undone(machine):
    machine.config(f"KERNEL={KERNEL} LOAD_TIMEOUT=1\n")
    machine.extra["JOURNAL_STREAM"] = "8:1"
    machine.program("logger", "#!/bin/sh\n! grep -q MESSAGE=loaded || sleep 60\n")
    assert machine.run("load").returncode == 1
    assert machine.calls[-1] == "--unload|"
    assert not machine.will_start
    assert machine.names("/var/lib/kexec-load") == []


def test_a_load_that_dies_half_way_is_undone_and_said(any_machine):
    machine = any_machine
    # The image is in, the note is about to be written; the leader of the session is the process that loads.
    machine.program("sha256sum", '#!/bin/sh\n[ ! -e "$FAKE/calls" ] || kill -9 "$(cut -d" " -f6 /proc/$$/stat)"\n')
    done = machine.run("load")
    assert done.returncode == 1
    assert "load failed: kexec-load itself came to an end with status 137\n" in done.stdout
    assert machine.calls[-1] == "--unload|"
    assert not machine.will_start


def test_a_load_whose_reboot_was_cancelled_is_undone_when_the_service_starts_again(any_machine):
    machine = any_machine
    machine.load()
    assert machine.run("undo").stdout == ""
    assert not machine.loaded
    assert machine.names("/var/lib/kexec-load") == []
    machine.write("/sys/kernel/kexec_loaded", "1\n")
    machine.run("undo")
    assert machine.loaded  # somebody else's


def test_a_shutdown_that_turns_into_another_undoes_the_load(machine):
    machine.load()
    machine.queue("poweroff.target", "reboot.target")
    assert machine.load() == "standing aside: poweroff is queued, not a plain reboot\n"
    assert not machine.loaded
    assert machine.names("/run/kexec-load") == machine.names("/var/lib/kexec-load") == []


def test_two_loads_at_once_are_done_one_after_the_other(machine):
    alone = 'mkdir "$FAKE/busy" || echo at once >>"$FAKE/calls"\nsleep 0.2\nrmdir "$FAKE/busy"\n'
    machine.program("kexec", KEXEC.replace("\n", "\n" + alone, 1))
    with ThreadPoolExecutor() as pool:
        loads = list(pool.map(lambda _: machine.load(), range(2)))
    assert all("loaded " in said for said in loads)
    assert "at once" not in machine.calls
    assert machine.will_start
    assert machine.names("/var/lib/kexec-load") == ["note"]


def test_a_load_that_cannot_say_it_is_done_is_undone(any_machine):
    machine = any_machine
    machine.path("/run/kexec-load/staged/full").mkdir(parents=True)
    done = machine.run("load")
    assert (done.returncode, done.stdout) == (1, "load failed: cannot write /run/kexec-load/staged\n")
    assert not machine.loaded
    assert machine.names("/var/lib/kexec-load") == []


def test_a_systemctl_that_hangs_does_not_hold_the_reboot(machine):
    machine.config("LOAD_TIMEOUT=1\n")
    machine.program("systemctl", "#!/bin/sh\nsleep 60\n")
    began = time.monotonic()
    assert machine.run("load").returncode == 1
    assert time.monotonic() - began < 4
    assert machine.calls == []


def test_several_initrds_are_joined_so_that_each_begins_where_the_kernel_looks(any_machine):
    machine = any_machine
    first, second = cpio(a=b"1") + b"\0" * 3, cpio(b=b"2")
    machine.write("/boot/ucode.img", first)
    machine.write(INITRD, second)
    machine.config("")
    machine.write("/boot/grub/grub.cfg", GRUB_CFG)
    assert machine.load().startswith("loaded ")
    assert (machine.fake / "initrd").read_bytes() == first + b"\0" + second
    assert machine.names("/run/kexec-load") == ["staged"]


def test_no_room_for_joined_initrds_means_a_normal_reboot(any_machine):
    machine = any_machine
    machine.write("/boot/ucode.img", cpio(a=b"1"))
    machine.config("")
    machine.write("/boot/grub/grub.cfg", GRUB_CFG)
    machine.path("/run/kexec-load/initrd").mkdir(parents=True)
    done = machine.run("load")
    assert done.returncode == 1
    assert "load failed: the initrds cannot be joined into /run/kexec-load/initrd\n" in done.stdout
    assert not machine.will_start


def test_a_one_shot_entry_is_used_up_by_the_kexec(machine):
    machine.config("")
    machine.write("/boot/grub/grub.cfg", ONE_SHOT_CFG)
    machine.write("/boot/ucode.img", cpio(a=b"1"))
    environment = machine.write("/boot/grub/grubenv", "# GRUB Environment Block\nnext_entry=0\n".ljust(1024, "#"))
    machine.program("dd", "#!/bin/sh\nexit 1\n")
    assert "the one-shot entry cannot be marked as used in /boot/grub/grubenv" in machine.load()
    assert not machine.will_start
    assert machine.names("/var/lib/kexec-load") == []
    assert "next_entry=0" in environment.read_text()
    (machine.bin / "dd").unlink()
    full = machine.path("/run/kexec-load/staged/full")
    full.mkdir(parents=True)
    assert machine.run("load").returncode == 1
    assert "next_entry=0" in environment.read_text()
    full.rmdir()
    full.parent.rmdir()
    assert machine.load().startswith("loaded ")
    assert "next_entry=0" not in environment.read_text()
    assert environment.stat().st_size == 1024


GRUB_CFG = f"""menuentry 'Debian' {{
    linux {KERNEL} root=LABEL=root ro
    initrd /boot/ucode.img {INITRD}
}}
"""
ONE_SHOT_CFG = (
    """load_env
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="0"
fi
"""
    + GRUB_CFG
)


@pytest.mark.parametrize(
    ("name", "option"), [("kexec_file_load", "--kexec-file-syscall"), ("kexec_load", "--kexec-syscall")]
)
def test_the_call_that_the_settings_name_is_the_only_one_made(any_machine, name, option):
    machine = any_machine
    machine.config(f"KERNEL={KERNEL}\nINITRD={INITRD}\nLOAD_CALL={name}\n")
    machine.load()
    assert syscalls(machine) == [option]
    fail_always(machine, "fail Function not implemented")
    done = machine.run("load")
    assert done.returncode == 1
    assert set(syscalls(machine)) - {"--unload"} == {option}
    assert not machine.loaded


def test_a_call_that_does_not_exist_is_as_good_as_none(machine):
    machine.config(f"KERNEL={KERNEL}\nINITRD={INITRD}\nLOAD_CALL=kexec_reboot\n")
    said = machine.load()
    assert "LOAD_CALL=kexec_reboot is neither kexec_file_load nor kexec_load; taken as unset" in said
    assert syscalls(machine) == ["--kexec-file-syscall"]
