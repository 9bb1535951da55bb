"""Counts of dead letters by task and reason, as Redis keeps them, and the survey of a choice with its digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headrace.admin.handle import QueueHandle
from headrace.admin.paging import Range, as_wanted
from headrace.admin.selection import LetterFilter, ReplaySelection
from headrace.wire.commands import Argument


@dataclass(frozen=True)
class Facet:
    """How many letters of one task died of one reason."""

    task: str
    reason: str
    count: int


def read_facets(reply: Sequence[bytes]) -> tuple[Facet, ...]:
    """A flat list `task|reason`, count, …; the largest first."""
    facets = [facet_named(reply[i].decode(), int(reply[i + 1])) for i in range(0, len(reply), 2)]
    return tuple(sorted(facets, key=lambda facet: (-facet.count, facet.task, facet.reason)))


def facet_named(name: str, count: int) -> Facet:
    """The facet behind its name in Redis."""
    task, _, reason = name.partition("|")
    return Facet(task, reason, count)


@dataclass(frozen=True)
class Survey:
    """What the indexes know of a choice, at one moment."""

    digest: str
    """Another one whenever the set is; 12 hex digits. Attempts and payloads are not looked at: it is of all letters
    among which those are looked for, and of the filter."""
    range: Range
    """Times of death that are meant, ages counted from this moment."""
    facets: tuple[Facet, ...]
    """Empty for given ids."""


async def survey(handle: QueueHandle, said: LetterFilter, *, terms: str = "") -> Survey:
    """terms: what else decides what would move, for the digest. Raises QueueUnavailableError."""
    arguments = [*bound_arguments(said), terms, *choice_arguments(said)]
    digest, first, last, counts = await handle.run("survey_dead", *arguments)
    meant = Range(int(first) if first else None, int(last) if last else None)
    return Survey(digest.decode(), meant, read_facets(counts))


def choice_arguments(said: LetterFilter) -> list[Argument]:
    """Task, reason and ids as the scripts take them."""
    ids = dict.fromkeys(said.ids) if isinstance(said, ReplaySelection) else ()
    return [*map(as_wanted, (said.task, said.reason)), *ids]


def bound_arguments(said: LetterFilter) -> list[Argument]:
    """Since and older than."""
    return ["" if moment is None else moment.argument for moment in (said.since, said.older_than)]


async def range_of(handle: QueueHandle, said: LetterFilter) -> Range:
    """The times of death that are meant; asks Redis for the time only where an age is said."""
    since, older = said.since, said.older_than
    if (since is None or not since.ago) and (older is None or not older.ago):
        return Range(None if since is None else since.us, None if older is None else older.us - 1)
    return (await survey(handle, said)).range
