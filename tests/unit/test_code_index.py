"""The example's pure parts: tricky sources → definitions, words, the list of files, the manifest."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
import redis
import yaml

from code_index.discover import MAX_PACKAGE_FILES, module_name, source_files, written_by_hand
from code_index.parse import UNPARSABLE, DuplicateDefinitionError, by_name, by_name_and_line, parse
from code_index.terms import words
from headrace_operator.api.worker_queue import load_worker_queue

EXAMPLE = Path(__file__).parents[2] / "examples" / "code-index"

SETTER = '''
class Box:
    """A box.

    More about it.
    """

    @property
    def size(self): "How big it is."
    @size.setter
    def size(self, value): ...
    def open(self): ...
    async def close(self): ...
    class Lid:
        def lift(self): ...
'''
CONDITIONAL = """
import sys
if sys.platform == "win32":
    def fork(): ...
elif True:
    def fork(): ...
else:
    class Fork: ...
try:
    import fast
except ImportError:
    async def slow(): ...
finally:
    def last(): ...
match sys.platform:
    case "linux":
        def matched(): ...
with open("x"):
    def inside(): ...
for _ in range(1):
    def looped(): ...
"""
OVERLOADED = """
import typing
from typing import overload
@overload
def get(key: int) -> int: ...
@typing.overload
def get(key: str) -> str: ...
def get(key):
    def local(): ...
    return key
"""


def rows(source: str) -> list[tuple[str, str, int]]:
    return [(found.name, found.kind, found.line) for found in parse(source.encode(), "module.py")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(
            SETTER,
            [
                ("Box", "class", 2),
                ("Box.size", "property", 9),
                ("Box.size", "property", 11),
                ("Box.open", "method", 12),
                ("Box.close", "async method", 13),
                ("Box.Lid", "class", 14),
                ("Box.Lid.lift", "method", 15),
            ],
            id="setter, nested class",
        ),
        pytest.param(
            CONDITIONAL,
            [
                ("fork", "function", 4),
                ("fork", "function", 6),
                ("Fork", "class", 8),
                ("last", "function", 14),
                ("slow", "async function", 12),
                ("matched", "function", 17),
                ("inside", "function", 19),
                ("looped", "function", 21),
            ],
            id="every block",
        ),
        pytest.param(OVERLOADED, [("get", "function", 8)], id="overloads and locals are left out"),
    ],
)
def test_definitions(source: str, expected: list[tuple[str, str, int]]) -> None:
    assert rows(source) == expected


@pytest.mark.parametrize(
    ("source", "doc"),
    [
        ('def f():\n    """  One line.  \n\n    Another."""', "One line."),
        ('def f():\n    """\n    Late.\n    """', "Late."),
        ("def f(): ...", ""),
        (r'def f(): "half \ud800 of a pair"', "half ? of a pair"),
    ],
)
def test_doc_is_the_docstrings_first_line_and_can_be_stored(source: str, doc: str) -> None:
    assert [found.doc for found in parse(source.encode(), "module.py")] == [doc]


def test_a_file_declares_its_own_encoding() -> None:
    source = '# coding: latin-1\ndef f(): "caf\xe9"'.encode("latin-1")
    assert [found.doc for found in parse(source, "module.py")] == ["café"]


@pytest.mark.parametrize(
    "source",
    [
        b"print 'two'",
        b"# coding: nonesuch\n",
        b"x = '\xff'\n",
        b"x = 1\0\n",
        b"\xef\xbb\xbf# coding: latin-1\n",
    ],
    ids=["python 2", "unknown encoding", "not utf-8", "null byte", "bom and encoding"],
)
def test_unparsable_files_raise_what_version_2_records(source: bytes) -> None:
    with pytest.raises(UNPARSABLE):
        parse(source, "module.py")


def test_version_1_names_the_duplicate_and_version_2_takes_both() -> None:
    found = parse(SETTER.encode(), "box.py")
    with pytest.raises(DuplicateDefinitionError, match=r"^box\.Box\.size is defined in line 9 and in line 11$"):
        by_name(found, "box")
    assert {"Box.size:9", "Box.size:11"} <= by_name_and_line(found).keys()
    assert list(by_name(parse(OVERLOADED.encode(), "o.py"), "o")) == ["get"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HTTPServer.parse_url", {"http", "server", "parse", "url"}),
        ("Return the URL of a file.", {"return", "url", "file"}),
        ("utf8 __init__ x", {"utf", "init"}),
        ("", set()),
    ],
)
def test_words(text: str, expected: set[str]) -> None:
    assert words(text) == expected


def test_the_whole_corpus_is_listed_once() -> None:
    files = source_files()
    assert 2_000 <= len(files) <= 5_000
    assert len({file.id for file in files}) == len({file.path for file in files}) == len(files)
    by_path = {file.path: file.module for file in files}
    assert by_path[str(Path(sysconfig.get_path("stdlib"), "urllib", "parse.py"))] == "urllib.parse"
    assert by_path[str(Path(redis.__file__))] == "redis"
    assert not any("_vendor" in path or path.endswith(".pyc") for path in by_path)


def test_packages_of_more_files_than_people_write_are_left_out(tmp_path: Path) -> None:
    for name, count in (("big", MAX_PACKAGE_FILES + 1), ("small", 2)):
        (tmp_path / name / "_vendor").mkdir(parents=True)
        (tmp_path / name / "_vendor" / "copy.py").touch()
        for number in range(count):
            (tmp_path / name / f"m{number}.py").touch()
    (tmp_path / "single.py").touch()
    assert [file.module for file in written_by_hand(tmp_path)] == ["single", "small.m0", "small.m1"]


def test_module_name() -> None:
    assert module_name(Path("email/mime/__init__.py")) == "email.mime"
    assert module_name(Path("email/policy.py")) == "email.policy"
    assert module_name(Path("__init__.py")) == "__init__"


def test_the_queue_that_it_describes_is_the_one_it_has() -> None:
    queue = load_worker_queue(yaml.safe_load((EXAMPLE / "queue.yaml").read_text()))
    assert [served.name for served in queue.spec.queues] == ["code-index"]
    assert queue.spec.worker.app == "code_index.v1"
    assert queue.spec.scaling.min_replicas == 0
