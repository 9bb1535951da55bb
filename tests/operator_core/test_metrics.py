"""The operator's /metrics: what the loop knows and has done is what a scraper reads, and no more than that."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from headrace_operator.api.names import QueueKey, ScheduleKey
from headrace_operator.api.schedule_status import ScheduleStatus
from headrace_operator.api.status import REASONS_KEPT, Condition
from headrace_operator.cluster.tally import Tally
from headrace_operator.core.conditions import ConditionType
from headrace_operator.core.decision import Reason
from headrace_operator.core.departure import Departure
from headrace_operator.core.symptoms import BreakerReason
from headrace_operator.operate.counts import BOUNDS, Counts
from headrace_operator.operate.metrics import OperatorMetrics
from headrace_operator.reconcile.listener import Look
from headrace_operator.reconcile.record import Record
from headrace_operator.seams.runtime import Trouble, TroubleKind
from support.exposition import Samples, check_by_promtool, samples, value
from support.fleet_rig import Rig, redis_spec, until
from support.monitoring import needs_promtool
from support.servers import RedisServer

FURTHER_LABELS = {"state", "type", "reason", "event", "victim", "kind", "version"}

JOB_STATES = ("scheduled", "ready", "leased", "parked", "awaiting", "held", "dead")


class Standing:
    """A process that leads the rig's operator, or stands by."""

    def __init__(self, rig: Rig | None = None) -> None:
        self.rig = rig
        self.known: dict[ScheduleKey, ScheduleStatus] = {}

    @property
    def leading(self) -> bool:
        return self.rig is not None

    @property
    def records(self) -> Mapping[QueueKey, Record]:
        return self.rig.controller.records if self.rig else {}

    @property
    def schedules(self) -> Mapping[ScheduleKey, ScheduleStatus]:
        return self.known

    def ages(self) -> Mapping[str, float]:
        return {"lease": 0.5}


def metrics(rig: Rig) -> OperatorMetrics:
    return OperatorMetrics(rig.live, Tally({("GET", "200"): 3, ("PATCH", "409"): 1}), Standing(rig))


async def scrape(source: OperatorMetrics, accept: str = "") -> Samples:
    kind, body = await source.render(accept)
    return samples(kind, body.decode())


def queue(found: Samples, key: QueueKey, name: str, **labels: str) -> float | None:
    wanted = {"namespace": key.namespace, "name": key.name, **labels}
    return found.get((f"headrace_workerqueue_{name}", frozenset(wanted.items())))


def series_of(found: Samples, key: QueueKey) -> list[str]:
    return [name for name, labels in found if ("name", key.name) in labels]


async def test_what_is_known_of_a_queue_is_what_is_read(rig: Rig) -> None:
    seeder = rig.seeder()
    await seeder.join()
    await seeder.bury("dead-1", "dead-2")
    await seeder.enqueue("later", delay_ms=3_600_000)
    await seeder.enqueue(*(f"j{n}" for n in range(25)))
    await seeder.exchange(5)
    key = rig.apply(scaling={"maxReplicas": 2})
    async with rig.running():
        await rig.has_workers(key, 2)
        await rig.says(key, "both ready", lambda status: status.ready_replicas == 2)
        found = await scrape(metrics(rig))
        openmetrics = await scrape(metrics(rig), "application/openmetrics-text; version=1.0.0")
    jobs = {state: queue(found, key, "jobs", state=state) for state in JOB_STATES}
    assert jobs == {"scheduled": 1, "ready": 20, "leased": 5, "parked": 0, "awaiting": 0, "held": 0, "dead": 2}
    states = {state: queue(found, key, "replicas", state=state) for state in ("asked", "ready", "terminating")}
    assert states == {"asked": 2, "ready": 2, "terminating": 0}
    assert queue(found, key, "replicas_desired") == 2
    [version] = {dict(labels)["version"] for name, labels in found if name == "headrace_workerqueue_version_replicas"}
    of_it = {state: queue(found, key, "version_replicas", version=version, state=state) for state in states}
    assert of_it == states
    assert queue(found, key, "redis_up") == 1
    breaker = {reason: queue(found, key, "breaker_open", reason=reason) for reason in BreakerReason}
    assert breaker == dict.fromkeys(BreakerReason, 0)
    assert queue(found, key, "condition", type="DeadLettersPresent", reason="DeadLetters") == 1
    assert queue(found, key, "condition", type="Ready", reason="Accepted") == 1
    assert 0 <= (queue(found, key, "oldest_ready_age_seconds") or 0) < 60
    assert queue(found, key, "jobs_enqueued_total") == 28
    assert (queue(found, key, "decisions_total", reason=Reason.MAX_REPLICAS) or 0) >= 1
    assert queue(found, key, "events_total", event="Scaled") == 1
    assert value(found, "headrace_operator_leader") == 1
    assert value(found, "headrace_operator_api_requests_total", verb="PATCH", code="409") == 1
    assert value(found, "headrace_operator_watch_age_seconds", watch="lease") == 0.5
    assert {name for name, _ in openmetrics} >= {name for name, _ in found if not name.endswith("_created")}


