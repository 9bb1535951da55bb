"""docs/features.md lists each row once, and the tests that it names are there and have tests in them."""

from __future__ import annotations

import ast
import re

import pytest

from support.pages import PAGES, ROOT

ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in PAGES["docs/features"].read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [EKO]\d", line)
]


def test_every_row_is_listed_once_and_in_order() -> None:
    assert [row[0] for row in ROWS if row[0][0] == "E"] == [f"E{number}" for number in range(1, 31)]
    assert len({row[0] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(("name", "what", "state", "shown_by"), ROWS, ids=[row[0] for row in ROWS])
def test_a_row_says_its_state_and_names_tests_that_exist(name: str, what: str, state: str, shown_by: str) -> None:
    files = [file.strip() for file in shown_by.split(",") if file.strip()]
    assert what
    assert re.fullmatch(r"done|partly: .+|open", state)
    assert bool(files) == (state != "open")
    for file in files:
        tests = [node for node in ast.walk(ast.parse((ROOT / file).read_text())) if _is_test(node)]
        assert tests, f"{file} has no test"


def _is_test(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
