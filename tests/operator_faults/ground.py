"""What a fault and its judge need of the fleet they are tried on, wherever it runs. Only protocols."""

from __future__ import annotations

from typing import Any, Protocol

from code_index.ledger import Summary
from support.fleet_watch import FleetWatch


class Break(Protocol):
    """One thing that can be broken, once."""

    async def begin(self) -> None:
        """Break it. Returns when it is broken."""
        ...

    async def heal(self) -> None:
        """Mend it, whether or not `begin` got to its end."""
        ...


class Ground(Protocol):
    """A fleet that follows its queue, quiet at the beginning and at the end of each trial.

    It has one worker for each job, four at most, lets idle ones go after the cooldown, and takes no others away.
    """

    watch: FleetWatch

    async def condition(self, kind: str) -> dict[str, Any]:
        """A condition of the WorkerQueue, {} while it lacks it or can't be read."""
        ...

    async def cool_down_for(self, seconds: int) -> None:
        """Change spec.scaling.cooldownSeconds."""
        ...

    async def enqueue(self, count: int) -> None:
        """Jobs that take no time; to be had even while the operator or the workers can't reach Redis."""
        ...

    async def hold(self, gate: str, count: int) -> None:
        """Jobs that run until `open`."""
        ...

    async def open(self, gate: str) -> None:
        """Let them end."""
        ...

    @property
    def enqueued(self) -> int:
        """All jobs so far."""
        ...

    async def ledger(self) -> Summary:
        """What really ran."""
        ...
