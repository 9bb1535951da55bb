"""What a worker has finished and not yet told Redis, and what it told Redis lately."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import msgspec

from headrace.brokers.protocol import Settlement
from headrace.worker.outcome import DONE, Done, Outcome, settlement

REMEMBERED_BATCHES = 400
"""With two lanes and an exchange every few ms, this is what an AOF with `everysec` can lose."""

_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class Batch:
    """One exchange's settlements. Immutable once taken: a retry sends the very same."""

    done: dict[str, list[str]] = field(default_factory=dict)
    """claim → ids."""
    others: list[Settlement] = field(default_factory=list)
    service_us: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.done.values())) + len(self.others)

    def find(self, job_id: str, claim: str) -> Settlement | None:
        """What it says of this job under this claim."""
        if job_id in self.done.get(claim, ()):
            return ("done", job_id, claim)
        return next((entry for entry in self.others if entry[1] == job_id and entry[2] == claim), None)

    def arguments(self) -> list[str | int | bytes]:
        """The tail of exchange.lua's ARGV, from [7] on."""
        flat: list[str | int | bytes] = [self.service_us, len(self.done)]
        for claim, ids in self.done.items():
            flat.append(claim)
            flat.append(len(ids))
            flat.extend(ids)
        flat.append(_encode(self.others) if self.others else b"")
        return flat


_NOTHING = Batch()


class Outbox:
    """Shared by the lanes of one queue: whichever exchanges next takes all."""

    def __init__(self) -> None:
        self._open = Batch()
        self._sent: deque[Batch] = deque(maxlen=REMEMBERED_BATCHES)
        self.size = 0

    def put(self, job_id: str, claim: str, outcome: Outcome, service_us: int) -> None:
        """Add one settlement."""
        batch = self._open
        if outcome is DONE:  # by far the most
            ids = batch.done.get(claim)
            if ids is None:
                batch.done[claim] = [job_id]
            else:
                ids.append(job_id)
        elif (entry := settlement(job_id, claim, outcome)) is not None:
            batch.others.append(entry)
        elif isinstance(outcome, Done):
            batch.done.setdefault(claim, []).append(job_id)
        else:
            return
        batch.service_us += service_us
        self.size += 1

    def put_again(self, entry: Settlement) -> None:
        """Add an encoded settlement once more, after Redis turned out to have forgotten it."""
        self._open.others.append(entry)
        self.size += 1

    def take(self) -> Batch:
        """Everything that is in it; remembered until newer batches push it out."""
        if not self.size:
            return _NOTHING
        batch, self._open, self.size = self._open, Batch(), 0
        self._sent.append(batch)
        return batch

    def find_sent(self, job_id: str, claim: str) -> Settlement | None:
        """What was lately settled for this job under this claim."""
        return next((entry for batch in reversed(self._sent) if (entry := batch.find(job_id, claim))), None)

    def holds(self, job_id: str, claim: str) -> bool:
        """Whether its settlement is still to be sent."""
        return self._open.find(job_id, claim) is not None

    def forget(self) -> int:
        """Drop all, after the session was lost; returns how many settlements were still unsent."""
        unsent, self.size = self.size, 0
        self._open = Batch()
        self._sent.clear()
        return unsent
