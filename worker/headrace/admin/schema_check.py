"""Whether a value fits a JSON Schema that came from Redis, in the same words wherever it is asked. Pure, and safe with
any schema.

Whoever may write to that Redis could otherwise keep the operator busy for ever, or make it run or fetch something. So
this knows what schemas of annotations consist of; what it does not know (patterns, formats, references to elsewhere)
and what takes too many steps is not judged: the worker checks it again, with the annotations themselves.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

MOST_STEPS: Final = 5_000
MOST_DEPTH: Final = 60
_NAMES: Final = {
    "integer": "a whole number",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "a mapping",
}
_BOUNDS: Final[Mapping[str, tuple[Callable[[Any, Any], bool], str]]] = {
    "minimum": (operator.ge, "≥"),
    "maximum": (operator.le, "≤"),
    "exclusiveMinimum": (operator.gt, ">"),
    "exclusiveMaximum": (operator.lt, "<"),
}
_SIZES: Final = {"minLength": str, "maxLength": str, "minItems": list, "maxItems": list}


class _BeyondError(Exception):
    """Too many steps."""


def find_problem(schema: Mapping[str, Any], value: object) -> str | None:
    """What is wrong with `value`, as `where: what`, quoting nothing of it; None: nothing that can be told."""
    try:
        return next(_Check(schema).look(schema, value, "", 0), None)
    except _BeyondError:
        return None


class _Check:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._steps = 0

    def look(self, schema: object, value: object, where: str, depth: int) -> Iterator[str]:
        """Every problem, the first one first."""
        self._steps += 1
        if self._steps > MOST_STEPS or depth > MOST_DEPTH:
            raise _BeyondError
        if schema is False:
            yield _said(where, "is not allowed")
        if not isinstance(schema, Mapping):
            return
        if isinstance(reference := schema.get("$ref"), str):
            yield from self.look(self._found(reference), value, where, depth + 1)
        yield from _itself(schema, value, where)
        yield from self._choices(schema, value, where, depth)
        if isinstance(value, Mapping):
            yield from self._entries(schema, value, where, depth)
        elif isinstance(value, list | tuple):
            yield from self._items(schema, value, where, depth)

    def _found(self, reference: str) -> object:
        """What a reference within the same schema means."""
        if not reference.startswith("#"):
            return True
        place: object = self._root
        for step in filter(None, reference[1:].split("/")):
            if not isinstance(place, Mapping):
                return True
            place = place.get(step.replace("~1", "/").replace("~0", "~"), True)
        return place

    def _choices(self, schema: Mapping[str, Any], value: object, where: str, depth: int) -> Iterator[str]:
        for part in _list(schema.get("allOf")):
            yield from self.look(part, value, where, depth + 1)
        for word in ("anyOf", "oneOf"):
            choices = _list(schema.get(word))
            problems = [next(self.look(one, value, where, depth + 1), None) for one in choices]
            if choices and None not in problems:
                real = [problem for problem, one in zip(problems, choices, strict=True) if not _is_null(one)]
                yield str(real[0]) if len(real) == 1 else _said(where, "fits none of its allowed forms")

    def _entries(self, schema: Mapping[str, Any], value: Mapping[str, Any], where: str, depth: int) -> Iterator[str]:
        known = schema.get("properties")
        known = known if isinstance(known, Mapping) else {}
        further = True if "patternProperties" in schema else schema.get("additionalProperties", True)
        if further is False:  # first of all: a name that is misspelt is missing, too
            for name in value:
                if name not in known:
                    yield _said(_below(where, name), "is not allowed")
        for name in _list(schema.get("required")):
            if name not in value:
                yield _said(_below(where, name), "is required")
        for name, one in value.items():
            yield from self.look(known.get(name, further), one, _below(where, name), depth + 1)

    def _items(self, schema: Mapping[str, Any], value: Sequence[Any], where: str, depth: int) -> Iterator[str]:
        first = _list(schema.get("prefixItems"))
        further = schema.get("items", True)
        for number, one in enumerate(value):
            part = first[number] if number < len(first) else further
            yield from self.look(part, one, f"{where}[{number}]", depth + 1)


def _itself(schema: Mapping[str, Any], value: object, where: str) -> Iterator[str]:
    """What can be said without looking into it."""
    kinds = [schema["type"]] if isinstance(schema.get("type"), str) else _list(schema.get("type"))
    known = [kind for kind in kinds if kind in _NAMES]
    if known and not any(_KINDS[kind](value) for kind in known):
        yield _said(where, f"must be {' or '.join(_NAMES[kind] for kind in known)}")
        return
    allowed = [schema["const"]] if "const" in schema else _list(schema.get("enum"))
    if allowed and not any(type(value) is type(one) and value == one for one in allowed):
        yield _said(where, f"must be {'one of ' if len(allowed) > 1 else ''}{', '.join(map(repr, allowed))}")
    for word, (holds, sign) in _BOUNDS.items():
        bound = schema.get(word)
        if _is_number(bound) and _is_number(value) and not holds(value, bound):
            yield _said(where, f"must be {sign} {bound}")
    for word, kind in _SIZES.items():
        bound = schema.get(word)
        if isinstance(bound, int) and isinstance(value, kind):
            size, unit = len(value), "characters" if kind is str else "entries"
            if size < bound if word.startswith("min") else size > bound:
                yield _said(where, f"must have at {'least' if word.startswith('min') else 'most'} {bound} {unit}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_KINDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "integer": lambda value: _is_number(value) and float(value).is_integer(),
    "number": _is_number,
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "array": lambda value: isinstance(value, list | tuple),
    "object": lambda value: isinstance(value, Mapping),
}


def _is_null(schema: object) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") == "null"


def _list(given: object) -> list[Any]:
    return given if isinstance(given, list) else []


def _below(where: str, name: object) -> str:
    return f"{where}.{name}" if where else str(name)


def _said(where: str, what: str) -> str:
    return f"{where}: {what}" if where else what
