"""What an audit can find wrong, as closed types, and its report. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, assert_never, get_args

from headrace.contract.protocol import State


@dataclass(frozen=True)
class Orphan:
    """Has an envelope and stands nowhere. Mended: ready, nothing charged."""

    id: str


@dataclass(frozen=True)
class Ghost:
    """Stands somewhere without an envelope: can't be run. Mended: removed."""

    id: str
    place: str


@dataclass(frozen=True)
class Doubled:
    """Stands in several places. Mended: the most advanced one is kept, in mend.lua's order."""

    id: str
    places: tuple[str, ...]


@dataclass(frozen=True)
class Misfiled:
    """The dead-letter structures, or those of limits or workflows, disagree about it. Mended: filed where its
    state says."""

    id: str
    place: str


@dataclass(frozen=True)
class Stuck:
    """Waits for jobs of its workflow that are no more, or that do not know of it. Mended: a dead letter."""

    id: str


@dataclass(frozen=True)
class StrayGate:
    """A gate of a workflow at which nobody waits. Mended: removed."""

    gate: str


@dataclass(frozen=True)
class StraySchedule:
    """A schedule's record without its name, or a name without a record. Mended: removed."""

    uid: str


@dataclass(frozen=True)
class StrayLeases:
    """Leases of a session that no longer exists. Mended: ready, nothing charged."""

    sid: str
    leases: int


@dataclass(frozen=True)
class FacetMismatch:
    """A count by task and reason differs from its letters. Mended: set."""

    facet: str
    counted: int
    actual: int


@dataclass(frozen=True)
class TracebackMismatch:
    """A traceback's count of users differs from the letters that name it. Mended: corrected by the difference."""

    fingerprint: str
    counted: int
    actual: int


Finding = (
    Orphan
    | Ghost
    | Doubled
    | Misfiled
    | Stuck
    | StrayGate
    | StraySchedule
    | StrayLeases
    | FacetMismatch
    | TracebackMismatch
)
KINDS: Final = tuple(kind.__name__ for kind in get_args(Finding))
"""Their names."""
KEPT_PER_KIND: Final = 1000
"""As many are named; all are counted."""


def subject(finding: Finding) -> str:
    """The job, gate, schedule, session, facet or traceback that it is about."""
    match finding:
        case Orphan(id) | Ghost(id) | Doubled(id) | Misfiled(id) | Stuck(id):
            return id
        case StrayGate(gate):
            return gate
        case StraySchedule(uid):
            return uid
        case StrayLeases(sid):
            return sid
        case FacetMismatch(facet):
            return facet
        case TracebackMismatch(fingerprint):
            return fingerprint
        case _:
            assert_never(finding)


@dataclass(frozen=True)
class AuditReport:
    """What one audit saw."""

    queue: str
    states: Mapping[State, int]
    """Sound jobs per state, each counted when it was looked at."""
    counts: Mapping[str, int]
    """Kind of finding → how many."""
    findings: tuple[Finding, ...]
    """At most KEPT_PER_KIND of each kind."""
    mended: int
    """Ids and counts changed; 0 without repair."""
    tracebacks_checked: bool
    """False when dead letters came and went all the while, so that their tracebacks' counts could not be compared."""
    ids: int
    """Looked at; one that several structures name is counted in each."""

    @property
    def clean(self) -> bool:
        """Nothing was wrong."""
        return not self.counts
