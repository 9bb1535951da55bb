"""Whether this process does what it should, told by the age of what it last heard and did. Asks nobody."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headrace_operator.api.names import QueueKey, ScheduleKey
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.cluster.leadership import Leadership
from headrace_operator.objects.kubernetes import KubernetesObjects, KubernetesSchedules
from headrace_operator.operate.counts import Counts
from headrace_operator.reconcile.controller import Controller
from headrace_operator.reconcile.record import Record
from headrace_operator.runtimes.kubernetes.view import View
from headrace_operator.schedules.controller import ScheduleController

LEASE_SILENCE: Final = 30.0
WATCH_SILENCE: Final = 150.0
"""The API server sends a bookmark every minute."""
LIST_SILENCE: Final = 200.0
RECONCILE_SILENCE: Final = 60.0
"""A WorkerQueue at rest is looked at every ten seconds."""


@dataclass(frozen=True)
class Work:
    """The parts of a leader."""

    view: View
    objects: KubernetesObjects
    schedules: KubernetesSchedules
    controller: Controller
    scheduler: ScheduleController


class Readiness:
    """A standby is ready while it hears of the Lease; a leader has to hear of everything and to act."""

    def __init__(self, leadership: Leadership, counts: Counts) -> None:
        self.work: Work | None = None
        """Set while leading."""
        self._leadership, self._counts = leadership, counts

    @property
    def leading(self) -> bool:
        """Whether this process leads."""
        return self._leadership.leading

    @property
    def records(self) -> Mapping[QueueKey, Record]:
        """What a leader knows of each WorkerQueue; a standby knows none."""
        return self.work.controller.records if self.work is not None else {}

    @property
    def schedules(self) -> Mapping[ScheduleKey, ScheduleStatus]:
        """The last status of each Schedule; a standby knows none."""
        return self.work.scheduler.statuses if self.work is not None else {}

    def ages(self) -> dict[str, float]:
        """Seconds since the API server spoke of each thing that is watched; nothing of what it never spoke of."""
        heard = {"lease": self._leadership.heard}
        if self.work is not None:
            heard |= {"workers": self.work.view.heard, "workerqueues": self.work.objects.heard}
            heard["schedules"] = self.work.schedules.heard
        return {what: time.monotonic() - last for what, last in heard.items() if last}

    def problem(self) -> str | None:
        """What is wrong, in one line, or None."""
        problem = _silent("Lease", self._leadership.heard, LEASE_SILENCE)
        if problem is not None or self.work is None:
            return problem
        return (
            _silent("pods and Deployments", self.work.view.heard, WATCH_SILENCE)
            or _silent("WorkerQueues", self.work.objects.heard, LIST_SILENCE)
            or (_silent("reconciles", self._counts.heard, RECONCILE_SILENCE) if self.work.controller.records else None)
        )


def _silent(what: str, last: float, most: float) -> str | None:
    if not last:
        return f"nothing was heard of {what} yet"
    age = time.monotonic() - last
    return f"nothing was heard of {what} for {age:.0f} s" if age > most else None
