"""The pages for users as tests read them: their blocks of code, each with what its page says is done with it.

A Python block stands below a comment that readers don't see and tests obey:

    <!-- code: app shop -->  an application, the module `shop`; a name may be left out
    <!-- code: more -->      the application above goes on
    <!-- code: client -->    awaited beside a worker of the application above; those of one application share names
    <!-- code: producer -->  the same without a worker: for what is said of jobs that wait
    <!-- code: program -->   a whole program, run by itself beside that worker, after the clients
    <!-- code: tests -->     what a reader has in a file of tests: run by a pytest of its own, without a server
    <!-- code: foreign -->   code for another library: only compiled

A block without one is an error, so none is passed over. Knows no server and starts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, get_args

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = {
    path.relative_to(ROOT).with_suffix("").as_posix(): path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
"""Path in the checkout without its ending → file."""

Kind = Literal["app", "more", "client", "producer", "program", "tests", "foreign"]
_BLOCK: Final = re.compile(
    r"(?:^<!-- code: (?P<said>[^\n]*?) -->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    """Of its first line of code."""
    language: str
    said: str
    """What its comment says, empty without one."""
    text: str

    @property
    def place(self) -> str:
        """For messages."""
        return f"{PAGES[self.page].relative_to(ROOT)}:{self.line}"

    @property
    def kind(self) -> Kind:
        """Raises ValueError for a block that doesn't say what it is."""
        for kind in get_args(Kind):
            if self.said.partition(" ")[0] == kind:
                return kind  # type: ignore[no-any-return]
        raise ValueError(f"{self.place}: put <!-- code: {'|'.join(get_args(Kind))} --> above this block")


@dataclass
class Chapter:
    """An application of a page, and what its clients do."""

    page: str
    module: str
    source: str
    clients: list[Block] = field(default_factory=list)
    programs: list[Block] = field(default_factory=list)
    tests: list[Block] = field(default_factory=list)

    def add_client(self, block: Block) -> None:
        """Raises ValueError where some need a worker and others that there is none."""
        self.clients.append(block)
        if len({one.kind for one in self.clients}) > 1:
            raise ValueError(f"{block.place}: an application has clients or producers, not both")

    @property
    def needs_worker(self) -> bool:
        """Its clients wait for what workers do."""
        return not any(client.kind == "producer" for client in self.clients)

    @property
    def lives(self) -> bool:
        """Something is done with a server."""
        return bool(self.clients or self.programs)

    @property
    def client(self) -> str:
        """All client blocks, one after the other."""
        return "\n".join(block.text for block in self.clients)


def blocks(*languages: str) -> list[Block]:
    """All blocks of these languages, page by page."""
    return [block for page in PAGES for block in _blocks(page) if block.language in languages]


def _blocks(page: str) -> Iterator[Block]:
    text = PAGES[page].read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        yield Block(page, line, found["language"], found["said"] or "", found["text"])


def anchors(path: Path) -> set[str]:
    """What links into a page may name: its headings, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ +(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def chapters() -> list[Chapter]:
    """All applications. Raises ValueError for a block that doesn't say what it is, or has no application above."""
    made: list[Chapter] = []
    for block in blocks("python"):
        match block.kind:
            case "app":
                name = block.said.removeprefix("app").strip() or f"{re.sub('[-/]', '_', block.page)}_{block.line}"
                made.append(Chapter(block.page, name, block.text))
            case "more":
                chapter = _last(made, block)
                chapter.source += "\n\n" + block.text
            case "client" | "producer":
                _last(made, block).add_client(block)
            case "program":
                _last(made, block).programs.append(block)
            case "tests":
                _last(made, block).tests.append(block)
            case "foreign":
                continue
    return made


def _last(made: list[Chapter], block: Block) -> Chapter:
    if not made or made[-1].page != block.page:
        raise ValueError(f"{block.place}: there is no application above it on this page")
    return made[-1]
