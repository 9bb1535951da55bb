"""Asks a running `headrace dev` for something, by an annotation as `kubectl annotate` would write it, and waits for the
answer in its status. One that stops meanwhile goes on with it when it is started again.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from headrace.errors import ConfigError, HeadraceError
from headrace_operator.api.names import ObjectKey
from headrace_operator.dev.home import in_use
from headrace_operator.objects.annotations import Annotations, file_name

_LOOK: Final = 0.05
_ALIVE_EVERY: Final = 1.0
"""Seconds between two looks whether dev still runs."""
T = TypeVar("T")


class StillRunningError(HeadraceError):
    """What was asked for goes on, but nobody waits for it here any more."""


@dataclass(frozen=True)
class Place:
    """Where a fleet keeps status and requests of one kind of object; `part`: the folder of those that have one."""

    data: Path
    kind: str
    part: str = ""

    def check(self, key: ObjectKey) -> None:
        """Raises ConfigError where no dev runs, or runs without that object."""
        if not in_use(self.data):
            raise ConfigError(f"no `headrace dev` runs with its data in {self.data}; start it, or name its --data")
        if not self._status(key).exists():
            known = sorted(path.stem for path in self._status(key).parent.glob("*.json"))
            raise ConfigError(f"no {self.kind} {key.name!r} here; there is {', '.join(known) or 'none'}")

    @property
    def annotations(self) -> Annotations:
        """What is asked for."""
        return Annotations(self.data / self.part / "annotations")

    def status(self, key: ObjectKey) -> dict[str, Any]:
        """As it was written last; empty where it can't be read."""
        try:
            found = json.loads(self._status(key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def wait(self, look: Callable[[], T | None], *, what: str, timeout: float) -> T:
        """What `look` finds at last. Raises StillRunningError, which names `what` goes on."""
        give_up, next_check = time.monotonic() + timeout, 0.0
        while (now := time.monotonic()) < give_up:
            if (found := look()) is not None:
                return found
            if now > next_check:
                next_check = now + _ALIVE_EVERY
                if not in_use(self.data):
                    raise StillRunningError(f"`headrace dev` has stopped; {what} goes on when it is started again")
            time.sleep(_LOOK)
        raise StillRunningError(f"not done after {timeout:g} s; it goes on")

    def _status(self, key: ObjectKey) -> Path:
        return self.data / self.part / "status" / file_name(key)


def key_of(name: str) -> ObjectKey:
    """`name`, or `namespace/name`."""
    namespace, _, rest = name.rpartition("/")
    return ObjectKey(namespace or "default", rest)


def new_request() -> str:
    """An id that nobody has used."""
    return f"{time.strftime('%Y%m%dt%H%M%S')}-{secrets.token_hex(3)}"
