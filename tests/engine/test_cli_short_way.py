"""The short way of `dlq list` past the parser: the same options, the same answers, the parser's where it is unsure."""

from __future__ import annotations

import inspect

import pytest

from headrace.cli.dlq_commands import list_letters
from headrace.cli.letter_list import FLAGS, VALUES, short_way
from support.cli import Cli, Seed, three_dead
from support.fresh_python import run_fresh


def test_it_knows_every_option() -> None:
    assert {"queue", *VALUES.values(), *FLAGS.values()} == set(inspect.signature(list_letters).parameters)


@pytest.mark.parametrize(
    "words",
    [
        ("q",),
        ("q", "--newest", "--limit", "1"),
        ("--reason=ValueError", "q", "-o", "json"),
        ("q", "--task", "mail", "--since", "1h", "--attempts", "3", "--output=plain"),
        ("q", "--where", "to=ada", "--where=n=1"),
        ("q", "--by-reason"),
        ("q", "--since", "soon"),
        ("Q!",),
    ],
)
def test_it_says_what_the_parser_would(
    cli: Cli, seed: Seed, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    seed(three_dead)
    assert short_way(words) is not None
    short = cli("dlq", "list", *words)
    monkeypatch.setattr("headrace.cli.letter_list.short_way", lambda _: None)
    assert cli("dlq", "list", *words) == short


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--help",),
        ("q", "r"),
        ("q", "--unknown"),
        ("q", "--task"),
        ("q", "--newest=1"),
        ("q", "--limit", "0"),
        ("q", "--limit", "many"),
        ("q", "--cursor", "x"),
        ("q", "-o", "xml"),
        ("--", "q"),
    ],
)
def test_what_it_is_unsure_of_is_the_parser_s(words: tuple[str, ...]) -> None:
    assert short_way(words) is None


def test_it_starts_without_the_parser() -> None:
    listing = "['dlq', 'list', 'q', '--redis-url', 'redis://127.0.0.1:1/0']"
    said = run_fresh(f"import sys; from headrace.cli.entry import main; main({listing}); print('typer' in sys.modules)")
    assert said == "False\n"
