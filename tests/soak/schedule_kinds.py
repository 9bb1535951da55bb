"""The schedules of a simulated year: when and where they are due, how long they live, how they treat what is late and
what still runs, and what people do to them meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from headrace.admin.schedules import Concurrency
from headrace_operator.core.recurrence import CatchUp, Lateness, parse
from headrace_operator.reconcile.ticking import Terms
from support.schedule_spec import Policy, Spec
from support.virtual_operators import DAY, HOUR, MINUTE

CHANGES: Final = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),
    "America/Santiago": ("2026-04-05", "2026-09-06"),
}
"""Of the clocks: by an hour at two or three, by half an hour, and at midnight."""
MOSTLY: Final = (
    *("@daily", "30 2 * * *", "0 3 * * *", "15,45 1 * * *", "0 0 * * MON-FRI", "30 0 * * *", "0 30 2 * * *"),
    *("@weekly", "0 2 * * SUN", "30 1 * * SUN", "0 9 * * MON,THU", "@monthly", "0 0 L * *", "0 0 13 * FRI"),
)
"""From the first day of the year to the last."""
OFTEN: Final = ("@hourly", "*/30 * * * *", "5 */2 * * *", "0 30 */3 * * *")
"""One of twenty of them, for OFTEN_DAYS; those that people meddle with, for MEDDLED_DAYS."""
VERY_OFTEN: Final = ("* * * * *", "*/15 * * * *", "*/30 * * * * *")
"""One of twenty, for VERY_OFTEN_DAYS around a change of the clocks."""
OFTEN_DAYS: Final = 30
VERY_OFTEN_DAYS: Final = 1
MEDDLED_DAYS: Final = 40
YEAR_BEGINS: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
YEAR: Final = 365 * DAY
KEPT: Final = 5
"""Runs that each remembers."""
_POLICY: Final[dict[int, Policy]] = {
    **dict.fromkeys((3, 33, 7, 39), "Forbid"),
    **dict.fromkeys((5, 27, 13, 19), "Replace"),
}


@dataclass(frozen=True)
class Subject:
    """One schedule and its life."""

    uid: str
    created_ms: int
    ends_ms: int
    """When its object is deleted."""
    takes_ms: int
    """How long its jobs run at most; 0: they do as they are told, at once."""
    specs: Sequence[tuple[int, Spec]]
    """From when on which holds; the first one from its creation."""


def make_subject(number: int, chance: random.Random, year_ms: int) -> Subject:
    """The schedule of that number: what it is due, when it began, how it treats what is late."""
    rank, begins, days = number % 20, YEAR_BEGINS + chance.randrange(DAY), year_ms // DAY
    zone, takes_ms = list(CHANGES)[number % len(CHANGES)], 3 * DAY
    expressions: tuple[str, ...] = MOSTLY
    if rank in (7, 17, 18, 19):
        days, takes_ms = OFTEN_DAYS if rank == 7 else MEDDLED_DAYS, 5 * HOUR
        expressions, begins = OFTEN, YEAR_BEGINS + chance.randrange(max(year_ms - days * DAY, DAY))
    elif rank == 13:
        change = datetime.fromisoformat(chance.choice(CHANGES[zone])).replace(tzinfo=UTC)
        days, takes_ms = VERY_OFTEN_DAYS, 5 * MINUTE
        expressions, begins = VERY_OFTEN, int(change.timestamp() * 1000) - 14 * HOUR + chance.randrange(HOUR)
    policy = _POLICY.get(number % 40, "Allow")
    spec = _treat_late(rank, Spec(chance.choice(expressions), zone, policy))
    ends = min(begins + days * DAY, YEAR_BEGINS + year_ms)
    meddled = [(begins, spec), *_meddle(rank, begins, ends, spec, chance)]
    specs = [(at_ms, replace(one, generation=number + 1)) for number, (at_ms, one) in enumerate(meddled)]
    hard = policy != "Allow" or rank in (11, 18)
    return Subject(f"uid-{number}", begins, ends, takes_ms if hard else 0, specs)


def _treat_late(rank: int, spec: Spec) -> Spec:
    match rank:
        case 9:
            return replace(spec, catch_up="None")
        case 11 | 18:
            return replace(spec, catch_up="Latest")
        case 15:
            return replace(spec, catch_up="All", catch_up_max=3, deadline_s=2 * 3600)
        case 17:
            return replace(spec, catch_up="All", catch_up_max=2)
        case 14:
            return replace(spec, catch_up="Latest", deadline_s=30)
        case _:
            return replace(spec, catch_up="All", catch_up_max=1000)


def _meddle(rank: int, begins: int, ends: int, spec: Spec, chance: random.Random) -> Iterator[tuple[int, Spec]]:
    """What people do: hold it for some time, break it for some time, have it at other times."""
    if rank not in (17, 18, 19):
        return
    at_ms, held = begins, False
    times = (spec, replace(spec, cron=chance.choice(OFTEN)), replace(spec, time_zone=chance.choice(list(CHANGES))))
    while (at_ms := at_ms + chance.randrange(4 * DAY)) < ends:
        held = not held
        match rank:
            case 17:
                yield at_ms, replace(spec, suspend=held)
            case 18:
                yield at_ms, replace(spec, broken=held)
            case _:
                yield at_ms, chance.choice(times)


def terms_of(subject: Subject, spec: Spec) -> Terms:
    """The same in headrace's words."""
    deadline_ms = None if spec.deadline_s is None else spec.deadline_s * 1000
    return Terms(
        uid=subject.uid,
        name=f"sim/{subject.uid}",
        created_ms=subject.created_ms,
        generation=spec.generation,
        suspended=spec.suspend,
        recurrence=parse(spec.cron, spec.time_zone),
        lateness=Lateness(CatchUp(spec.catch_up), most=spec.catch_up_max, deadline_ms=deadline_ms),
        concurrency=Concurrency(spec.policy),
        keep=KEPT,
        task="t",
        arguments={},
    )
