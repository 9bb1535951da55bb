"""Which version gets how many workers: a pure plan from the versions that run to the one that is wanted.

Whoever applies a plan looks again and plans again, so a plan is only the moves that are safe at once:

- Workers are added only while those that exist, terminating ones included, stay within desired + maxSurge (or
  maxReplicas + maxSurge, where one version is simply scaled).
- An old worker goes only when a ready new one does its work: old ones may be desired minus the ready new ones.
- A new version that fails gets no more workers, and the old ones stay; they take up growth meanwhile.
- A fleet without workers just switches.

A gate on the new version's results belongs into _replace, before the second worker is added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

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


@dataclass(frozen=True)
class Plan:
    """Moves that are safe now, in order, and what they are for. No steps means: wait, or all is done."""

    steps: tuple[Step, ...]
    phase: Phase
    message: str
    """One sentence for people."""


def plan_rollout(
    versions: Sequence[VersionState], target: str, desired: int, *, max_surge: int, max_replicas: int
) -> Plan:
    """The next moves towards `desired` workers, all of the version with the hash `target`.

    `max_surge` is at least 1. `desired` above `max_replicas` (a pinned fleet) is its own limit.
    """
    new = next((version for version in versions if version.hash == target), None)
    create = () if new else (Create(target),)
    new = new or VersionState(hash=target, desired=0, ready=0, terminating=0)
    old = [version for version in versions if version.hash != target]
    exist = sum(version.desired + version.terminating for version in versions)
    remove = tuple(Remove(version.hash) for version in old if version.desired == version.terminating == 0)
    if desired == 0 or not any(version.desired for version in old):
        room = max(max_replicas, desired) + max_surge - exist
        plan = _scale(new, old, desired, max(room, 0))
    else:
        plan = _replace(new, old, desired, max(desired + max_surge - exist, 0))
    return replace(plan, steps=(*create, *plan.steps, *remove))


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
