"""Handlers in child processes that want more than they may have."""

from __future__ import annotations

import os

from headrace import Fleet
from support.apps.journal import note

fleet = Fleet()
jobs = fleet.queue("jobs")
MEBIBYTE = 2**20


@jobs.task(process=True, memory_limit=300 * MEBIBYTE, max_retries=0)
def allocate(mebibytes: int) -> None:
    block = bytearray(mebibytes * MEBIBYTE)
    note("allocated", size=len(block))


@jobs.task(process=True, cpu_limit=1, max_retries=0, timeout=120)
def compute(rounds: int) -> None:
    note("computing", child=os.getpid())
    total = 0
    for i in range(rounds):
        total += i
    note("computed", child=os.getpid())


@jobs.task(process=True)
def unlimited(mebibytes: int) -> None:
    block = bytearray(mebibytes * MEBIBYTE)
    note("allocated", size=len(block))
