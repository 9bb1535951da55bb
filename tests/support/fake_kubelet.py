"""Stands in for the kubelet of one node: pods of a control plane get bound, turn ready, and go when deleted.

Owns when each step happens; what "running" means is up to two hooks of the test. It never restarts a
container and never changes a spec. The calls are in kubelet_api, what they write in pod_reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from kubernetes.aio import config

from support.kubelet_api import API_OUTAGE, RETRY_SECONDS, KubeletApi, identity
from support.pod_reports import Pod, grace_seconds

Hook = Callable[[Pod], Coroutine[Any, Any, None]]
"""Given the pod as the API server's JSON."""


@dataclass(eq=False)
class _Sandbox:
    """One pod on the node; `terminating` is set when it shall end, within `grace` seconds."""

    pod: Pod
    grace: float
    terminating: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, grace: float) -> None:
        """Let it end; only the first call's grace counts."""
        if not self.terminating.is_set():
            self.grace = grace
            self.terminating.set()


async def _nothing(_pod: Pod) -> None:
    """The hook of a pod that needs no process."""


class FakeKubelet:
    """`async with FakeKubelet(plane.kubeconfig, namespace) as kubelet:` runs the namespace's matching pods.

    `on_start(pod)` is awaited before the pod turns Running and Ready, and cancelled if the pod is deleted
    first. `on_stop(pod)` is awaited when the pod is deleted, also after an unfinished on_start; it is
    cancelled when the grace period is over, as a kubelet kills, and the pod's name goes to `overdue`. Leaving
    the context ends the pods in the same way. A hook that raises fails the `async with` block.
    `binds=False` leaves binding to the scheduler. Enter and leave it in one task, so not across a fixture's
    yield.
    """

    def __init__(
        self,
        kubeconfig: Path,
        namespace: str,
        *,
        selector: str = "",
        on_start: Hook = _nothing,
        on_stop: Hook = _nothing,
        binds: bool = True,
        node: str = "fake-node",
    ) -> None:
        self.overdue: list[str] = []
        """Names of the pods whose on_stop took longer than their grace period."""
        self._kubeconfig, self._namespace, self._selector = kubeconfig, namespace, selector
        self._on_start, self._on_stop = on_start, on_stop
        self._binds, self._node = binds, node
        self._sandboxes: dict[str, _Sandbox] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: set[str] = set()
        self._started = 0

    @property
    def pods(self) -> list[str]:
        """Names of the pods that are on the node now: starting, running or ending."""
        return [sandbox.pod["metadata"]["name"] for sandbox in self._sandboxes.values()]

    async def __aenter__(self) -> Self:
        open_client: Callable[..., Awaitable[Any]] = config.new_client_from_config
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(await open_client(config_file=str(self._kubeconfig)))
            self._api = KubeletApi(client, self._namespace, self._selector, self._node)
            await self._api.register_node()
            self._group = await stack.enter_async_context(asyncio.TaskGroup())
            stack.push_async_callback(self._end_pods, self._group.create_task(self._watch()))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _end_pods(self, watching: asyncio.Task[None]) -> None:
        watching.cancel()
        for sandbox in self._sandboxes.values():
            sandbox.end(grace_seconds(sandbox.pod))
        if self._tasks:
            # The group would cancel them if the block failed; each ends by its own grace and retry limits.
            await asyncio.wait(self._tasks)

    async def _watch(self) -> None:
        while True:
            try:
                pods, version = await self._api.list()
                self._see_all(pods)
                async for kind, pod in await self._api.changes(version):
                    if kind == "DELETED":
                        self._lose(pod["metadata"]["uid"])
                    else:
                        self._see(pod)
            except API_OUTAGE:
                await asyncio.sleep(RETRY_SECONDS)

    def _see_all(self, pods: list[Pod]) -> None:
        for pod in pods:
            self._see(pod)
        for uid in self._sandboxes.keys() - {pod["metadata"]["uid"] for pod in pods}:
            self._lose(uid)

    def _see(self, pod: Pod) -> None:
        uid, bound_to = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        if uid in self._ended:  # the last changes of a pod arrive after its end
            return
        sandbox = self._sandboxes.get(uid)
        if sandbox is None and (bound_to == self._node or (bound_to is None and self._binds)):
            sandbox = self._sandboxes[uid] = _Sandbox(pod, grace_seconds(pod))
            task = self._group.create_task(self._run(sandbox))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if sandbox is not None and "deletionTimestamp" in pod["metadata"]:
            sandbox.end(pod["metadata"]["deletionGracePeriodSeconds"])

    def _lose(self, uid: str) -> None:
        """The object is gone; after a forced deletion its containers still get their grace."""
        self._ended.discard(uid)
        if (sandbox := self._sandboxes.get(uid)) is not None:
            sandbox.end(grace_seconds(sandbox.pod))

    async def _run(self, sandbox: _Sandbox) -> None:
        pod = sandbox.pod
        _, uid = identity(pod)
        try:
            if "nodeName" not in pod["spec"] and not await self._api.bind(pod):
                return
            if await self._start(sandbox):
                self._started += 1
                await self._api.report_running(pod, self._started)
                await sandbox.terminating.wait()
            await self._stop(sandbox)
            self._ended.add(uid)
            await self._api.delete(pod)
        finally:
            del self._sandboxes[uid]

    async def _start(self, sandbox: _Sandbox) -> bool:
        """Whether on_start came to its end before the pod had to."""
        async with asyncio.TaskGroup() as group:
            deletion = group.create_task(sandbox.terminating.wait())
            start = group.create_task(self._on_start(sandbox.pod))
            await asyncio.wait({deletion, start}, return_when=asyncio.FIRST_COMPLETED)
            deletion.cancel()
            start.cancel()
        return not start.cancelled()

    async def _stop(self, sandbox: _Sandbox) -> None:
        grace = asyncio.timeout(sandbox.grace)
        try:
            async with grace:
                await self._on_stop(sandbox.pod)
        except TimeoutError:
            if not grace.expired():
                raise
            name, _ = identity(sandbox.pod)
            self.overdue.append(name)
