"""What a decision needs to know of earlier ones. A frozen value; time in which nothing was known does not count."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headrace_operator.core.decision import Decision


@dataclass(frozen=True)
class Recommendation:
    """So many workers were called for at that time."""

    time: float
    replicas: int


@dataclass(frozen=True)
class Change:
    """The number of workers was changed by so many at that time."""

    time: float
    delta: int


@dataclass(frozen=True)
class History:
    """The past of one WorkerQueue, as far as it matters. Times are Unix seconds of the operator's clock.

    Lost with the operator's memory; begin() then assumes what keeps workers alive: that there was work until now, and
    that the fleet was only just changed.
    """

    began: float
    seen: float
    """When the last decision was made."""
    last_active: float
    """Up to when there were jobs, later by all time in which nothing was known."""
    desired: int | None = None
    """What was decided last; None before the first decision."""
    knew: bool = True
    """Whether that was decided from numbers."""
    recommendations: tuple[Recommendation, ...] = ()
    """Oldest first, strictly falling: one below a later one can't be the highest of any window any more."""
    changes: tuple[Change, ...] = ()
    """Oldest first, those of the last LONGEST_PERIOD seconds."""

    @classmethod
    def begin(cls, now: float, desired: int | None = None) -> History:
        """A history without past, of a fleet for which `desired` workers were wanted so far."""
        known = () if desired is None else (Recommendation(now, desired),)
        return cls(began=now, seen=now, last_active=now, desired=desired, recommendations=known)

    @classmethod
    def resume(cls, now: float, *, decided: int | None, running: int) -> History:
        """What a new leader assumes: the greater of the status's last decision and of the workers asked for.

        The status may lag behind the fleet, and the fleet may hold a surge; the lower of the two could take workers
        away for no reason.
        """
        return cls.begin(now, max(decided or 0, running))

    def until(self, now: float) -> History:
        """The history at `now`, before the next decision: what wasn't known at the last one wasn't known since."""
        if self.knew:
            return self
        return replace(self, seen=now)._not_knowing_for(max(now - self.seen, 0.0))

    def after(self, decision: Decision, now: float) -> History:
        """The history that includes `decision`, made at `now`."""
        changes = tuple(change for change in self.changes if now - change.time < LONGEST_PERIOD)
        before = decision.inputs.current_replicas
        if decision.desired != before:
            changes += (Change(now, decision.desired - before),)
        knew = decision.recommendation is not None
        following = replace(self, seen=now, desired=decision.desired, knew=knew, changes=changes)
        if decision.recommendation is None:
            return following._not_knowing_for(max(now - self.seen, 0.0))
        busy = (decision.inputs.demand or 0) > 0
        return replace(
            following,
            last_active=now if busy else self.last_active,
            recommendations=self._with(Recommendation(now, decision.recommendation)),
        )

    def highest(self, now: float, window: float, recommendation: int) -> Recommendation:
        """The highest recommendation within `window` seconds before `now`, this one included; the latest of equals."""
        recent = [one for one in self.recommendations if now - one.time < window and one.replicas > recommendation]
        return recent[0] if recent else Recommendation(now, recommendation)

    def changed(self, now: float, period: float) -> tuple[Change, ...]:
        """The changes within `period` seconds before `now`, oldest first."""
        return tuple(change for change in self.changes if now - change.time < period)

    def _with(self, latest: Recommendation) -> tuple[Recommendation, ...]:
        kept = [
            one
            for one in self.recommendations
            if one.replicas > latest.replicas and latest.time - one.time < LONGEST_WINDOW
        ]
        return (*kept, latest)

    def _not_knowing_for(self, seconds: float) -> History:
        return replace(
            self,
            last_active=self.last_active + seconds,
            recommendations=tuple(replace(one, time=one.time + seconds) for one in self.recommendations),
        )


LONGEST_PERIOD = 1800.0
"""Longest scaleUp or scaleDown period that a spec may ask for, in seconds."""
LONGEST_WINDOW = 3600.0
"""Longest stabilization window that a spec may ask for, in seconds."""
