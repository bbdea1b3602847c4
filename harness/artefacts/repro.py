"""repro.sh: the same cell once more, with the same seed and images, up to the cycle that failed."""

from __future__ import annotations

import shlex

from harness.artefacts.case import Case, NotTaken, Rerun
from harness.classify.classifier import visible
from harness.model import CycleEnd

NAME = "repro.sh"
SUMMARY = "runs this cell again, with the same seed and image, up to this cycle"


def take(case: Case) -> list[str]:
    """Write repro.sh. Raises NotTaken where it is not known what ran."""
    if case.rerun is None:
        raise NotTaken("this is a recording, not a run")
    (case.folder / NAME).write_text(script(case.ended(), case.rerun), "utf-8")
    return []


def script(end: CycleEnd, rerun: Rerun) -> str:
    """The shell script, as text. The plan of a cell follows from the seed, so fewer blocks are its beginning."""
    failed = end.failure_class.value if end.failure_class else end.outcome.value
    settings = {**rerun.settings, "BLOCKS": str(end.block + 1)}
    words = " \\\n    ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    return f"""#!/bin/sh
# Runs {end.cell_id} again up to cycle {end.cycle} ({end.method}), which ended as {failed}:
#   {visible(end.reason)}
#
#   sh repro.sh [CHECKOUT]    CHECKOUT is a checkout of kexec-harness; without it, the one that ran
#
# A failure that hangs on chance or on the host's load may need several runs.
set -eu
project=${{1:-{shlex.quote(str(rerun.project))}}}
[ -f "$project/Makefile" ] || {{ echo "$project: no checkout of kexec-harness; name one: sh $0 CHECKOUT" >&2; exit 4; }}
set -- \\
    {words}
setting() {{
    name=$1
    shift
    for word in "$@"; do
        case $word in "$name="*) printf '%s\\n' "${{word#*=}}" ;; esac
    done
}}
differs() {{ echo "repro.sh: $1: then $2, now ${{3:-(none)}}; the result may differ, too" >&2; }}
make -C "$project" --silent setup
qemu=$(setting QEMU "$@")
version=$("${{qemu:-qemu-system-x86_64}}" --version | sed -n 's/.*version \\([0-9.]*\\).*/\\1/p;q')
[ "$version" = {shlex.quote(rerun.qemu_version)} ] || differs QEMU {shlex.quote(rerun.qemu_version)} "$version"
# The environment has the settings that decide which image it is.
cache=$(setting CACHE_DIR "$@") recipes=$(setting IMAGES_DIR "$@")
image=$(cd "$project" && KEXEC_CACHE_DIR=$cache KEXEC_IMAGES_DIR=$recipes \\
    .venv/bin/kexec-harness images build --json {shlex.quote(rerun.image)} |
    sed -n 's/.*"sha256":"\\([0-9a-f]*\\)".*/\\1/p')
[ "$image" = {rerun.sha256} ] || differs {shlex.quote("the image " + rerun.image)} {rerun.sha256[:16]} "$image"
exec make -C "$project" soak "$@"
"""
