"""Which dead letters a delete or replay means. Pure data; refuses what could be a mistake."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from headrace.errors import UsageError


@dataclass(frozen=True)
class ReplaySelection:
    """Everything, given ids, or a filter: exactly one of the three. Raises UsageError otherwise."""

    everything: bool = False
    ids: tuple[str, ...] = ()
    task: str | None = None
    reason: str | None = None
    """Exception class, as the facets list it."""
    since_us: int | None = None
    """Only letters that died at or after this time, Unix µs on the Redis server's clock."""

    def __post_init__(self) -> None:
        kinds = (self.everything, bool(self.ids), self._filters)
        if sum(kinds) != 1:
            raise UsageError(
                "choose dead letters by ids, or by task, reason or time, or take all of them: one of the three"
            )

    @property
    def _filters(self) -> bool:
        return self.task is not None or self.reason is not None or self.since_us is not None

    @property
    def digest(self) -> str:
        """Equal for equal selections; a resumed request must be the request that was accepted."""
        said = (self.everything, sorted(self.ids), self.task, self.reason, self.since_us)
        return hashlib.sha256(msgspec.json.encode(said)).hexdigest()

    def wants(self, task: str, reason: str) -> bool:
        """Whether letters of that task and reason are meant, as far as a filter says."""
        return self.task in (None, task) and self.reason in (None, reason)
