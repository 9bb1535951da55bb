"""The stand-in for a kubelet gives pods the life that a real one gives, and its hooks their place in it."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from support.control_plane import ControlPlane
from support.fake_kubelet import FakeKubelet
from support.pod_reports import Pod
from support.sample_objects import deployment


class Cluster:
    """kubectl in a namespace, off the event loop."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self.plane, self.namespace = plane, namespace

    async def do(self, *arguments: str) -> str:
        return await asyncio.to_thread(self.plane.kubectl, f"--namespace={self.namespace}", *arguments)

    async def deploy(self, name: str, *, replicas: int, grace_seconds: int = 30) -> None:
        manifest = deployment(name, self.namespace, replicas=replicas, grace_seconds=grace_seconds)
        await asyncio.to_thread(self.plane.apply, manifest)

    async def wait_for(self, name: str, path: str, value: int) -> None:
        await self.do("wait", f"deployment/{name}", f"--for=jsonpath={{{path}}}={value}", "--timeout=30s")

    async def pods(self) -> list[Pod]:
        items: list[Pod] = json.loads(await self.do("get", "pods", "-o=json"))["items"]
        return items


@pytest.fixture
def cluster(control_plane: ControlPlane, namespace: str) -> Cluster:
    return Cluster(control_plane, namespace)


def kubelet(cluster: Cluster, **options: Any) -> FakeKubelet:
    return FakeKubelet(cluster.plane.kubeconfig, cluster.namespace, **options)


async def until(said: Callable[[], Awaitable[bool]] | Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while True:
        answer = said()
        if answer if isinstance(answer, bool) else await answer:
            return
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.05)


async def test_a_deployment_follows_its_scale_up_and_down(cluster: Cluster) -> None:
    started, stopped = [], []

    async def on_start(pod: Pod) -> None:
        started.append(pod["metadata"]["name"])

    async def on_stop(pod: Pod) -> None:
        stopped.append(pod["metadata"]["name"])

    async with kubelet(cluster, selector="app=web", on_start=on_start, on_stop=on_stop) as node:
        await cluster.deploy("other", replicas=1)
        await cluster.deploy("web", replicas=2)
        await cluster.wait_for("web", ".status.readyReplicas", 2)
        await cluster.do("scale", "deployment/web", "--replicas=5")
        await cluster.wait_for("web", ".status.readyReplicas", 5)
        assert sorted(started) == sorted(node.pods)
        await cluster.do("scale", "deployment/web", "--replicas=1")
        await until(lambda: len(node.pods) == 1)
        [survivor] = node.pods
        assert sorted([*stopped, survivor]) == sorted(started)
        web = [pod for pod in await cluster.pods() if pod["metadata"]["labels"]["app"] == "web"]
        assert [pod["metadata"]["name"] for pod in web] == [survivor]
        assert web[0]["status"]["containerStatuses"][0]["ready"] is True
    assert sorted(stopped) == sorted(started)
    assert len(started) == 5


async def test_a_pod_is_not_ready_before_on_start_is_done_nor_gone_before_on_stop_is(
    cluster: Cluster,
) -> None:
    may_start, may_stop, stopping = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def on_start(_pod: Pod) -> None:
        await may_start.wait()

    async def on_stop(_pod: Pod) -> None:
        stopping.set()
        await may_stop.wait()

    async with kubelet(cluster, on_start=on_start, on_stop=on_stop) as node:
        await cluster.deploy("web", replicas=1)
        await until(lambda: len(node.pods) == 1)
        assert [pod["status"]["phase"] for pod in await cluster.pods()] == ["Pending"]
        may_start.set()
        await cluster.wait_for("web", ".status.readyReplicas", 1)
        await cluster.do("scale", "deployment/web", "--replicas=0")
        await asyncio.wait_for(stopping.wait(), 20)
        [pod] = await cluster.pods()
        assert "deletionTimestamp" in pod["metadata"]
        may_stop.set()
        await until(lambda: not node.pods)
        assert await cluster.pods() == []


async def test_a_pod_deleted_while_it_starts_is_cut_off_and_stopped(cluster: Cluster) -> None:
    story: list[str] = []

    async def on_start(_pod: Pod) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            story.append("start cut off")

    async def on_stop(_pod: Pod) -> None:
        story.append("stopped")

    async with kubelet(cluster, on_start=on_start, on_stop=on_stop) as node:
        await cluster.deploy("web", replicas=1)
        await until(lambda: len(node.pods) == 1)
        await cluster.do("scale", "deployment/web", "--replicas=0")
        await until(lambda: not node.pods)
    assert story == ["start cut off", "stopped"]
    assert node.overdue == []


async def test_on_stop_is_cut_off_when_the_grace_period_is_over(cluster: Cluster) -> None:
    async def on_stop(_pod: Pod) -> None:
        await asyncio.Event().wait()

    async with kubelet(cluster, on_stop=on_stop) as node:
        await cluster.deploy("web", replicas=1, grace_seconds=1)
        await cluster.wait_for("web", ".status.readyReplicas", 1)
        [name] = node.pods
        await cluster.do("scale", "deployment/web", "--replicas=0")
        await until(lambda: not node.pods)
        assert node.overdue == [name]


async def test_a_hook_that_fails_fails_the_test(cluster: Cluster) -> None:
    async def on_start(_pod: Pod) -> None:
        raise RuntimeError("no such program")

    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="no such program"), flatten_subgroups=True):
        async with kubelet(cluster, on_start=on_start):
            await cluster.deploy("web", replicas=1)
            await asyncio.sleep(20)


async def test_what_ended_during_an_api_server_crash_is_reported_after_it(cluster: Cluster) -> None:
    stopping, may_stop = asyncio.Event(), asyncio.Event()

    async def on_stop(_pod: Pod) -> None:
        stopping.set()
        await may_stop.wait()

    async with kubelet(cluster, on_stop=on_stop) as node:
        await cluster.deploy("web", replicas=1)
        await cluster.wait_for("web", ".status.readyReplicas", 1)
        await cluster.do("scale", "deployment/web", "--replicas=0")
        await asyncio.wait_for(stopping.wait(), 20)
        cluster.plane.stop_apiserver()
        may_stop.set()
        await asyncio.to_thread(cluster.plane.start_apiserver)
        await until(lambda: not node.pods)
        assert await cluster.pods() == []
        await cluster.do("scale", "deployment/web", "--replicas=2")
        await cluster.wait_for("web", ".status.readyReplicas", 2)


def test_leaving_closes_its_connections_even_if_the_api_server_hangs(cluster: Cluster) -> None:
    listed = asyncio.Event()

    async def on_start(_pod: Pod) -> None:
        listed.set()

    async def enter_and_leave() -> None:
        async with kubelet(cluster, on_start=on_start) as node:
            await cluster.deploy("web", replicas=1)
            await asyncio.wait_for(listed.wait(), 20)
            await cluster.do("delete", "deployment/web")
            await until(lambda: not node.pods)
            cluster.plane.freeze_apiserver()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            asyncio.run(enter_and_leave())
        finally:
            cluster.plane.thaw_apiserver()
        gc.collect()
    assert [str(warning.message) for warning in caught if warning.category is ResourceWarning] == []
