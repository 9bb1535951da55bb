"""One event per transition of a run, for log and metrics; the flow calls it and knows no more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, assert_never

from headrace.worker.log import Log
from headrace.worker.metrics import Metrics, TaskMetrics
from headrace.worker.outcome import Abandoned, Buried, Cancelled, Done, Outcome, Released, Retried

if TYPE_CHECKING:
    from headrace.worker.run import Run


class Telemetry:
    """What the worker says about its runs."""

    def __init__(self, log: Log, metrics: Metrics, *, traced: bool = False) -> None:
        """traced: runs may have a trace, which durations name as their example."""
        self._traced = traced
        self.log = log
        self.metrics = metrics
        self._job_lines = log.wants_jobs

    def started(self, run: Run, counts: TaskMetrics) -> None:
        """A handler is about to run."""
        counts.running += 1
        latency = time.time() - run.ready_us / 1e6
        counts.latency.observe(latency if latency > 0 else 0.0)
        if self._job_lines and self.log.has_room_for_job(run.started):
            self.log.job("job started", _about(run))

    def finished(self, run: Run, counts: TaskMetrics, outcome: Outcome, seconds: float) -> None:
        """It has ended, one way or another."""
        counts.running -= 1
        counts.duration.observe(seconds)
        if self._traced and run.context.trace_id:
            counts.duration.remember(seconds, run.context.trace_id)
        if outcome.__class__ is Done:
            counts.succeeded += 1
            if self._job_lines and self.log.has_room_for_job(run.started + seconds):
                self.log.job("job done", {**_about(run), "seconds": round(seconds, 6)})
            return
        self._finished_otherwise(run, counts, outcome, seconds)

    def hook_failed(self, run: Run, hook: str, error: BaseException) -> None:
        """A hook of the application raised; the run's outcome stands."""
        self.log.error("hook failed", **_about(run), hook=hook, error=type(error).__name__)

    def _finished_otherwise(self, run: Run, counts: TaskMetrics, outcome: Outcome, seconds: float) -> None:
        about = {**_about(run), "seconds": round(seconds, 6)}
        match outcome:
            case Done():
                counts.succeeded += 1
            case Retried(delay_ms=delay_ms, error=error):
                counts.failed += 1
                counts.retried += 1
                kind, _, message = error.partition(": ")
                fields = {**about, "error": kind, "place": run.place, "retry_in": delay_ms / 1000, "message": message}
                self.log.warning("job failed, will be tried again", **fields)
            case Buried(on_trial=True, reason=reason, record=record):
                counts.failed += 1
                counts.released += 1
                fields = {**about, "reason": reason, "place": run.place, "message": record.error}
                self.log.warning("job failed on trial, given back", **fields)
            case Buried(reason=reason, record=record):
                counts.failed += 1
                counts.dead += 1
                fields = {**about, "reason": reason, "place": run.place, "message": record.error}
                self.log.error("job is a dead letter", **fields)
            case Released():
                counts.released += 1
                self.log.info("job given back", **about)
            case Cancelled():
                counts.cancelled += 1
                self.log.info("job cancelled", **about)
            case Abandoned():
                counts.lost += 1
                self.log.warning("job lost with its lease", **about)
            case _:
                assert_never(outcome)


def _about(run: Run) -> dict[str, object]:
    context = run.context
    return {
        "job_id": run.id,
        "queue": context.queue,
        "task": context.task,
        "attempt": context.attempt,
        "correlation_id": context.correlation_id,
    }