async def test_a_breaker_that_is_open_is_so_for_one_reason(rig: Rig) -> None:
    rig.runtime.instant = False
    key = rig.apply()
    async with rig.running():
        await rig.seeder().enqueue("a")
        await rig.has_workers(key, 1)
        [version] = await rig.runtime.versions(key)
        rig.runtime.fail(key, version.hash, "exit code 1", trouble=Trouble(TroubleKind.CRASH_LOOP, time.time()))
        await rig.reason(key, ConditionType.BREAKER_OPEN, BreakerReason.CRASH_LOOP)
        found = await scrape(metrics(rig))
    shown = {reason: queue(found, key, "breaker_open", reason=reason) for reason in BreakerReason}
    assert shown == {reason: float(reason is BreakerReason.CRASH_LOOP) for reason in BreakerReason}
    assert queue(found, key, "condition", type="BreakerOpen", reason="CrashLoop") == 1
    assert queue(found, key, "events_total", event="BreakerOpened") == 1


async def test_what_is_unknown_is_not_zero(rig: Rig) -> None:
    with RedisServer() as server:
        rig.url = server.url
        key = rig.apply()
        async with rig.running():
            await rig.says(key, "read once", lambda status: status.queue is not None)
            server.kill()

            async def unknown() -> bool:
                found = await scrape(metrics(rig))
                return (queue(found, key, "redis_up"), queue(found, key, "jobs", state="ready")) == (0, None)

            await until("redis_up is 0, and there is no number of jobs", unknown)
            found = await scrape(metrics(rig))
    assert queue(found, key, "oldest_ready_age_seconds") is None
    assert queue(found, key, "replicas_desired") == 0


async def test_a_deleted_queue_leaves_no_series(rig: Rig) -> None:
    kept, gone = rig.apply("kept", queue="kept"), rig.apply("gone", queue="gone")
    async with rig.running():
        for key in (kept, gone):
            await rig.says(key, "read", lambda status: status.queue is not None)
        assert series_of(await scrape(metrics(rig)), gone)
        rig.objects.delete(gone)

        async def vanished() -> bool:
            return not series_of(await scrape(metrics(rig)), gone)

        await until("its series vanish", vanished)
        assert series_of(await scrape(metrics(rig)), kept)


async def test_dead_letters_are_counted_by_their_most_frequent_reasons_and_the_others_together(rig: Rig) -> None:
    seeder = rig.seeder()
    await seeder.join()
    for number in range(REASONS_KEPT + 3):
        await seeder.bury(f"{number}-a", f"{number}-b", reason=f"no user {number}")
    await seeder.bury("one", reason="KeyError")
    await seeder.bury("two", reason="other")
    key = rig.apply()
    async with rig.running():
        await rig.says(key, "read", lambda status: bool(status.dead_letters and status.dead_letters.by_reason))
        found = await scrape(metrics(rig))
    of_reason = {
        dict(labels)["reason"]: count for (name, labels), count in found.items() if name.endswith("queue_dead_letters")
    }
    assert len(of_reason) == REASONS_KEPT + 1
    assert of_reason.pop("other") == 3 * 2 + 2
    assert {(reason.startswith("no user "), count) for reason, count in of_reason.items()} == {(True, 2)}


