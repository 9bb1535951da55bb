"""Schedules on the real API server: mistakes are told and fire nothing, good ones fire once, whoever leads."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.schedules import ScheduleRecord
from headrace.errors import ConfigError
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace_operator.api.schedule import load_schedule
from support.bad_queues import patched
from support.bad_schedules import BAD, GOOD, MISTAKES, SCHEMAS, ScheduleCase, good_schedule
from support.control_plane import ControlPlane
from support.kube_client import Json, until
from support.kubectl import KubectlFailed
from support.live_fleet import LiveFleet, StartFleet
from support.seeding import Seeder

NEVER_SOON = "0 0 29 2 *"


class Place:
    """A fleet at zero that serves the cases' queue, and what workers have said of it."""

    def __init__(self, fleet: LiveFleet, link: Link) -> None:
        self.fleet, self.link, self.kube = fleet, link, fleet.kube
        self.admin = QueueAdmin(link, "q")

    async def apply(self, *documents: dict[str, Any]) -> None:
        await self.kube.apply(*(patched(one, {"metadata.namespace": self.kube.namespace}) for one in documents))

    async def status(self, name: str = "nightly") -> Json:
        found: Json = (await self.kube.get("schedule", name)).get("status", {})
        return found

    async def ready(self, name: str = "nightly") -> Json:
        return next(iter((await self.status(name)).get("conditions", [])), {})

    async def events(self, name: str = "nightly") -> list[tuple[str, str]]:
        found = await self.kube.objects("events", f"--field-selector=involvedObject.name={name}")
        return [(one["reason"], one["message"]) for one in found if one["involvedObject"]["kind"] == "Schedule"]

    async def jobs(self) -> int:
        return (await self.admin.stats()).ready

    async def has_jobs(self, count: int, seconds: float = 40) -> None:
        async def so_many() -> bool:
            return await self.jobs() >= count

        await until(so_many, seconds=seconds)

    async def record(self, name: str = "nightly") -> ScheduleRecord:
        return await self.admin.schedules.look((await self.kube.get("schedule", name))["metadata"]["uid"])


@asynccontextmanager
async def place_of(fleet: LiveFleet) -> AsyncIterator[Place]:
    link = Link(parse_target(fleet.url))
    for task, schema in SCHEMAS.items():
        await Seeder(link, "q").raw("HSET", "schemas", task, json.dumps(schema))
    queue = fleet.manifest(queues=[{"name": "q"}], replicas=0)
    await fleet.kube.apply(patched(queue, {"metadata.name": "emails"}))
    try:
        yield Place(fleet, link)
    finally:
        await fleet.kube.do("delete", "schedules", "--all", "--wait=false")
        await link.close()


def send(plane: ControlPlane, case: ScheduleCase) -> str:
    """Create it for the sake of the answer only."""
    return plane.kubectl(
        "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(case.document())
    )


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_what_a_schema_can_say_is_refused_by_both(control_plane: ControlPlane, crds: None, case: ScheduleCase) -> None:
    with pytest.raises(ConfigError) as here:
        load_schedule(case.document())
    with pytest.raises(KubectlFailed) as there:
        send(control_plane, case)
    field = str(here.value).split(":", maxsplit=1)[0].rpartition(".")[2]
    assert field in str(there.value), f"{here.value} <> {there.value}"


@pytest.mark.parametrize("case", [*GOOD, *MISTAKES], ids=lambda case: case.name)
def test_the_rest_is_accepted_by_both(control_plane: ControlPlane, crds: None, case: ScheduleCase) -> None:
    load_schedule(case.document())
    assert "created" in send(control_plane, case)


