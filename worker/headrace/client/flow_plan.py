"""Turns the steps of a workflow into jobs and gates: which begins at once, which waits where and for whom. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from headrace.client.steps import Chain, Group, Signature, Step
from headrace.contract.entry import Gate, Place
from headrace.errors import ConfigError

MOST_STORED: Final = 16 * 1024 * 1024
"""Bytes that one result may take in all, being stored with each job that takes it."""


@dataclass(eq=False)
class _Gate:
    """One that is still being planned."""

    id: str
    many: int
    into: _Feed | None = None
    starts: list[PlannedJob] = field(default_factory=list)
    waits: dict[int, str] = field(default_factory=dict)

    def takers(self) -> int:
        """How many jobs get what it gives, directly or as part of an outer list."""
        return sum(job.takes for job in self.starts) + (self.into.gate.takers() if self.into else 0)

    def made(self, limit: int) -> Gate:
        takers = self.takers()
        return Gate(
            id=self.id,
            many=self.many,
            limit=min(limit, MOST_STORED // takers) if takers else -1,
            starts=tuple(job.id for job in self.starts),
            into=f"{self.into.gate.id} {self.into.place}" if self.into else "",
            waits=tuple(self.waits[place] for place in range(len(self.waits))),
        )


@dataclass(frozen=True)
class _Feed:
    gate: _Gate
    place: int


@dataclass(eq=False)
class PlannedJob:
    """One call's job."""

    call: Signature[Any]
    id: str
    awaits: _Gate | None
    feeds: _Feed | None

    @property
    def takes(self) -> bool:
        """Its first argument comes from those before it."""
        return self.awaits is not None and self.call.takes_result

    @property
    def wanted(self) -> bool:
        """Its result goes to somebody."""
        return self.feeds is not None and self.feeds.gate.takers() > 0

    def place(self, gates: tuple[Gate, ...] = ()) -> Place:
        """What Redis is told of it."""
        return Place(
            awaits=self.awaits.id if self.awaits else "",
            feeds=self.feeds.gate.id if self.feeds else "",
            place=self.feeds.place if self.feeds else 0,
            gates=gates,
        )


Shape = PlannedJob | list["Shape"]
"""The jobs whose results are the workflow's: one, or a list for a group at its end."""


@dataclass(frozen=True)
class FlowPlan:
    """Of one enqueue."""

    jobs: tuple[PlannedJob, ...]
    gates: tuple[Gate, ...]
    ends: Shape


def plan_workflow(step: Step[Any], new_id: Callable[[], str], limit: int) -> FlowPlan:
    """limit: bytes of what a job may be given. Raises ConfigError."""
    planner = _Planner(new_id)
    ends = planner.add(step, None, None)
    return FlowPlan(tuple(planner.jobs), tuple(gate.made(limit) for gate in planner.gates), ends)


class _Planner:
    def __init__(self, new_id: Callable[[], str]) -> None:
        self.jobs: list[PlannedJob] = []
        self.gates: list[_Gate] = []
        self._new_id = new_id

    def add(self, step: Step[Any], awaits: _Gate | None, feeds: _Feed | None) -> Shape:
        """Plan a step that begins when `awaits` opens and whose result goes to `feeds`."""
        match step:
            case Signature():
                return self._add_job(step, awaits, feeds)
            case Chain(links):
                for link in links[:-1]:
                    awaits = self._add_link(link, awaits)
                return self.add(links[-1], awaits, feeds)
            case Group(members):
                gate = self._add_gate(len(members), feeds) if feeds else None
                return self._add_members(members, awaits, gate)
            case _:
                raise ConfigError(f"a workflow is made of steps such as task.s(…), got {type(step).__name__}")

    def _add_job(self, call: Signature[Any], awaits: _Gate | None, feeds: _Feed | None) -> PlannedJob:
        job = PlannedJob(call, self._new_id(), awaits, feeds)
        self.jobs.append(job)
        if awaits is not None:
            awaits.starts.append(job)
        if feeds is not None:
            feeds.gate.waits[feeds.place] = f"j{job.id}"
        return job

    def _add_gate(self, many: int, into: _Feed | None = None) -> _Gate:
        gate = _Gate(self._new_id(), many, into)
        self.gates.append(gate)
        if into is not None:
            into.gate.waits[into.place] = f"g{gate.id}"
        return gate

    def _add_link(self, link: Step[Any], awaits: _Gate | None) -> _Gate:
        """A step that another follows; the gate where that one waits."""
        if isinstance(link, Group):
            gate = self._add_gate(len(link.members))
            self._add_members(link.members, awaits, gate)
        else:
            gate = self._add_gate(0)
            self.add(link, awaits, _Feed(gate, 0))
        return gate

    def _add_members(self, members: tuple[Step[Any], ...], awaits: _Gate | None, gate: _Gate | None) -> Shape:
        return [self.add(member, awaits, _Feed(gate, i) if gate else None) for i, member in enumerate(members)]
