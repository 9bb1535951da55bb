"""Turns what pydantic says about a document into one line that names the field, for people who write YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from headrace_operator.api.redact import redact
from headrace_operator.api.spec import SHAPES

_SHOWN = 80

_HERE = {"schedule": "cron", "jobTemplate": "task"}
"""What fields of a CronJob are called in a Schedule."""

_WORDS = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "greater_than_equal": "must be ≥ {ge}",
    "less_than_equal": "must be ≤ {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entry",
    "too_long": "must have at most {max_length} entries",
    "literal_error": "must be {expected}",
}


def one_line(error: ValidationError, root: type[BaseModel]) -> str:
    """The first problem as `path: what is wrong`, and how many more there are."""
    everything = error.errors(include_url=False)
    # A list whose entries are wrong is also reported as too short.
    problems = [one for one in everything if not any(_is_within(other, one) for other in everything)]
    # An unknown field that is meant to be another one is one mistake, and so the other one is not missing.
    meant = {_meant(one, root) for one in problems if one["type"] == "extra_forbidden"}
    problems = [one for one in problems if one["type"] != "missing" or one["loc"] not in meant]
    # An unknown field is mostly the cause of a missing one.
    problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return _line(problems[0], root) + more


def find_foreign(doc: object) -> str | None:
    """Where YAML gave something that JSON has no word for, such as a date; None if nowhere."""
    match doc:
        case dict():
            entries: Iterable[tuple[str | int, object]] = ((str(name), value) for name, value in doc.items())
        case list():
            entries = enumerate(doc)
        case None | bool() | int() | str():
            return None
        case float() if isfinite(doc):
            return None
        case _:
            return ""
    for step, value in entries:
        found = find_foreign(value)
        if found is not None:
            return path([step]) + (f".{found}" if found and not found.startswith("[") else found)
    return None


def _is_within(inner: ErrorDetails, outer: ErrorDetails) -> bool:
    return len(inner["loc"]) > len(outer["loc"]) and inner["loc"][: len(outer["loc"])] == outer["loc"]


def _line(problem: ErrorDetails, root: type[BaseModel]) -> str:
    location, context = list(problem["loc"]), problem.get("ctx", {})
    match problem["type"]:
        case "missing":
            text = "is required"
        case "extra_forbidden":
            name, meant = str(location[-1]), _meant(problem, root)
            hint = "; it is called {} here" if name in _HERE else ", did you mean {}?"
            text = "unknown field" + (hint.format(meant[-1]) if meant else "")
        case "rule":
            location += [context["field"]] if context["field"] else []
            text = context["problem"]
        case "string_pattern_mismatch":
            text = f"must be {SHAPES[context['pattern']]}, got {_shown(problem['input'])}"
        case kind if kind in _WORDS:
            value = problem["input"]
            got = str(len(value)) if kind in ("too_short", "too_long") else _shown(value)
            text = f"{_WORDS[kind].format_map(context)}, got {got}"
        case _:
            text = problem["msg"]
    return f"{path(location)}: {text}" if location else text


def path(location: Iterable[str | int]) -> str:
    """`spec.queues[1].name`, as kubectl would spell it."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).removeprefix(".")


def _shown(value: object) -> str:
    text = redact(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _meant(problem: ErrorDetails, root: type[BaseModel]) -> tuple[str | int, ...]:
    """The place of the known field that somebody means by an unknown one; empty if nobody can say."""
    *parents, name = problem["loc"]
    known = _siblings(root, parents)
    if _HERE.get(str(name)) in known:
        return (*parents, _HERE[str(name)])
    by_folded = {candidate.lower(): candidate for candidate in known}
    close = get_close_matches(str(name).lower().replace("_", ""), by_folded, n=1)
    return (*parents, by_folded[close[0]]) if close else ()


def _siblings(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """Names of the fields of the model found at `location`."""
    for step in location:
        if isinstance(step, int):
            continue
        annotations = [field.annotation for field in model.model_fields.values() if field.alias == step]
        found = next(iter(_models(annotations)), None)
        if found is None:
            return []
        model = found
    return [field.alias for field in model.model_fields.values() if field.alias]


def _models(annotations: Iterable[Any]) -> Iterable[type[BaseModel]]:
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield annotation
        else:
            yield from _models(get_args(annotation))
