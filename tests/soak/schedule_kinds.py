"""The schedules of a simulated year: when and where they are due, how long they live, how they treat what is late."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Final

from headrace.admin.schedules import Concurrency
from headrace_operator.core.recurrence import CatchUp, Lateness, parse
from headrace_operator.reconcile.ticking import Terms
from support.virtual_operators import DAY, HOUR

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
"""One of twenty of them, for OFTEN_DAYS."""
VERY_OFTEN: Final = ("* * * * *", "*/15 * * * *", "*/30 * * * * *")
"""One of twenty, for VERY_OFTEN_DAYS around a change of the clocks."""
OFTEN_DAYS: Final = 30
VERY_OFTEN_DAYS: Final = 1
YEAR_BEGINS: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
YEAR: Final = 365 * DAY
_CONCURRENCY: Final = {
    3: Concurrency.FORBID,
    33: Concurrency.FORBID,
    7: Concurrency.FORBID,
    5: Concurrency.REPLACE,
    27: Concurrency.REPLACE,
}


def make_terms(number: int, chance: random.Random, year_ms: int) -> Terms:
    """The schedule of that number: what it is due, when it began, how it treats what is late."""
    rank, begins = number % 20, YEAR_BEGINS + chance.randrange(DAY)
    zone = list(CHANGES)[number % len(CHANGES)]
    expressions: tuple[str, ...] = MOSTLY
    if rank == 7:
        expressions, begins = OFTEN, YEAR_BEGINS + chance.randrange(max(year_ms - OFTEN_DAYS * DAY, DAY))
    elif rank == 13:
        change = datetime.fromisoformat(chance.choice(CHANGES[zone])).replace(tzinfo=UTC)
        expressions, begins = VERY_OFTEN, int(change.timestamp() * 1000) - 14 * HOUR + chance.randrange(HOUR)
    return Terms(
        uid=f"uid-{number}",
        name=f"sim/s{number}",
        created_ms=begins,
        generation=1,
        suspended=False,
        recurrence=parse(chance.choice(expressions), zone),
        lateness=_lateness(rank),
        concurrency=_CONCURRENCY.get(number % 40, Concurrency.ALLOW),
        keep=5,
        task="t",
        arguments={},
    )


def _lateness(rank: int) -> Lateness:
    match rank:
        case 9:
            return Lateness(CatchUp.NONE)
        case 11:
            return Lateness(CatchUp.LATEST)
        case 15:
            return Lateness(CatchUp.ALL, most=3, deadline_ms=2 * HOUR)
        case _:
            return Lateness(CatchUp.ALL, most=1000)


def ends_ms(terms: Terms, year_end_ms: int) -> int:
    """When its object is deleted: those that are due often end before the year does."""
    days = {7: OFTEN_DAYS, 13: VERY_OFTEN_DAYS}.get(int(terms.uid[4:]) % 20)
    return year_end_ms if days is None else min(terms.created_ms + days * DAY, year_end_ms)
