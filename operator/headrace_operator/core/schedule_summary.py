"""The status of a Schedule from what was found, and when it is worth a write. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headrace_operator.api.redact import for_people
from headrace_operator.api.schedule_status import RunNowStatus, ScheduleRun, ScheduleStatus
from headrace_operator.api.status import Condition
from headrace_operator.core.clock import timestamp
from headrace_operator.core.schedule_verdict import Verdict

READY: Final = "Ready"
STATUS_SECONDS: Final = 30.0
"""Between two writes of mere numbers: a Schedule may fire every second."""


@dataclass(frozen=True)
class Run:
    """One run, as Redis knows it."""

    time: float
    """Unix seconds."""
    fate: str
    job_id: str
    """Empty: none."""
    out_of_turn: bool = False
    """By a request, not by a tick."""


@dataclass(frozen=True)
class Mirrored:
    """What Redis knows of a Schedule; times are Unix seconds."""

    enqueued: int = 0
    skipped: int = 0
    missed: int = 0
    recent: tuple[Run, ...] = ()
    active: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What one look at a Schedule came to."""

    generation: int
    verdict: Verdict
    description: str | None = None
    """None: the cron expression can't be read."""
    next_tick: float | None = None
    """Unix seconds."""
    mirrored: Mirrored | None = None
    """None: Redis could not be asked."""
    history: int = 10
    run_now: RunNowStatus | None = None


def summarise(previous: ScheduleStatus | None, found: Found, now: float) -> ScheduleStatus:
    """The status to report; what could not be asked for now stays as it was."""
    status = previous or ScheduleStatus()
    changes: dict[str, object] = {
        "observed_generation": found.generation,
        "description": (found.description or "")[:500],
        "next_schedule_time": None if found.next_tick is None else timestamp(found.next_tick),
        "run_now": found.run_now,
        "conditions": (_ready(status, found, now),),
    }
    if found.mirrored is not None:
        changes |= _mirror(found.mirrored, found.history)
    return status.model_copy(update=changes)


def worth_writing(old: ScheduleStatus | None, new: ScheduleStatus, last_write: float | None, now: float) -> bool:
    """Whether `new` should replace `old`, which was written at `last_write` (None: by somebody else, long ago)."""
    if old == new:
        return False
    if old is None or last_write is None or _turning_points(old) != _turning_points(new):
        return True
    return now - last_write >= STATUS_SECONDS


def condition(status: ScheduleStatus | None) -> Condition | None:
    """Ready, if it was ever told."""
    return next((one for one in status.conditions if one.type == READY), None) if status else None


def _turning_points(status: ScheduleStatus) -> tuple[object, ...]:
    """All that must not wait."""
    ready = condition(status)
    return status.observed_generation, status.run_now, ready and (ready.status, ready.reason, ready.message)


def _ready(status: ScheduleStatus, found: Found, now: float) -> Condition:
    before, value = condition(status), str(found.verdict.ready)
    unchanged = before is not None and before.status == value
    return Condition(
        type=READY,
        status=value,
        observed_generation=found.generation,
        last_transition_time=before.last_transition_time if before and unchanged else timestamp(now),
        reason=found.verdict.reason,
        message=for_people(found.verdict.message),
    )


def _mirror(known: Mirrored, history: int) -> dict[str, object]:
    changes: dict[str, object] = {
        "active": known.active[-history:] if history else (),
        "enqueued": known.enqueued,
        "skipped": known.skipped,
        "missed": known.missed,
        "recent": tuple(
            ScheduleRun(time=timestamp(run.time), fate=run.fate.capitalize(), job_id=run.job_id or None)
            for run in known.recent[:history]
        ),
    }
    ran = [run for run in known.recent if run.job_id]
    if ran:
        changes["last_job_id"] = ran[0].job_id
    if ticks := [run for run in ran if not run.out_of_turn]:
        changes["last_schedule_time"] = timestamp(ticks[0].time)
    return changes
