"""kexec-load in real machines: a plain reboot is a kexec when that is safe, and a normal one whenever it is in doubt.

make scenarios K=kexec_load                  the default cell
make scenarios K=kexec_load SELECT=releases  every Debian release
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from kexec_load import (
    PLAIN_COLD,
    PLAIN_KEXEC,
    assert_stood_aside,
    configure,
    deconfigure,
    last_journal,
    observe,
    sh,
)

from harness.reboot.base import PATIENT

pytestmark = pytest.mark.vm


# ---- on one machine that stays up ------------------------------------------------------------------------------


def test_skip_holds_for_one_reboot_and_attempts_are_settled(standing_guest):
    guest = standing_guest
    observe(guest)
    sh(guest, "kexec-load skip")
    assert guest.run("kexec-load check").output.startswith("would stand aside: asked to skip")
    skipped = guest.reboot(PLAIN_COLD)
    assert skipped.outcome == "pass", skipped.reason
    assert_stood_aside(guest, "asked to skip")
    assert sh(guest, "kexec-load check").startswith("would kexec /boot/vmlinuz-")
    again = guest.reboot("kexec")
    assert (again.outcome, again.path) == ("pass", "kexec"), again.reason
    assert "came-up /boot/vmlinuz-" in sh(guest, "kexec-load status")
    assert "loaded /boot/vmlinuz-" in last_journal(guest)


@dataclass(frozen=True)
class Doubt:
    """Something that makes a kexec unsafe, and how the journal must put it."""

    script: str
    reason: str
    settings: tuple[str, ...] = ()


BROKEN = ("KERNEL=/vmlinuz", "INITRD=/root/broken")
BROKEN_KERNEL = ("KERNEL=/root/broken", "INITRD=/initrd.img")
DOUBTS = {
    "initrd cut short": Doubt(
        "head -c $(($(stat -L -c %s /initrd.img) / 2)) /initrd.img >/root/broken",
        "initrd /root/broken is truncated",
        BROKEN,
    ),
    "loading forbidden": Doubt("echo 1 >/proc/sys/kernel/kexec_load_disabled", "kernel.kexec_load_disabled is set"),
}
MORE_DOUBTS = {
    "initrd missing": Doubt("rm -f /root/broken", "there is no file /root/broken", BROKEN),
    "kernel cut short": Doubt(
        "head -c 3000000 /vmlinuz >/root/broken",
        "kernel /root/broken is truncated",
        BROKEN_KERNEL,
    ),
}


@pytest.mark.parametrize(
    "doubt",
    [
        *(pytest.param(doubt, id=name) for name, doubt in DOUBTS.items()),
        *(pytest.param(doubt, id=name, marks=pytest.mark.thorough) for name, doubt in MORE_DOUBTS.items()),
    ],
)
def test_in_doubt_the_reboot_is_a_normal_one_and_the_journal_says_why(standing_guest, doubt):
    guest = standing_guest
    observe(guest)
    sh(guest, doubt.script)
    configure(guest, *doubt.settings)
    verdict = guest.reboot(PLAIN_COLD)
    assert verdict.outcome == "pass", verdict.reason
    deconfigure(guest)
    assert_stood_aside(guest, doubt.reason)


#: MiB that are left of a machine's memory: less than kernel and initrd take
LEFT_MIB = 40
FILL = f"""
mount -o remount,size=100% /dev/shm
available=$(awk '/^MemAvailable:/ {{ print int($2 / 1024) }}' /proc/meminfo)
dd if=/dev/zero of=/dev/shm/fill bs=1M count=$((available - {LEFT_MIB})) 2>/dev/null
"""


def test_without_memory_for_the_kernel_the_reboot_is_a_normal_one(standing_guest):
    guest = standing_guest
    observe(guest)
    configure(guest, PATIENT)
    sh(guest, FILL)
    verdict = guest.reboot(PLAIN_COLD)
    assert verdict.outcome == "pass", verdict.reason
    deconfigure(guest)
    assert_stood_aside(guest, "memory", word="load failed")
    assert "dropping caches, compacting memory, and trying once more" in last_journal(guest)


#: what keeps kexec-load from coming to an end, until its time is over
HANGS = {
    "kexec": r"""
printf '#!/bin/sh\ntrap "" TERM\nwhile :; do sleep 1000; done\n' >/usr/local/sbin/kexec
chmod +x /usr/local/sbin/kexec
""",
    # Reads of this service alone get so little of the disk that they wait in the kernel, where nothing kills them.
    "disk": r"""
