"""docs/guarantees.md names tests and faults that exist."""

from __future__ import annotations

import re

from faults.catalogue import CATALOGUE
from support.pages import PAGES, ROOT

PAGE = PAGES["docs/guarantees"].read_text(encoding="utf-8")


def test_the_tests_that_it_names_are_there() -> None:
    file, named = "", 0
    for said, function in re.findall(r"`(tests/[\w/.]+|…)::(\w+)`", PAGE):
        file = file if said == "…" else said
        assert re.search(rf"^async def {function}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{function}"
        named += 1
    assert named >= 5


def test_the_faults_that_it_names_are_there() -> None:
    named = [
        name for names in re.findall(r"`tests/faults`: (`[^|\n]+`)", PAGE) for name in re.findall("`([^`]+)`", names)
    ]
    assert named
    assert set(named) <= set(CATALOGUE)
