"""The seams' contracts, kept on a real API server."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from conformance.objects_contract import QUEUES, ObjectsContract, Shelf, Subject, document
from conformance.runtime_contract import KEY, OTHER, Place, RuntimeContract
from headrace_operator.api.names import QueueKey
from headrace_operator.api.spec import Drain, Queue, Redis, Worker, WorkerQueueSpec
from headrace_operator.cluster.api import connect
from headrace_operator.objects.kubernetes import KubernetesObjects, KubernetesSchedules
from headrace_operator.runtimes.kubernetes.runtime import KubernetesRuntime
from headrace_operator.runtimes.kubernetes.view import View
from headrace_operator.seams.objects import EventKind
from headrace_operator.seams.runtime import VersionSpec
from support.control_plane import ControlPlane
from support.crash_loop import report_crash_loop
from support.fake_kubelet import FakeKubelet
from support.held import held
from support.kube_client import KubeClient, until
from support.pod_reports import Pod


def version(name: str, app: str) -> VersionSpec:
    spec = WorkerQueueSpec(
        redis=Redis(url="redis://r"),
        queues=(Queue(name="q"),),
        worker=Worker(app=app, image="none.invalid/worker:1"),
        drain=Drain(grace_seconds=5),
    )
    return VersionSpec(name, spec)


@asynccontextmanager
async def runtime(plane: ControlPlane) -> AsyncIterator[Place]:
    """In the namespace of the contract's keys, with owners for what it makes."""
    kube = KubeClient(plane, KEY.namespace)

    async def start(pod: Pod) -> None:
        if "broken" in pod["spec"]["containers"][0]["args"]:
            await report_crash_loop(kube, pod["metadata"]["name"])
            await asyncio.Event().wait()

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(FakeKubelet(plane.kubeconfig, KEY.namespace, on_start=start))
        await kube.apply(document(KEY.name), document(OTHER.name))
        stack.push_async_callback(_nothing_left, kube)
        # The garbage collector needs half a minute to learn of a new CRD, so owned ones are deleted by name.
        stack.push_async_callback(kube.do, "delete", "workerqueues,deployments,poddisruptionbudgets", "--all")
        api = await stack.enter_async_context(connect())
        view = View(api, (KEY.namespace,), _nobody)
        watching = asyncio.create_task(view.run())
        stack.callback(watching.cancel)
        await view.wait_until_synced()
        yield Place(
            KubernetesRuntime(api, view),
            good=lambda name: version(name, "app"),
            broken=version("bad", "broken"),
            settle=1.0,
        )


def _nobody(_key: QueueKey) -> None:
    return


async def _nothing_left(kube: KubeClient) -> None:
    async def gone() -> bool:
        return not await kube.objects("deployments,pods")

    await until(gone)


class TestKubernetesRuntime(RuntimeContract):
    @pytest.fixture
    async def place(
        self, control_plane: ControlPlane, crds: None, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[Place]:
        monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
        async with held(runtime(control_plane)) as place:
            yield place


class KubernetesShelf(Shelf):
    def __init__(self, subject: Subject, objects: KubernetesObjects | KubernetesSchedules, kube: KubeClient) -> None:
        super().__init__(subject, objects)
        self.namespace = kube.namespace
        self._kube = kube

    async def apply(self, doc: dict[str, Any]) -> None:
        await self._kube.apply(doc)

    async def delete(self, name: str) -> None:
        await self._kube.do("delete", self.subject.short, name)

    async def annotate(self, name: str, annotation: str, value: str | None) -> None:
        words = f"{annotation}-" if value is None else f"{annotation}={value}"
        await self._kube.do("annotate", "--overwrite", self.subject.short, name, words)


@asynccontextmanager
async def shelf_in(kube: KubeClient, subject: Subject) -> AsyncIterator[Shelf]:
    """Objects that watch a namespace."""
    await kube.apply(subject.document())
    async with connect() as api:
        watching_kind = KubernetesObjects if subject is QUEUES else KubernetesSchedules
        objects = watching_kind(api, (kube.namespace,), instance="test")
        shelf = KubernetesShelf(subject, objects, kube)
        objects.subscribe(shelf.heard.append)
        watching = asyncio.create_task(objects.run())
        yield shelf
        watching.cancel()
        await asyncio.wait((watching,))


class TestKubernetesObjects(ObjectsContract):
    @pytest.fixture
    async def shelf(
        self, control_plane: ControlPlane, namespace: str, crds: None, monkeypatch: pytest.MonkeyPatch, subject: Subject
    ) -> AsyncIterator[Shelf]:
        monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
        async with held(shelf_in(KubeClient(control_plane, namespace), subject)) as shelf:
            yield shelf

    async def test_the_log_tells_what_the_events_do(self, shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, logger="headrace_operator")
        await shelf.applied()
        await shelf.objects.emit(shelf.key(), EventKind.NORMAL, "Scaled", "from 0 to 1 workers")
        await shelf.objects.emit(shelf.key(), EventKind.WARNING, "RolledBack", "20 of 20 runs failed")
        told = [(one.levelname, one.getMessage()) for one in caplog.records if str(shelf.key()) in one.getMessage()]
        assert told == [
            ("INFO", f"{shelf.key()}: Scaled: from 0 to 1 workers"),
            ("WARNING", f"{shelf.key()}: RolledBack: 20 of 20 runs failed"),
        ]
