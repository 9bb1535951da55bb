"""What `helm test` and Prometheus ask of an installed operator: `headrace-operator check`, and /metrics."""

from __future__ import annotations

import asyncio
import os
import subprocess
import urllib.request
from pathlib import Path

import pytest

from support.exposition import Samples, check_by_promtool, samples, value
from support.kube_client import until
from support.live_fleet import QUEUE, StartFleet
from support.monitoring import HAS_PROMTOOL
from support.operator_process import PROGRAM, OperatorProcess


def check(account: Path, namespace: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """As the chart's test pod does."""
    given = {"KUBECONFIG": str(account), "WATCH_NAMESPACES": namespace, "POD_NAMESPACE": namespace} | {
        "LEASE_NAME": "headrace",
        "PATH": os.environ["PATH"],
    }
    return subprocess.run(
        [PROGRAM, "check", *arguments], env=given | environ, capture_output=True, text=True, timeout=100, check=False
    )


def text_of(operator: OperatorProcess) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{operator.port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        found: str = answer.read().decode()
    return found


def scrape(operator: OperatorProcess) -> Samples:
    return samples("text/plain", text_of(operator))


async def test_an_operator_at_work_passes(start_fleet: StartFleet, namespace: str, account: Path) -> None:
    async with start_fleet() as fleet:
        [operator] = fleet.operators
        url = f"http://127.0.0.1:{operator.port}"
        done = await asyncio.to_thread(check, account, namespace, f"--url={url}", "--timeout=60")
        assert (done.returncode, done.stderr) == (0, "")
        said = done.stdout.splitlines()
        assert said[0] == f"ok: WorkerQueues of namespace {namespace} are served"
        assert said[1].startswith("ok: operator-0_")
        assert said[2:] == [f"ok: {url}/readyz: ok"]
        await asyncio.to_thread(operator.stop)
        done = await asyncio.to_thread(check, account, namespace, "--timeout=5")
        assert done.returncode == 1
        assert done.stderr == "headrace-operator: nobody leads: the Lease headrace is not renewed\n"


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"WATCH_NAMESPACES": "elsewhere"}, "WorkerQueues of namespace elsewhere can't be read: "),
        ({"LEASE_NAME": "nobodys"}, "the Lease nobodys can't be read: "),
    ],
)
def test_what_is_wrong_is_one_line(account: Path, namespace: str, environ: dict[str, str], says: str) -> None:
    done = check(account, namespace, "--timeout=1", **environ)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith(f"headrace-operator: {says}")


async def test_metrics_of_a_leader_and_its_standby(start_fleet: StartFleet, namespace: str) -> None:
    queue = frozenset({("namespace", namespace), ("name", QUEUE)})
    async with start_fleet(operators=2) as fleet:
        await fleet.kube.apply(fleet.manifest())
        await fleet.enqueue(8, seconds=3)
        await until(lambda: any(operator.leads for operator in fleet.operators))
        leader = fleet.leader
        [standby] = [one for one in fleet.operators if one is not leader]

        async def at_work() -> bool:
            found = await asyncio.to_thread(scrape, leader)
            audited = ("headrace_workerqueue_audit_ended_timestamp_seconds", queue) in found
            return audited and found.get(("headrace_workerqueue_jobs", queue | {("state", "leased")}), 0) > 0

        await until(at_work, seconds=60)
        found, text = await asyncio.to_thread(scrape, leader), await asyncio.to_thread(text_of, leader)
        other = await asyncio.to_thread(scrape, standby)
        assert (leading(found), leading(other)) == (1, 0)
        assert [name for name, _ in other if name.startswith("headrace_workerqueue_")] == []
        assert found["headrace_workerqueue_redis_up", queue] == 1
        assert found["headrace_workerqueue_replicas_desired", queue] == 2
        assert found["headrace_workerqueue_audit_findings", queue | {("kind", "Orphan")}] == 0
        assert value(found, "headrace_operator_api_requests_total", verb="WATCH", code="200") >= 2
        assert {dict(labels)["watch"] for name, labels in found if name == "headrace_operator_watch_age_seconds"} == {
            *("lease", "workers", "workerqueues", "schedules"),
        }
        assert value(found, "headrace_operator_reconciles_total", result="ok") > 0
        if HAS_PROMTOOL:
            check_by_promtool(text)


def leading(found: Samples) -> float:
    return value(found, "headrace_operator_leader")
