"""How many workers: a pure function of the spec, of what was seen, of earlier decisions and of the time.

Demand is what workers could be running now: ready + due + leased jobs. It calls for ceil(demand / backlogPerReplica)
workers. Up at once, in steps; down to the most that the window called for, in steps; to zero only after a cooldown
without any job. The semantics of steps and window are those of Kubernetes' HorizontalPodAutoscaler v2 with
selectPolicy Max. Bounds are stronger than steps and than an open breaker; what is not known changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from headrace_operator.api.spec import ScaleDown, ScaleUp, WorkerQueueSpec
from headrace_operator.core.breaker import Held
from headrace_operator.core.decision import Decision, Inputs, Reason
from headrace_operator.core.history import Change, History
from headrace_operator.core.observation import Observation, Totals, Unavailable


def decide(
    spec: WorkerQueueSpec, seen: Observation, history: History, now: float, breaker: Held | None = None
) -> Decision:
    """The number of workers for `seen` at `now` (Unix seconds); history.after(decision, now) is the next history.

    `breaker` is one that is open.
    What was decided last counts as the current number, so that a rollout's surge or somebody's hand on a Deployment
    doesn't; without a last decision it is what runs.
    """
    current = seen.replicas if history.desired is None else history.desired
    match seen.stats:
        case Unavailable() as unknown:
            inputs = Inputs(current, spec.scaling.backlog_per_replica)
            return _ruled(spec, seen, inputs, None) or _hold(spec, inputs, unknown)
        case Totals() as totals:
            call = _call(spec, totals, current)
            inputs = _inputs(spec, totals, current, call)
            answer = _answer(_Situation(spec, seen.rolling, history, now, current, call, breaker))
            return _ruled(spec, seen, inputs, call.workers) or Decision(
                answer.workers,
                answer.reason,
                f"{call.text}{answer.because}",
                inputs,
                call.workers,
                answer.limited_by,
                answer.until,
            )
        case _:
            assert_never(seen.stats)


def _ruled(spec: WorkerQueueSpec, seen: Observation, inputs: Inputs, recommendation: int | None) -> Decision | None:
    """The decision where somebody else has made it, or None."""
    if seen.owned_by is not None:
        current = inputs.current_replicas
        message = f"{seen.owned_by} serves one of the queues already, so the fleet stays at {_workers(current)}"
        return Decision(current, Reason.OWNED_ELSEWHERE, message, inputs, recommendation, "queues")
    if spec.replicas is not None:
        message = f"spec.replicas pins the fleet to {_workers(spec.replicas)}"
        return Decision(spec.replicas, Reason.FIXED_REPLICAS, message, inputs, recommendation, "replicas")
    return None


def _hold(spec: WorkerQueueSpec, inputs: Inputs, unknown: Unavailable) -> Decision:
    """Nothing is known, so nothing changes, but for what the bounds say."""
    desired = _bounded(spec, inputs.current_replicas)
    message = f"{unknown.message} ({unknown.reason}), so the fleet stays at {_workers(desired)}"
    return Decision(desired, Reason.STATS_UNAVAILABLE, message, inputs, None, "redis")


@dataclass(frozen=True)
class _Call:
    """What the demand alone calls for."""

    demand: int
    workers: int
    paused: bool
    text: str

    @property
    def reason(self) -> Reason:
        if self.paused:
            return Reason.PAUSED
        return Reason.BACKLOG if self.demand else Reason.IDLE


@dataclass(frozen=True)
class _Situation:
    """A call, and everything that may limit the answer."""

    spec: WorkerQueueSpec
    rolling: bool
    history: History
    now: float
    current: int
    call: _Call
    breaker: Held | None

    @property
    def idle_for(self) -> float:
        return 0.0 if self.call.demand else max(self.now - self.history.last_active, 0.0)

    @property
    def within_tolerance(self) -> bool:
        fit = self.current * self.spec.scaling.backlog_per_replica
        return self.call.workers != self.current and abs(self.call.demand - fit) <= self.spec.scaling.tolerance * fit


@dataclass(frozen=True)
class _Answer:
    """A number of workers and what speaks for it."""

    workers: int
    reason: Reason
    because: str = ""
    limited_by: str | None = None
    until: float | None = None


def _call(spec: WorkerQueueSpec, totals: Totals, current: int) -> _Call:
    paused = spec.paused or len(totals.paused) == len(spec.queues)
    startable = 0 if spec.paused else totals.startable
    demand = startable + totals.leased
    per_worker = spec.scaling.backlog_per_replica
    workers = -(-demand // per_worker)
    if paused:
        # More workers would find nothing to claim; those that run finish what they have.
        workers = min(workers, max(current, 1))
        text = f"paused with {_jobs(totals.leased)} running"
    elif demand:
        parts = f"{totals.ready} ready, {totals.due} due, {totals.leased} leased"
        text = f"{_jobs(demand)} ({parts}) at {per_worker} per worker call for {_workers(workers)}"
    else:
        text = "no jobs to run"
    return _Call(demand, workers, paused, text)


def _answer(at: _Situation) -> _Answer:
    wanted = _bounded(at.spec, at.call.workers)
    if at.within_tolerance and _bounded(at.spec, at.current) == at.current:
        because = f", within the tolerance of {at.spec.scaling.tolerance:g} around {at.current}"
        return _Answer(at.current, Reason.WITHIN_TOLERANCE, because, "scaling.tolerance")
    if wanted > at.current:
        return _grow(at, wanted)
    if wanted < at.current:
        return _shrink(at)
    return _as_called(at)


def _as_called(at: _Situation) -> _Answer:
    """What the demand calls for, inside the bounds."""
    scaling = at.spec.scaling
    if at.call.workers > scaling.max_replicas:
        because = f"; maxReplicas is {scaling.max_replicas}"
        return _Answer(scaling.max_replicas, Reason.MAX_REPLICAS, because, "scaling.maxReplicas")
    if at.call.workers < scaling.min_replicas:
        reason = Reason.PAUSED if at.call.paused else Reason.MIN_REPLICAS
        because = f"; minReplicas is {scaling.min_replicas}"
        return _Answer(scaling.min_replicas, reason, because, "scaling.minReplicas")
    return _Answer(at.call.workers, at.call.reason)


def _grow(at: _Situation, wanted: int) -> _Answer:
    """The lowest of all that limits growth, a breaker first among equals."""
    lowest = min(_ceilings(at), key=lambda ceiling: ceiling.workers)
    return lowest if lowest.workers < wanted else _as_called(at)


def _ceilings(at: _Situation) -> Iterator[_Answer]:
    scaling = at.spec.scaling
    if at.breaker is not None:
        most = at.breaker.most(at.current, scaling.min_replicas)
        because = f"; the breaker is open ({at.breaker.reason}), so no more than {most}"
        yield _Answer(most, Reason.BREAKER_OPEN, because, "scaling.breaker", at.breaker.until)
    policy = scaling.scale_up
    changes = at.history.changed(at.now, policy.period_seconds)
    allowed = max(step_up(policy, at.current, changes), scaling.min_replicas)
    because = f"; scaleUp allows {allowed} for now"
    yield _Answer(allowed, Reason.STEP_LIMITED, because, "scaling.scaleUp", _frees(changes, policy, at.now))


def _shrink(at: _Situation) -> _Answer:
    """The highest of all that keeps workers, but never more than there are or may be."""
    highest = max(_floors(at), key=lambda floor: floor.workers)
    if at.current > at.spec.scaling.max_replicas <= highest.workers:
        because = f"; maxReplicas is {at.spec.scaling.max_replicas}"
        return _Answer(at.spec.scaling.max_replicas, Reason.MAX_REPLICAS, because, "scaling.maxReplicas")
    return highest


def _floors(at: _Situation) -> Iterator[_Answer]:
    """Everything that keeps workers, the call itself first; none is above the current number."""
    scaling = at.spec.scaling
    yield _as_called(at)
    if at.rolling:
        yield _Answer(at.current, Reason.ROLLING_OUT, "; a rollout is under way", "rollout")
    gone_idle = at.call.demand == 0 and scaling.min_replicas == 0
    cooled = at.idle_for >= scaling.cooldown_seconds
    if gone_idle and not cooled:
        until = at.history.last_active + scaling.cooldown_seconds
        because = f", but not for {scaling.cooldown_seconds} s yet"
        yield _Answer(1, Reason.COOLING_DOWN, because, "scaling.cooldownSeconds", until)
    if not (gone_idle and cooled):
        # The window keeps a count from flapping; for the way to zero the cooldown does.
        yield _stabilised(at)
    policy = scaling.scale_down
    changes = at.history.changed(at.now, policy.period_seconds)
    if policy.percent < 100 and at.now - at.history.began < policy.period_seconds:
        changes, least = (Change(at.history.began, 0),), at.current
    else:
        least = step_down(policy, at.current, changes)
    because = f"; scaleDown allows {least} for now"
    yield _Answer(least, Reason.STEP_LIMITED, because, "scaling.scaleDown", _frees(changes, policy, at.now))


def _stabilised(at: _Situation) -> _Answer:
    window = at.spec.scaling.stabilization_window_seconds
    highest = at.history.highest(at.now, window, at.call.workers)
    workers = min(_bounded(at.spec, highest.replicas), at.current)
    because = f"; {highest.replicas} were called for within the last {window} s"
    return _Answer(workers, Reason.STABILIZING, because, "scaling.stabilizationWindowSeconds", highest.time + window)


def step_up(policy: ScaleUp, current: int, changes: tuple[Change, ...]) -> int:
    """The most workers that the policy allows, given the changes within its period."""
    start = current - sum(change.delta for change in changes)
    return max(current, start + max(policy.pods, -(-start * policy.percent // 100)))


def step_down(policy: ScaleDown, current: int, changes: tuple[Change, ...]) -> int:
    """The fewest workers that the policy allows, given the changes within its period."""
    start = current - sum(change.delta for change in changes)
    return min(current, max(0, start - max(policy.pods, -(-start * policy.percent // 100))))


def _frees(changes: tuple[Change, ...], policy: ScaleUp | ScaleDown, now: float) -> float:
    """When the oldest of the changes leaves the period; the change that is being made counts too."""
    return (changes[0].time if changes else now) + policy.period_seconds


def _bounded(spec: WorkerQueueSpec, workers: int) -> int:
    return max(spec.scaling.min_replicas, min(workers, spec.scaling.max_replicas))


def _inputs(spec: WorkerQueueSpec, totals: Totals, current: int, call: _Call) -> Inputs:
    return Inputs(
        current_replicas=current,
        backlog_per_replica=spec.scaling.backlog_per_replica,
        demand=call.demand,
        ready=totals.ready,
        due=totals.due,
        leased=totals.leased,
        scheduled=totals.scheduled,
    )


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"
