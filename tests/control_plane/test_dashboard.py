"""Every query of the dashboard, asked of a real Prometheus that scrapes a fleet at work as the chart's monitors say."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from support import monitoring
from support.dashboard import Query, fill, lists, queries
from support.helm import render
from support.kube_client import until
from support.live_fleet import QUEUE, LiveFleet, StartFleet, scaling
from support.prometheus import SCRAPE_SECONDS, Prometheus, Target

Json = dict[str, Any]
PATIENCE = 150.0
"""Seconds until every panel has shown something."""
STEADY = 2
"""Workers that stay: Prometheus learns of new targets only every five seconds."""
RATE = "10s"
EVERYTHING = {"namespace": ".*", "name": ".*", "__rate_interval": RATE}
ZERO = {
    *("WorkerQueues without Redis", "Specs not in force", "Audit findings", "Audit findings by kind"),
    *(
        "Breakers open by reason",
        "Runs cut short",
        "Leases",
        "Errors of Redis",
        "Schedules that can't fire",
        "Ticks missed and skipped",
    ),
}
"""Panels that show nothing but 0 of a fleet that is well."""


@dataclass(frozen=True)
class Watched:
    """What the chart gives Prometheus and Grafana."""

    dashboard: Json
    pod_labels: tuple[str, ...]
    """Labels of pods that the PodMonitor gives the workers' series."""
    honors: bool
    """Whether the ServiceMonitor leaves the operator's own labels as they are."""


@pytest.fixture
def watched(helm_program: Path) -> Watched:
    manifests = {one["kind"]: one for one in render(helm_program, "home", *monitoring.ENABLED, kinds=monitoring.KINDS)}
    [endpoint] = manifests["ServiceMonitor"]["spec"]["endpoints"]
    return Watched(
        json.loads(manifests["ConfigMap"]["data"]["headrace.json"]),
        tuple(manifests["PodMonitor"]["spec"]["podTargetLabels"]),
        endpoint["honorLabels"],
    )


@pytest.mark.timeout(300, func_only=True)
async def test_every_query_shows_what_a_fleet_does(start_fleet: StartFleet, watched: Watched, tmp_path: Path) -> None:
    began = time.time()
    asked = queries(watched.dashboard)
    async with start_fleet() as fleet, scraped(fleet, watched, tmp_path / "prometheus") as prometheus:
        await fleet.kube.apply(fleet.manifest(scaling=scaling(minReplicas=STEADY)), fleet.schedule("*/2 * * * * *"))
        give_up = time.monotonic() + PATIENCE
        for turn in count():
            await work(fleet, turn)
            missing = await asyncio.to_thread(lambda: list(lacking(prometheus, asked, began)))
            if not missing:
                break
            assert time.monotonic() < give_up, missing
        await at_rest_it_agrees_with_redis(prometheus, fleet)
        await asyncio.to_thread(check_choices, prometheus, watched.dashboard, fleet.kube.namespace, began)


@asynccontextmanager
async def scraped(fleet: LiveFleet, watched: Watched, folder: Path) -> AsyncIterator[Prometheus]:
    """Scrapes the operator, and the workers that there are at any moment."""
    folder.mkdir()
    prometheus = Prometheus(folder, {"operator": watched.honors, "workers": False})
    operators = [Target(one.port, {"namespace": "home", "pod": one.name}) for one in fleet.operators]
    prometheus.follow("operator", operators)

    async def follow() -> None:
        while True:
            prometheus.follow("workers", [Target(port, labels_of(pod, watched)) for pod, port in fleet.pods.served])
            await asyncio.sleep(SCRAPE_SECONDS)

    async with AsyncExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, prometheus)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        following = group.create_task(follow())
        yield prometheus
        following.cancel()


async def work(fleet: LiveFleet, turn: int) -> None:
    """A bit of everything: jobs for several workers, a delayed one, retries, dead letters, a replay; then nothing."""
    tasks = fleet.producer.queue(QUEUE).tasks
    await fleet.enqueue(100, seconds=0.2)
    await tasks["work"].options(delay=3600).enqueue(seconds=0)
    await tasks["second_time"].enqueue(name=str(turn), wait=0.1)
    await fleet.enqueue_failing("fragile", 8)
    if turn:
        await fleet.kube.do("annotate", "--overwrite", "wq", QUEUE, "headrace.dev/replay=all,max=1")

    async def over() -> bool:
        return (await fleet.admin.stats()).demand == 0 and len(fleet.pods.names) == STEADY

    await until(over, seconds=60)
    await asyncio.sleep(2 * SCRAPE_SECONDS)


def labels_of(pod: Json, watched: Watched) -> dict[str, str]:
    """As the Prometheus operator makes them of a PodMonitor."""
    meta = pod["metadata"]
    further = {re.sub(r"\W", "_", label, flags=re.ASCII): meta["labels"][label] for label in watched.pod_labels}
    return {"namespace": meta["namespace"], "pod": meta["name"], **further}


def lacking(prometheus: Prometheus, asked: list[Query], since: float) -> Iterator[str]:
    """What is still to be seen."""
    for query in asked:
        found = prometheus.range(query.sent(**EVERYTHING), since, time.time())
        values = [value for one in found for value in one.values]
        for one in found:
            assert query.shown <= one.labels.keys(), f"{query.panel}: the legend {query.legend!r} of {one.labels}"
        if not values or (query.panel not in ZERO and not any(values)):
            yield f"{query.panel} shows {'only zeros' if values else 'nothing'}: {query.expr}"


async def at_rest_it_agrees_with_redis(prometheus: Prometheus, fleet: LiveFleet) -> None:
    stats = await fleet.admin.stats()
    jobs = f'headrace_workerqueue_jobs{{namespace="{fleet.kube.namespace}"}}'

    def shown() -> bool:
        now = time.time()
        last = {one.labels["state"]: one.values[-1] for one in prometheus.range(jobs, now, now)}
        others = dict.fromkeys(("ready", "leased", "parked", "awaiting", "held"), 0)
        return last == {**others, "scheduled": stats.scheduled, "dead": stats.dead}

    assert stats.scheduled > 0 < stats.dead
    await until(lambda: asyncio.to_thread(shown))


def check_choices(prometheus: Prometheus, dashboard: Json, namespace: str, since: float) -> None:
    """The variables offer what is there, and choosing leaves the others out."""
    offered = {
        name: prometheus.label_values(label, fill(series, EVERYTHING)) for name, label, series in lists(dashboard)
    }
    assert offered == {"namespace": [namespace], "name": [QUEUE]}
    for query in queries(dashboard):
        chosen = {**EVERYTHING, "namespace": f"({namespace}|other)", "name": f"(other|{QUEUE})"}
        assert prometheus.range(query.sent(**chosen), since, time.time()), query
        for variable in offered:
            nothing = prometheus.range(query.sent(**{**EVERYTHING, variable: "other"}), since, time.time())
            assert bool(nothing) != bool(re.search(rf"\${variable}\b", query.expr)), query
