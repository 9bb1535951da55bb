"""`headrace schedules list`: the records that Redis has."""

from __future__ import annotations

from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.schedules import Concurrency, job_value
from support.cli import Cli, Seed
from support.seeding import Seeder


def test_records_are_listed_by_name(cli: Cli, seed: Seed) -> None:
    async def fill(seeder: Seeder) -> None:
        schedules = QueueAdmin(seeder.link, "q").schedules
        for name in ("weekly", "nightly"):
            await schedules.settle_terms(f"uid-{name}", name=name, timing="t", suspended=name == "weekly", created_ms=1)
        value = job_value("work", {}, name="nightly", tick_ms=5, enqueued_ms=5)
        await schedules.run_now("uid-nightly", "once", value=value, concurrency=Concurrency.ALLOW)

    seed(fill)
    nightly, weekly = cli("schedules", "list", "q", "-o", "json").json
    assert (nightly["name"], nightly["enqueued"], nightly["active"]) == ("nightly", 1, ["uid-nightly:now:once"])
    assert (weekly["name"], weekly["suspended"], weekly["recent"]) == ("weekly", True, [])
    header, first, _ = (line.split("\t") for line in cli("schedules", "list", "q").out.splitlines())
    shown = dict(zip(header, first, strict=True))
    assert (shown["NAME"], shown["LAST JOB"], shown["ACTIVE"]) == ("nightly", "uid-nightly:now:once", "1")
    assert cli("schedules", "list", "empty", "-o", "json").json == []
