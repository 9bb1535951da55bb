"""The quick parser beside the full one: what it reads is what the full one reads; right lines it does read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any
from unittest.mock import patch

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.cli import app
from headrace.cli.entry import COMPLETION, find_run
from headrace.cli.parameters import Kind, Parameter
from headrace.cli.quick_parser import read_line
from headrace.cli.verbs import GROUPS, OWN, VERBS, Verb

Values = dict[str, Any]
FULL = typer.main.get_command(app.build())
LINES = pytest.mark.parametrize("verb", VERBS.values(), ids=lambda verb: " ".join(verb.words))
RIGHT = {
    Kind.TEXT: ("ada", "", "a=b", "ä ö", "*", "3"),
    Kind.WHOLE: ("1", "12", "255"),
    Kind.NUMBER: ("1", "2.5", "0.25", "30"),
    Kind.PATH: ("letters", "/tmp/x"),
}
WRONG = {
    Kind.WHOLE: ("", "x", "1.5", "0x1"),
    Kind.NUMBER: ("", "x", "1,5", "."),
    Kind.CHOICE: ("", "flying"),
}
"""No values of their kinds."""
ODD = (
    "-1",
    "0",
    "+1",
    "007",
    "1_0",
    " 5",
    "5 ",
    "٣",
    "²",
    "1e3",
    "inf",
    "nan",
    "9" * 20,
    "1.",
    ".5",
    "5.0",
    "-",
    "--",
    "--help",
)
"""Values that one parser may take for something else than the other."""


def full(arguments: Sequence[str]) -> tuple[Verb, Values] | None:
    """What the full parser makes of a line; None: it refuses, or shows its help."""
    read: list[tuple[Verb, Values]] = []

    def keep(verb: Verb, values: Values) -> int:
        read.append((verb, values))
        return 0

    refused = (app._USAGE_ERROR, typer.Exit)
    with (
        patch.object(app, "carry_out", keep),
        suppress(*refused),
        FULL.make_context("headrace", [*arguments]) as context,
    ):
        FULL.invoke(context)
    return read[0] if read else None


def places(verb: Verb) -> list[str]:
    """Right words for its arguments."""
    needed = [one for one in verb.parameters if not one.words and one.required]
    return [right(one)[0] if one.kind is not Kind.TEXT else f"word{i}" for i, one in enumerate(needed)]


def right(parameter: Parameter) -> tuple[str, ...]:
    if parameter.kind is Kind.CHOICE:
        return tuple(str(one.value) for one in parameter.choice)
    return RIGHT[parameter.kind]


def options(verb: Verb) -> Iterator[tuple[Parameter, Callable[[str], list[str]]]]:
    """Every option in every way to give it its value."""
    for parameter in verb.parameters:
        for word in parameter.words:
            if parameter.kind is Kind.FLAG:
                yield parameter, lambda _, word=word: [word]  # type: ignore[misc]
                continue
            yield parameter, lambda value, word=word: [word, value]  # type: ignore[misc]
            glue = "=" if word.startswith("--") else ""
            yield parameter, lambda value, word=word, glue=glue: [f"{word}{glue}{value}"]  # type: ignore[misc]


def right_lines(verb: Verb) -> Iterator[list[str]]:
    words, given = [*verb.words], places(verb)
    yield [*words, *given]
    for parameter, said in options(verb):
        for value in right(parameter) if parameter.kind is not Kind.FLAG else ("",):
            glued = len(said("x")) == 1 and parameter.kind is not Kind.FLAG
            if value == "" and glued and not said("").pop().endswith("="):
                continue  # -o and nothing
            yield [*words, *given, *said(value)]
            yield [*words, *said(value), *given]
            yield [*words, *said(value), *given, *said(right(parameter)[0] if value else value)]
    for parameter in verb.parameters:
        if not parameter.words and (parameter.many or not parameter.required):
            yield [*words, *given, "another"]


def wrong_lines(verb: Verb) -> Iterator[list[str]]:
    words, given = [*verb.words], places(verb)
    takes_many = any(one.many and not one.words for one in verb.parameters)
    yield from ([*words, *given[:count]] for count in range(len(given)))
    yield from (
        [*words, *given, "--unknown"],
        [*words, *given, "-z"],
        [*words, *given, "--unknown=1"],
        [*words, "--help"],
    )
    if not takes_many:
        yield [*words, *given, "one", "too", "many"]
    for parameter, said in options(verb):
        if parameter.kind is Kind.FLAG:
            yield [*words, *given, f"{parameter.words[0]}=1"]
            continue
        if len(said("x")) == 2:
            yield [*words, *given, said("")[0]]
        bounds = [str(parameter.least - 1)] if parameter.least else []
        bounds += [str(parameter.most + 1)] if parameter.most else []
        for value in (*WRONG.get(parameter.kind, ()), *bounds):
            yield [*words, *given, *said(value)]


@LINES
def test_a_right_line_is_read_as_the_full_parser_reads_it(verb: Verb) -> None:
    for line in right_lines(verb):
        read = read_line(line)
        assert read is not None, line
        assert read == full(line), line


@LINES
def test_a_wrong_line_is_left_to_the_full_parser(verb: Verb) -> None:
    for line in wrong_lines(verb):
        assert full(line) is None, line
        assert read_line(line) is None, line


@LINES
def test_an_odd_value_is_read_alike_or_left_to_the_full_parser(verb: Verb) -> None:
    for _, said in options(verb):
        for value in ODD:
            line = [*verb.words, *places(verb), *said(value)]
            assert read_line(line) in (None, full(line)), line


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_it_reads_the_full_parser_reads_alike(data: st.DataObject) -> None:
    verb = data.draw(st.sampled_from(list(VERBS.values())))
    known = [word for one in verb.parameters for word in one.words] or ["--redis-url"]
    glued = st.builds("{}={}".format, st.sampled_from(known), st.sampled_from(("5", "", "json", "x=1")))
    words = st.sampled_from(known) | glued | st.sampled_from(("q", "ID", "5", "1.5", "json", "ready", "bash", *ODD))
    line = [*verb.words, *data.draw(st.lists(words, max_size=6))]
    read = read_line(line)
    assert read is None or read == full(line), line


def test_the_environment_stands_in_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("redis://elsewhere:1/0", ""):
        monkeypatch.setenv("REDIS_URL", url)
        for line in (["stats", "q"], ["stats", "q", "--redis-url", "redis://here"]):
            read = read_line(line)
            assert read is not None
            assert read == full(line)
    assert read_line(["stats", "q"]) != read_line(["stats", "q", "--redis-url", "redis://here"])


@pytest.mark.parametrize(
    "line", [[], ["--help"], ["--version"], ["fly"], ["dlq"], ["dlq", "fly"], ["worker", "x"]], ids=str
)
def test_a_line_without_a_verb_of_ours_is_not_its(line: list[str]) -> None:
    assert read_line(line) is None


def test_a_shell_that_asks_for_completions_gets_the_full_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []

    def run(line: Sequence[str]) -> int:
        asked.append(line)
        return 0

    monkeypatch.setattr(app, "run", run)
    monkeypatch.setattr("headrace.cli.verbs.carry_out", lambda *_: 0)
    find_run(["stats", "q"])()
    assert asked == []
    monkeypatch.setenv(COMPLETION, "complete_bash")
    find_run(["stats", "q"])()
    assert asked == [["stats", "q"]]


@LINES
def test_a_verb_s_function_takes_its_parameters(verb: Verb) -> None:
    module, _, name = verb.function.partition(":")
    function = getattr(import_module(f"headrace.cli.{module}"), name)
    assert list(inspect.signature(function).parameters) == [one.name for one in verb.parameters]
    assert [*GROUPS, verb.words[0]].count(verb.words[0]) == len(verb.words)


def test_groups_have_verbs() -> None:
    assert set(GROUPS) < set(OWN)
