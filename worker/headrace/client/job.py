"""A handle on one enqueued job: where it stands, and how to call it off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from headrace.contract.keys import prefix
from headrace.contract.protocol import State

if TYPE_CHECKING:
    from headrace.wire.link import Link


@dataclass(frozen=True)
class Job:
    """Returned by `enqueue`. Holds no state of its own; each question goes to Redis."""

    id: str
    queue: str
    created: bool
    """False: its id, idempotency key or unique key was taken; this is the first job, and nothing was added."""
    _link: Link

    async def state(self) -> State:
        """Where the job stands now. A finished job is forgotten, so an unknown id is `done`.

        Raises QueueUnavailableError.
        """
        ((_, places, _, _),) = await self._link.run("locate", prefix(self.queue), self.id)
        if not places:
            return State.DONE
        place = places[0].decode()
        return {"suspects": State.READY, "reaping": State.LEASED}.get(place) or State(place)

    async def cancel(self) -> bool:
        """Call it off: at once when it waits, by cancelling its handler when it runs (within about two seconds).

        False when it has already ended, done or dead; that is final. Raises QueueUnavailableError.
        """
        answer = await self._link.run("cancel", prefix(self.queue), self.id)
        return answer in (b"cancelled", b"cancelling")
