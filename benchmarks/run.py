"""One run of one engine: empty the server, enqueue, let its workers consume, ask how long a single job waits."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.catalogue import Engine
from benchmarks.children import Child
from benchmarks.failures import BenchError
from benchmarks.scenarios import Load, Scenario
from benchmarks.server import Server
from benchmarks.toolchains import Ready

LIMIT = 240
"""Seconds that any process of a run may take, and one more for each RARE jobs in the queue."""
RARE = 500
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")
"""Of our own environment: a setting left there would be no default any more."""
WARM_PART = 10
"""One job in ten runs before the clock starts."""
SINGLE_SECONDS = 2.0
"""Most time for the single enqueues of a run."""
AWAITED_SECONDS = 1.0
AWAITED_JOBS = 100_000


@dataclass(frozen=True)
class Case:
    """One engine in one scenario."""

    ready: Ready
    scenario: Scenario

    @property
    def engine(self) -> Engine:
        """Whose case it is."""
        return self.ready.engine

    @property
    def title(self) -> str:
        """For lines of progress."""
        return f"{self.engine.name}: {self.scenario.title}"


@dataclass(frozen=True)
class Sample:
    """What one run has shown. Rates are jobs a second."""

    enqueue_per_s: float
    awaited_per_s: float | None
    """Single enqueues, each awaited, from 100 coroutines."""
    consume_per_s: float
    start_ms: float
    """From the start of the worker's process to its first job."""
    worker_us: float
    """CPU time of the worker for each job, all its threads."""
    redis_us: float
    """CPU time of the server for each job that was consumed."""
    rss_warm_mb: float
    rss_mb: float
    latencies_ms: tuple[float, ...]
    """From before the enqueue to the handler's first line, on an idle worker."""


def measure(
    case: Case,
    server: Server,
    load: Load,
    *,
    singles: int = 0,
    awaited: bool = False,
    beside: Callable[[Sequence[Child]], None] | None = None,
) -> Sample:
    """`beside` is called once the workers have been started, while they run. Raises BenchError in one line."""
    server.persist(case.scenario.aof)
    server.empty()
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as scratch, ExitStack() as stack:
        environ = _environ(case, server, load, pulse_port=_free_port() if singles else 0)
        rate = _awaited(case, server, environ) if awaited else None
        enqueued = _produce(case, environ, "bulk", str(load.queued))
        before, started = server.cpu_seconds(), time.monotonic_ns()
        reports = [Path(scratch) / f"report-{number}" for number in range(case.scenario.workers)]
        workers = [_start_worker(case, environ | {"BENCH_REPORT": str(report)}) for report in reports]
        for worker in workers:
            stack.callback(worker.stop)
        if beside is not None:
            beside(workers)
        found = _wait_for_reports(workers, reports, _limit(load))
        spent = server.cpu_seconds() - before
        latencies = _latencies(case, environ, singles) if singles else ()
    consumed = load.measured * case.scenario.workers
    return Sample(
        enqueue_per_s=enqueued["jobs"] / enqueued["seconds"],
        awaited_per_s=rate,
        consume_per_s=sum(report["jobs"] / report["seconds"] for report in found),
        start_ms=max(report["first_ns"] - started for report in found) / 1e6,
        worker_us=sum(report["cpu_seconds"] for report in found) / sum(report["jobs"] for report in found) * 1e6,
        redis_us=spent / consumed * 1e6,
        rss_warm_mb=max(report["rss_warm_mb"] for report in found),
        rss_mb=max(report["rss_mb"] for report in found),
        latencies_ms=latencies,
    )


def enqueue_only(case: Case, server: Server, jobs: int, beside: Callable[[Child], None]) -> float:
    """Bulk enqueue alone, jobs a second; `beside` is called while it runs. Raises BenchError."""
    server.persist(case.scenario.aof)
    server.empty()
    environ = _environ(case, server, Load(jobs, jobs), pulse_port=0)
    found = _produce(case, environ, "bulk", str(jobs), beside=beside)
    rate: float = found["jobs"] / found["seconds"]
    return rate


def _limit(load: Load) -> int:
    return LIMIT + load.queued // RARE


def _environ(case: Case, server: Server, load: Load, *, pulse_port: int) -> dict[str, str]:
    concurrency = str(case.scenario.concurrency)
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
        "REDIS_URL": server.url,
        "WORKER_COUNT": concurrency,
        "METRICS_PORT": "0",
        "BENCH_CONCURRENCY": concurrency,
        "BENCH_JOB_MS": str(case.scenario.job_ms),
        "BENCH_WARM": str(load.measured // WARM_PART),
        "BENCH_JOBS": str(load.measured),
        "BENCH_LIMIT": str(_limit(load)),
        "BENCH_PULSE": str(pulse_port),
        **case.ready.environ,
    }


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _awaited(case: Case, server: Server, environ: dict[str, str]) -> float:
    found = _produce(case, environ, "awaited", str(AWAITED_JOBS), str(AWAITED_SECONDS))
    server.empty()
    rate: float = found["jobs"] / found["seconds"]
    return rate


def _produce(
    case: Case, environ: dict[str, str], *arguments: str, beside: Callable[[Child], None] | None = None
) -> dict[str, Any]:
    child = Child(f"the producer of {case.title}", (*case.ready.producer, *arguments), case.engine.directory, environ)
    try:
        if beside is not None:
            beside(child)
        printed = child.wait(float(environ["BENCH_LIMIT"]))
    finally:
        child.stop()
    try:
        result: dict[str, Any] = json.loads(printed)
    except ValueError:
        raise BenchError(f"the producer of {case.title} said: {printed}") from None
    return result


def _start_worker(case: Case, environ: dict[str, str]) -> Child:
    filled = {"concurrency": case.scenario.concurrency, "url": environ["REDIS_URL"]}
    arguments = [part.format(**filled) for part in case.engine.worker]
    return Child(f"the worker of {case.title}", (*case.ready.worker, *arguments), case.engine.directory, environ)


def _wait_for_reports(workers: Sequence[Child], reports: Sequence[Path], limit: float) -> list[dict[str, Any]]:
    give_up = time.monotonic() + limit
    while not all(report.exists() for report in reports):
        for worker in workers:
            worker.check_runs()
            if time.monotonic() > give_up:
                raise BenchError(f"{worker.name} did not run its jobs within {limit:g} s: {worker.last_words()}")
        time.sleep(0.02)
    return [json.loads(report.read_text()) for report in reports]


def _latencies(case: Case, environ: dict[str, str], singles: int) -> tuple[float, ...]:
    time.sleep(0.5)  # the last jobs are settled, the worker waits
    found = _produce(case, environ, "single", str(singles), str(SINGLE_SECONDS))["latencies_ns"]
    return tuple(ns / 1e6 for ns in found)
