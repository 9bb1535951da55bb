"""The pages for users against the real thing: their code, commands, manifests and links."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_operator.objects.documents import read_documents
from support.command_lines import NotUnderstoodError, headrace_calls, understand, understand_mention
from support.pages import PAGES, ROOT, Block, Chapter, anchors, blocks, chapters

IMPORTED = [chapter for chapter in chapters() if not chapter.lives]
TESTED = [chapter for chapter in chapters() if chapter.tests]
FOREIGN = [block for block in blocks("python") if block.kind == "foreign"]
CONSOLE = blocks("console", "")
MANIFESTS = [block for block in blocks("yaml") if "kind: WorkerQueue" in block.text]
_PYTEST_INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
pythonpath = .
filterwarnings = error
"""
_TEST = re.compile(r"^(?:async )?def test_", re.MULTILINE)
_MENTION = re.compile(r"`headrace ([^`\n]+)`")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def ids(found: list[Block]) -> list[str]:
    return [block.place for block in found]


# -- Python


@pytest.mark.parametrize("chapter", IMPORTED, ids=[f"{each.page}-{each.module}" for each in IMPORTED])
def test_an_application_without_clients_is_one(
    chapter: Chapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{chapter.module}.py").write_text(chapter.source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        importlib.import_module(chapter.module)
    finally:
        sys.modules.pop(chapter.module, None)


@pytest.mark.parametrize("chapter", TESTED, ids=[f"{each.page}-{each.module}" for each in TESTED])
def test_the_tests_of_a_page_pass(chapter: Chapter, tmp_path: Path) -> None:
    (tmp_path / f"{chapter.module}.py").write_text(chapter.source, encoding="utf-8")
    for block in chapter.tests:
        (tmp_path / f"test_{block.line}.py").write_text(block.text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text(_PYTEST_INI)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "."]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert passed is not None
    assert int(passed[1]) >= sum(len(_TEST.findall(block.text)) for block in chapter.tests) > 0


@pytest.mark.parametrize("block", FOREIGN, ids=ids(FOREIGN))
def test_code_for_another_library_is_python_and_says_so(block: Block) -> None:
    compile(block.text, block.place, "exec")
    assert "headrace" not in block.text


# -- commands


def _commands() -> Iterator[tuple[str, str, list[str]]]:
    """Place, line and arguments of each call of headrace: behind a prompt, or in a block that has none."""
    for block in CONSOLE:
        lines = block.text.replace("\\\n", " ").splitlines()
        prompts = any(line.startswith("$ ") for line in lines)
        for line in lines:
            if line.startswith("$ ") or not prompts:
                yield from ((block.place, line, call) for call in headrace_calls(line.removeprefix("$ ")))


COMMANDS = list(_commands())


@pytest.mark.parametrize(("place", "line", "call"), COMMANDS, ids=[f"{place} {line}" for place, line, _ in COMMANDS])
def test_a_command_of_a_page_is_understood(place: str, line: str, call: list[str]) -> None:
    understand(call)


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_a_page_mentions_exist(page: str) -> None:
    for mention in _MENTION.findall(PAGES[page].read_text(encoding="utf-8")):
        understand_mention(mention.replace("…", "").split())


@pytest.mark.parametrize(
    "line", ["headrace nope", "headrace dlq list", "headrace stats --no q", "headrace worker --no"]
)
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    (call,) = headrace_calls(f"NAME=value {line} | head")
    with pytest.raises(NotUnderstoodError):
        understand(call)


def test_make_has_the_targets_that_pages_name() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for block in CONSOLE for target in re.findall(r"^\$ make ([a-z-]+)", block.text, re.MULTILINE)}
    assert named <= targets


# -- manifests


@pytest.mark.parametrize("block", MANIFESTS, ids=ids(MANIFESTS))
def test_a_manifest_of_a_page_is_accepted(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "queue.yaml"
    beside = (
        "" if "kind: WorkerQueue" in block.text else f"{(ROOT / 'examples/code-index/queue.yaml').read_text()}\n---\n"
    )
    file.write_text(beside + block.text)
    found = read_documents(file)
    assert {one.problem for one in found.queues} | {one.problem for one in found.schedules} <= {""}


# -- links


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    here = PAGES[page]
    for link in _LINK.findall(here.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        path = (here.parent / target).resolve() if target else here
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


def test_the_table_of_contents_has_every_page() -> None:
    contents = ROOT / "docs" / "README.md"
    linked = {link.partition("#")[0] for link in _LINK.findall(contents.read_text(encoding="utf-8"))}
    assert linked >= {path.name for path in contents.parent.glob("*.md")} - {contents.name}