async def test_labels_are_few_and_tell_no_secret(rig: Rig) -> None:
    rig.secrets.values["redis"] = rig.url.replace("redis://", "redis://:hunter2@")
    key = rig.apply("secretive", redis=redis_spec("redis"))
    seeder = rig.seeder()
    await seeder.join()
    await seeder.bury(*(f"d{n}" for n in range(30)), reason="Unforeseen", task="odd-task")
    async with rig.running():
        await rig.says(key, "looked at", lambda status: bool(status.conditions))
        kind, body = await metrics(rig).render("")
    found = samples(kind, body.decode())
    labels = {label for name, pairs in found if name.startswith("headrace_workerqueue_") for label, _ in pairs}
    assert labels <= {"namespace", "name"} | FURTHER_LABELS
    assert re.search(rb"hunter2|odd-task|redis://", body) is None
    assert len(series_of(found, key)) < 60


async def test_what_is_known_of_a_schedule_is_what_is_read() -> None:
    standing = Standing()
    ready = Condition(
        type="Ready",
        status="True",
        observed_generation=1,
        last_transition_time="2030-01-01T00:00:00Z",
        reason="Scheduled",
    )
    standing.known[ScheduleKey("home", "nightly")] = ScheduleStatus(
        next_schedule_time="2030-01-02T00:00:00Z", enqueued=7, skipped=2, missed=1, active=("a",), conditions=(ready,)
    )
    standing.known[ScheduleKey("home", "new")] = ScheduleStatus()
    found = await scrape(OperatorMetrics(Counts(), Tally(), standing))
    key = {("namespace", "home"), ("name", "nightly")}
    of_it = {
        (name.removeprefix("headrace_schedule_"), *sorted(labels - key), count)
        for (name, labels), count in found.items()
        if labels >= key
    }
    assert of_it == {
        ("condition", ("reason", "Scheduled"), ("type", "Ready"), 1.0),
        ("next_run_timestamp_seconds", datetime(2030, 1, 2, tzinfo=UTC).timestamp()),
        ("active_jobs", 1.0),
        ("runs_total", 7.0),
        ("skipped_total", 2.0),
        ("missed_total", 1.0),
    }
    assert found["headrace_schedule_missed_total", frozenset({("namespace", "home"), ("name", "new")})] == 0


async def test_a_standby_knows_no_queues() -> None:
    found = await scrape(OperatorMetrics(Counts(), Tally(), Standing()))
    assert value(found, "headrace_operator_leader") == 0
    assert [name for name, _ in found if name.startswith("headrace_workerqueue_")] == []


def test_reconciles_are_counted_with_their_durations() -> None:
    counts, key = Counts(), QueueKey("home", "emails")
    for seconds in (0.001, BOUNDS[0], BOUNDS[0] + 0.001, BOUNDS[-1] + 1):
        counts.looked(Look(key, seconds))
    counts.looked(Look(key, 0.2, failed=True))
    assert (counts.reconciles, counts.failed_reconciles, counts.queues[key].failed_reconciles) == (5, 1, 1)
    assert counts.durations[:2] == [2, 1]
    assert counts.durations[-1] == 1
    counts.looked(Look(key, 0.1, gone=True))
    assert key not in counts.queues


async def test_victims_of_scale_ins_are_told_apart() -> None:
    counts, key = Counts(), QueueKey("home", "emails")
    counts.left(key, Departure("v1", 5, 1, idle=("a", "b"), drained=("c",), others=("d",)))
    found = await scrape(OperatorMetrics(counts, Tally(), Standing()))
    victims = {kind: queue(found, key, "scale_in_victims_total", victim=kind) for kind in ("idle", "drained", "others")}
    assert victims == {"idle": 2, "drained": 1, "others": 1}


@needs_promtool
async def test_promtool_finds_nothing_to_complain_of(rig: Rig) -> None:
    key = rig.apply()
    await rig.seeder().enqueue("a")
    async with rig.running():
        await rig.has_workers(key, 1)
        rig.live.looked(Look(key, 0.1, failed=True))
        rig.live.left(key, Departure("v1", 1, 0, idle=("a",), drained=(), others=()))
        _, body = await metrics(rig).render("")
    check_by_promtool(body.decode())
