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

    @property
    def plain(self) -> bool:
        special = self.at_ms or self.delay_ms or self.given or self.mark
        return not special and self.priority is Priority.DEFAULT

    def packed(self) -> tuple[str | int | bool | msgspec.Raw, ...]:
        """What enqueue.lua unpacks of one that is not plain."""
        head = (self.id, lua_string(self.value), self.at_ms, self.delay_ms, self.priority, self.given)
        mark = self.mark
        if mark is None:
            return head
        return (*head, mark.limit_key, mark.rule, mark.unique, mark.unique_ms, mark.fingerprint)


@dataclass(frozen=True, slots=True)
class Standing:
    """The job that kept another from being enqueued."""

    id: str
    conflict: bool
    """It has the same given id and other arguments."""
