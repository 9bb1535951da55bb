"""`headrace show`, `stats`, `jobs` and `purge` on jobs that wait for a limit."""

from __future__ import annotations

import json

import pytest

from headrace.client.limits import Rule
from headrace.contract.entry import Mark
from support.cli import Cli, Seed
from support.limited import limited
from support.queue_driver import QueueDriver, Special
from support.seeding import Seeder


@pytest.fixture
def parked(seed: Seed) -> None:
    """a0 of key `a` runs, a1 and a2 wait for its slot; b0 of key `b` ran, b1 waits for its rate; u is unique."""

    async def work(seeder: Seeder) -> None:
        queue = QueueDriver(seeder.link)
        rules = {"t": Rule(concurrency=1), "slow": Rule(interval_us=60_000_000, burst=1)}
        await queue.join(seeder.sid, rules=rules)
        await queue.enqueue(specials=[limited(f"a{i}", "a") for i in range(3)])
        await queue.enqueue(specials=[limited(f"b{i}", "b", "slow") for i in range(2)])
        await queue.exchange(seeder.sid, 10)
        await queue.enqueue(specials=[Special("u", mark=Mark(unique="welcome:7", unique_ms=60_000))])

    seed(work)


WHY = {
    "a1": "It waits for a slot of its limit key 'a': 1 job of it runs; it is the next.",
    "a2": "It waits for a slot of its limit key 'a': 1 job of it runs; 1 job of the key before it.",
    "b1": "It waits for the rate of its limit key 'b', which lets a job go in ",
}


@pytest.mark.usefixtures("parked")
@pytest.mark.parametrize("job_id", WHY)
def test_show_says_what_a_parked_job_waits_for(cli: Cli, job_id: str) -> None:
    shown = json.loads(cli("show", "q", job_id, "-o", "json").out)
    assert shown["state"] == "parked"
    assert shown["limit"]["key"] == job_id[0]
    assert shown["why"].startswith(WHY[job_id])
    assert f"limit key\t{job_id[0]}" in cli("show", "q", job_id).out


@pytest.mark.usefixtures("parked")
def test_show_names_the_unique_key(cli: Cli) -> None:
    assert "unique key\twelcome:7" in cli("show", "q", "u").out


@pytest.mark.usefixtures("parked")
def test_parked_jobs_are_listed_counted_and_purged(cli: Cli) -> None:
    assert {job["id"] for job in json.loads(cli("jobs", "q", "--state", "parked", "-o", "json").out)["jobs"]} == {
        *("a1", "a2", "b1")
    }
    [stats] = json.loads(cli("stats", "q", "-o", "json").out)
    assert (stats["parked"], stats["ready"], stats["leased"]) == (3, 1, 2)
    assert "4 jobs called off" in cli("purge", "q", "--yes").out
    assert cli("audit", "q").code == 0
