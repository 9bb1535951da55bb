"""What a workflow is made of: calls of tasks, one after the other (`a.s(1) | b.s()`) or side by side (`group(…)`).

Steps are values: made, combined and checked without Redis, and good for any number of enqueues.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, overload

from headrace.errors import ConfigError

if TYPE_CHECKING:
    from headrace.client.task import Task
    from headrace.client.workflow import Workflow

MOST_MEMBERS: Final = 1000
"""Jobs that may wait for the same ones, or be waited for together."""
MOST_JOBS: Final = 5000
"""Jobs of one workflow: it is enqueued in one step."""

Result_co = TypeVar("Result_co", covariant=True)
Other = TypeVar("Other")
Later = TypeVar("Later")


class Step(Generic[Result_co]):
    """A part of a workflow, and a workflow by itself."""

    def __or__(self, following: Step[Later]) -> Chain[Later]:
        """Then that one, which gets the result of this. Raises ConfigError."""
        if not isinstance(following, Step):
            return NotImplemented
        return Chain((*_links(self), *_links(following)))

    async def enqueue(self) -> Workflow[Result_co]:
        """Put all jobs into the queue in one step; those of the first begin.

        Raises PayloadError (the first step's arguments don't fit), ProtocolError (a worker of the queue is too old for
        workflows), ConfigError (inside the block of a batch), and what `Task.enqueue` raises.
        """
        from headrace.client.workflow import send

        return await send(self)

    def calls(self) -> Iterator[Signature[Any]]:
        """Every call in it."""
        raise NotImplementedError

    def heads(self) -> Iterator[Signature[Any]]:
        """Those that begin together, when it begins."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Signature(Step[Result_co]):
    """One call of a task, made by `task.s(…)` or `task.si(…)`; nothing runs."""

    task: Task[Any, Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    takes_result: bool = True
    """After another step its result is the first argument, before `args`."""

    def __post_init__(self) -> None:
        self.task.check_step()

    def __repr__(self) -> str:
        return f"<Signature {self.task.queue.name}/{self.task.name}>"

    def calls(self) -> Iterator[Signature[Any]]:
        yield self

    def heads(self) -> Iterator[Signature[Any]]:
        yield self


@dataclass(frozen=True, eq=False)
class Chain(Step[Result_co]):
    """Steps one after the other."""

    links: tuple[Step[Any], ...]

    def __post_init__(self) -> None:
        _check(self)
        for before, following in pairwise(self.links):
            _check_following(before, following)

    def calls(self) -> Iterator[Signature[Any]]:
        for link in self.links:
            yield from link.calls()

    def heads(self) -> Iterator[Signature[Any]]:
        return self.links[0].heads()


@dataclass(frozen=True, eq=False)
class Group(Step[Result_co]):
    """Steps side by side; what follows gets the list of their results, in this order."""

    members: tuple[Step[Any], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.members) <= MOST_MEMBERS:
            raise ConfigError(f"group: takes 1 to {MOST_MEMBERS:,} members, got {len(self.members):,}")
        _check(self)

    def calls(self) -> Iterator[Signature[Any]]:
        for member in self.members:
            yield from member.calls()

    def heads(self) -> Iterator[Signature[Any]]:
        for member in self.members:
            yield from member.heads()


def chain(*steps: Step[Any]) -> Chain[Any]:
    """The same as `steps[0] | steps[1] | …`. Raises ConfigError."""
    if not steps:
        raise ConfigError("chain: takes at least one step")
    return Chain(tuple(link for step in steps for link in _links(step)))


@overload
def group(*members: Step[Other]) -> Group[list[Other]]: ...


@overload
def group(members: Iterable[Step[Other]], /) -> Group[list[Other]]: ...


def group(*members: Any) -> Group[Any]:
    """Steps that run at the same time: `group(a.s(1), b.s(2))` or `group(a.s(i) for i in ids)`, 1 to 1,000 of them.

    `group(…) | c.s()` calls `c` with the list of their results, in this order, when the last of them is done. Raises
    ConfigError.
    """
    if len(members) == 1 and not isinstance(members[0], Step):
        (members,) = members
    return Group(tuple(members))


def _links(step: Step[Any]) -> tuple[Step[Any], ...]:
    return step.links if isinstance(step, Chain) else (step,)


def _check(step: Chain[Any] | Group[Any]) -> None:
    calls = list(_calls_of(step))
    if len(calls) > MOST_JOBS:
        raise ConfigError(f"a workflow has at most {MOST_JOBS:,} jobs, this one has {len(calls):,}")
    queues = sorted({call.task.queue.name for call in calls})
    if len(queues) > 1:
        raise ConfigError(
            f"a workflow stays in one queue, this one is in {' and '.join(queues)}: "
            "enqueue the other queue's job in a step's handler, with job_id made of the step's own"
        )


def _calls_of(step: Chain[Any] | Group[Any]) -> Iterator[Signature[Any]]:
    parts = step.links if isinstance(step, Chain) else step.members
    for part in parts:
        if not isinstance(part, Step):
            raise ConfigError(f"a workflow is made of steps such as task.s(…), got {type(part).__name__}")
        yield from part.calls()


def _check_following(before: Step[Any], following: Step[Any]) -> None:
    heads = list(following.heads())
    if len(heads) > MOST_MEMBERS:
        raise ConfigError(f"at most {MOST_MEMBERS:,} jobs may follow a step, here {len(heads):,} do")
    for head in heads:
        if head.takes_result:
            head.task.check_following(head.args, head.kwargs)
