"""How Redis keeps a queue: which variant of the scripts moves its jobs, and below which keys. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headrace.brokers.capabilities import EVERY, Capabilities, Feature
from headrace.contract.keys import key


@dataclass(frozen=True)
class Layout:
    """One way of several."""

    capabilities: Capabilities
    variant: str
    """Of the scripts, see contract/scripts.py; '': as they stand."""

    def script(self, name: str) -> str:
        """What `Link.run` takes."""
        return f"{self.variant}/{name}" if self.variant else name

    def key(self, queue: str, name: str) -> str:
        """Of one of contract/keys.py."""
        return key(queue, f"{self.variant}:{name}" if self.variant else name)


SORTED_SETS: Final = Layout(Capabilities("Redis", EVERY), "")
STREAMS: Final = Layout(Capabilities("Redis Streams", EVERY - {Feature.OPERATOR}), "streams")
