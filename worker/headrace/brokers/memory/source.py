"""`memory://` and `memory://NAME`: stores that live as long as the process, one for each name."""

from __future__ import annotations

from typing import Final

from headrace.brokers.capabilities import EVERY, Capabilities, Feature
from headrace.brokers.memory.broker import MemoryBroker, MemoryRenewer
from headrace.brokers.memory.clock import Clock, SystemClock
from headrace.brokers.memory.store import Store
from headrace.brokers.protocol import CALL_TIMEOUT

CAPABILITIES: Final = Capabilities(
    "memory", EVERY - {Feature.DURABILITY, Feature.PROCESSES, Feature.WORKFLOWS, Feature.OPERATOR}
)


class MemorySource:
    """One store."""

    def __init__(
        self, clock: Clock | None = None, *, name: str = "", capabilities: Capabilities = CAPABILITIES
    ) -> None:
        """clock: default this machine's. capabilities: fewer, to see what code does where a broker lacks something."""
        self.clock = clock or SystemClock()
        self.capabilities = capabilities
        self._name = name
        self._store = Store(self.clock)

    @property
    def redacted(self) -> str:
        """Its URL."""
        return f"memory://{self._name}"

    def open(self, name: str, timeout: float = CALL_TIMEOUT) -> MemoryBroker:
        """On the same store."""
        return MemoryBroker(self._store, self.capabilities)

    def renewer(self, name: str, timeout: float) -> MemoryRenewer:
        """On the same store."""
        return MemoryRenewer(self._store)


_known: Final[dict[str, MemorySource]] = {}


def memory_source(url: str) -> MemorySource:
    """The same for the same URL."""
    if url not in _known:
        _known[url] = MemorySource(name=url.partition("://")[2])
    return _known[url]
