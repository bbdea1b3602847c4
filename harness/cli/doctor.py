"""kexec-harness doctor."""

from __future__ import annotations

from pathlib import Path

import click

from harness import host
from harness.cli.options import CHECK_FAILED, as_json, print_json, say, with_settings
from harness.config import Settings
from harness.images.probe_kit import ensure_probe_kit

NAME = "doctor"


@click.command()
@with_settings("accel", "qemu", "mirror", "results", "cache_dir")
@as_json
def doctor(settings: Settings, as_json: bool) -> int:
    """What this host can do, and what follows. Ends with 1 if something that is needed does not work."""

    def probe_kit() -> tuple[Path, Path]:
        kit = ensure_probe_kit(settings.cache_dir, settings.mirror, say)
        return kit.kernel, kit.initrd

    findings = host.doctor(
        cache_dir=settings.cache_dir,
        results_dir=settings.results,
        probe_kit=probe_kit,
        accel=settings.accel,
        qemu_binary=settings.qemu,
        mirror=settings.mirror,
    )
    if as_json:
        print_json(findings)
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            click.echo(f"{finding.status.value:4}  {finding.name:{width}}  {finding.value}")
            click.echo(f"{'':{width + 8}}{finding.consequence}")
    return CHECK_FAILED if any(finding.status is host.Status.FAIL for finding in findings) else 0


COMMAND = doctor