mkdir -p /run/systemd/system/kexec-load.service.d
printf '[Service]\nIOReadBandwidthMax=/dev/vda 64K\n' >/run/systemd/system/kexec-load.service.d/dying-disk.conf
systemctl daemon-reload
sync
echo 3 >/proc/sys/vm/drop_caches
""",
}


@pytest.mark.thorough
@pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
def test_a_loader_that_hangs_holds_the_reboot_no_longer_than_its_time(standing_guest, hang):
    guest = standing_guest
    observe(guest)
    if not guest.cycles:
        assert guest.reboot("cold").outcome == "pass"
    usual_s = max(cycle.judgement.phases.shutdown_s or 0 for cycle in guest.cycles)
    configure(guest, "LOAD_TIMEOUT=10")
    sh(guest, hang)
    verdict = guest.reboot(PLAIN_COLD)
    assert verdict.outcome == "pass", verdict.reason
    deconfigure(guest)
    sh(guest, "rm -f /usr/local/sbin/kexec")
    assert_stood_aside(guest, "not done after 10 seconds (LOAD_TIMEOUT)", word="load failed")
    # On top of its time: 5 s for clearing away, and what a busy host adds.
    assert guest.cycles[-1].judgement.phases.shutdown_s < 2 * usual_s + 10 + 5


@pytest.mark.thorough
def test_a_kernel_that_panics_is_counted_and_after_max_failures_booted_cold(standing_guest):
    guest = standing_guest
    observe(guest)
    configure(guest, "MAX_FAILURES=2")
    sh(guest, "kexec-load reset")
    for failures in (1, 2):
        # Without its init the initramfs is passed over, and no kernel has the root file system's driver built in.
        sh(guest, "echo rdinit=/missing panic=2 >/run/next-words")
        verdict = guest.reboot(PLAIN_KEXEC)
        assert verdict.failure_class == "root_mount_failed", verdict.reason
        guest.wait_until_up()
        assert f"failures in a row: {failures} of /boot/vmlinuz-{guest.kernel}" in sh(guest, "kexec-load status")
    check = guest.run("kexec-load check")
    assert (check.status, "did not come up by kexec 2 times in a row" in check.output) == (1, True), check.output
    cold = guest.reboot(PLAIN_COLD)
    assert cold.outcome == "pass", cold.reason
    assert_stood_aside(guest, "did not come up by kexec 2 times in a row (MAX_FAILURES=2")
    sh(guest, "kexec-load reset && kexec-load check")
    deconfigure(guest)


@pytest.mark.thorough
def test_systemctl_kexec_starts_the_operators_own_image(standing_guest):
    guest = standing_guest
    observe(guest)
    verdict = guest.reboot("systemctl-kexec")
    assert (verdict.outcome, verdict.path) == ("pass", "kexec"), verdict.reason
    assert "standing aside: the operator asked for a kexec of their own image" in last_journal(guest)


LAST_WORDS = {"poweroff": "reboot: Power down", "halt": "reboot: System halted"}


@pytest.mark.parametrize("verb", ["poweroff", pytest.param("halt", marks=pytest.mark.thorough)])
def test_a_machine_that_is_switched_off_loads_nothing(standing_guest, verb):
    guest = standing_guest
    observe(guest)
    said = guest.end(f"systemctl {verb}", last_words=LAST_WORDS[verb])
    assert f"kexec-load: standing aside: {verb} is queued, not a plain reboot" in said
    assert f"scenario: {verb}, loaded 0" in said
    assert "kexec-load: loaded" not in said


# ---- on machines of their own ----------------------------------------------------------------------------------


def test_files_written_before_a_kexec_are_there_after_it(guest):
    guest.run("echo still here >/root/note && sync")
    first_boot = guest.boot_id
    verdict = guest.reboot("kexec")
    assert (verdict.outcome, verdict.path) == ("pass", "kexec"), verdict.reason
    assert guest.boot_id != first_boot
    assert guest.run("cat /root/note").output.strip() == "still here"


#: For Debian's initramfs-tools, or dracut from forky on. Where installing a kernel has grub.cfg made anew, as on sid,
#: its command line must stay: without its console the new kernel would start unseen.
KEEP_CONSOLE_AND_MAKE_SMALL_INITRD = """
words=
for word in $(cat /proc/cmdline); do
    case $word in
        BOOT_IMAGE=* | root=* | ro | rw | kexec_harness.nonce=*) ;;
        *) words="$words$word " ;;
    esac
