"""A text that must be one of a few."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest

from headrace.choice import listed, member_of
from headrace.errors import ConfigError


class Lane(StrEnum):
    FAST = "fast"
    SLOW = "slow"
    NONE = "none"


@pytest.mark.parametrize("value", ["slow", Lane.SLOW])
def test_a_member_by_itself_or_by_its_text(value: Lane | str) -> None:
    assert member_of(Lane, value, "lane") is Lane.SLOW


@pytest.mark.parametrize("value", ["", "SLOW", None, ["slow"]])
def test_anything_else_is_refused_in_one_line_that_names_them_all(value: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        member_of(Lane, value, "options: lane")
    assert str(refused.value) == f"options: lane must be fast, slow or none, got {value!r}"


@pytest.mark.parametrize(
    ("names", "text"),
    [(["a"], "a"), (["a", "b"], "a or b"), (("a", "b", "c"), "a, b or c"), (Lane, "fast, slow or none")],
)
def test_names_in_a_line(names: Any, text: str) -> None:
    assert listed(names) == text
