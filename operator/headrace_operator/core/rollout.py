"""Which version gets how many workers: a pure plan from the versions that run to the one that is wanted.

Whoever applies a plan looks again and plans again, so a plan is only the moves that are safe at once:

- Workers are added only while those that exist, terminating ones included, stay within desired + maxSurge (or
  maxReplicas + maxSurge, where one version is simply scaled).
- An old worker goes only when a ready new one does its work: old ones may be desired minus the ready new ones.
- A new version that fails gets no more workers, and the old ones stay; they take up growth meanwhile.
- A fleet without workers just switches.
- A version on trial gets one worker, the canary, beside all those that the trusted one needs; once it has passed the
  gate it goes on as above. One that is rolled back loses its workers at once. The trusted version is kept until then,
  also without workers, because nobody else knows how to make it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from headrace_operator.core.trial import Stage
from headrace_operator.seams.runtime import VersionState


@dataclass(frozen=True)
class Create:
    """Make the version exist, without workers."""

    version: str


@dataclass(frozen=True)
class Scale:
    """Ask for so many workers of the version."""

    version: str
    replicas: int


@dataclass(frozen=True)
class Remove:
    """Forget the version, which has no workers left."""

    version: str


Step = Create | Scale | Remove


class Phase(StrEnum):
    """Where a rollout stands."""

    COMPLETE = "Complete"
    """Only the wanted version has workers, as many as are wanted."""
    SCALING = "Scaling"
    """Only the wanted version has workers, and their number is being changed."""
    ROLLING_OUT = "RollingOut"
    """Old workers are being replaced."""
    FAILING = "VersionFailing"
    """The wanted version's workers can't run."""
    CANARY = "Canary"
    """The wanted version is tried out with one worker."""
    ROLLED_BACK = "RolledBack"
    """The wanted version has failed its trial; the one before it serves."""


@dataclass(frozen=True)
class Trial:
    """Where the trial of a version stands; see core/trial.py."""

    stage: Stage
    version: str
    """The one on trial, or that was."""
    stable: str
    """The one that is trusted, another one."""
    message: str
    """What the gate says."""
    may_start: bool = True
    """The canary's failures will be charged to no job, so that it may start."""


@dataclass(frozen=True)
class Plan:
    """Moves that are safe now, in order, and what they are for. No steps means: wait, or all is done."""

    steps: tuple[Step, ...]
    phase: Phase
    message: str
    """One sentence for people."""


def plan_rollout(
    versions: Sequence[VersionState],
    target: str,
    desired: int,
    *,
    max_surge: int,
    max_replicas: int,
    trial: Trial | None = None,
) -> Plan:
    """The next moves towards `desired` workers, all of the version with the hash `target`, as far as `trial` lets it.

    `max_surge` is at least 1. `desired` above `max_replicas` (a pinned fleet) is its own limit.
    """
    fleet = _Fleet(versions, desired, max_surge, max(max_replicas, desired) + max_surge)
    if trial is None:
        return _moved(fleet, target, kept=())
    match trial.stage:
        case Stage.CANARY:
            return _try_out(fleet, trial)
        case Stage.REPLACING | Stage.COMPLETE:
            return _moved(fleet, target, kept=(trial.stable,))
        case Stage.ROLLED_BACK:
            return _go_back(fleet, trial)
        case _:
            assert_never(trial.stage)


@dataclass(frozen=True)
class _Fleet:
    """What runs, and how many should."""

    versions: Sequence[VersionState]
    desired: int
    surge: int
    bound: int
    """Most workers that may ever exist."""

    @property
    def exist(self) -> int:
        return sum(version.desired + version.terminating for version in self.versions)

    def state(self, version: str) -> VersionState:
        found = (one for one in self.versions if one.hash == version)
        return next(found, VersionState(hash=version, desired=0, ready=0, terminating=0))

    def create(self, version: str) -> tuple[Step, ...]:
        return () if any(one.hash == version for one in self.versions) else (Create(version),)

    def remove(self, kept: Collection[str]) -> tuple[Step, ...]:
        """Forget what has no workers."""
        ended = (one.hash for one in self.versions if one.desired == one.terminating == 0)
        return tuple(Remove(version) for version in ended if version not in kept)

    def without(self, *names: str) -> list[VersionState]:
        return [one for one in self.versions if one.hash not in names]


def _moved(fleet: _Fleet, target: str, kept: Collection[str]) -> Plan:
    """All workers to `target`."""
    plan = _towards(fleet, target, fleet.without(target))
    return replace(plan, steps=(*fleet.create(target), *plan.steps, *fleet.remove((target, *kept))))


def _towards(fleet: _Fleet, target: str, old: Sequence[VersionState]) -> Plan:
    new, desired = fleet.state(target), fleet.desired
    if desired == 0 or not any(version.desired for version in old):
        return _scale(new, old, desired, max(fleet.bound - fleet.exist, 0))
    return _replace(new, old, desired, max(desired + fleet.surge - fleet.exist, 0))


