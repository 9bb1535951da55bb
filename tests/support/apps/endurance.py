"""A job that does nothing but leave its number in the tally named by TEST_LEDGER, at its start and at its end."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from headrace import Fleet
from soak.tally import END, START, Tally

fleet = Fleet(enqueue_timeout=30)
jobs = fleet.queue("jobs")


@cache
def _tally() -> Tally:
    return Tally(Path(os.environ["TEST_LEDGER"]))


@jobs.task(max_retries=0)
async def work(number: int) -> None:
    _tally().write(number, START)
    _tally().write(number, END)
