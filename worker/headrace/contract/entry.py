"""One job on its way into a queue, in the form that enqueue.lua and plan.lua take; and what stands in another's way."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from headrace.contract.envelope import lua_string
from headrace.contract.protocol import Priority


@dataclass(frozen=True, slots=True)
class Mark:
    """What a job says beside its value, to be looked at by the scripts (see lua/lib/marks.lua)."""

    limit_key: str = ""
    rule: str = ""
    """Name of the rule that its limit key is held to: its task."""
    unique: str = ""
    unique_ms: int = 0
    """For how long at most it keeps others of its unique key out."""
    fingerprint: str = ""
    """Of task and arguments: the same given id with another one is a conflict."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Where jobs of a workflow wait for others, as lua/lib/gates.lua keeps it."""

    id: str
    many: int
    """Places of the list that it gives to those it starts; 0: one result, no list."""
    limit: int
    """Bytes of all results together; -1: nobody takes them."""
    starts: tuple[str, ...]
    into: str
    """Gate and place that its list goes to, or ''."""
    waits: tuple[str, ...]
    """By place: `j` and a job's id, or `g` and an inner gate's."""


@dataclass(frozen=True, slots=True)
class Place:
    """A job's place in its workflow."""

    awaits: str = ""
    """Gate that starts it; '': it begins at once."""
    feeds: str = ""
    """Gate that waits for it, at `place`."""
    place: int = 0
    gates: tuple[Gate, ...] = ()
    """Made with this job; the first of a workflow brings them all."""

    def packed(self) -> tuple[object, ...]:
        """As lua/lib/flowing.lua unpacks it."""
        gates = [(one.id, one.many, one.limit, one.starts, one.into, one.waits) for one in self.gates]
        return (self.awaits, self.feeds, self.place, gates)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One job to enqueue. `at_ms` is Unix ms on the Redis clock, `delay_ms` counts from the enqueue; 0 is now."""

    id: str
    value: bytes
    at_ms: int = 0
    delay_ms: int = 0
    priority: Priority = Priority.DEFAULT
    given: bool = False
    """The id was chosen by the caller: enqueue only if it is not taken."""
    mark: Mark | None = None
    flow: Place | None = None

    @property
    def plain(self) -> bool:
        special = self.at_ms or self.delay_ms or self.given or self.mark or self.flow
        return not special and self.priority is Priority.DEFAULT

    def packed(self) -> tuple[object, ...]:
        """What enqueue.lua unpacks of one that is not plain."""
        head = (self.id, lua_string(self.value), self.at_ms, self.delay_ms, self.priority, self.given)
        mark = self.mark
        if mark is None and self.flow is None:
            return head
        mark = mark or Mark()
        marked = (*head, mark.limit_key, mark.rule, mark.unique, mark.unique_ms, mark.fingerprint)
        return marked if self.flow is None else (*marked, self.flow.packed())


@dataclass(frozen=True, slots=True)
class Standing:
    """The job that kept another from being enqueued."""

    id: str
    conflict: bool
    """It has the same given id and other arguments."""
