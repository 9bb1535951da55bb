"""The example's index on a real server: what goes in comes out, ranked, and the command that asks for it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from code_index.discover import SourceFile
from code_index.parse import by_name_and_line, parse
from code_index.search import search, totals
from code_index.store import POSTINGS, IndexedFile, Store
from code_index.terms import words
from support.servers import RedisServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "code-index"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url, decode_responses=True) as connected:
        connected.flushall()
        yield connected


@pytest.fixture
def store(client: redis.Redis) -> Store:
    return Store(client)


def indexed(path: str, source: str) -> IndexedFile:
    definitions = by_name_and_line(parse(source.encode(), path))
    return IndexedFile(SourceFile(path, Path(path).stem), definitions)


def found(store: Store, query: str, limit: int = 10) -> list[str]:
    return [f"{hit.module}.{hit.definition.name}:{hit.definition.line}" for hit in search(store, query, limit=limit)]


URLS = """
def parse_url(): ...
def split(): "Parse a URL into parts."
class Url:
    def parse(self): ...
def parse(): ...
"""


def test_a_file_comes_back_as_it_was_stored(store: Store) -> None:
    for file in (
        indexed("urls.py", URLS),
        IndexedFile(SourceFile("bad.py", "bad"), error="SyntaxError: no"),
    ):
        store.replace(file)
        assert store.read([file.file.id, "unknown"]) == {file.file.id: file}


def test_search_ranks_words_matched_then_names_over_docs_then_short_names(store: Store) -> None:
    store.replace(indexed("urls.py", URLS))
    ranked = ["urls.Url.parse:5", "urls.parse_url:2", "urls.split:3"]
    assert found(store, "parse url") == found(store, "URL parse") == [*ranked, "urls.Url:4", "urls.parse:6"]
    assert found(store, "parse url", limit=1) == ranked[:1]
    assert found(store, "pars") == found(store, "a the") == found(store, "") == []


def test_replacing_a_file_twice_is_the_same_as_once(store: Store, client: redis.Redis) -> None:
    store.replace(indexed("urls.py", URLS))
    before = client.zrange(POSTINGS, 0, -1), totals(store)
    store.replace(indexed("urls.py", URLS))
    assert (client.zrange(POSTINGS, 0, -1), totals(store)) == before


def test_replacing_a_file_removes_what_it_had_and_nothing_else(store: Store) -> None:
    store.replace(indexed("urls.py", URLS))
    store.replace(indexed("other.py", "def parse(): ..."))
    store.replace(IndexedFile(SourceFile("urls.py", "urls"), error="SyntaxError: no"))
    assert found(store, "parse url") == ["other.parse:1"]
    counted = totals(store)
    assert (counted.files, counted.definitions, counted.postings) == (2, 1, 1)
    assert counted.unparsable == {"urls.py": "SyntaxError: no"}


def test_two_that_replace_one_file_at_the_same_time_leave_one_of_both(store: Store) -> None:
    async def race() -> None:
        names = [f"def name{letter}(): ..." for letter in "abcdefgh"]
        async with asyncio.TaskGroup() as group:
            for source in names * 4:
                group.create_task(asyncio.to_thread(store.replace, indexed("raced.py", source)))

    asyncio.run(race())
    (only,) = store.read_all()
    (definition,) = only.definitions.values()
    assert totals(store).postings == len(words(definition.name))


async def command(url: str, *arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "code_index", *arguments),
        cwd=EXAMPLE,
        env={"REDIS_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_command_answers_in_plain_lines(server: RedisServer, store: Store) -> None:
    store.replace(indexed("urls.py", URLS))
    store.replace(IndexedFile(SourceFile("bad.py", "bad"), error="SyntaxError: no"))
    assert await command(server.url, "search", "parts", "--limit", "5") == (
        0,
        "function urls.split  Parse a URL into parts.\n    urls.py:3\n",
        "",
    )
    assert await command(server.url, "search", "nonesuch") == (1, "", "nothing found\n")
    code, out, _ = await command(server.url, "stats")
    assert (code, out.splitlines()) == (
        0,
        ["2 files (1 unparsable), 5 definitions", "11 postings", "    bad.py: SyntaxError: no"],
    )


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "nonsense"])
async def test_the_command_without_its_redis_says_so_in_one_line(url: str) -> None:
    code, out, err = await command(url, "stats")
    assert (code, out) == (2, "")
    assert err.startswith("code_index: can't read the index at REDIS_URL: ")
    assert err.count("\n") == 1
