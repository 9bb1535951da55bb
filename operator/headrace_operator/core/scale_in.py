"""Which workers leave when a version keeps some of its workers, and when: a pure plan that takes no job's worker away.

Whoever carries a plan out looks again and plans again. So its steps are those that are safe now, and all that decides
is seen anew each time, by a new leader too:

- Those to leave are cordoned: workers that aren't ready (a ReplicaSet deletes them first, whatever is aimed at), then
  idle ones, then those with the fewest jobs, then the youngest.
- Cordoned everywhere and without a lease, a worker is aimed at. Busy ones finish what they have first, as long as
  patience lasts; their preStop drains those that outlast it.
- Once the aim has settled, the count is lowered by the workers that are aimed at, and by no more.
- Whoever stays is neither cordoned nor aimed at, as soon as nobody is still to be chosen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from headrace_operator.core.departure import Departure, Leaving
from headrace_operator.core.member import Member

CORDON_SECONDS: Final = 15.0
"""For which a cordon holds unless renewed, at every look: long enough for a new leader, short enough if none comes."""
LONGEST_PATIENCE: Final = 60.0
"""Most seconds for busy workers to become idle. Then the fleet costs more than the certainty is worth: preStop drains
whoever is chosen, so nothing is lost but the choice."""
_NAMED: Final = 3
"""How many workers a message names."""


@dataclass(frozen=True)
class Cordon:
    """Give these workers no more jobs for CORDON_SECONDS, counted anew."""

    workers: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Lift:
    """Give these workers jobs again."""

    workers: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Aim:
    """Let exactly these be the first to be chosen."""

    workers: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Lower:
    """Ask for `replicas` workers, provided that none of `idle` has got a job since it was seen without."""

    version: str
    replicas: int
    aimed: tuple[str, ...]
    idle: tuple[str, ...]
    """Those of `aimed` that hold no job; the others have outlasted patience."""
    reason: str


Step = Cordon | Lift | Aim | Lower


@dataclass(frozen=True)
class Lowering:
    """A version shall have so many workers, fewer than it has, and not none."""

    version: str
    replicas: int


@dataclass(frozen=True)
class Fleet:
    """What was seen at one time."""

    members: tuple[Member, ...]
    """All workers that aren't on their way out, of all versions."""
    desired: Mapping[str, int]
    """Workers asked for, by version."""

    def of(self, version: str) -> list[Member]:
        """Its workers."""
        return [member for member in self.members if member.version == version]

    @property
    def choosing(self) -> frozenset[str]:
        """Versions with more workers than are asked for: some of them are still to be chosen."""
        live = Counter(member.version for member in self.members)
        return frozenset(version for version, count in live.items() if count > self.desired.get(version, 0))


@dataclass(frozen=True)
class Limits:
    """Times in seconds."""

    patience: float
    """For busy workers to become idle."""
    settle: float
    """From when an aim is seen until whoever chooses must have seen it too."""


@dataclass(frozen=True)
class Memory:
    """What one look leaves to the next; lost with the operator, it only makes the next one wait anew."""

    aimed: frozenset[str] = frozenset()
    aimed_since: float = 0.0
    """Since when exactly these have been seen as aimed at. Unix seconds, as all times here."""
    waiting_for: Lowering | None = None
    waiting_since: float = 0.0
    leaving: Leaving | None = None
    """The last time that the count was lowered, until it is known who went."""

    def lowered(self, step: Lower, fleet: Fleet) -> Memory:
        """What to remember once `step` was carried out on `fleet`."""
        before = frozenset(member.id for member in fleet.of(step.version))
        return replace(self, leaving=Leaving(step.version, before, frozenset(step.aimed), frozenset(step.idle)))


@dataclass(frozen=True)
class ScaleIn:
    """What is safe now, and what it waits for."""

    steps: tuple[Step, ...]
    memory: Memory
    message: str = ""
    """One sentence for people; empty if nobody is to leave."""
    left: Departure | None = None
    """Who went, once that is known."""


def plan_scale_in(
    fleet: Fleet | None, lowering: Lowering | None, memory: Memory, limits: Limits, now: float
) -> ScaleIn:
    """The next steps for `lowering`, or back from one if there is none; none while the queues are unknown (None)."""
    if fleet is None:
        message = "fewer workers are wanted, once it is known which are idle" if lowering else ""
        return ScaleIn((), replace(memory, waiting_for=None), message)
    memory, left = _remember(fleet, lowering, memory, now)
    live = fleet.of(lowering.version) if lowering else []
    if lowering is None or lowering.version in fleet.choosing:
        message = f"{len(live) - lowering.replicas} leave" if lowering else ""
        return ScaleIn(_back(fleet), memory, message, left)
    if len(live) < fleet.desired.get(lowering.version, 0):
        replicas = max(len(live), lowering.replicas)
        missing = Lower(lowering.version, replicas, (), (), f"the others of {len(live)} aren't there yet")
        return ScaleIn((missing,), memory, missing.reason, left)
    chosen = sorted(live, key=_rank)[: len(live) - lowering.replicas]
    patient = now - memory.waiting_since < limits.patience
    going = _going(chosen, patient)
    settled = now - memory.aimed_since >= limits.settle
    steps = (*_cordon(fleet, chosen), *_take(fleet, lowering.version, going, memory.aimed, settled))
    return ScaleIn(steps, memory, _message(chosen, patient), left)


