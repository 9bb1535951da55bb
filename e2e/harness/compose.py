"""compose.yaml as `docker run` options, for machines without the compose plugin.

Knows the keys that the file uses and refuses any other: what it says and what the tests run can't drift apart.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

_VARIABLE: Final = re.compile(r"\$\{(\w+):-([^}]*)\}")
_HEALTH: Final = frozenset({"interval", "timeout", "retries"})


class UnknownKeyError(Exception):
    """The file says something that is not translated here."""


@dataclass(frozen=True)
class Service:
    """One service, `replicas` times."""

    image: str
    command: tuple[str, ...]
    options: tuple[str, ...]
    replicas: int
    grace: int
    """Seconds between SIGTERM and SIGKILL."""
    after: tuple[str, ...]
    """Services that must be healthy first."""


def services(path: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """Each service by its name; `variables` are what the environment would say. Raises UnknownKeyError."""
    text = _VARIABLE.sub(lambda found: variables.get(found[1], found[2]), path.read_text())
    return {name: _service(says) for name, says in yaml.safe_load(text)["services"].items()}


def _service(says: dict[str, Any]) -> Service:
    return Service(
        image=says["image"],
        command=tuple(says.get("command", ())),
        options=tuple(option for key, value in says.items() for option in _options(key, value)),
        replicas=says.get("deploy", {}).get("replicas", 1),
        grace=int(says.get("stop_grace_period", "10s").removesuffix("s")),
        after=tuple(says.get("depends_on", ())),
    )


def _options(key: str, value: Any) -> Iterator[str]:
    match key:
        case "image" | "command" | "deploy" | "stop_grace_period" | "depends_on":
            pass  # fields of Service
        case "pull_policy" | "volumes":
            pass  # a test has its images, and no data to keep
        case "environment":
            yield from (f"--env={name}={setting}" for name, setting in value.items())
        case "healthcheck":
            yield from _health(value)
        case "restart":
            yield f"--restart={value}"
        case "read_only":
            yield f"--read-only={str(value).lower()}"
        case "tmpfs" | "cap_drop" | "security_opt":
            yield from (f"--{key.replace('_', '-')}={each}" for each in value)
        case _:
            raise UnknownKeyError(key)


def _health(says: dict[str, Any]) -> Iterator[str]:
    kind, *words = says["test"]
    yield f"--health-cmd={words[0] if kind == 'CMD-SHELL' else shlex.join(words)}"
    for key in says.keys() - {"test"}:
        if key not in _HEALTH:
            raise UnknownKeyError(key)
        yield f"--health-{key}={says[key]}"