def _try_out(fleet: _Fleet, trial: Trial) -> Plan:
    """The stable version serves as if nothing were; of the new one there is one worker more.

    Where it has several, since it was passed before and the spec went elsewhere and back, they go as stable ones come.
    """
    version, canary, stable = trial.version, fleet.state(trial.version), fleet.state(trial.stable)
    serving = _towards(fleet, trial.stable, fleet.without(version, trial.stable))
    scaled = (step for step in serving.steps if isinstance(step, Scale))
    added = sum(max(step.replicas - fleet.state(step.version).desired, 0) for step in scaled)
    if fleet.desired == 0:
        count = 0
    elif canary.desired:
        count = min(canary.desired, max(1, fleet.desired - stable.ready))
    else:
        room = fleet.desired + fleet.surge - fleet.exist - added  # those that go exist until they have ended
        count = 1 if room > 0 and trial.may_start else 0
    steps = (*serving.steps, *fleet.create(version), *_scaled(canary, count), *fleet.remove((version, trial.stable)))
    message = f"version {version} is on trial: {trial.message}; {trial.stable} serves, {_ready(stable, fleet.desired)}"
    if canary.failing is not None:
        return Plan(steps, Phase.FAILING, f"{version} can't run, {trial.stable} serves: {canary.failing}")
    return Plan(steps, Phase.CANARY, message)


def _go_back(fleet: _Fleet, trial: Trial) -> Plan:
    """The failed version stops at once, and the stable one serves again."""
    stable = fleet.state(trial.stable)
    plan = _scale(stable, fleet.without(trial.stable), fleet.desired, max(fleet.bound - fleet.exist, 0))
    steps = (*plan.steps, *fleet.remove((trial.stable,)))
    if plan.phase is Phase.FAILING:
        return replace(plan, steps=steps)
    message = f"version {trial.version} was rolled back: {trial.message}; {trial.stable} serves, "
    return Plan(steps, Phase.ROLLED_BACK, message + _ready(stable, fleet.desired))


def _scale(new: VersionState, old: Sequence[VersionState], desired: int, room: int) -> Plan:
    """No old worker does anything that a new one would have to take over."""
    retire = tuple(Scale(version.hash, 0) for version in old if version.desired)
    stuck = new.failing is not None and new.ready == 0 < new.desired
    growth = 0 if stuck else min(max(desired - new.desired, 0), room)
    replicas = min(new.desired + growth, desired)
    steps = (*retire, *_scaled(new, replicas))
    if new.failing is not None:
        return Plan(steps, Phase.FAILING, f"{new.hash} can't run: {new.failing}")
    if new.ready == desired and not steps:
        return Plan(steps, Phase.COMPLETE, f"version {new.hash}: {_ready(new, desired)}")
    waits = f", {desired - replicas} more when others have ended" if replicas < desired else ""
    return Plan(steps, Phase.SCALING, f"version {new.hash}: {_ready(new, desired)}{waits}")


def _ready(new: VersionState, desired: int) -> str:
    return f"{min(new.ready, desired)} of {desired} workers are ready"


def _replace(new: VersionState, old: Sequence[VersionState], desired: int, room: int) -> Plan:
    """Old workers go as new ones get ready."""
    running = sum(version.desired for version in old)
    keep = max(desired - new.ready, 0)
    retire = tuple(_retire(old, max(running - keep, 0)))
    if new.failing is not None:
        takes_over = max((version for version in old if version.desired), key=lambda version: version.created)
        growth = min(max(keep - running, 0), room)
        grow = _scaled(takes_over, takes_over.desired + growth) if growth else ()
        steps = (*retire, *grow, *_scaled(new, min(new.desired, desired)))
        return Plan(steps, Phase.FAILING, f"{new.hash} can't run, old workers stay: {new.failing}")
    growth = min(max(desired - new.desired, 0), room)
    steps = (*retire, *_scaled(new, min(new.desired + growth, desired)))
    message = f"version {new.hash}: {_ready(new, desired)}, {running} old to replace"
    return Plan(steps, Phase.ROLLING_OUT, message)


def _retire(old: Sequence[VersionState], surplus: int) -> Iterator[Scale]:
    """Take `surplus` workers from the old versions: those that aren't ready first, then the oldest version's."""
    by_age = sorted(old, key=lambda version: (version.created, version.hash))
    left = {version.hash: version.desired for version in by_age}
    for spares_ready in (True, False):
        for version in by_age:
            fewer = min(surplus, left[version.hash] - (version.ready if spares_ready else 0))
            if fewer > 0:
                surplus -= fewer
                left[version.hash] -= fewer
    for version in by_age:
        yield from _scaled(version, left[version.hash])


def _scaled(version: VersionState, replicas: int) -> tuple[Scale, ...]:
    return () if version.desired == replicas else (Scale(version.hash, replicas),)