def _remember(fleet: Fleet, lowering: Lowering | None, memory: Memory, now: float) -> tuple[Memory, Departure | None]:
    aimed = frozenset(member.id for member in fleet.members if member.aimed)
    if aimed != memory.aimed:
        memory = replace(memory, aimed=aimed, aimed_since=now)
    last = memory.waiting_for
    if lowering is None:
        memory = replace(memory, waiting_for=None)
    elif last is None or last.version != lowering.version or lowering.replicas < last.replicas:
        memory = replace(memory, waiting_for=lowering, waiting_since=now)
    leaving = memory.leaving or _found_leaving(fleet)
    if leaving is None or leaving.version in fleet.choosing:
        return replace(memory, leaving=leaving), None
    return replace(memory, leaving=None), leaving.over({member.id for member in fleet.members})


def _found_leaving(fleet: Fleet) -> Leaving | None:
    """What another leader has begun."""
    for version in fleet.choosing:
        live = fleet.of(version)
        aimed = [member for member in live if member.aimed]
        if aimed and fleet.desired.get(version, 0):
            idle = frozenset(member.id for member in aimed if member.may_go)
            return Leaving(version, frozenset(_ids(live)), frozenset(_ids(aimed)), idle)
    return None


def _rank(member: Member) -> tuple[object, ...]:
    """Who leaves first. Who is cordoned already does so rather than another, unless that one is idle now."""
    return (
        member.ready,
        not member.may_go,
        member.ready and not member.joined,  # not known to be idle
        member.leases > 0,
        not member.aimed,
        member.cordoned == 0,
        member.leases,
        -member.started,
        member.id,
    )


def _going(chosen: Collection[Member], patient: bool) -> tuple[str, ...]:
    """Those of `chosen` that may be aimed at: without patience all of them."""
    if not patient:
        return _ids(chosen)
    if any(not member.ready and not member.may_go for member in chosen):
        return ()  # it would be deleted before all that are aimed at
    return _ids(member for member in chosen if member.may_go)


def _cordon(fleet: Fleet, chosen: Collection[Member]) -> tuple[Step, ...]:
    """Cordon those to leave, again and again, and nobody else."""
    choosing = fleet.choosing
    at_stake = (one.id for one in fleet.members if one.version in choosing and (one.aimed or one.cordoned))
    barred = {*at_stake, *_ids(chosen)}
    cordon = _ids(member for member in fleet.members if member.id in barred and member.sessions)
    lift = _ids(member for member in fleet.members if member.id not in barred and member.cordoned)
    return (
        *([Cordon(cordon, "they leave")] if cordon else []),
        *([Lift(lift, "they stay")] if lift else []),
    )


def _take(fleet: Fleet, version: str, going: tuple[str, ...], aimed: frozenset[str], settled: bool) -> tuple[Step, ...]:
    """Aim, or lower by those that are aimed at.

    An aim under way is finished before others are aimed at, unless one of those isn't ready: it would be deleted first.
    """
    live = fleet.of(version)
    overtaken = any(member.id in going and not member.ready and member.id not in aimed for member in live)
    if not aimed or not aimed <= set(going) or overtaken:
        return () if aimed == set(going) else (Aim(going, "they leave first" if going else "nobody may leave yet"),)
    if not settled:
        return ()
    targets = [member for member in live if member.id in aimed]
    idle = _ids(member for member in targets if member.may_go)
    busy = len(targets) - len(idle)
    reason = f"{len(idle)} hold no job" + (f", {busy} have outlasted patience" if busy else "")
    return (Lower(version, len(live) - len(targets), _ids(targets), idle, reason),)


def _back(fleet: Fleet) -> tuple[Step, ...]:
    """Nobody else is to leave: hold those of whom some are still to be chosen, and set the others free."""
    aimed = [member for member in fleet.members if member.aimed]
    choosing = fleet.choosing
    kept = _ids(member for member in aimed if member.version in choosing)
    free = (Aim(kept, "the others stay"),) if len(kept) < len(aimed) else ()
    return (*_cordon(fleet, ()), *free)


def _message(chosen: Collection[Member], patient: bool) -> str:
    busy = sorted((member for member in chosen if member.leases), key=lambda member: -member.leases)
    if not busy:
        return f"{len(chosen)} leave"
    if not patient:
        return f"{len(chosen)} leave, {len(busy)} of them after a drain"
    named = [f"{member.id} ({_jobs(member.leases)})" for member in busy[:_NAMED]]
    more = [f"{len(busy) - _NAMED} more"] if len(busy) > _NAMED else []
    return f"{len(chosen)} leave once idle: waiting for {', '.join(named + more)}"


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count} jobs"


def _ids(members: Iterable[Member]) -> tuple[str, ...]:
    return tuple(member.id for member in members)
