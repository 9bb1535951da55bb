"""Answers from the index: definitions ranked by how well they match a query, and totals. Writes nothing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from heapq import nsmallest

from code_index.parse import Definition
from code_index.store import Posting, Store
from code_index.terms import words


@dataclass(frozen=True, slots=True)
class Hit:
    """A definition that matches, and where it is; `score` is the sum of its terms' weights."""

    score: int
    path: str
    module: str
    definition: Definition


@dataclass(frozen=True, slots=True)
class Totals:
    """What the index holds; `unparsable` maps a path to the error that was recorded for it."""

    files: int
    definitions: int
    postings: int
    unparsable: dict[str, str]


@dataclass(slots=True)
class Match:
    """How well one definition has matched so far."""

    terms: int = 0
    weight: int = 0


def search(store: Store, query: str, *, limit: int) -> list[Hit]:
    """The best `limit` definitions: most words of the query first, then weight, then the shortest name."""
    matches: defaultdict[tuple[str, str], Match] = defaultdict(Match)
    for found in store.find(sorted(words(query))):
        for posting in found:
            add(matches[posting.file_id, posting.key], posting)
    best = nsmallest(limit, matches.items(), key=lambda item: rank(*item))
    files = store.read(sorted({file_id for (file_id, _), _ in best})) if best else {}
    return [
        Hit(
            match.weight,
            files[file_id].file.path,
            files[file_id].file.module,
            files[file_id].definitions[key],
        )
        for (file_id, key), match in best
        # A file may be replaced between the two reads.
        if file_id in files and key in files[file_id].definitions
    ]


def add(match: Match, posting: Posting) -> None:
    """Count one more term of the query."""
    match.terms += 1
    match.weight += posting.weight


def rank(place: tuple[str, str], match: Match) -> tuple[int, int, int, str, str]:
    """Sorts the better match first; the last parts only make the order the same each time."""
    file_id, key = place
    return -match.terms, -match.weight, len(key), key, file_id


def totals(store: Store) -> Totals:
    """Count what the index holds; reads all of it."""
    files = definitions = 0
    unparsable: dict[str, str] = {}
    for indexed in store.read_all():
        files += 1
        definitions += len(indexed.definitions)
        if indexed.error is not None:
            unparsable[indexed.file.path] = indexed.error
    return Totals(files, definitions, store.count_postings(), unparsable)
