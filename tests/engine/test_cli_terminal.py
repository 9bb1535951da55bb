"""What a person at a terminal gets: `headrace top`, tables, bars, questions."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from support.cli import Cli, Seed, three_dead
from support.ports import free_ports
from support.seeding import Seeder
from support.terminal import Terminal

CTRL_C = b"\x03"
HEADRACE = str(Path(sys.executable).with_name("headrace"))


@pytest.mark.parametrize(("keys", "code"), [(b"q", 0), (b"\x1b", 0), (CTRL_C, 130)], ids=["q", "escape", "Ctrl-C"])
def test_top_follows_the_queue_until_a_key_ends_it(cli: Cli, redis_url: str, keys: bytes, code: int) -> None:
    with Terminal([HEADRACE, "top", "q", "other", "--every", "0.1", "--redis-url", redis_url]) as terminal:
        terminal.wait_for("q ends")
        assert "IN FLIGHT" in terminal.text
        seen = len(terminal.text)
        cli("pause", "q")
        terminal.wait_for("paused", after=seen)
        terminal.type(b"x")
        if keys == CTRL_C:
            assert terminal.interrupt() == code
        else:
            terminal.type(keys)
            assert terminal.wait() == code
        assert terminal.as_before
        assert b"\x1b[?1049l" in terminal.raw  # the screen that was there is back
        assert "Traceback" not in terminal.text


def test_top_says_that_the_server_is_away_and_goes_on(cli: Cli, seed: Seed, redis_url: str) -> None:
    async def damage(seeder: Seeder) -> None:
        await seeder.link.request("SET", "hr:{broken}:sess", "x")

    async def mend(seeder: Seeder) -> None:
        await seeder.link.request("DEL", "hr:{broken}:sess")

    seed(damage)
    with Terminal([HEADRACE, "top", "q", "broken", "--every", "0.1", "--redis-url", redis_url]) as terminal:
        terminal.wait_for("queue broken: ")
        seed(mend)
        seen = len(terminal.text)
        terminal.wait_for("broken   open", after=seen)
        terminal.type(b"q")
        assert terminal.wait() == 0


def test_top_of_a_server_that_is_not_there_is_one_line(cli: Cli) -> None:
    url = f"redis://127.0.0.1:{free_ports(1)[0]}/0"
    with Terminal([HEADRACE, "top", "q", "--redis-url", url]) as terminal:
        assert terminal.wait() == 1
        assert terminal.as_before
        assert "Connection refused" in terminal.text
        assert len(terminal.text.strip().splitlines()) == 1


def test_top_in_a_pipe_looks_once(cli: Cli) -> None:
    cli("enqueue", "q", "mail")
    ran = cli("top", "q", "other", "--every", "0.1")
    assert [line.split("\t")[:3] for line in ran.out.splitlines()[1:]] == [["q", "open", "1"], ["other", "open", "0"]]
    first, _ = cli("top", "q", "other", "--every", "0.1", "-o", "json").json
    assert (first["queue"], first["ready"], first["enqueued_rate"], first["workers"]) == ("q", 1, 0, 0)
    assert first["oldest_seconds"] >= 0


def test_top_in_a_pipe_shows_the_queues_that_can_be_read(cli: Cli, seed: Seed) -> None:
    async def damage(seeder: Seeder) -> None:
        await seeder.link.request("SET", "hr:{broken}:sess", "x")

    seed(damage)
    ran = cli("top", "broken", "q", "--every", "0.1", "-o", "json")
    assert (ran.code, [one["queue"] for one in ran.json]) == (1, ["q"])
    assert ran.err.startswith("headrace: queue broken: ")


LONG = {
    "purge": ("purge", "q", "--yes"),
    "audit": ("audit", "q"),
    "replay": ("dlq", "replay", "q", "--all"),
    "export": ("dlq", "export", "q", "--out", "letters"),
}
BARS = {"purge": "calling off", "audit": "ids looked at", "replay": "letters moved", "export": "letters written"}


@pytest.fixture
def some(cli: Cli, seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three dead letters and a waiting job, and a folder to write into."""
    monkeypatch.chdir(tmp_path)
    seed(three_dead)
    cli("enqueue", "q", "mail")


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize("name", LONG)
def test_long_work_has_a_bar_on_a_terminal(redis_url: str, name: str) -> None:
    with Terminal([HEADRACE, *LONG[name]], REDIS_URL=redis_url) as terminal:
        assert terminal.wait() == 0
        assert BARS[name] in terminal.text


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize("name", LONG)
def test_long_work_in_a_pipe_has_none(cli: Cli, name: str) -> None:
    ran = cli(*LONG[name])
    assert ran.code == 0
    assert BARS[name] not in ran.out + ran.err


@pytest.mark.parametrize(("answer", "code", "left"), [(b"n\n", 130, 1), (b"y\n", 0, 0), (CTRL_C, 130, 1)])
def test_a_question_is_answered_at_the_terminal(cli: Cli, redis_url: str, answer: bytes, code: int, left: int) -> None:
    cli("enqueue", "q", "mail")
    with Terminal([HEADRACE, "purge", "q"], REDIS_URL=redis_url) as terminal:
        terminal.wait_for("call off 1 waiting jobs of q?")
        if answer == CTRL_C:
            assert terminal.interrupt() == code
        else:
            terminal.type(answer)
            assert terminal.wait() == code
        assert "Traceback" not in terminal.text
    assert cli("stats", "q", "-o", "json").json[0]["ready"] == left


def test_tables_at_a_terminal_and_lines_in_a_pipe(cli: Cli, redis_url: str) -> None:
    cli("enqueue", "q", "mail", "--id", "mine")
    with Terminal([HEADRACE, "jobs", "q"], REDIS_URL=redis_url) as terminal:
        assert terminal.wait() == 0
        assert "─" in terminal.text
    assert "\t" in cli("jobs", "q").out
