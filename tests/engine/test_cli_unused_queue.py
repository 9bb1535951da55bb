"""A queue that nothing has ever used looks empty; a line on stderr says so, as its name may be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cli import Cli, Seed
from support.seeding import Seeder

SAID = "headrace: nothing has ever used queue 'emials' in this Redis\n"
FINDS_NOTHING = (
    ("stats",),
    ("top", "--every", "0.1"),
    ("jobs",),
    ("jobs", "--state", "ready"),
    ("audit",),
    ("dlq", "list"),
    ("dlq", "list", "--by-reason"),
    ("dlq", "export"),
    ("dlq", "replay", "--all", "--dry-run"),
    ("dlq", "replay", "--all"),
    ("dlq", "delete", "--all", "--dry-run"),
    ("dlq", "delete", "--all", "--yes"),
    ("schedules", "list"),
    ("purge", "--yes"),
    ("pause",),
    ("resume",),
)
"""The queue's name stands before the options."""


def line(words: tuple[str, ...], queue: str) -> list[str]:
    verb = [word for word in words if not word.startswith("-")][: 2 if words[0] in ("dlq", "schedules") else 1]
    return [*verb, queue, *words[len(verb) :]]


@pytest.mark.parametrize("words", FINDS_NOTHING, ids=" ".join)
def test_a_queue_that_nobody_has_used_is_told_from_an_empty_one(cli: Cli, words: tuple[str, ...]) -> None:
    for _ in range(2):
        ran = cli(*line(words, "emials"))
        assert (ran.code, ran.err) == (0, SAID), "asked again it is as unused as before"


async def _joined(_: Seeder) -> None:
    return


@pytest.mark.parametrize("words", FINDS_NOTHING, ids=" ".join)
def test_nothing_is_said_of_a_queue_whose_worker_was_there(cli: Cli, seed: Seed, words: tuple[str, ...]) -> None:
    seed(_joined)
    ran = cli(*line(words, "q"))
    assert (ran.code, ran.err) == (0, "")


def test_nor_of_one_that_had_a_job(cli: Cli) -> None:
    cli("enqueue", "q", "mail", "--id", "a")
    cli("cancel", "q", "a")
    assert cli("stats", "q").err == ""
    assert cli("jobs", "q").err == ""


def test_an_owner_has_used_it(cli: Cli, seed: Seed) -> None:
    async def own(seeder: Seeder) -> None:
        await Seeder(seeder.link, "emails").run("own_queue", "c/ns/emails", "claim", 60_000)

    seed(own)
    assert cli("pause", "emails").err == ""


def test_each_of_several_is_named(cli: Cli, seed: Seed) -> None:
    seed(_joined)
    ran = cli("stats", "one", "q", "emials", "-o", "json")
    assert [said["queue"] for said in ran.json] == ["one", "q", "emials"]
    assert ran.err == SAID.replace("emials", "one") + SAID


def test_a_limit_of_it(cli: Cli) -> None:
    assert cli("limit", "emials", "7").err == SAID


def test_an_import_that_makes_the_queue_says_so(cli: Cli, seed: Seed, tmp_path: Path) -> None:
    async def bury(seeder: Seeder) -> None:
        await seeder.bury("a")

    seed(bury)
    file = tmp_path / "letters.jsonl"
    cli("dlq", "export", "q", "--payload", "--out", str(file))
    ran = cli("dlq", "import", "emials", str(file))
    assert (ran.code, ran.out, ran.err) == (0, "1 imported\n", SAID)
    assert cli("stats", "emials").err == ""
