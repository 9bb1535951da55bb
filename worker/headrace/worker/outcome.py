"""How one run of a job can end: a closed set, and what each tells Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from headrace.brokers.protocol import Settlement
from headrace.contract.envelope import DeathRecord, encode_death, lua_string


@dataclass(frozen=True, slots=True)
class Done:
    """The handler returned. `result` is kept for `ttl_ms` when that is more than 0; then its task is named, and how
    many results that one keeps (0: no bound)."""

    result: bytes = b""
    ttl_ms: int = 0
    task: str = ""
    most: int = 0
    passes: bool = False
    """Other jobs of its workflow wait for it, and those that want its result get it."""
    attempts: int = 0
    """Charged so far, should the result be too large for them."""


@dataclass(frozen=True, slots=True)
class Retried:
    """The handler failed and the job will run again in `delay_ms`; `attempts` are charged so far."""

    attempts: int
    delay_ms: int
    error: str
    """Class and message of the exception."""

    @property
    def reason(self) -> str:
        """The class alone."""
        return self.error.partition(": ")[0]


@dataclass(frozen=True, slots=True)
class Buried:
    """The job is a dead letter, filed under `reason`."""

    task: str
    reason: str
    record: DeathRecord
    attempts: int
    fingerprint: str = ""
    traceback: str = ""
    on_trial: bool = False
    """Its worker's version is on trial, so Redis gives the job back instead."""


@dataclass(frozen=True, slots=True)
class Released:
    """Given back, nothing charged. `delay_ms` 0 keeps its place in the queue."""

    ready_us: int
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Called off while it ran."""


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The session lost its lease: others have the job, nothing may be said about it."""


Outcome = Done | Retried | Buried | Released | Cancelled | Abandoned

DONE = Done()
CANCELLED = Cancelled()
ABANDONED = Abandoned()


def _done(job_id: str, claim: str, done: Done) -> Settlement | None:
    kept = (job_id, claim, lua_string(done.result), done.ttl_ms, done.task, done.most)
    if done.passes:
        return ("pass", *kept, done.attempts)
    return ("result", *kept) if done.ttl_ms else None


def settlement(job_id: str, claim: str, outcome: Outcome) -> Settlement | None:
    """The entry for an outcome; None for those that need none (plain done ids go in bulk, abandoned ones nowhere)."""
    match outcome:
        case Done():
            return _done(job_id, claim, outcome)
        case Retried(attempts, delay_ms):
            return ("retry", job_id, claim, attempts, delay_ms, outcome.reason)
        case Released(ready_us, delay_ms):
            return ("release", job_id, claim, str(ready_us), delay_ms)
        case Buried(task, reason, record, attempts, fingerprint, traceback, _):
            packed = lua_string(encode_death(record))
            return ("bury", job_id, claim, task, reason, packed, fingerprint, traceback, attempts)
        case Cancelled():
            return ("cancel", job_id, claim)
        case Abandoned():
            return None
    assert_never(outcome)
