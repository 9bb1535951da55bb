"""What a right command line imports: its start is nearly all of its time, and modules are what a start is made of."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from support.cli import Cli, Seed, three_dead
from support.fresh_python import run_fresh
from support.terminal import Terminal

HEADRACE = str(Path(sys.executable).with_name("headrace"))
HEAVY = (
    "argparse",
    "asyncio",
    "click",
    "importlib.metadata",
    "importlib.resources",
    "pydantic",
    "rich",
    "ssl",
    "tempfile",
    "typer",
    "uvloop",
    "yaml",
)
"""What no listing needs. PyYAML only for its documents."""
ALWAYS = {"queue_admin", "handle"}
LETTERS = ALWAYS | {"dead_letters", "facets", "paging", "selection", "filter_words", "sieve", "published"}
JOBS = ALWAYS | {"explain", "holder_view", "job_view", "jobs", "limit_view", "transition_words", "workflow_view"}
DRY_RUN = LETTERS | {"proposal", "replay", "replay_bounds"}
ADMIN = {
    ("stats", "q"): ALWAYS,
    ("limit", "q"): ALWAYS | {"control"},
    ("jobs", "q"): JOBS,
    ("show", "q", "a"): JOBS,
    ("dlq", "list", "q"): LETTERS,
    ("dlq", "list", "q", "--by-reason"): LETTERS,
    ("dlq", "show", "q", "a"): LETTERS,
    ("dlq", "replay", "q", "--all", "--dry-run"): DRY_RUN,
    ("dlq", "delete", "q", "--all", "--dry-run"): DRY_RUN,
    ("schedules", "list", "q"): ALWAYS | {"schedules"},
}
"""Which of the admin's modules a listing may import."""
PROBE = """
import sys
from headrace.cli.entry import main
assert main({line!r}) == 0
print("LOADED", [name for name in {heavy!r} if name in sys.modules])
print("ADMIN", sorted(name.split(".")[2] for name in sys.modules if name.startswith("headrace.admin.")))
"""


def imported(monkeypatch: pytest.MonkeyPatch, redis_url: str, *line: str) -> tuple[set[str], set[str]]:
    """Of HEAVY, and of the admin."""
    monkeypatch.setenv("REDIS_URL", redis_url)
    *_, heavy, admin = run_fresh(PROBE.format(line=line, heavy=HEAVY)).splitlines()
    assert heavy.startswith("LOADED ")
    return set(eval(heavy.removeprefix("LOADED "))), set(eval(admin.removeprefix("ADMIN ")))


@pytest.mark.parametrize("line", ADMIN, ids=" ".join)
@pytest.mark.parametrize("form", ["auto", "table"])
def test_a_listing_imports_what_it_needs(
    seed: Seed, redis_url: str, monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...], form: str
) -> None:
    seed(three_dead)
    heavy, admin = imported(monkeypatch, redis_url, *line, "-o", form)
    assert heavy == set()
    assert admin <= ADMIN[line]


def test_yaml_is_imported_for_yaml(seed: Seed, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seed(three_dead)
    assert imported(monkeypatch, redis_url, "dlq", "list", "q", "-o", "yaml")[0] == {"yaml"}


@pytest.mark.parametrize("columns", [30, 60, 200])
def test_a_terminal_shows_the_table_that_rich_would(cli: Cli, seed: Seed, redis_url: str, columns: int) -> None:
    """rich shows it when it is told what to take the terminal for."""
    seed(three_dead)
    shown = []
    for more in ({}, {"FORCE_COLOR": "1"}):
        with Terminal([HEADRACE, "jobs", "q"], columns=columns, REDIS_URL=redis_url, **more) as terminal:
            assert terminal.wait() == 0
            shown.append(terminal.text.splitlines())
            assert b"\x1b[1m" in terminal.raw
    assert shown[0] == shown[1]
    assert max(map(len, shown[0])) <= columns


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"COLUMNS": "50"}, {"PYTHONIOENCODING": "ascii"}], ids=str)
def test_a_terminal_is_taken_for_what_rich_takes_it_for(cli: Cli, redis_url: str, environ: dict[str, str]) -> None:
    cli("enqueue", "q", "mail", "--id", "mine")
    shown = []
    environ = {"TERM": "xterm", **environ}
    for more in ({}, {"JPY_PARENT_PID": "1"}):  # asks for rich, which takes it for nothing
        with Terminal([HEADRACE, "jobs", "q"], columns=100, REDIS_URL=redis_url, **environ, **more) as terminal:
            assert terminal.wait() == 0
            shown.append((terminal.text, b"\x1b[1m" in terminal.raw))
    assert shown[0] == shown[1]
    assert "mine" in shown[0][0]


def test_a_table_without_a_terminal_has_80_columns(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """-o table in a pipe: 80 columns and no styles."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: (_ for _ in ()).throw(OSError))
    for i in range(5):
        cli("enqueue", "q", "mail", "--id", f"{i}-{'x' * 80}")
    lines = cli("jobs", "q", "-o", "table").out.splitlines()
    assert {len(line) for line in lines} == {80}
    assert "\x1b" not in "".join(lines)
