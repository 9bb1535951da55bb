"""Counts handler runs inside a worker and tells the benchmark: a report at the last job, a pulse for each one after it.

Runs in every engine's own environment: standard library only, no work that differs between engines. The same meter in
JavaScript and Go is inside/node/meter.js and engines/asynq/meter.go; all three read one clock, the system's monotonic.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import socket
import struct
import time
from pathlib import Path

WARM = int(os.environ.get("BENCH_WARM", "0"))
"""The clock starts at this job: start-up and the first imports are not measured."""
JOBS = int(os.environ.get("BENCH_JOBS", "0"))
"""The clock stops at this job."""
JOB_SECONDS = int(os.environ.get("BENCH_JOB_MS", "0")) / 1000
"""How long each handler waits, as for an answer from elsewhere."""
REPORT = os.environ.get("BENCH_REPORT", "")
PULSE_PORT = int(os.environ.get("BENCH_PULSE", "0"))
"""A UDP port of 127.0.0.1 that hears when a later job's handler has started; 0: nobody listens."""

if limit := int(os.environ.get("BENCH_LIMIT", "0")):
    signal.alarm(limit)  # a worker never outlives its run, even if the benchmark was killed

_pulses = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
_numbers = itertools.count(1)  # threads may share it
_count = 0
_first_ns = 0
_warm_ns = 0
_warm_cpu = 0.0
_warm_rss = 0.0


def ran() -> None:
    """Called first thing by every handler."""
    number = next(_numbers)
    if number >= JOBS:
        _from_last(number)
    elif number == WARM:
        _mark()
    elif number == 1:
        _mark_first()


def ran_many(jobs: int) -> bool:
    """The same for an engine that handles whole batches; True once all jobs have run."""
    global _count
    before, _count = _count, _count + jobs
    if before == 0:
        _mark_first()
    if before < WARM <= _count:
        _mark()
    if before < JOBS <= _count:
        _report(_count)
    return _count >= JOBS


async def wait() -> None:
    """What an `async def` handler does after `ran`."""
    if JOB_SECONDS:
        await asyncio.sleep(JOB_SECONDS)


def block() -> None:
    """What a plain handler does after `ran`."""
    if JOB_SECONDS:
        time.sleep(JOB_SECONDS)


def _mark_first() -> None:
    global _first_ns  # noqa: PLW0603
    _first_ns = time.monotonic_ns()


def _mark() -> None:
    global _warm_ns, _warm_cpu, _warm_rss  # noqa: PLW0603
    _warm_rss = _resident_mb()
    _warm_cpu = time.process_time()
    _warm_ns = time.monotonic_ns()


def _from_last(number: int) -> None:
    if number == JOBS:
        _report(number)
    elif PULSE_PORT:
        _pulses.sendto(struct.pack("<q", time.monotonic_ns()), ("127.0.0.1", PULSE_PORT))


def _report(number: int) -> None:
    report = {
        "jobs": number - WARM,
        "seconds": (time.monotonic_ns() - _warm_ns) / 1e9,
        "cpu_seconds": time.process_time() - _warm_cpu,
        "first_ns": _first_ns,
        "rss_warm_mb": _warm_rss,
        "rss_mb": _resident_mb(),
    }
    whole = Path(f"{REPORT}.new")
    whole.write_text(json.dumps(report))
    whole.rename(REPORT)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
