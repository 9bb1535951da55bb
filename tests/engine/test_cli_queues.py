"""The verbs about whole queues: stats, pause, resume, purge, audit."""

from __future__ import annotations

import pytest

from support.cli import Cli, Seed, three_dead
from support.seeding import Seeder

pytestmark = pytest.mark.everywhere


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


def test_pause_and_resume(cli: Cli) -> None:
    assert cli("pause", "q").out == "q is paused\n"
    assert cli("pause", "q").out == "q was paused already\n"
    assert cli("stats", "q", "-o", "json").json[0]["paused"]
    assert cli("resume", "q").out == "q goes on\n"


def test_purge_asks_and_calls_off_what_waits(cli: Cli, seed: Seed) -> None:
    seed(three_dead)
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
