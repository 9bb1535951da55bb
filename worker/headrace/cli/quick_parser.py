"""Reads a command line that is right to the last word; whatever else it is, the full parser says better (decision 34).

It knows no help, no defaults but the verbs', and no guess: a line that it reads means the same to the full parser.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.cli.parameters import Kind, Parameter
from headrace.cli.verbs import Verb, find_verb


class _UnsureError(Exception):
    """Not a line for here."""


def read_line(arguments: Sequence[str]) -> tuple[Verb, dict[str, Any]] | None:
    """The verb, and the values of all its parameters; None: ask the full parser."""
    verb = find_verb(arguments)
    if verb is None:
        return None
    try:
        said = _sort(verb, iter(arguments[len(verb.words) :]))
        return verb, {parameter.name: _value(parameter, said) for parameter in verb.parameters}
    except _UnsureError:
        return None


def _sort(verb: Verb, words: Iterator[str]) -> dict[str, list[str]]:
    """Which words were said for which parameter."""
    options = {word: parameter for parameter in verb.parameters for word in parameter.words}
    said: dict[str, list[str]] = {}
    placed: list[str] = []
    for word in words:
        if word == "-" or not word.startswith("-"):
            placed.append(word)
            continue
        name, value = _split(word)
        parameter = options.get(name)
        is_flag = parameter is not None and parameter.kind is Kind.FLAG
        if parameter is None or (is_flag and value is not None):
            raise _UnsureError
        if value is None:
            value = "" if is_flag else next(words, "-")
            if value.startswith("-"):  # forgotten, or meant as a value
                raise _UnsureError
        said.setdefault(parameter.name, []).append(value)
    return said | _place(verb, placed)


def _split(word: str) -> tuple[str, str | None]:
    """An option and the value in the same word: --limit=5, -ojson."""
    if not word.startswith("--"):
        return word[:2], word[2:] or None
    name, equals, value = word.partition("=")
    return name, value if equals else None


def _place(verb: Verb, words: list[str]) -> dict[str, list[str]]:
    """Arguments by their places; one that takes many takes the rest."""
    said: dict[str, list[str]] = {}
    for parameter in verb.parameters:
        if not parameter.words:
            count = len(words) if parameter.many else 1
            said[parameter.name], words = words[:count], words[count:]
    if words:
        raise _UnsureError
    return said


def _value(parameter: Parameter, said: Mapping[str, list[str]]) -> Any:
    given = said.get(parameter.name, [])
    if parameter.required and not given:
        raise _UnsureError
    if parameter.kind is Kind.FLAG:
        return bool(given)
    if parameter.many:
        return [_read(parameter, text) for text in given]
    if given:
        return _read(parameter, given[-1])
    default = os.environ.get(parameter.environment) or parameter.default
    return parameter.choice(default) if parameter.kind is Kind.CHOICE and default is not None else default


def _read(parameter: Parameter, text: str) -> Any:
    match parameter.kind:
        case Kind.CHOICE:
            try:
                return parameter.choice(text)
            except ValueError:
                raise _UnsureError from None
        case Kind.PATH:
            from pathlib import Path

            return Path(text)
        case Kind.WHOLE:
            return _within(parameter, int(_digits(text)))
        case Kind.NUMBER:
            whole, point, part = text.partition(".")
            return _within(parameter, float(_digits(whole) + (point and f".{_digits(part)}")))
        case _:
            return text


def _digits(text: str) -> str:
    """Only what nobody reads in another way."""
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise _UnsureError
    return text


def _within(parameter: Parameter, number: float) -> float:
    too_low = parameter.least is not None and number < parameter.least
    if too_low or (parameter.most is not None and number > parameter.most):
        raise _UnsureError
    return number
