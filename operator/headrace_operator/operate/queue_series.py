"""The series of one WorkerQueue: which there are, and how each is read from what the loop knows. Asks nobody.

Every series has the labels namespace and name; further labels take values from closed sets, or are as few at a time as
the status shows: versions and reasons of dead letters. What is unknown has no sample: an absent series is never to be
read as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from headrace.admin.findings import KINDS
from headrace.contract.stats import QueueStats
from headrace_operator.core.breaker import is_open
from headrace_operator.core.conditions import ConditionType, condition
from headrace_operator.core.symptoms import BreakerReason
from headrace_operator.operate.series import Samples, Series
from headrace_operator.reconcile.audits import Audited
from headrace_operator.reconcile.observe import readings
from headrace_operator.reconcile.record import Record

_OTHER: Final = "other"
"""In place of the reasons that the status leaves out."""


def _wanted(record: Record) -> Samples:
    if record.status is not None and record.status.last_decision is not None:
        yield (), record.status.last_decision.desired


def _replicas(record: Record) -> Samples:
    if record.status is None:
        return
    yield ("asked",), record.status.replicas
    yield ("ready",), record.status.ready_replicas
    yield ("terminating",), sum(version.terminating for version in record.status.versions)


def _version_replicas(record: Record) -> Samples:
    for version in record.status.versions if record.status else ():
        yield (version.hash, "asked"), version.desired
        yield (version.hash, "ready"), version.ready
        yield (version.hash, "terminating"), version.terminating


def _jobs(record: Record) -> Samples:
    found = _stats(record)
    if found is None:
        return
    yield ("scheduled",), sum(one.scheduled for one in found)
    yield ("ready",), sum(one.ready + one.due for one in found)
    yield ("leased",), sum(one.leased for one in found)
    yield ("parked",), sum(one.parked for one in found)
    yield ("awaiting",), sum(one.awaiting for one in found)
    yield ("held",), sum(one.held for one in found)
    yield ("dead",), sum(one.dead for one in found)


def _dead_letters(record: Record) -> Samples:
    """The most frequent reasons by name: a handler may give any words for one, so the others share a series."""
    letters = record.status.dead_letters if record.status else None
    if _stats(record) is None or letters is None:
        return
    named = {one.reason: one.count for one in letters.by_reason if one.reason != _OTHER}
    yield from (((reason,), count) for reason, count in named.items())
    yield (_OTHER,), max(letters.total - sum(named.values()), 0)


def _oldest_ready(record: Record) -> Samples:
    found = _stats(record)
    if found is not None:
        yield (), max(_age(one.now_ms, one.oldest_ready_ms) for one in found)


def _oldest_dead(record: Record) -> Samples:
    found = _stats(record)
    if found is not None:
        yield (), max(_age(one.now_ms, one.oldest_dead_ms) for one in found)


def _age(now_ms: int, since_ms: int | None) -> float:
    return 0.0 if since_ms is None else max(now_ms - since_ms, 0) / 1000


def _redis_up(record: Record) -> Samples:
    found = condition(record.status, ConditionType.REDIS_AVAILABLE)
    if found is not None and found.status != "Unknown":
        yield (), float(found.status == "True")


def _conditions(record: Record) -> Samples:
    for one in record.status.conditions if record.status else ():
        if one.status != "Unknown":
            yield (one.type, one.reason), float(one.status == "True")


def _breaker(record: Record) -> Samples:
    found = record.status.breaker if record.status else None
    if found is not None:
        for reason in BreakerReason:
            yield (reason,), float(is_open(found) and found.reason == reason)


def _audit_findings(record: Record) -> Samples:
    found = _audits(record)
    if found is not None:
        for kind in KINDS:
            yield (kind,), sum(one.found.get(kind, 0) for one in found)


def _audit_ended(record: Record) -> Samples:
    found = _audits(record)
    if found is not None:
        yield (), min(one.ended for one in found)


def _audited_ids(record: Record) -> Samples:
    found = _audits(record)
    if found is not None:
        yield (), sum(one.ids for one in found)


def _audits(record: Record) -> list[Audited] | None:
    """Those of all its queues, or None as long as one has not had its first."""
    found = [record.watch.audited(name) for name in record.followed] if record.watch else []
    known = [one for one in found if one is not None]
    return known if known and len(known) == len(found) else None


def _count(read: Callable[[QueueStats], int]) -> Callable[[Record], Samples]:
    def samples(record: Record) -> Iterator[tuple[tuple[str, ...], float]]:
        found = _stats(record)
        if found is not None:
            yield (), sum(map(read, found))

    return samples


def _stats(record: Record) -> list[QueueStats] | None:
    """The numbers of all its queues, or None as soon as one is unknown."""
    found = [reading.stats for reading in readings(record).values()]
    known = [one for one in found if isinstance(one, QueueStats)]
    return known if known and len(known) == len(found) else None


GAUGES: Final = (
    Series("replicas_desired", "Workers that the last decision wants.", _wanted),
    Series("replicas", "Workers, all versions together, by state.", _replicas, ("state",)),
    Series(
        "version_replicas", "Workers of each version that has some, by state.", _version_replicas, ("version", "state")
    ),
    Series("jobs", "Jobs by state; dead ones are the dead letters.", _jobs, ("state",)),
    Series("dead_letters", "Dead letters by reason: the ten most frequent, and other.", _dead_letters, ("reason",)),
    Series("oldest_ready_age_seconds", "How long the longest-waiting job has been runnable.", _oldest_ready),
    Series("oldest_dead_letter_age_seconds", "How long ago the oldest dead letter was buried.", _oldest_dead),
    Series("audit_findings", "What the last whole audit found wrong; all is well at 0.", _audit_findings, ("kind",)),
    Series("audit_ended_timestamp_seconds", "When the last whole audit ended, Unix time.", _audit_ended),
    Series("breaker_open", "Whether the breaker keeps the fleet from growing, by reason.", _breaker, ("reason",)),
    Series("redis_up", "Whether the queues' numbers can be read.", _redis_up),
    Series("condition", "Conditions of the status: 1 is True, 0 False.", _conditions, ("type", "reason")),
)
COUNTERS: Final = (
    Series("jobs_enqueued", "Jobs ever enqueued.", _count(lambda one: one.enqueued)),
    Series(
        "jobs_completed", "Jobs that ended well.", _count(lambda one: sum(v.completed for v in one.versions.values()))
    ),
    Series(
        "runs_failed", "Runs that ended in an error.", _count(lambda one: sum(v.failed for v in one.versions.values()))
    ),
    Series("jobs_crashed", "Runs that ended with their worker.", _count(lambda one: one.crashed)),
    Series("jobs_released", "Jobs that a worker gave back unfinished.", _count(lambda one: one.released)),
    Series("audited_ids", "Ids that audits have looked at.", _audited_ids),
    Series("jobs_replayed", "Dead letters that were put back.", _count(lambda one: one.replayed)),
)
