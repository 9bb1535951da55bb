"""benchmarks/soak.json: one entry per long proof, the last one that was made. Shared by all who soak."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
RECORD: Final = ROOT / "benchmarks" / "soak.json"
_NAMES: Final = ("fault", "scenario")


def commit() -> str:
    """The commit that is checked out, with a mark if files differ from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip()


def merge(path: Path, summary: Mapping[str, Any]) -> None:
    """Put `summary`, named by its `fault` or `scenario`, in the place of the entry of the same name."""
    known = json.loads(path.read_text()) if path.exists() else []
    kept = [entry for entry in known if _name(entry) != _name(summary)]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([*kept, summary], indent=1) + "\n")


def _name(entry: Mapping[str, Any]) -> str:
    return next(str(entry[name]) for name in _NAMES if name in entry)
