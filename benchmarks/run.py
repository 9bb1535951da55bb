"""One run of one engine: empty the server, enqueue, let a worker consume, ask how long a single job waits."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.catalogue import HERE, Engine
from benchmarks.children import Child
from benchmarks.failures import BenchError
from benchmarks.server import Server

LIMIT = 120
"""Seconds that any process of a run may take."""
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
"""Of our own environment: a setting left there would be no default any more."""
WARM_PART = 10
"""One job in ten runs before the clock starts."""
SINGLE_SECONDS = 5.0
"""Most time for the single enqueues of a run."""


@dataclass(frozen=True)
class Case:
    """One engine at one concurrency."""

    engine: Engine
    python: Path
    concurrency: int

    @property
    def title(self) -> str:
        """For lines of progress."""
        return f"{self.engine.name} at {self.concurrency}"


@dataclass(frozen=True)
class Sample:
    """What one run has shown."""

    enqueue_per_s: float
    consume_per_s: float
    rss_mb: float
    latencies_ms: tuple[float, ...]


def measure(case: Case, server: Server, jobs: int, singles: int) -> Sample:
    """Raises BenchError in one line."""
    server.empty()
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as scratch:
        environ = _environ(case, server, jobs, Path(scratch))
        enqueued = _produce(case, environ, "bulk", str(jobs))
        worker = _start_worker(case, environ)
        try:
            report = _wait_for_report(worker, Path(environ["BENCH_REPORT"]))
            latencies = _latencies(case, environ, singles) if case.engine.has_worker else ()
        finally:
            worker.stop()
    return Sample(
        enqueue_per_s=enqueued["jobs"] / enqueued["seconds"],
        consume_per_s=report["jobs"] / report["seconds"],
        rss_mb=report["rss_mb"],
        latencies_ms=latencies,
    )


def _environ(case: Case, server: Server, jobs: int, scratch: Path) -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
        "PYTHONPATH": f"{case.engine.directory}{os.pathsep}{HERE / 'inside'}",
        "REDIS_URL": server.url,
        "WORKER_COUNT": str(case.concurrency),
        "METRICS_PORT": "0",
        "BENCH_CONCURRENCY": str(case.concurrency),
        "BENCH_WARM": str(jobs // WARM_PART),
        "BENCH_JOBS": str(jobs),
        "BENCH_LIMIT": str(LIMIT),
        "BENCH_REPORT": str(scratch / "report"),
        "BENCH_PULSE": str(scratch / "pulse"),
    }


def _produce(case: Case, environ: dict[str, str], *arguments: str) -> dict[str, Any]:
    command = [str(case.python), str(HERE / "inside" / "producer.py"), *arguments]
    child = Child(f"the producer of {case.title}", command, case.engine.directory, environ)
    try:
        printed = child.wait(LIMIT)
    finally:
        child.stop()
    try:
        result: dict[str, Any] = json.loads(printed)
    except ValueError:
        raise BenchError(f"the producer of {case.title} said: {printed}") from None
    return result


def _start_worker(case: Case, environ: dict[str, str]) -> Child:
    arguments = [part.format(concurrency=case.concurrency) for part in case.engine.worker]
    return Child(f"the worker of {case.title}", [str(case.python), *arguments], case.engine.directory, environ)


def _wait_for_report(worker: Child, report: Path) -> dict[str, Any]:
    give_up = time.monotonic() + LIMIT
    while not report.exists():
        worker.check_runs()
        if time.monotonic() > give_up:
            raise BenchError(f"{worker.name} did not run its jobs within {LIMIT} s: {worker.last_words()}")
        time.sleep(0.02)
    result: dict[str, Any] = json.loads(report.read_text())
    return result


def _latencies(case: Case, environ: dict[str, str], singles: int) -> tuple[float, ...]:
    time.sleep(0.5)  # the last jobs are settled, the worker waits
    found = _produce(case, environ, "single", str(singles), str(SINGLE_SECONDS))["latencies_ns"]
    return tuple(ns / 1e6 for ns in found)
