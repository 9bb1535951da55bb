"""The tree of a release that people run by now, taken from this repository's history."""

from __future__ import annotations

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

from support.helm import ROOT

RELEASES = {"0.1.0": "a7151ee"}
"""Version → its commit. Not its tag: a clone may come without tags."""
PARTS = ("LICENSE", "README.md", "charts", "crds", "operator", "pyproject.toml", "worker")


class HistoryMissing(Exception):
    """This checkout does not reach back so far: a shallow clone, or no clone at all."""


def unpack(version: str, folder: Path) -> Path:
    """`folder`, with chart, CRDs and code of that release. Raises HistoryMissing."""
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", RELEASES[version], *PARTS], capture_output=True, timeout=60, check=False
    )
    if archive.returncode != 0:
        said = archive.stderr.decode(errors="replace").strip().splitlines() or ["git archive failed"]
        raise HistoryMissing(f"{version} is not in this checkout's history: {said[-1]}")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder
