"""The trial of a new version, from its canary to its end: pure steps from the last status and what is seen to the next.

All that it goes by is in the status, as times, counts and the names of runs that ended, so that another leader
continues where the last one ended. Which workers follow from it is plan_rollout's matter, what the canary has to show
the gate's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from headrace_operator.api.redact import for_people
from headrace_operator.api.rollout import Rollout
from headrace_operator.api.status import EXCUSED_KEPT, EXITS_KEPT, VERSIONS_KEPT, RolloutStatus
from headrace_operator.core.clock import seconds, timestamp
from headrace_operator.core.evidence import Work
from headrace_operator.core.gate import Evidence, Failed, Passed, Verdict, Waiting, judge
from headrace_operator.seams.runtime import VersionState


class Stage(StrEnum):
    """Where the trial of a version stands."""

    CANARY = "Canary"
    """One worker of it beside the old version's, which serve as before."""
    REPLACING = "Replacing"
    """It has passed the gate and replaces the old version, still judged."""
    COMPLETE = "Complete"
    """No version is on trial."""
    ROLLED_BACK = "RolledBack"
    """It failed; the old version serves until the spec asks for another one."""


@dataclass(frozen=True)
class Seen:
    """What a step goes by."""

    versions: Sequence[VersionState]
    target: str
    """Hash of the version that the spec asks for."""
    work: Work | None
    """None when it isn't known, or not of every queue."""
    now: float
    """Unix seconds."""
    away: bool = False
    """Redis can't be read. Else what isn't known has merely not been read yet."""

    def state(self, version: str) -> VersionState:
        """The workers of a version, none if it doesn't exist."""
        found = next((one for one in self.versions if one.hash == version), None)
        return found or VersionState(version, desired=0, ready=0, terminating=0)

    def exists(self, version: str) -> bool:
        """Whether the runtime knows it."""
        return any(one.hash == version for one in self.versions)


def advance(last: RolloutStatus | None, spec: Rollout, seen: Seen) -> RolloutStatus:
    """The next status of the rollout. The first version ever, and one that nothing can stand in for, has no trial."""
    stable = _stable(last, seen)
    if last is None or stable != last.stable:
        last = RolloutStatus(phase=Stage.COMPLETE, stable=stable, unproven=last.unproven if last else ())
    if seen.target == stable:
        following = last if last.phase == Stage.COMPLETE else _trusted(last, stable, "the spec asks for it again")
    elif last.phase == Stage.ROLLED_BACK and last.failed_version == seen.target:
        following = last
    else:
        following = _tried(last if last.candidate == seen.target else _begun(last, seen), spec, seen)
    return following.model_copy(update={"unproven": _unproven(following, seen)})


def _stable(last: RolloutStatus | None, seen: Seen) -> str:
    """The version to fall back on, which is the target itself where there is no other."""
    if last is not None:
        return last.stable if seen.exists(last.stable) else seen.target
    others = [version for version in seen.versions if version.hash != seen.target]
    if not others or seen.state(seen.target).desired:
        return seen.target
    return max(others, key=lambda version: (version.desired > 0, version.created)).hash


def _begun(last: RolloutStatus, seen: Seen) -> RolloutStatus:
    return RolloutStatus(
        phase=Stage.CANARY,
        stable=last.stable,
        candidate=seen.target,
        unproven=(seen.target, *(one for one in last.unproven if one != seen.target))[:VERSIONS_KEPT],
        started_time=timestamp(seen.now),
    )


def _tried(trial: RolloutStatus, spec: Rollout, seen: Seen) -> RolloutStatus:
    """One look at a version on trial."""
    if trial.candidate_before is None and seen.work is not None:
        before = {
            "candidate_before": seen.work.of(seen.target).counts(),
            "stable_before": seen.work.of(trial.stable).counts(),
        }
        trial = trial.model_copy(update=before)
    trial = _with_exits(_timed(trial, seen), seen)
    evidence = _evidence(trial, seen)
    verdict = judge(spec, evidence, seen.now)
    noted: dict[str, object] = {"reason": verdict.reason, "message": for_people(verdict.message)}
    if evidence is not None:
        noted |= {"jobs": evidence.candidate.finished, "failed": evidence.candidate.failed}
    return _decided(trial.model_copy(update=noted), verdict, seen)


def _decided(trial: RolloutStatus, verdict: Verdict, seen: Seen) -> RolloutStatus:
    match verdict:
        case Failed():
            update = {"phase": Stage.ROLLED_BACK, "candidate": None, "failed_version": trial.candidate}
            return trial.model_copy(update=update | {"finished_time": timestamp(seen.now)})
        case Passed() if trial.phase == Stage.CANARY:
            trial = trial.model_copy(update={"phase": Stage.REPLACING})
        case Passed() | Waiting():
            pass
        case _:
            assert_never(verdict)
    replaced = not any(version.desired for version in seen.versions if version.hash != seen.target)
    if trial.phase == Stage.REPLACING and replaced:
        return _trusted(trial, seen.target, trial.message, timestamp(seen.now))
    return trial


def _trusted(last: RolloutStatus, stable: str, message: str, finished: str | None = None) -> RolloutStatus:
    """No version is on trial any more."""
    return RolloutStatus(
        phase=Stage.COMPLETE,
        stable=stable,
        unproven=last.unproven,
        started_time=last.started_time if finished else None,
        finished_time=finished,
        jobs=last.jobs if finished else 0,
        failed=last.failed if finished else 0,
        reason=last.reason if finished else "",
        message=message,
    )


def _timed(trial: RolloutStatus, seen: Seen) -> RolloutStatus:
    """Since when the canary is wanted, and since when ready and in Redis.

    Time in which nothing was known, or no job could start, isn't its.
    """
    canary, now = seen.state(seen.target), timestamp(seen.now)
    wanted, ready = trial.wanted_time, trial.ready_time
    absent = seen.work is not None and seen.target not in seen.work.present
    if canary.desired == 0:
        wanted = ready = None
    elif seen.work is None:
        wanted, ready = (now, None) if ready is None else (None, now)
    elif absent if canary.ready else ready is None:
        wanted, ready = wanted or now, None
    else:
        wanted, ready = None, now if ready is None or seen.work.paused else ready
    return trial.model_copy(update={"wanted_time": wanted, "ready_time": ready})


def _with_exits(trial: RolloutStatus, seen: Seen) -> RolloutStatus:
    """What ends while Redis is away may end for its sake, and is excused for as long as it can be seen."""
    visible = [one.id for one in seen.state(seen.target).exits]
    if seen.away:
        excused = [one for one in visible if one not in trial.exits]
    elif seen.work is not None:
        excused = [one for one in visible if one in trial.excused_exits]
    else:
        return trial
    new = (one for one in visible if one not in (*trial.exits, *excused))
    held = (*trial.exits, *new)[:EXITS_KEPT]
    return trial.model_copy(update={"exits": held, "excused_exits": tuple(excused[-EXCUSED_KEPT:])})


def _evidence(trial: RolloutStatus, seen: Seen) -> Evidence | None:
    if seen.work is None or trial.candidate_before is None or trial.stable_before is None:
        return None
    canary = seen.state(seen.target)
    return Evidence(
        candidate=seen.work.of(seen.target).since(trial.candidate_before),
        stable=seen.work.of(trial.stable).since(trial.stable_before),
        stable_ever=seen.work.of(trial.stable),
        wanted_since=seconds(trial.wanted_time) if trial.wanted_time else None,
        ready_since=seconds(trial.ready_time) if trial.ready_time else None,
        ready=canary.ready > 0,
        present=seen.target in seen.work.present,
        failing=canary.failing,
        exits=tuple(one for one in canary.exits if one.id not in trial.excused_exits),
        ended=len(trial.exits),
        reasons=seen.work.failures.get(seen.target, {}),
        holding=seen.work.holding.get(seen.target, 0),
        paused=seen.work.paused,
    )


def _unproven(trial: RolloutStatus, seen: Seen) -> tuple[str, ...]:
    """The candidate, and those that never passed for as long as they have workers, or sessions that die yet."""

    def lives(version: str) -> bool:
        state = seen.state(version)
        return bool(state.desired or state.terminating) or seen.work is None or version in seen.work.holding

    return tuple(
        version
        for version in trial.unproven
        if version == trial.candidate or (version != trial.stable and lives(version))
    )
