"""The locks that images are made from are parts of the one that everything is tested with."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = {name: ROOT / "requirements" / f"{name}.txt" for name in ("build", "worker", "operator")}
PARTS["example"] = ROOT / "examples" / "code-index" / "requirements.txt"
WHOLE = ROOT / "requirements" / "lock.txt"
_PIN = re.compile(r"^([a-z0-9-]+)==(\S+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9._-]+")

Pins = dict[str, tuple[str, frozenset[str]]]


def pins(path: Path) -> Pins:
    """Name → version and hashes."""
    found: Pins = {}
    for requirement in re.split(r"\n(?=[a-z0-9])", path.read_text()):
        name, version = _PIN.findall(requirement)[0]
        found[name] = (version, frozenset(_HASH.findall(requirement)))
    return found


def asked(requirements: list[str]) -> set[str]:
    """The names in a list of requirements, as locks spell them."""
    return {_NAME.findall(requirement)[0].lower().replace("_", "-") for requirement in requirements}


def project() -> dict[str, Any]:
    """pyproject.toml's table of that name."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


@pytest.mark.parametrize("part", PARTS)
def test_an_image_has_what_the_tests_ran_with(part: str) -> None:
    found = pins(PARTS[part])
    assert found
    assert found.items() <= pins(WHOLE).items()
    assert all(hashes for _, hashes in found.values())


def test_each_image_has_what_it_needs() -> None:
    worker, operator = pins(PARTS["worker"]), pins(PARTS["operator"])
    assert asked(project()["dependencies"]) <= worker.keys()
    assert asked(project()["optional-dependencies"]["operator"]) <= operator.keys()
    assert worker.items() <= operator.items()
    assert "hatchling" in pins(PARTS["build"])
    assert "redis" in pins(PARTS["example"])


@pytest.mark.parametrize("path", [WHOLE, *PARTS.values()], ids=lambda path: path.name)
def test_a_lock_names_no_host(path: Path) -> None:
    assert "://" not in path.read_text()
    assert "--index" not in path.read_text()
