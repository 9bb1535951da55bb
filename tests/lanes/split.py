"""Which test files there are, and which lane has each: a pure function of the tree and of what files took last time.

Every file that pytest would collect is in exactly one lane; tests/unit/test_lanes_split.py holds that against pytest.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
WEIGHTS: Final = Path(__file__).with_name("weights.json")
"""Seconds by file, as last measured; `python -m tests.lanes --weigh` writes it."""
UNKNOWN: Final = 1.0
"""Seconds of a file that isn't in the table."""
PATTERNS: Final = ("test_*.py", "*_test.py")
"""pytest's own default."""
OWN: Final = {"cluster": "e2e/", "control-plane": "tests/control_plane/"}
"""Lanes that have a folder each, because its tests share what takes long to start. They take longest and go first."""
OTHERS: Final = 5


@dataclass(frozen=True)
class Lane:
    """Files that one pytest process runs, in pytest's own order."""

    name: str
    files: tuple[str, ...]
    seconds: float
    """Expected."""


def suite_files(root: Path) -> list[str]:
    """All of them, below the folders that pyproject.toml tells pytest, relative to `root`."""
    options = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    found = {path for folder in options["testpaths"] for one in PATTERNS for path in (root / folder).rglob(one)}
    return sorted(path.relative_to(root).as_posix() for path in found)


def known_weights(table: Path = WEIGHTS) -> dict[str, float]:
    """As committed."""
    read: dict[str, float] = json.loads(table.read_text())
    return read


def divide(files: Sequence[str], weights: Mapping[str, float], others: int = OTHERS) -> list[Lane]:
    """In the order in which they shall start. A lane without files isn't there."""
    own = {name: [file for file in files if file.startswith(folder)] for name, folder in OWN.items()}
    taken = {file for held in own.values() for file in held}
    shares = _share([file for file in files if file not in taken], weights, others)
    made = [_lane(name, held, weights) for name, held in own.items()]
    made += [_lane(f"others-{number}", held, weights) for number, held in enumerate(shares, 1)]
    return [lane for lane in made if lane.files]


def _share(files: Sequence[str], weights: Mapping[str, float], count: int) -> list[list[str]]:
    """The heaviest file first, each to whom has least: at worst a third above the best; the heaviest share first."""
    shares: list[list[str]] = [[] for _ in range(count)]
    for file in sorted(files, key=lambda file: (-weights.get(file, UNKNOWN), file)):
        min(shares, key=lambda share: _seconds(share, weights)).append(file)
    return sorted(shares, key=lambda share: -_seconds(share, weights))


def _lane(name: str, files: Sequence[str], weights: Mapping[str, float]) -> Lane:
    return Lane(name, tuple(sorted(files)), _seconds(files, weights))


def _seconds(files: Sequence[str], weights: Mapping[str, float]) -> float:
    return sum(weights.get(file, UNKNOWN) for file in files)


def write_weights(measured: Mapping[str, float], files: Sequence[str], table: Path = WEIGHTS) -> None:
    """What was `measured` replaces what was known of those files; who is gone, or takes no longer than an unknown file,
    is left out."""
    known = {**known_weights(table), **{file: round(seconds, 1) for file, seconds in measured.items()}}
    kept = {file: known[file] for file in sorted(known) if file in files and known[file] > UNKNOWN}
    table.write_text(json.dumps(kept, indent=1) + "\n")
