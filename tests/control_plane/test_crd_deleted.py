"""The CRDs go and come back under a watch of them. On its own control plane, as all others need the CRD."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from conformance.objects_contract import document, schedule_document
from headrace_operator.api.names import QueueKey
from headrace_operator.cluster.api import connect
from headrace_operator.objects.kubernetes import KubernetesObjects, KubernetesSchedules
from headrace_operator.seams.objects import Applied, Change, Deleted, ScheduleChange
from support.control_plane import ControlPlane
from support.kube_client import KubeClient, until
from support.operator_account import serve_crds

CRD = "workerqueues.headrace.dev"


@pytest.mark.timeout(300)
async def test_queues_are_heard_of_again(
    programs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with ControlPlane(programs) as plane:
        monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
        await asyncio.to_thread(serve_crds, plane)
        kube = KubeClient(plane, "default")
        heard: list[Change] = []

        async def told(kind: type[Change], name: str) -> None:
            key = QueueKey("default", name)

            async def there() -> bool:
                return any(isinstance(one, kind) and one.key == key for one in heard)

            await until(there, seconds=60)

        async with connect() as api:
            objects = KubernetesObjects(api, ("default",), instance="test")
            objects.subscribe(heard.append)
            watching = asyncio.create_task(objects.run())
            await kube.apply(document("before"))
            await told(Applied, "before")
            await kube.do("delete", "crd", CRD)
            await told(Deleted, "before")

            async def missed() -> bool:
                return "waiting for the CRD" in caplog.text

            await until(missed, seconds=60)
            await asyncio.to_thread(serve_crds, plane)
            await kube.apply(document("after"))
            await told(Applied, "after")
            watching.cancel()
            await asyncio.wait((watching,))


@pytest.mark.timeout(300)
async def test_queues_are_heard_of_without_a_crd_of_schedules(
    programs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As after an upgrade of the operator alone."""
    with ControlPlane(programs) as plane:
        monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
        await asyncio.to_thread(serve_crds, plane)
        kube = KubeClient(plane, "default")
        await kube.do("delete", "crd", "schedules.headrace.dev")
        heard: list[Change | ScheduleChange] = []
        async with connect() as api:
            objects = KubernetesObjects(api, ("default",), instance="test")
            schedules = KubernetesSchedules(api, ("default",), instance="test")
            objects.subscribe(heard.append)
            schedules.subscribe(heard.append)
            watching = [asyncio.create_task(one.run()) for one in (objects, schedules)]
            await until(lambda: "serves no schedules.headrace.dev" in caplog.text, seconds=60)
            await kube.apply(document("queue"))
            await until(lambda: [one.key.name for one in heard] == ["queue"], seconds=60)
            await asyncio.to_thread(serve_crds, plane)
            await kube.apply(schedule_document("nightly"))
            await until(lambda: "nightly" in [one.key.name for one in heard], seconds=60)
            for task in watching:
                task.cancel()
            await asyncio.wait(watching)
