"""The breaker: whether a fleet may grow. Pure steps from the last status and the symptoms to the next status.

It opens at the first symptom, stays open while its reason is there or nobody can tell, and closes once that has been
known to be gone for the cool-off. All that it goes by is in the status, so that another leader continues where the last
one ended. It takes no worker away, and one may always run, so that somebody notices when all is well again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from headrace_operator.api.breaker import Breaker
from headrace_operator.api.redact import for_people
from headrace_operator.api.status import BreakerStatus
from headrace_operator.core.clock import seconds, timestamp
from headrace_operator.core.symptoms import BreakerReason, Symptom, Symptoms

LEAST: Final = 1
"""Workers that an open breaker lets run."""


class BreakerState(StrEnum):
    """Where the breaker stands."""

    CLOSED = "Closed"
    """The fleet may grow."""
    OPEN = "Open"
    """It may not."""


@dataclass(frozen=True)
class Held:
    """What an open breaker means for a decision."""

    reason: str
    until: float | None
    """Unix time at which it closes, unless something changes; None while its reason is there."""

    def most(self, current: int, least: int) -> int:
        """The most workers it allows where there are `current`, and `least` are asked for in any case."""
        return max(current, least, LEAST)


def advance(last: BreakerStatus | None, spec: Breaker, found: Symptoms, now: float) -> BreakerStatus | None:
    """The next status at `now` (Unix seconds); None for a spec without breaker."""
    if not spec.enabled:
        return None
    if not is_open(last):
        return _opened(found.present[0], None, now) if found.present else _closed(last)
    assert last is not None
    symptom = found.of(last.reason) or next(iter(found.present), None)
    if symptom is not None:
        return _opened(symptom, last, now)
    if last.reason in found.unclear:
        return last.model_copy(update={"clear_time": None, "retry_time": None})
    return _cleared(last, spec, now)


def is_open(status: BreakerStatus | None) -> bool:
    """Whether it keeps the fleet from growing."""
    return status is not None and status.state == BreakerState.OPEN


def held(status: BreakerStatus | None) -> Held | None:
    """What follows for the number of workers; None while it is closed."""
    if status is None or not is_open(status):
        return None
    return Held(status.reason, seconds(status.retry_time) if status.retry_time else None)


def usual_percent(status: BreakerStatus | None) -> float | None:
    """What was usual before the spike that keeps it open: the longer that lasts, the more usual it would seem."""
    if status is None or not is_open(status) or status.reason != BreakerReason.FAILURE_SPIKE:
        return None
    return status.usual_percent


def _opened(symptom: Symptom, last: BreakerStatus | None, now: float) -> BreakerStatus:
    return BreakerStatus(
        state=BreakerState.OPEN,
        reason=symptom.reason,
        message=for_people(symptom.message),
        since_time=last.since_time if last else timestamp(now),
        usual_percent=symptom.usual_percent,
    )


def _closed(last: BreakerStatus | None) -> BreakerStatus:
    return last or BreakerStatus(state=BreakerState.CLOSED)


def _cleared(last: BreakerStatus, spec: Breaker, now: float) -> BreakerStatus:
    # Rounded up, so that it never closes early; and never later than now, should the clock have been put back.
    clear = float(math.ceil(now))
    if last.clear_time is not None:
        clear = min(clear, seconds(last.clear_time))
    retry = clear + spec.cool_off_seconds
    if now >= retry:
        return BreakerStatus(state=BreakerState.CLOSED, since_time=timestamp(now))
    return last.model_copy(update={"clear_time": timestamp(clear), "retry_time": timestamp(retry)})
