"""The guest's scripts of device sets, run by the shells that guests have, on this host."""

from __future__ import annotations

import subprocess
from importlib import resources

import pytest

from harness.devices import inventory

NO_WAITING = "sleep() { :; }\n"
SCRIPTS = resources.files("harness.devices")
COMMON = SCRIPTS.joinpath("common.sh").read_text("utf-8")
NETWORK = SCRIPTS.joinpath("network.sh").read_text("utf-8")


@pytest.fixture(params=[("dash",), ("busybox", "sh")], ids=lambda shell: shell[0])
def run(request):
    """Runs a script under dash, and under busybox: what it gave."""

    def ask(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*request.param, "-c", script], capture_output=True, text=True, check=False)

    return ask


def test_a_listing_is_waited_for_until_it_is_steady_and_known_by_its_sum(run):
    first = inventory.parse(run(NO_WAITING + inventory.script()).stdout)
    assert first.devices
    assert first.sum
    again = run("sleep() { echo waited; }\n" + inventory.script(first.sum)).stdout
    assert "waited" not in again
    assert inventory.parse(again) == first


@pytest.mark.parametrize(
    ("has", "lacks"), [("8139too", []), ("8139cp", []), ("nvme", ["8139cp|8139too"]), ("", ["8139cp|8139too", "nvme"])]
)
def test_one_of_several_modules_is_enough(run, has, lacks):
    asked = inventory.script(modules=["8139cp|8139too", "nvme"] if has in {"nvme", ""} else ["8139cp|8139too"])
    stub = f'modprobe() {{ [ "$3" = "{has}" ]; }}\n'
    found = inventory.parse(run(NO_WAITING + stub + asked).stdout).lacking
    assert [module for module, _ in found] == lacks


def test_words_for_the_kernel_go_on_every_entry_once(run, tmp_path):
    config = tmp_path / "grub.cfg"
    config.write_text("set timeout=0\n\tlinux /vmlinuz root=LABEL=x ro\n\tinitrd /initrd\n\tlinux /old root=LABEL=x\n")
    for _ in range(2):
        script = f"GRUB_CFG='{config}'\nSTAGE=before\nWORDS='intel_iommu=on console=hvc0'\n{COMMON}"
        assert run(script).returncode == 0
    assert config.read_text() == (
        "set timeout=0\n\tlinux /vmlinuz root=LABEL=x ro intel_iommu=on console=hvc0\n\tinitrd /initrd\n"
        "\tlinux /old root=LABEL=x intel_iommu=on console=hvc0\n"
    )


def test_within_tries_until_it_is_so_or_the_time_is_over(run):
    script = f"STAGE=\n{COMMON}\n{NO_WAITING}n=0\nthird() {{ n=$((n + 1)); [ $n -eq 3 ]; }}\n"
    assert run(f"{script}within 1 third && echo $n").stdout == "3\n"
    assert run(f"{script}never() {{ n=$((n + 1)); false; }}\nwithin 2 never || echo $n").stdout == "11\n"


def test_a_driver_may_be_bound_after_the_boot_is_finished(run, tmp_path):
    bound = f"sleep() {{ : >'{tmp_path}/bound'; }}\nbound() {{ [ ! -e '{tmp_path}/bound' ] || echo 0000:00:03.0; }}\n"
    script = f"STAGE=\n{COMMON}\n{bound}check_driver virtio_rng\n"
    assert run(script).stdout == "ok driver 0000:00:03.0 is bound to virtio_rng\n"
    assert run(f"{script}bound() {{ :; }}\ncheck_driver virtio_rng\n").stdout.endswith(
        "fail driver nothing is bound to virtio_rng\n"
    )


@pytest.mark.parametrize("comes", [True, False])
def test_an_interface_may_come_after_the_boot_is_finished(run, tmp_path, comes):
    """Seen on a slow host: no unit waited for the card, and the check came before udev had loaded its driver."""
    there = tmp_path / "there"
    script = f"""
STAGE= DRIVER=virtio_net MAC_END=54:00:6b:78:01 PAYLOAD_BYTES=4
{COMMON}
{NETWORK}
sleep() {{ [ {int(comes)} = 0 ] || : >'{there}'; }}
cat() {{ case $1 in */address) [ ! -e '{there}' ] || echo 52:54:00:6b:78:01 ;; *) echo up ;; esac; }}
driver_of() {{ echo virtio_net; }}
wait_for_address() {{ address=192.0.2.15/24; }}
ECHO_FILE='{tmp_path}/echo'
echo_payload() {{ payload >"$ECHO_FILE"; }}
check_network
"""
    said = run(script).stdout.splitlines()
    if comes:
        assert [line.split()[:2] for line in said] == [["ok", "driver"], ["ok", "address"], ["ok", "traffic"]]
    else:
        assert [line.split()[:2] for line in said] == [["fail", "driver"]]
        assert said[0].endswith("none has an address that ends with 54:00:6b:78:01, after 20 s")


def test_udev_is_waited_for_before_a_check_where_there_is_udev(run):
    udev = 'udevadm() { echo "$@"; }\n'
    assert run(f"STAGE=after WORDS=\n{udev}{COMMON}").stdout == "settle --timeout=30\n"
    without = "command() { return 1; }\n"
    assert run(f"STAGE=after WORDS=\n{udev}{without}{COMMON}").stdout == ""
