"""find_problem: what it says of arguments, that it agrees with what workers do, and that no schema harms it."""

from __future__ import annotations

import time
from typing import Any

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.admin.schema_check import find_problem

PAGE = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "minLength": 2, "maxLength": 5},
        "pages": {"type": "integer", "minimum": 1, "exclusiveMaximum": 10},
        "share": {"type": "number"},
        "kind": {"enum": ["a", "b", None]},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        "pair": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "items": False},
        "who": {"anyOf": [{"$ref": "#/$defs/Who"}, {"type": "null"}]},
        "either": {"anyOf": [{"type": "integer"}, {"type": "boolean"}]},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "only": {"const": 1},
    },
    "required": ["day"],
    "additionalProperties": False,
    "$defs": {"Who": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "day: is required"),
        ({"day": 5}, "day: must be a string"),
        ({"day": "m"}, "day: must have at least 2 characters"),
        ({"day": "monday"}, "day: must have at most 5 characters"),
        ({"day": "mon", "pages": "3"}, "pages: must be a whole number"),
        ({"day": "mon", "pages": True}, "pages: must be a whole number"),
        ({"day": "mon", "pages": 0}, "pages: must be ≥ 1"),
        ({"day": "mon", "pages": 10}, "pages: must be < 10"),
        ({"day": "mon", "share": "half"}, "share: must be a number"),
        ({"day": "mon", "kind": "c"}, "kind: must be one of 'a', 'b', None"),
        ({"day": "mon", "only": True}, "only: must be 1"),
        ({"day": "mon", "tags": "x"}, "tags: must be a list"),
        ({"day": "mon", "tags": ["x", 1]}, "tags[1]: must be a string"),
        ({"day": "mon", "tags": ["x", "y", "z"]}, "tags: must have at most 2 entries"),
        ({"day": "mon", "pair": [1, 2]}, "pair[1]: must be true or false"),
        ({"day": "mon", "pair": [1, True, 2]}, "pair[2]: is not allowed"),
        ({"day": "mon", "who": {}}, "who.name: is required"),
        ({"day": "mon", "who": {"name": None}}, "who.name: must be a string"),
        ({"day": "mon", "either": "x"}, "either: fits none of its allowed forms"),
        ({"day": "mon", "counts": {"a": 1, "b": "2"}}, "counts.b: must be a whole number"),
        ({"day": "mon", "month": 1}, "month: is not allowed"),
        ({"dya": "mon"}, "dya: is not allowed"),
        ({"day": 5, "month": 1}, "month: is not allowed"),
    ],
)
def test_the_first_problem_is_told_by_its_place(given: dict[str, Any], says: str) -> None:
    assert find_problem(PAGE, given) == says


def test_what_fits_fits() -> None:
    pair: list[object] = [1, False]
    given = {"day": "mon", "pages": 3.0, "kind": None, "pair": pair, "who": None, "either": 1, "counts": {}, "only": 1}
    assert find_problem(PAGE, given) is None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 12) | st.sampled_from(["", "a", "mon", "monday"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "x"]), inner, max_size=2),
    max_leaves=6,
)
_COMPARED = {name: part for name, part in PAGE["properties"].items() if name not in ("only", "pair")}  # type: ignore[attr-defined]
_fast = fastjsonschema.compile({**PAGE, "properties": _COMPARED}, use_default=False)


@given(st.dictionaries(st.sampled_from([*_COMPARED, "month"]), _VALUES, max_size=5))
def test_it_judges_as_the_command_line_does(given: dict[str, Any]) -> None:
    try:
        _fast(given)
    except fastjsonschema.JsonSchemaValueException:
        assert find_problem({**PAGE, "properties": _COMPARED}, given) is not None
    else:
        assert find_problem({**PAGE, "properties": _COMPARED}, given) is None


def _doubled(levels: int) -> dict[str, Any]:
    """Each level means the next one twice."""
    return {f"l{n}": {"allOf": [{"$ref": f"#/$defs/l{n + 1}"}] * 2} for n in range(levels)}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/l0", "$defs": _doubled(40)},
        {"$ref": "#/nowhere/at/all"},
        {"$ref": "http://127.0.0.1:1/x"},
        {"pattern": "(a+)+$"},
        {"type": "nonsense", "required": 5, "properties": [], "items": {}, "enum": {}, "minimum": "x", "anyOf": 1},
        {"type": ["object", 7], "additionalProperties": {"$ref": 5}},
    ],
)
def test_no_schema_does_harm(schema: dict[str, Any]) -> None:
    began = time.monotonic()
    assert find_problem(schema, {"a": "a" * 40 + "!"}) is None
    assert time.monotonic() - began < 10