done
mkdir -p /etc/default/grub.d
printf 'GRUB_CMDLINE_LINUX_DEFAULT=\nGRUB_CMDLINE_LINUX="%s"\nGRUB_TIMEOUT=0\n' "$words" \\
    >/etc/default/grub.d/scenario.cfg
if [ -d /etc/initramfs-tools/conf.d ]; then
    echo MODULES=dep >/etc/initramfs-tools/conf.d/scenario
else
    mkdir -p /etc/dracut.conf.d && echo 'hostonly="yes"' >/etc/dracut.conf.d/scenario.conf
fi
"""


@pytest.mark.thorough
def test_a_kernel_installed_since_boot_is_the_one_that_runs_next(guest):
    package = "/var/cache/kexec-harness/linux-image-[0-9]*.deb"
    installed = sh(guest, f"dpkg-deb --field {package} Package").strip().removeprefix("linux-image-")
    assert installed != guest.kernel
    # An initrd for this machine only: under emulation, one for every machine takes minutes to make.
    sh(guest, KEEP_CONSOLE_AND_MAKE_SMALL_INITRD)
    sh(guest, "dpkg --install /var/cache/kexec-harness/*.deb", timeout=900)
    assert sh(guest, "kexec-load check").startswith(f"would kexec /boot/vmlinuz-{installed} ")
    verdict = guest.reboot("kexec", kernel=installed)
    assert (verdict.outcome, verdict.path) == ("pass", "kexec"), verdict.reason
    cold = guest.reboot("cold", kernel=installed)
    assert cold.outcome == "pass", f"a normal boot starts another kernel: {cold.reason}"


#: reboots in a row that must find their kernel on the separate /boot
RUNS = 5
SEPARATE_BOOT = r"""
set -e
release=$(uname -r)
mkfs.ext4 -q -L kexec-boot /dev/vda3
sed -i -e "s|linux /vmlinuz|search --no-floppy --label --set=root kexec-boot\n\tlinux /vmlinuz-$release|" \
    -e "s|initrd /initrd.img|initrd /initrd.img-$release|" /boot/grub/grub.cfg
mount /dev/vda3 /mnt
cp -a /boot/. /mnt/
umount /mnt
# Only GRUB's own files stay on the root file system, below the mount.
rm /boot/vmlinuz-* /boot/initrd.img-*
echo 'LABEL=kexec-boot /boot ext4 defaults 0 2' >>/etc/fstab
# The loader is late, so that an unmount that did not wait for it would come first each time.
mkdir -p /etc/systemd/system/kexec-load.service.d
printf '[Service]\nExecStop=\nExecStop=/bin/sleep 3\nExecStop=/usr/sbin/kexec-load load\n' \
    >/etc/systemd/system/kexec-load.service.d/late.conf
cat >/etc/systemd/system/starts-at-shutdown.service <<'END'
[Unit]
Description=What a loader finds that starts at shutdown, as the template of 2012 did
DefaultDependencies=no
Before=shutdown.target umount.target final.target
# Else it would find what the unmount has to leave there for as long as kexec-load is at work.
After=kexec-load.service

[Service]
Type=oneshot
ExecStart=/bin/sleep 3
ExecStart=/bin/sh -c 'echo "<6>scenario: loading at shutdown, $(ls /boot | grep -c vmlinuz) kernels" >/dev/kmsg'

[Install]
WantedBy=reboot.target
END
systemctl daemon-reload
systemctl enable starts-at-shutdown.service
udevadm settle
mount /boot
"""


@pytest.mark.thorough
def test_a_boot_file_system_of_its_own_is_there_when_the_loader_runs(guest):
    observe(guest)
    sh(guest, SEPARATE_BOOT)
    sh(guest, "mountpoint -q /boot && kexec-load check")
    for _ in range(RUNS):
        verdict = guest.reboot("kexec")
        assert (verdict.outcome, verdict.path) == ("pass", "kexec"), verdict.reason
        # The race is real on this system: whoever starts at shutdown loses it.
        assert "scenario: loading at shutdown, 0 kernels" in guest.last_console
    cold = guest.reboot("cold")
    assert cold.outcome == "pass", cold.reason
