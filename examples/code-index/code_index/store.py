"""The index in Redis: every key it has, and the only writes to it. Parses nothing and ranks nothing.

code-index:file:<file id>  what is indexed of one file, as JSON: an IndexedFile
code-index:postings        a sorted set, all scores 0, so that one range of its ordered members is one term's;
                           a member is: term NUL weight NUL file id NUL key of the definition

A file's postings follow from its IndexedFile; whoever changes how must change the keys as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import NamedTuple, Self, cast

import redis
from redis.client import Pipeline

from code_index.discover import SourceFile
from code_index.parse import Definition
from code_index.terms import words

POSTINGS = "code-index:postings"
FILE = "code-index:file:"
CHUNK = 1_000
"""Members of one command, files of one read: what keeps each command at about a millisecond."""

NAME_WEIGHT, DOC_WEIGHT = 3, 1
"""A word in a definition's name counts more than one in the sentence that describes it."""


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """One file in the index: its definitions by key, or the error that kept it from being parsed."""

    file: SourceFile
    definitions: Mapping[str, Definition] = field(default_factory=dict)
    error: str | None = None

    def to_json(self) -> str:
        """As stored; a definition is the list of its fields."""
        rows = {key: (d.name, d.kind, d.line, d.doc) for key, d in self.definitions.items()}
        return json.dumps([self.file.path, self.file.module, rows, self.error])

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`."""
        path, module, rows, error = json.loads(text)
        return cls(SourceFile(path, module), {key: Definition(*row) for key, row in rows.items()}, error)


class Posting(NamedTuple):
    """A term of a definition is worth `weight`; `key` is the definition's in the file's IndexedFile."""

    weight: int
    file_id: str
    key: str


def postings(indexed: IndexedFile) -> Iterator[str]:
    """The members that make a file's definitions found."""
    file_id = indexed.file.id
    for key, definition in indexed.definitions.items():
        named = words(definition.name)
        for term in named:
            yield f"{term}\0{NAME_WEIGHT}\0{file_id}\0{key}"
        for term in words(definition.doc) - named:
            yield f"{term}\0{DOC_WEIGHT}\0{file_id}\0{key}"


class Store:
    """The index behind one Redis client, which must decode responses. Safe to share between threads."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def replace(self, indexed: IndexedFile) -> None:
        """Put a file in the place of what was indexed of it before, atomically: twice is the same as once."""
        key = FILE + indexed.file.id

        def exchange(pipe: Pipeline) -> None:
            before = cast("str | None", pipe.get(key))
            pipe.multi()
            if before is not None:
                for gone in chunks(postings(IndexedFile.from_json(before))):
                    pipe.zrem(POSTINGS, *gone)
            for added in chunks(postings(indexed)):
                pipe.zadd(POSTINGS, dict.fromkeys(added, 0))
            pipe.set(key, indexed.to_json())

        self._client.transaction(exchange, key)

    def find(self, terms: Sequence[str]) -> list[list[Posting]]:
        """The postings of each term."""
        pipe = self._client.pipeline(transaction=False)
        for term in terms:
            pipe.zrangebylex(POSTINGS, f"[{term}\0", f"({term}\1")
        return [[posting(member) for member in members] for members in pipe.execute()]

    def read(self, file_ids: Sequence[str]) -> dict[str, IndexedFile]:
        """What is indexed of these files, by file id; unknown ones are left out."""
        texts = cast("list[str | None]", self._client.mget([FILE + file_id for file_id in file_ids]))
        pairs = zip(file_ids, texts, strict=True)
        return {file_id: IndexedFile.from_json(text) for file_id, text in pairs if text is not None}

    def read_all(self) -> Iterator[IndexedFile]:
        """Every file in the index, in no order."""
        keys = self._client.scan_iter(FILE + "*", count=CHUNK)
        for chunk in chunks(key.removeprefix(FILE) for key in keys):
            yield from self.read(sorted(set(chunk))).values()

    def count_postings(self) -> int:
        """How many pairs of a term and a definition there are."""
        return self._client.zcard(POSTINGS)


@cache
def connect() -> Store:
    """This process's store, at REDIS_URL: where the fleet's queue is too, under keys of its own."""
    url = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
    return Store(redis.Redis.from_url(url, decode_responses=True, socket_timeout=10, socket_connect_timeout=5))


def posting(member: str) -> Posting:
    """The inverse of a member; a term has no NUL in it, nor has a file id."""
    _, weight, file_id, key = member.split("\0", 3)
    return Posting(int(weight), file_id, key)


def chunks(items: Iterator[str]) -> Iterator[list[str]]:
    """Lists of at most CHUNK items."""
    while chunk := list(islice(items, CHUNK)):
        yield chunk
