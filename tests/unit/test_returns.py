"""Results go into msgpack and come back as what the handler promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from headrace.client.codec import encode_result
from headrace.client.returns import Returns
from headrace.errors import PayloadError


class Person(BaseModel):
    name: str
    born: datetime


@dataclass
class Point:
    x: int
    y: float


def bare(): ...  # type: ignore[no-untyped-def]
def person() -> Person: ...  # type: ignore[empty-body]
async def points() -> list[Point]: ...  # type: ignore[empty-body]
def pair() -> tuple[int, str]: ...  # type: ignore[empty-body]
def maybe() -> Point | None: ...
def unknown() -> Missing: ...  # type: ignore[name-defined]  # noqa: F821


ADA = Person(name="Ada", born=datetime(1815, 12, 10, tzinfo=UTC))


@pytest.mark.parametrize(
    ("handler", "value", "expected"),
    [
        (bare, {"a": [1, b"x", None]}, {"a": [1, b"x", None]}),
        (person, ADA, ADA),
        (points, [Point(1, 2.5)], [Point(1, 2.5)]),
        (pair, (1, "a"), (1, "a")),
        (maybe, None, None),
        (maybe, Point(1, 2), Point(1, 2)),
        (unknown, [1], [1]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_result_comes_back(handler: Callable[..., Any], value: object, expected: object) -> None:
    assert Returns("t", handler).decode(encode_result("t", value, 1000)) == expected


def test_what_does_not_fit_any_more_is_told_without_its_value() -> None:
    with pytest.raises(PayloadError, match="task t: the kept result is not what it returns") as caught:
        Returns("t", points).decode(encode_result("t", ["secret"], 1000))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "said"), [("x" * 200, "has 202 bytes, the limit is 100"), (object(), "can't be encoded")]
)
def test_what_cannot_be_kept_is_refused(value: object, said: str) -> None:
    with pytest.raises(PayloadError, match=said):
        encode_result("t", value, 100)


def test_no_value_begins_like_the_mark_of_a_cancelled_job() -> None:
    values: list[object] = [
        None,
        True,
        0,
        -1,
        2**40,
        1.5,
        "",
        "x" * 300,
        b"",
        b"y" * 70_000,
        [],
        {},
        list(range(100)),
        datetime.now(UTC),
    ]
    assert not [value for value in values if encode_result("t", value, 10**6).startswith(b"\xc1")]
