"""The Python in the pages for users runs as it stands, each block by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = ("brokers", "codecs", "resources", "scheduling", "tracing")
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(page, n, code) for page in PAGES for n, code in enumerate(_BLOCK.findall((DOCS / f"{page}.md").read_text()))]


@pytest.mark.parametrize(("page", "number", "code"), BLOCKS, ids=[f"{page}-{n}" for page, n, _ in BLOCKS])
def test_the_code_of_a_page_runs(page: str, number: int, code: str) -> None:
    exec(compile(code, f"docs/{page}.md, block {number}", "exec"), {"__name__": f"docs_{page}"})


def test_every_page_has_code() -> None:
    assert {page for page, _, _ in BLOCKS} == set(PAGES)
