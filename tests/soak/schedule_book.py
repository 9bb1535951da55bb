"""One schedule's ticks, by a ledger that shares no code with headrace, beside what became of them."""

from __future__ import annotations

from collections import Counter
from functools import cache

from headrace.admin.schedules import Concurrency, ScheduleRecord
from headrace_operator.core.recurrence import CatchUp
from headrace_operator.reconcile.ticking import Terms
from soak.schedule_kinds import YEAR, YEAR_BEGINS
from support import tick_ledger
from support.virtual_operators import DAY


@cache
def _ticks_of_the_year(expression: str, zone: str) -> list[int]:
    """And of some days before and after it."""
    return tick_ledger.ticks(expression, zone, YEAR_BEGINS - 3 * DAY, YEAR_BEGINS + YEAR + 3 * DAY)


class Book:
    """Of one schedule; `got`: job → how often a worker got it."""

    def __init__(self, terms: Terms, record: ScheduleRecord, got: Counter[str], *, deleted: bool) -> None:
        self.terms = terms
        self.record = record
        # Of a deleted one: up to its last tick; whether the operators were there for the next one is not said anywhere.
        until = record.after_ms if deleted else record.now_ms
        of_the_year = _ticks_of_the_year(terms.recurrence.expression, terms.recurrence.zone)
        self.due = [f"{terms.uid}:{tick}" for tick in of_the_year if record.since_ms < tick <= until]
        self.got = [job for job in self.due if job in got]

    @property
    def holes(self) -> int:
        """Ticks without a job, where each must have one."""
        strict = self.terms.lateness.catch_up is CatchUp.ALL and self.terms.lateness.deadline_ms is None
        whole = strict and self.terms.concurrency is Concurrency.ALLOW
        return len(self.due) - len(self.got) if whole else 0

    @property
    def adds_up(self) -> bool:
        """Every tick became a job, was skipped or was missed, and every job got to a worker unless it was replaced."""
        record = self.record
        complete = record.enqueued + record.skipped + record.missed == len(self.due)
        return complete and (self.terms.concurrency is Concurrency.REPLACE or record.enqueued == len(self.got))
