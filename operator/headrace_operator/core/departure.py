"""Who left after the count was lowered, against whom was aimed at."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Departure:
    """The workers that a scale-in took away, by what was known of them."""

    version: str
    before: int
    """Workers until then."""
    after: int
    """Of those, still there."""
    idle: tuple[str, ...]
    """Aimed at, without a job in hand."""
    drained: tuple[str, ...]
    """Aimed at with jobs in hand, which they finish while they drain."""
    others: tuple[str, ...]
    """Not aimed at."""

    def __str__(self) -> str:
        found = f"{len(self.idle)} idle and aimed at, {len(self.drained)} aimed at and draining"
        return f"version {self.version} from {self.before} to {self.after} workers: {found}, {len(self.others)} others"


@dataclass(frozen=True)
class Leaving:
    """The count of `version` was lowered while it had the workers `before`."""

    version: str
    before: frozenset[str]
    aimed: frozenset[str]
    idle: frozenset[str]
    """Those of `aimed` that held no job."""

    def over(self, live: Collection[str]) -> Departure | None:
        """Who went, now that `live` are left; None if nobody did."""
        gone = self.before.difference(live)
        if not gone:
            return None
        return Departure(
            version=self.version,
            before=len(self.before),
            after=len(self.before) - len(gone),
            idle=tuple(sorted(gone & self.idle)),
            drained=tuple(sorted((gone & self.aimed) - self.idle)),
            others=tuple(sorted(gone - self.aimed)),
        )
