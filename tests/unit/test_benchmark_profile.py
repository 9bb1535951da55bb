"""How samples of a worker's stacks become the document's tables, and that the document has the record's figures."""

from __future__ import annotations

import pytest
from benchmarks import document, profile_record, results
from benchmarks.failures import BenchError
from benchmarks.profile_record import LOOP, CommandCost, Share


@pytest.mark.parametrize(
    ("frame", "place"),
    [
        ("run (/usr/lib/python3.11/asyncio/runners.py:118)", (LOOP, "")),
        ("Executor._run (/x/worker/headrace/worker/executor.py:90)", ("headrace/worker/executor.py", "Executor._run")),
        ("_run_to_the_end (/x/worker/headrace/cli/worker_command.py:60)", (LOOP, "")),
        ("ran (/x/benchmarks/inside/python/meter.py:44)", ("meter.py", "ran")),
        ("noop (/x/benchmarks/engines/headrace/app.py:17)", ("headrace/app.py", "noop")),
        ("f (/x/site-packages/msgspec/_core.py:1)", ("msgspec/_core.py", "f")),
        ("dumps (/usr/lib/python3.11/json/encoder.py:200)", ("json/encoder.py", "dumps")),
        ("process 7", ("process 7", "")),
    ],
)
def test_a_frame_has_a_place(frame: str, place: tuple[str, str]) -> None:
    assert profile_record.place_of(frame) == place


def test_only_the_innermost_frame_counts() -> None:
    stacks = ["run (asyncio/runners.py:1);f (/worker/headrace/a.py:2) 3", "run (asyncio/runners.py:1) 1"]
    modules, functions = profile_record.shares(stacks)
    assert modules == [Share("headrace/a.py", 0.75), Share(LOOP, 0.25)]
    assert functions == [Share("headrace/a.py: f", 0.75), Share(LOOP, 0.25)]


def test_commands_are_told_per_job_and_the_dearest_first() -> None:
    commands = {"get": (100, 50.0), "evalsha": (20, 800.0), "ping": (1, 0.5)}
    assert profile_record.command_costs(commands, 100) == [
        CommandCost("evalsha", 0.2, 8.0),
        CommandCost("get", 1.0, 0.5),
    ]


def test_a_block_is_filled_and_an_unknown_one_is_an_error() -> None:
    text = "before\n<!-- figures: one -->\nold\n<!-- end -->\nafter"
    filled = document.fill(text, {"one": ["new", "lines"]})
    assert filled == "before\n<!-- figures: one -->\nnew\nlines\n<!-- end -->\nafter"
    assert document.fill(filled, {"one": ["new", "lines"]}) == filled
    with pytest.raises(BenchError, match="block 'one'"):
        document.fill(text, {})


def test_the_document_has_the_figures_of_the_records() -> None:
    filled = document.blocks(results.read(results.FILE), profile_record.read(profile_record.FILE))
    text = document.DOCUMENT.read_text()
    assert document.fill(text, filled) == text, "run `python -m benchmarks.document`"
    named = set(document.BLOCK.findall(text))
    assert named == set(filled)
