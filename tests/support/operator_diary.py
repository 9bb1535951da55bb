"""What operators and workers did to each Schedule, in the order in which Redis heard of it: who lived when and by which
clock, what each was told to run, which of its calls arrived, and what was answered.

Says nothing of whether that was right, and nothing of what a call asked for: a ledger has to know that by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from support.schedule_spec import Spec


class Ending(StrEnum):
    """Of a look."""

    ANSWERED = "answered"
    """Nothing was lost on its way."""
    OVERTAKEN = "overtaken"
    """Somebody else was faster, as it was told: it looks again at once."""
    LOST = "lost"
    """A call, or its answer."""
    KILLED = "killed"


class Turn(StrEnum):
    """What a worker did with a job."""

    GOT = "got"
    DONE = "done"
    RETRY = "retry"
    BURIED = "buried"
    STOPPED = "stopped"


@dataclass(eq=False)
class Life:
    """Of an operator, from its start to its kill."""

    operator: int
    began_ms: int
    clock_ms: int
    """How far its own clock is ahead."""
    slept_ms: int = 0
    """On the ways of its calls, so far: it was late, or frozen."""
    ended_ms: int | None = None

    def __str__(self) -> str:
        return f"operator {self.operator} (began {self.began_ms}, its clock {self.clock_ms:+} ms)"


@dataclass(eq=False)
class Look:
    """One look of one operator at one Schedule."""

    life: Life
    spec: Spec
    """As this operator knows it."""
    began_ms: int
    slept_ms: int
    """Of the life, when this began."""


@dataclass(frozen=True)
class Record:
    """A Schedule's record, as Redis has answered."""

    now_ms: int
    known: bool = False
    since_ms: int = 0
    last_ms: int | None = None
    suspended: bool = False
    enqueued: int = 0
    skipped: int = 0
    missed: int = 0
    active: tuple[str, ...] = ()
    recent: bytes = b""

    @property
    def runs(self) -> list[tuple[int, str, str]]:
        """The last ones, newest first: tick, job, fate."""
        rows: list[tuple[float, str, str]] = msgspec.msgpack.decode(self.recent) if self.recent else []
        return [(int(tick), job, fate) for tick, job, fate in rows]


@dataclass(frozen=True)
class Answer:
    """To one call."""

    record: Record
    fate: str = ""
    """Of a call that is about ticks; else ''."""
    job: str = ""
    replaced: tuple[str, ...] = ()


class Reader(Protocol):
    """Who reads the diary as it is written, in order."""

    def looked(self, uid: str, look: Look) -> None:
        """It begins."""

    def called(self, uid: str, look: Look, name: str, told_ms: int, answer: Answer) -> None:
        """A call has arrived; whether its answer does is not said. told_ms: what Redis's clock said."""

    def ended(self, uid: str, look: Look, how: Ending, at_ms: int) -> None:
        """It is over."""

    def turned(self, job: str, turn: Turn) -> None:
        """A worker settles a job, or has got it."""

    def clock(self, told_ms: int, now_ms: int, *, done: bool) -> None:
        """What a worker heard of the queue's clock when Redis's said `told_ms`; done: its call changed something."""

    def forgotten(self, uid: str, found: Record, at_ms: int) -> None:
        """Its object is gone, and so is its record, which was this."""


@dataclass
class Diary:
    """Written by the links and the operators."""

    reader: Reader
    lives: list[Life] = field(default_factory=list)

    def begin(self, operator: int, at_ms: int, clock_ms: int) -> Life:
        """An operator starts."""
        self.lives.append(Life(operator, at_ms, clock_ms))
        return self.lives[-1]

    def look(self, life: Life, uid: str, spec: Spec, at_ms: int) -> Look:
        """It looks at a Schedule."""
        made = Look(life, spec, at_ms, life.slept_ms)
        self.reader.looked(uid, made)
        return made


def read_answer(raw: Any) -> Answer:
    """What Redis said: a record, or what has become of a tick and the record."""
    if len(raw) == 4 and isinstance(raw[2], list) and isinstance(raw[3], list) and isinstance(raw[1], bytes):
        fate, job, replaced, record = raw
        return Answer(read_record(record), fate.decode(), job.decode(), tuple(one.decode() for one in replaced))
    return Answer(read_record(raw))


def read_record(raw: Sequence[Any]) -> Record:
    """{uid, now, jobs that are not over, fields}."""
    _, now_ms, active, flat = raw
    held = dict(zip(flat[::2], flat[1::2], strict=True))
    if b"timing" not in held:
        return Record(now_ms)
    return Record(
        now_ms,
        known=True,
        since_ms=int(held.get(b"since", 0)),
        last_ms=int(held[b"last"]) if b"last" in held else None,
        suspended=held.get(b"suspended") == b"1",
        enqueued=int(held.get(b"enqueued", 0)),
        skipped=int(held.get(b"skipped", 0)),
        missed=int(held.get(b"missed", 0)),
        active=tuple(one.decode() for one in active),
        recent=held.get(b"recent", b""),
    )
