"""Arguments against published schemas: the schemas are those that tasks really publish."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from headrace.admin.published import check_arguments
from headrace.client.arguments import Arguments
from headrace.errors import HeadraceError


class Address(BaseModel):
    street: str
    number: int = 1


def send(to: str, subject: str = "", *, at: datetime | None = None, address: Address | None = None) -> None: ...


def coded(code: Annotated[str, Field(pattern="^[a-z]{2}$")]) -> None: ...


def only(a: int, b: int, /) -> None: ...


def nothing() -> None: ...


def anything(*args: int, **more: str) -> None: ...


SCHEMAS = {
    task.__name__: Arguments(task.__name__, task).json_schema() for task in (send, coded, only, nothing, anything)
}


@pytest.mark.parametrize(
    ("task", "args", "kwargs"),
    [
        ("send", ["ada"], {}),
        ("send", ["ada", "hello"], {"at": "2026-01-01T00:00:00Z"}),
        ("send", [], {"to": "ada", "address": {"street": "Main"}}),
        ("only", [1, 2], {}),
        ("nothing", [], {}),
        ("anything", [1, 2], {"x": "y"}),
    ],
)
def test_what_fits(task: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    check_arguments(SCHEMAS, "q", task, args, kwargs)


@pytest.mark.parametrize(
    ("task", "args", "kwargs", "problem"),
    [
        ("send", [], {}, "task send: to: is required"),
        ("send", [3], {}, "task send: to: must be a string"),
        ("send", ["ada", "x", "y", "z", "w"], {}, "task send: takes at most 4 arguments, got 5"),
        ("send", ["ada"], {"to": "bob"}, "task send: to is given twice, by position and by name"),
        ("send", ["ada"], {"secret": 1}, "task send: secret: is not allowed"),
        ("send", [], {"too": "ada"}, "task send: too: is not allowed"),
        ("send", ["ada"], {"address": {}}, "task send: address.street: is required"),
        ("coded", ["x"], {}, "task coded: code: must match pattern ^[a-z]{2}$"),
        ("nothing", [1], {}, "task nothing: takes at most 0 arguments, got 1"),
        ("sned", [], {}, "queue q has no task 'sned'; its workers know anything, coded, nothing, only, send"),
    ],
)
def test_what_does_not_fit(task: str, args: list[Any], kwargs: dict[str, Any], problem: str) -> None:
    with pytest.raises(HeadraceError) as refused:
        check_arguments(SCHEMAS, "q", task, args, kwargs)
    assert str(refused.value).startswith(problem)


def test_before_the_first_worker_nothing_is_known() -> None:
    check_arguments({}, "q", "sned", [1], {})
