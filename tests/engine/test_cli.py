"""The command itself: its verbs, its mistakes, its exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial

import pytest

from support.cli import Cli, Seed, three_dead
from support.fresh_python import run_fresh
from support.ports import free_ports


def test_help_lists_all_verbs(cli: Cli) -> None:
    ran = cli("--help")
    assert ran.code == 0
    own = ("enqueue", "stats", "jobs", "show", "cancel", "dlq", "pause", "resume", "purge", "audit")
    for verb in (*own, "worker", "drain", "dev"):
        assert f" {verb} " in ran.out


def test_version(cli: Cli) -> None:
    assert cli("--version").out.startswith("headrace 0.")


@pytest.mark.parametrize(("argv", "verb"), [((), "enqueue"), (("dlq",), "replay")])
def test_no_verb_shows_the_help_once(cli: Cli, argv: tuple[str, ...], verb: str) -> None:
    ran = cli(*argv)
    assert ran.code == 2
    assert verb in ran.out
    assert ran.out.count("Usage:") == 1


MISTAKES = {
    "unknown verb": (("fly",), "No such command 'fly'"),
    "missing queue": (("jobs",), "Missing argument 'QUEUE'"),
    "wrong state": (("jobs", "q", "--state", "flying"), "'flying' is not one of 'scheduled', 'ready'"),
    "done is not listed": (("jobs", "q", "--state", "done"), "not kept"),
    "wrong queue name": (("stats", "Q!"), "queue name 'Q!'"),
    "wrong url": (("stats", "q", "--redis-url", "localhost:1"), "--redis-url or REDIS_URL: "),
    "wrong cursor": (("jobs", "q", "--state", "ready", "--cursor", "x"), "cursor 'x'"),
    "cursor alone": (("jobs", "q", "--cursor", "x"), "--state"),
    "wrong limit": (("dlq", "list", "q", "--limit", "5000"), "--limit"),
    "wrong max": (("dlq", "replay", "q", "--all", "--max", "0"), "--max"),
    "wrong rate": (("dlq", "replay", "q", "--all", "--rate", "0"), "a rate of 0 letters per second"),
    "wrong guard": (("dlq", "replay", "q", "--all", "--guard", "20"), "a guard of 20: use a share above 0, up to 1"),
    "no selection": (("dlq", "replay", "q"), "say which letters"),
    "two selections": (("dlq", "replay", "q", "--all", "--task", "t"), "one of the three"),
    "export to a folder": (("dlq", "export", "q", "--out", "/"), "--out /: Is a directory"),
    "export to nowhere": (("dlq", "export", "q", "--out", "/nowhere/x"), "--out /nowhere/x: No such file or directory"),
    "unknown job": (("show", "q", "nope"), "no job 'nope'"),
    "unknown letter": (("dlq", "show", "q", "nope"), "no dead letter 'nope'"),
    "args that are no JSON": (("enqueue", "q", "t", "--args", "ada"), "--args: must be a list"),
    "kwargs of another kind": (("enqueue", "q", "t", "--kwargs", "[1]"), "--kwargs: must be an object"),
    "task name": (("enqueue", "q", "a|b"), "task name 'a|b'"),
    "payload too large": (("enqueue", "q", "t", "--args", f'["{"x" * 300_000}"]'), "the limit is 262,144"),
    "negative delay": (("enqueue", "q", "t", "--delay", "-1"), "--delay"),
    "wrong format": (("stats", "q", "-o", "xml"), "'xml' is not one of"),
    "unknown option": (("stats", "q", "--fast"), "No such option"),
    "verb not first": (("dlq", "worker"), "No such command 'worker'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(cli: Cli, name: str) -> None:
    argv, expected = MISTAKES[name]
    ran = cli(*argv)
    assert ran.code == 2
    assert ran.out == ""
    (line,) = ran.err.splitlines()
    assert line.startswith("headrace: ")
    assert expected in line


def test_an_unreachable_server_is_one_line_and_exit_code_1(cli: Cli) -> None:
    url = f"redis://:hunter2@127.0.0.1:{free_ports(1)[0]}/0"
    ran = cli("stats", "q", "--redis-url", url)
    assert ran.code == 1
    (line,) = ran.err.splitlines()
    assert line.startswith("headrace: can't connect to redis://")
    assert line.endswith(": Connection refused")
    assert "hunter2" not in ran.err


def test_worker_and_drain_start_without_the_typer_app() -> None:
    probe = (
        "import sys; from headrace.cli.entry import main\n"
        "try: main(['{verb}', '--help'])\n"
        "except SystemExit: pass\n"
        "slow = [m for m in ('typer', 'rich', 'click', 'pydantic', 'kopf', 'redis') if m in sys.modules]\n"
        "print('LOADED', slow)"
    )
    for verb in ("worker", "drain"):
        assert run_fresh(probe.format(verb=verb)).splitlines()[-1] == "LOADED []"


def test_an_added_verb_is_loaded_only_when_used(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name, module = "dance", "ballet.command"
        loads = 0

        def load(self) -> Callable[[list[str]], int]:
            Entry.loads += 1
            return len

    def entries(*, group: str, name: str | None = None) -> list[Entry]:
        assert group == "headrace.commands"
        return [Entry()] if name in (None, "dance") else []

    monkeypatch.setattr("headrace.cli.external.entry_points", entries)
    assert "dance" in cli("--help").out
    assert Entry.loads == 0
    assert cli("dance", "--fast", "now").code == 2
    assert Entry.loads == 1


def test_an_added_verb_may_have_two_words(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a group of ours it stands in the group's help; none of ours is taken for it."""
    heard: list[list[str]] = []

    def dance(name: str, argv: list[str]) -> int:
        heard.append([name, *argv])
        return 0

    class Entry:
        module = "ballet.command"

        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> Callable[[list[str]], int]:
            return partial(dance, self.name)

    added = [Entry("dlq dance"), Entry("dlq list"), Entry("ballet dance"), Entry("dlq")]
    monkeypatch.setattr(
        "headrace.cli.external.entry_points",
        lambda *, group, name=None: [one for one in added if name in (None, one.name)],
    )
    assert " dance " in cli("dlq", "--help").out
    assert cli("--help").code == 0
    assert cli("dlq", "dance", "--fast").code == 0
    assert cli("ballet", "dance").code == 0
    assert heard == [["dlq dance", "--fast"], ["ballet dance"]]
    assert cli("dlq", "list", "q").out.startswith("ID\t")
    assert "'ballet'" in cli("ballet").err


