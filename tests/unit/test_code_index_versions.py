"""What the example's two versions do with the same files: version 1's failures are version 2's entries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from code_index import v1, v2
from code_index.discover import SourceFile
from code_index.parse import DuplicateDefinitionError
from code_index.search import Totals, search, totals
from code_index.store import Store, connect
from support.servers import RedisServer

SETTER = "class Box:\n    @property\n    def size(self): ...\n    @size.setter\n    def size(self, value): ...\n"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    connect.cache_clear()
    with RedisServer() as server:
        monkeypatch.setenv("REDIS_URL", server.url)
        yield connect()
        connect.cache_clear()


def written(folder: Path, source: str) -> SourceFile:
    path = folder / "module.py"
    path.write_text(source)
    return SourceFile(str(path), "module")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (SETTER, DuplicateDefinitionError),
        ("print 'two'", SyntaxError),
        ("x = 1\0", (SyntaxError, ValueError)),
    ],
)
def test_version_1_raises_and_writes_nothing(
    tmp_path: Path, store: Store, source: str, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    with pytest.raises(error):
        v1.index(written(tmp_path, source))
    assert totals(store) == Totals(files=0, definitions=0, postings=0, unparsable={})


def test_version_2_indexes_what_version_1_can_not(tmp_path: Path, store: Store) -> None:
    file = written(tmp_path, SETTER)
    v2.index(file)
    assert [(hit.definition.kind, hit.definition.line) for hit in search(store, "size", limit=5)] == [
        ("property", 3),
        ("property", 5),
    ]
    v2.index(written(tmp_path, "print 'two'"))
    assert totals(store).definitions == 0
    assert totals(store).unparsable[file.path].startswith("SyntaxError: ")


def test_version_2_replaces_what_version_1_wrote(tmp_path: Path, store: Store) -> None:
    file = written(tmp_path, "def one(): ...\n")
    v1.index(file)
    v2.index(file)
    assert (totals(store).files, totals(store).definitions, totals(store).postings) == (1, 1, 1)
    assert [hit.definition.name for hit in search(store, "one", limit=5)] == ["one"]