async def test_each_mistake_is_told_and_fires_nothing(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet, place_of(fleet) as place:
        cases = {f"case-{number}": case for number, case in enumerate(MISTAKES)}
        await place.apply(*(patched(case.document(), {"metadata.name": name}) for name, case in cases.items()))
        for name, case in cases.items():

            async def judged(name: str = name) -> Json:
                return await place.ready(name)

            await until(judged, seconds=60)
            ready = await place.ready(name)
            assert (ready["status"], ready["reason"]) == ("False", case.reason), (case.name, ready)
            assert case.says in ready["message"]
            assert await place.events(name) == [(case.reason, ready["message"])]
        assert await place.jobs() == 0
        shown = await place.kube.do("get", "sched")
        assert "UnknownTimeZone" in shown
        assert fleet.leader.running
        name, case = next((name, case) for name, case in cases.items() if case.reason == "UnknownTask")
        await place.apply(patched(good_schedule(), {"metadata.name": name}))
        await place.has_jobs(1)
        assert "Traceback" not in fleet.leader.log


async def test_a_good_one_fires_and_says_so(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet, place_of(fleet) as place:
        anything: list[object] = ["monday", None, 1.5, {"a": None}]
        document = patched(good_schedule(), {"spec.args": anything, "metadata.name": "stored"})
        document["metadata"]["namespace"] = place.kube.namespace
        await place.kube.do("apply", "--server-side", "-f", "-", stdin=json.dumps(document))
        stored = await place.kube.get("schedule", "stored")
        assert stored["spec"]["args"] == anything, "the API server keeps any value as it is"
        await place.apply(good_schedule())
        await place.has_jobs(3)

        async def said() -> bool:
            return (await place.ready()).get("reason") == "Scheduled"

        await until(said)
        status = await place.status()
        assert status["description"] == "Every second, Europe/Berlin time"
        assert status["nextScheduleTime"].endswith("Z")
        assert "Scheduled" in await place.kube.do("get", "sched", "nightly")


async def test_a_killed_leader_makes_neither_hole_nor_double(start_fleet: StartFleet) -> None:
    async with start_fleet(operators=2) as fleet, place_of(fleet) as place:
        await place.apply(patched(good_schedule(), {"spec.historyLimit": 50}))
        await place.has_jobs(2)
        had = await place.jobs()
        await asyncio.to_thread(fleet.leader.kill)
        began = time.monotonic()
        await place.has_jobs(had + 5, seconds=60)
        print(f"kill -9 → five more ticks: {time.monotonic() - began:.1f} s")
        record = await place.record()
        ticks = sorted(run.tick_ms for run in record.recent)
        assert {later - earlier for earlier, later in pairwise(ticks)} == {1000}
        assert record.missed == 0
        assert len(ticks) == record.enqueued


async def test_run_now_runs_once_and_deletion_forgets(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet, place_of(fleet) as place:
        kept = patched(good_schedule(), {"spec.cron": NEVER_SOON})
        kept["metadata"]["annotations"] = {"headrace.dev/run-now": "release-7"}
        [operator] = fleet.operators
        for turn in range(3):
            await place.apply(kept)
            await asyncio.to_thread(operator.kill)
            await asyncio.to_thread(operator.start)

            async def over() -> bool:
                found = await place.kube.get("schedule", "nightly")
                return not any(
                    "run-now" in name for name in found["metadata"].get("annotations", {}) if "last" not in name
                )

            await until(over, seconds=60)
            assert await place.jobs() == 1, turn
        run = (await place.status())["runNow"]
        assert (run["request"], run["phase"]) == ("release-7", "Repeated")
        reasons = [reason for reason, _ in await place.events()]
        # An operator that dies between a status and its event takes the event along; none is told twice.
        assert max(reasons.count("RunNowEnqueued"), reasons.count("RunNowRepeated")) <= 1, reasons
        uid = (await place.kube.get("schedule", "nightly"))["metadata"]["uid"]
        await place.kube.do("delete", "sched", "nightly")

        async def forgotten() -> bool:
            return not (await place.admin.schedules.look(uid)).known

        await until(forgotten)
        assert await place.jobs() == 1


async def test_an_outage_of_redis_is_told_and_ends(start_fleet: StartFleet) -> None:
    async with start_fleet() as fleet, place_of(fleet) as place:
        await place.apply(patched(good_schedule(), {"spec.catchUp": "All", "spec.catchUpMax": 1000}))
        await place.has_jobs(1)

        async def reason(wanted: str) -> None:
            async def is_so() -> bool:
                return (await place.ready()).get("reason") == wanted

            await until(is_so, seconds=60)

        await asyncio.to_thread(fleet.redis.freeze)
        await reason("RedisUnavailable")
        await asyncio.to_thread(fleet.redis.thaw)
        await reason("Scheduled")
        await place.has_jobs(4)
        record = await place.record()
        assert record.missed == 0
        ticks = sorted(run.tick_ms for run in record.recent)
        assert {later - earlier for earlier, later in pairwise(ticks)} == {1000}, "nothing is left out"
        reasons = [reason for reason, _ in await place.events()]
        assert reasons.count("RedisUnavailable") == 1