def test_an_added_verb_without_its_packages_says_what_to_install(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        def load(self) -> None:
            raise ModuleNotFoundError("No module named 'kopf'", name="kopf")

    monkeypatch.setattr("headrace.cli.external.entry_points", lambda **_: [Entry()])
    ran = cli("dev")
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert "pip install headrace[dev]" in ran.err


def test_ctrl_c_ends_with_130_and_no_traceback(redis_url: str) -> None:
    """A server that accepts and never answers keeps the command waiting until the signal."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        child = subprocess.Popen(
            [sys.executable, "-m", "headrace", "stats", "q", "--redis-url", url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=30)
    assert (child.returncode, out, err) == (130, "", "")


def test_a_reader_that_leaves_early_is_no_error(cli: Cli, redis_url: str) -> None:
    for i in range(50):
        cli("enqueue", "q", "t", "--id", f"{i}-{'x' * 2000}")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "headrace", "jobs", "q", "--redis-url", redis_url],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["1", "2", "1 2"])
@pytest.mark.parametrize("line", ["pause q", "stats q", "jobs q -o json"])
def test_who_starts_it_without_output_gets_its_exit_code(cli: Cli, redis_url: str, line: str, closed: str) -> None:
    """As from a service or a cron table."""
    cli("enqueue", "q", "t")
    gone = " ".join(f"{number}>&-" for number in closed.split())
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m headrace {line} {gone}"],
        env={**os.environ, "REDIS_URL": redis_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "line",
    [
        "stats q",
        "stats q -o table",
        "stats q -o json",
        "audit q",
        "dlq export q",
        "stats --help",
        "worker --print-config",
    ],
)
def test_a_full_disk_is_one_line(cli: Cli, seed: Seed, redis_url: str, line: str) -> None:
    seed(three_dead)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "headrace", *line.split()],
            env={**os.environ, "REDIS_URL": redis_url},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    said = "headrace: the output can't be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_row_too_wide_for_the_terminal_stands_on_its_side(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    cli("enqueue", "q", "mail")
    lines = cli("stats", "q", "-o", "table").out.splitlines()
    assert ["READY", "1"] in [line.split() for line in lines]
    assert max(map(len, lines)) <= 60


@pytest.mark.parametrize("odd", ["[/x]", "[red]", ":smile:", "日本"])
def test_a_name_is_shown_as_it_is_in_a_table(cli: Cli, monkeypatch: pytest.MonkeyPatch, odd: str) -> None:
    """Also where it became a column's head, with or without rich."""
    cli("enqueue", "q", "mail", "--id", odd)
    for width in ("60", "200"):
        monkeypatch.setenv("COLUMNS", width)
        ran = cli("jobs", "q", "-o", "table")
        assert (ran.code, ran.err) == (0, "")
        assert odd in ran.out


def test_tables_on_request(cli: Cli) -> None:
    cli("enqueue", "q", "mail", "--id", "mine")
    ran = cli("jobs", "q", "-o", "table")
    assert "mine" in ran.out
    assert "\t" not in ran.out
