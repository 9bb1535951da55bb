"""E14: arguments against annotations; what is said of wrong ones quotes no value; schemas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from headrace import Fleet
from headrace.client.arguments import Arguments
from headrace.errors import ConfigError, PayloadError

SECRET = "hunter2"


class Order(BaseModel):
    number: int


class Opaque:
    """Nothing pydantic knows."""


def nothing() -> None: ...
def plain(a, b=2):  # type: ignore[no-untyped-def]
    ...


def typed(number: int, order: Order, *, how: Literal["a", "b"] = "a", few: Annotated[int, Field(le=3)] = 1) -> None: ...
def many(*numbers: int, **texts: str) -> None: ...
def positional(a: int, /) -> None: ...
def takes_opaque(thing: Opaque) -> None: ...


@pytest.mark.parametrize(
    ("handler", "args", "kwargs", "checked"),
    [
        (nothing, (), {}, ((), {})),
        (plain, (1,), {}, ((1,), {})),
        (plain, (1,), {"b": SECRET}, ((1,), {"b": SECRET})),
        (typed, ("1", {"number": 2}), {"few": 3}, ((1, Order(number=2)), {"few": 3})),
        (typed, (1, Order(number=2)), {"how": "b"}, ((1, Order(number=2)), {"how": "b"})),
        (many, (1, "2"), {"x": "y"}, ((1, 2), {"x": "y"})),
        (positional, (1,), {}, ((1,), {})),
    ],
)
def test_what_fits_is_converted(handler: Callable[..., Any], args: Any, kwargs: Any, checked: Any) -> None:
    given_args, given_kwargs = Arguments("t", handler).check(args, kwargs)
    wanted_args, wanted_kwargs = checked
    assert given_args == wanted_args
    assert {**given_kwargs, **wanted_kwargs} == given_kwargs


@pytest.mark.parametrize(
    ("handler", "args", "kwargs", "complaint"),
    [
        (nothing, (SECRET,), {}, "0: Unexpected positional argument"),
        (nothing, (), {"a": SECRET}, "a: Unexpected keyword argument"),
        (plain, (), {}, "a: Missing required argument"),
        (plain, (1,), {"a": 1}, "a: Got multiple values for argument"),
        (typed, (SECRET, {"number": 1}), {}, "0: Input should be a valid integer"),
        (typed, (1, {"number": SECRET}), {}, "1.number: Input should be a valid integer"),
        (typed, (1, {}), {"how": SECRET}, "1.number: Field required (and 1 more)"),
        (typed, (1, {"number": 1}), {"few": 4}, "few: Input should be less than or equal to 3"),
        (many, (1,), {"x": 3}, "x: Input should be a valid string"),
        (positional, (), {"a": 1}, "0: Missing required positional only argument (and 1 more)"),
        (takes_opaque, (SECRET,), {}, "0: Input should be an instance of Opaque"),
    ],
)
def test_what_does_not_fit_is_told_without_its_value(
    handler: Callable[..., Any], args: Any, kwargs: Any, complaint: str
) -> None:
    with pytest.raises(PayloadError) as refused:
        Arguments("t", handler).check(args, kwargs)
    assert str(refused.value).startswith(f"task t: {complaint}")
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_a_schema_says_what_a_payload_needs() -> None:
    schema = Arguments("t", typed).json_schema()
    assert schema["required"] == ["number", "order"]
    assert schema["properties"]["how"]["enum"] == ["a", "b"]
    assert schema["$defs"]["Order"]["properties"]["number"]["type"] == "integer"


def _unresolvable() -> Callable[..., Any]:
    def handler(thing: Any) -> None: ...

    handler.__annotations__["thing"] = "NowhereDefined"
    return handler


@pytest.mark.parametrize("handler", [takes_opaque, _unresolvable()], ids=["opaque", "unresolvable"])
def test_where_there_is_no_schema_it_is_empty(handler: Callable[..., Any]) -> None:
    assert Arguments("t", handler).json_schema() == {}


def test_annotations_that_mean_nothing_are_the_application_s_mistake() -> None:
    with pytest.raises(ConfigError, match=r"task t: its annotations can't be checked: .*NowhereDefined"):
        Arguments("t", _unresolvable()).check((1,), {})


def test_a_handler_without_a_signature_is_refused() -> None:
    with pytest.raises(ConfigError, match="has no readable signature"):
        Arguments("t", dict)


def test_options_check_by_what_the_task_has_compiled() -> None:
    task = Fleet().queue("q").task()(typed)
    assert task.options(delay=1).options(priority="low").arguments is task.arguments
