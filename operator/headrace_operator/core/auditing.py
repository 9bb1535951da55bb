"""What the operator makes of audits: whose turn it is, how long to rest between two steps, and which findings count.

Pure. Times in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from headrace.admin.findings import KEPT_PER_KIND, KINDS, AuditReport, subject

SHARE: Final = 0.02
"""Most of the time that an audit's steps may take of a Redis."""
LEAST_REST: Final = 0.01
"""Between two steps, however quick they are."""


@dataclass(frozen=True)
class Turn:
    """`queue` is to be audited in so many seconds; None: there is none, look again then."""

    queue: str | None
    seconds: float
    reason: Literal["never audited", "due", "too early", "no queue"]


def next_turn(begun: Mapping[str, float | None], now: float, every: float) -> Turn:
    """`begun`: queue → when its last audit began, None if there was none; `every`: between the beginnings of two."""
    if not begun:
        return Turn(None, every, "no queue")
    for queue, at in begun.items():
        if at is None:
            return Turn(queue, 0, "never audited")
    due = {queue: at + every - now for queue, at in begun.items() if at is not None}
    queue = min(due, key=due.__getitem__)
    return Turn(queue, due[queue], "too early") if due[queue] > 0 else Turn(queue, 0, "due")


@dataclass(frozen=True)
class Rest:
    """For so many seconds."""

    seconds: float
    reason: Literal["share", "least"]


def rest_after(took: float) -> Rest:
    """After a step that took so long, so that all of them together take no more than their share.

    How long a caller waits is more than what the server works: on a slow network audits are gentler still.
    """
    fair = took / SHARE - took
    return Rest(fair, "share") if fair > LEAST_REST else Rest(LEAST_REST, "least")


def confirmed(first: AuditReport, second: AuditReport) -> Mapping[str, int]:
    """Kind → what both audits found wrong: who was only on the way is somewhere else by the second one.

    An audit names a thousand of a kind; where both found more, the smaller number counts.
    """
    before = {(type(one), subject(one)) for one in first.findings}
    again = {(type(one), subject(one)) for one in second.findings} & before
    found = {}
    for kind in KINDS:
        most = min(first.counts.get(kind, 0), second.counts.get(kind, 0))
        named = sum(of.__name__ == kind for of, _ in again)
        if count := most if most > KEPT_PER_KIND else min(most, named):
            found[kind] = count
    return found
