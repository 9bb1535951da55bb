"""The command line on a real server: what each verb does, shows and answers to mistakes."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import pytest

from headrace.admin.replay import Replays
from headrace.cli.entry import main
from headrace.errors import QueueUnavailableError
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.seeding import Seeder
from support.server_process import free_ports


@dataclass(frozen=True)
class Ran:
    """What one command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]


@pytest.fixture
def cli(redis_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command line in this process, against the empty server."""
    monkeypatch.setenv("REDIS_URL", redis_url)

    def run(*argv: str) -> Ran:
        code = main(argv)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


Seed = Callable[[Callable[[Seeder], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def seed(redis_url: str) -> Seed:
    """Runs a coroutine with a seeder whose worker has joined."""

    def run(work: Callable[[Seeder], Coroutine[Any, Any, None]]) -> None:
        async def joined() -> None:
            link = Link(parse_target(redis_url))
            seeder = Seeder(link)
            await seeder.join()
            await work(seeder)
            await link.close()

        asyncio.run(joined())

    return run


async def _three_dead(seeder: Seeder) -> None:
    await seeder.bury("a", "b", task="mail", traceback="Traceback: line 1\nline 2")
    await seeder.bury("c", task="scan", reason="OSError")


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


def test_enqueue_then_show(cli: Cli) -> None:
    job_id = cli("enqueue", "q", "mail", "--args", '["ada"]', "--kwargs", '{"subject": "hi"}').out.strip()
    shown = cli("show", "q", job_id, "--payload", "-o", "json").json
    assert (shown["state"], shown["task"], shown["args"], shown["kwargs"]) == (
        "ready",
        "mail",
        ["ada"],
        {"subject": "hi"},
    )
    assert "no worker of this queue is running" in shown["why"]


def test_show_keeps_payloads_to_itself(cli: Cli) -> None:
    job_id = cli("enqueue", "q", "mail", "--args", '["s3cret"]').out.strip()
    for form in ("plain", "json", "table"):
        assert "s3cret" not in cli("show", "q", job_id, "-o", form).out
    assert "s3cret" in cli("show", "q", job_id, "-o", "plain", "--payload").out


def test_enqueue_with_delay_priority_and_id(cli: Cli) -> None:
    cli("enqueue", "q", "mail", "--delay", "60", "--id", "mine")
    cli("enqueue", "q", "mail", "--priority", "high")
    (said,) = cli("stats", "q", "-o", "json").json
    assert (said["scheduled"], said["ready"]) == (1, 1)
    again = cli("enqueue", "q", "other", "--id", "mine", "-o", "json")
    assert (again.code, again.json["created"]) == (0, False)
    assert "mine is taken" in again.err
    assert cli("show", "q", "mine", "-o", "json").json["task"] == "mail"


def test_stats_as_plain_lines(cli: Cli) -> None:
    cli("enqueue", "q", "mail")
    header, q, empty = cli("stats", "q", "empty").out.splitlines()
    assert header.split("\t")[:2] == ["QUEUE", "READY"]
    assert (q.split("\t")[:2], empty.split("\t")[:2]) == (["q", "1"], ["empty", "0"])


def test_stats_of_a_broken_queue_fail_alone(cli: Cli, seed: Seed) -> None:
    async def damage(seeder: Seeder) -> None:
        await seeder.link.request("SET", "hr:{broken}:sess", "x")

    seed(damage)
    ran = cli("stats", "broken", "q", "-o", "json")
    assert ran.code == 1
    assert [said["queue"] for said in ran.json] == ["q"]
    assert "headrace: queue broken: " in ran.err
    assert len(ran.err.splitlines()) == 1


def test_jobs_of_all_states_and_of_one(cli: Cli, seed: Seed) -> None:
    async def fill(seeder: Seeder) -> None:
        await seeder.bury("dead")
        await seeder.enqueue("leased")
        await seeder.exchange(1)
        await seeder.enqueue("ready")
        await seeder.enqueue("later", delay_ms=60_000)

    seed(fill)
    lines = [line.split("\t") for line in cli("jobs", "q").out.splitlines()]
    assert [line[:2] for line in lines[1:]] == [
        ["leased", "leased"],
        ["ready", "ready"],
        ["later", "scheduled"],
        ["dead", "dead"],
    ]
    assert [job["id"] for job in cli("jobs", "q", "--state", "scheduled", "-o", "json").json["jobs"]] == ["later"]


def test_jobs_page_by_cursor(cli: Cli) -> None:
    for i in range(5):
        cli("enqueue", "q", "t", "--id", f"j{i}")
    first = cli("jobs", "q", "--state", "ready", "--limit", "3")
    assert "there are more: --cursor " in first.err
    cursor = first.err.split("--cursor ")[1].strip()
    rest = cli("jobs", "q", "--state", "ready", "--cursor", cursor)
    ids = [line.split("\t")[0] for ran in (first, rest) for line in ran.out.splitlines()[1:]]
    assert ids == [f"j{i}" for i in range(5)]


def test_cancel_waiting_and_unknown_and_dead(cli: Cli, seed: Seed) -> None:
    seed(_three_dead)
    cli("enqueue", "q", "mail", "--id", "mine")
    assert cli("cancel", "q", "mine").out == "mine is cancelled\n"
    assert cli("cancel", "q", "mine").code == 2
    dead = cli("cancel", "q", "a")
    assert (dead.code, "headrace dlq delete q --id a" in dead.err) == (2, True)


def test_dlq_list_filters_and_pages(cli: Cli, seed: Seed) -> None:
    seed(_three_dead)
    listed = cli("dlq", "list", "q", "-o", "json").json
    assert [(letter["id"], letter["task"], letter["reason"]) for letter in listed["letters"]] == [
        ("a", "mail", "ValueError"),
        ("b", "mail", "ValueError"),
        ("c", "scan", "OSError"),
    ]
    assert [x["id"] for x in cli("dlq", "list", "q", "--reason", "OSError", "-o", "json").json["letters"]] == ["c"]
    first = cli("dlq", "list", "q", "--limit", "1", "-o", "json").json
    rest = cli("dlq", "list", "q", "--cursor", str(first["cursor"]), "-o", "json").json
    assert [letter["id"] for letter in rest["letters"]] == ["b", "c"]
    counted = cli("dlq", "list", "q", "--by-reason").out.splitlines()
    assert counted[1:] == ["mail\tValueError\t2", "scan\tOSError\t1"]


def test_dlq_show_has_the_traceback(cli: Cli, seed: Seed) -> None:
    seed(_three_dead)
    assert cli("dlq", "show", "q", "a").out.endswith("\nTraceback: line 1\nline 2\n")
    assert cli("dlq", "show", "q", "a", "-o", "json").json["traceback"] == "Traceback: line 1\nline 2"


def test_unprintable_errors_do_not_reach_the_terminal(cli: Cli, seed: Seed) -> None:
    async def fill(seeder: Seeder) -> None:
        await seeder.bury("a", reason="\x1b[2Jgone", traceback="\x1b]0;title\x07 line\nnext")

    seed(fill)
    for form in ("plain", "table"):
        for verb in (("dlq", "list", "q"), ("dlq", "show", "q", "a"), ("show", "q", "a")):
            assert "\x1b[2J" not in cli(*verb, "-o", form).out
            assert "\x1b]0" not in cli(*verb, "-o", form).out


def test_dlq_replay_dry_run_then_for_real(cli: Cli, seed: Seed) -> None:
    seed(_three_dead)
    dry = cli("dlq", "replay", "q", "--task", "mail", "--dry-run", "-o", "json").json
    assert (dry["count"], dry["by_reason"]) == (2, {"ValueError": 2})
    assert cli("stats", "q", "-o", "json").json[0]["dead"] == 3
    assert cli("dlq", "replay", "q", "--task", "mail", "--max", "1").out == "1 replayed\n"
    assert cli("dlq", "replay", "q", "--id", "c", "--id", "nope").out == "1 replayed\n"
    assert cli("dlq", "replay", "q", "--all").out == "1 replayed\n"
    (said,) = cli("stats", "q", "-o", "json").json
    assert (said["dead"], said["ready"], said["replayed"]) == (0, 3, 3)


def test_an_interrupted_replay_says_how_to_go_on(cli: Cli, seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    seed(_three_dead)
    real = Replays.replay

    async def cut(self: Replays, *args: Any, **said: Any) -> Any:
        await real(self, *args, **said)
        raise QueueUnavailableError("the connection to Redis was lost")

    monkeypatch.setattr(Replays, "replay", cut)
    ran = cli("dlq", "replay", "q", "--all", "--request", "mine")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "headrace: interrupted: go on with --request mine",
        "headrace: the connection to Redis was lost",
    ]


def test_dlq_delete_asks_first(cli: Cli, seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    seed(_three_dead)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    refused = cli("dlq", "delete", "q", "--all")
    assert (refused.code, refused.err) == (
        2,
        "headrace: there is nobody to ask: say --yes to go on without a question\n",
    )
    assert "3 would be deleted" in cli("dlq", "delete", "q", "--all", "--dry-run").out
    assert cli("dlq", "delete", "q", "--id", "a").out == "1 deleted\n"
    assert cli("dlq", "delete", "q", "--all", "--yes").out == "2 deleted\n"


def test_pause_and_resume(cli: Cli) -> None:
    assert cli("pause", "q").out == "q is paused\n"
    assert cli("pause", "q").out == "q was paused already\n"
    assert cli("stats", "q", "-o", "json").json[0]["paused"]
    assert cli("resume", "q").out == "q goes on\n"


def test_purge_asks_and_calls_off_what_waits(cli: Cli, seed: Seed) -> None:
    seed(_three_dead)
    for delay in ("0", "60"):
        cli("enqueue", "q", "mail", "--delay", delay)
    assert cli("purge", "q").code == 2
    assert cli("purge", "q", "--yes").out == "2 jobs called off\n"
    stats = cli("stats", "q", "-o", "json").json[0]
    assert (stats["ready"], stats["scheduled"], stats["dead"], stats["cancelled"]) == (0, 0, 3, 2)
    assert cli("audit", "q").code == 0


def test_audit_exits_with_one_until_mended(cli: Cli, seed: Seed) -> None:
    cli("enqueue", "q", "mail", "--id", "mine")
    assert cli("audit", "q").code == 0

    async def damage(seeder: Seeder) -> None:
        await seeder.raw("ZREM", "ready:default", "mine")

    seed(damage)
    found = cli("audit", "q", "-o", "json")
    assert (found.code, found.json["counts"]) == (1, {"Orphan": 1})
    assert found.json["findings"] == [{"kind": "Orphan", "finding": {"id": "mine"}}]
    assert "Orphan\tid=mine" in cli("audit", "q").out
    assert cli("audit", "q", "--repair").code == 1
    assert cli("audit", "q").code == 0


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
    "no selection": (("dlq", "replay", "q"), "say which letters"),
    "two selections": (("dlq", "replay", "q", "--all", "--task", "t"), "one of the three"),
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
        done = subprocess.run(
            [sys.executable, "-c", probe.format(verb=verb)], capture_output=True, text=True, timeout=30, check=True
        )
        assert done.stdout.splitlines()[-1] == "LOADED []"


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


def test_tables_on_request(cli: Cli) -> None:
    cli("enqueue", "q", "mail", "--id", "mine")
    ran = cli("jobs", "q", "-o", "table")
    assert "mine" in ran.out
    assert "\t" not in ran.out


def test_enqueue_compares_with_what_workers_have_published(cli: Cli, seed: Seed) -> None:
    schema = '{"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}'

    async def publish(seeder: Seeder) -> None:
        await seeder.raw("HSET", "schemas", "mail", schema)

    seed(publish)
    assert cli("enqueue", "q", "mail", "--kwargs", '{"to": "ada"}').code == 0
    wrong = cli("enqueue", "q", "mail", "--args", "[3]")
    assert (wrong.code, wrong.err) == (2, "headrace: task mail: to: must be string\n")
    unknown = cli("enqueue", "q", "sned")
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)
    assert "no task 'sned'" in unknown.err
    assert cli("enqueue", "q", "sned", "--unchecked").code == 0
    large = cli("enqueue", "q", "mail", "--args", f'["{"x" * 300_000}"]')
    assert (large.code, large.err.count("\n")) == (2, 1)
    assert "the limit is 262,144" in large.err
