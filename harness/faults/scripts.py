"""Guest scripts that several faults have in common."""

from __future__ import annotations

from harness.reboot.base import command_line_with

#: drop-in of kexec-load's settings
SETTINGS = "/etc/default/kexec-load.d/fault.conf"
#: a copy of the running kernel's file that a fault may damage
KERNEL_COPY = "/root/fault-kernel"
#: a copy of its initrd
INITRD_COPY = "/root/fault-initrd"
#: true in a boot that a kexec of the harness's gave, and in no other
ONLY_AFTER_KEXEC = "ConditionKernelCommandLine=kexec_harness.nonce"


def kexec_load_settings(*lines: str) -> str:
    """Settings of kexec-load, stronger than its own file."""
    text = "\\n".join(lines)
    return f"mkdir -p {SETTINGS.rpartition('/')[0]} && printf '%b\\n' '{text}' >{SETTINGS}"


def unit_at_boot(body: str, *, unit: str = ONLY_AFTER_KEXEC, service: str = "Type=oneshot") -> str:
    """A service `fault` that the next boot starts; the system is not up before it is done. `body` is a shell script.

    It comes before the getty of the console, which would hang up on a script that is printing there.
    """
    return f"""
set -e
cat >/usr/local/sbin/fault <<'END'
#!/bin/sh
{body}
END
chmod +x /usr/local/sbin/fault
cat >/etc/systemd/system/fault.service <<'END'
[Unit]
Description=Something that goes wrong while the system starts
Before=multi-user.target serial-getty@ttyS0.service
{unit}

[Service]
{service}
ExecStart=/usr/local/sbin/fault
StandardOutput=null

[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable fault.service
sync
"""


def unit_at_shutdown(body: str, *, service: str = "", unit: str = "") -> str:
    """A service `fault` that runs now, and `body` when it is stopped."""
    return f"""
set -e
cat >/usr/local/sbin/fault <<'END'
#!/bin/sh
{body}
END
chmod +x /usr/local/sbin/fault
cat >/run/systemd/system/fault.service <<'END'
[Unit]
Description=Something that goes wrong while the system stops
{unit}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/usr/local/sbin/fault
{service}
END
systemctl daemon-reload
systemctl start fault.service
"""


def at_the_very_end(body: str) -> str:
    """A shell script that systemd runs when everything is unmounted, beside kexec-load's own."""
    return f"""
set -e
mkdir -p /lib/systemd/system-shutdown
cat >/lib/systemd/system-shutdown/fault <<'END'
#!/bin/sh
{body}
END
chmod +x /lib/systemd/system-shutdown/fault
"""


def with_kernel_written(offset: str, octal: str) -> str:
    r"""kexec-load loads a copy of the kernel in which `octal` (as printf has it, `\017\013`) stands at `offset`.

    `offset` is a shell expression; `start` in it is where the code begins behind the setup sectors (Linux
    Documentation/arch/x86/boot.rst: setup_sects is at 0x1f1; the 64-bit entry is 0x200 into the code).
    """
    return f"""
set -e
cp /vmlinuz {KERNEL_COPY}
sectors=$(od -An -tu1 -j 497 -N 1 {KERNEL_COPY} | tr -d ' ')
start=$(((sectors + 1) * 512))
printf '{octal}' | dd of={KERNEL_COPY} bs=1 seek=$(({offset})) conv=notrunc status=none
{kexec_load_settings(f"KERNEL={KERNEL_COPY}", "INITRD=/initrd.img")}
"""


def operators_image(kernel: str, initrd: str, words: str = "") -> str:
    """What an operator loads for `systemctl kexec`, in place of what the method has loaded; shell words."""
    nonce = "$(cat /var/lib/kexec-harness/nonce)"
    setting = command_line_with("NONCE").replace("NONCE", nonce)
    return f"""
set -e
{setting}
kexec --unload
kexec --load {kernel} --initrd={initrd} --command-line="$command_line {words}"
"""


def spare_kernel(kernel: str) -> str:
    """The kernel's file out of the spare package, to `kernel`."""
    return f"""
set -e
package=$(ls /var/cache/kexec-harness/linux-image-[0-9]*.deb)
dpkg-deb --fsys-tarfile "$package" | tar -xO --wildcards './boot/vmlinuz-*' >{kernel}
"""
