"""Counts handler runs inside a worker and tells the benchmark: a report at the last job, a pulse for each one after it.

Runs in every engine's own environment: standard library only, no work that differs between engines.
"""

from __future__ import annotations

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
REPORT = os.environ.get("BENCH_REPORT", "")
PULSE = os.environ.get("BENCH_PULSE", "")
"""A datagram socket that hears when a later job's handler has started."""

if limit := int(os.environ.get("BENCH_LIMIT", "0")):
    signal.alarm(limit)  # a worker never outlives its run, even if the benchmark was killed

_pulses = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
_count = 0
_warm_at = 0.0


def ran() -> None:
    """Called first thing by every handler."""
    global _count  # noqa: PLW0603 - an object's attribute would cost more
    _count += 1
    if _count == WARM:
        _mark()
    elif _count >= JOBS:
        _after_last()


def ran_many(jobs: int) -> bool:
    """The same for an engine that handles whole batches; True once all jobs have run."""
    global _count
    before, _count = _count, _count + jobs
    if before < WARM <= _count:
        _mark()
    if before < JOBS <= _count:
        _report()
    return _count >= JOBS


def _mark() -> None:
    global _warm_at  # noqa: PLW0603
    _warm_at = time.perf_counter()


def _after_last() -> None:
    if _count == JOBS:
        _report()
    elif PULSE:
        _pulses.sendto(struct.pack("q", time.time_ns()), PULSE)


def _report() -> None:
    seconds = time.perf_counter() - _warm_at
    report = {"jobs": _count - WARM, "seconds": seconds, "rss_mb": _resident_mb()}
    whole = Path(f"{REPORT}.new")
    whole.write_text(json.dumps(report))
    whole.rename(REPORT)


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
