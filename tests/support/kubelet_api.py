"""A kubelet's calls to the API server: its node, its pods' binding, status and last deletion.

Writes are repeated through an outage of the API server, for a minute at most. Holds no state about pods.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
from kubernetes.aio.client import (
    ApiClient,
    ApiException,
    CoreV1Api,
    V1Binding,
    V1DeleteOptions,
    V1Node,
    V1ObjectMeta,
    V1ObjectReference,
    V1Preconditions,
)

from support.api_answers import events, listed
from support.pod_reports import Pod, node_manifest, running_status

API_OUTAGE = (ApiException, aiohttp.ClientError, TimeoutError)
REQUEST_SECONDS = 5.0
OUTAGE_SECONDS = 60.0
RETRY_SECONDS = 0.1


class KubeletApi:
    """The calls of the kubelet of `node`, about pods of `namespace` that match the label selector."""

    def __init__(self, client: ApiClient, namespace: str, selector: str, node: str) -> None:
        self._core = CoreV1Api(client)
        self._namespace, self._selector, self._node = namespace, selector, node

    async def register_node(self) -> None:
        """Make the node, ready and without taints; leaves one that is there."""
        node = V1Node.from_dict(node_manifest(self._node))
        assert node is not None
        await persist(lambda: self._core.create_node(node, _request_timeout=REQUEST_SECONDS))
        # Admission taints a new node as not ready; the controller that would lift the taint doesn't run here.
        await persist(
            lambda: self._core.patch_node(
                self._node,
                {"spec": {"taints": None}},
                _content_type="application/merge-patch+json",
                _request_timeout=REQUEST_SECONDS,
            )
        )

    async def list(self) -> tuple[list[Pod], str]:
        """All pods, and the resource version from which to ask for changes. Raises one of API_OUTAGE."""
        answer = await self._core.list_namespaced_pod_without_preload_content(
            self._namespace, label_selector=self._selector, _request_timeout=REQUEST_SECONDS
        )
        found = await listed(answer)
        return found["items"], found["metadata"]["resourceVersion"]

    async def changes(self, version: str) -> AsyncIterator[tuple[str, Pod]]:
        """A watch; see `events`. It raises one of API_OUTAGE, as this does."""
        answer = await self._core.list_namespaced_pod_without_preload_content(
            self._namespace,
            label_selector=self._selector,
            resource_version=version,
            watch=True,
            timeout_seconds=240,
        )
        return events(answer)

    async def bind(self, pod: Pod) -> bool:
        """Bind the pod to the node; False when it is gone or bound elsewhere."""
        name, uid = identity(pod)
        binding = V1Binding(
            metadata=V1ObjectMeta(name=name, uid=uid),
            target=V1ObjectReference(api_version="v1", kind="Node", name=self._node),
        )

        async def call() -> None:
            # The answer is a Status, which the client's typed call takes for a broken Binding.
            answer = await self._core.create_namespaced_pod_binding_without_preload_content(
                name, self._namespace, binding, _request_timeout=REQUEST_SECONDS
            )
            async with answer:
                if answer.status >= 300:
                    raise ApiException(status=answer.status, reason=await answer.text())

        return await persist(call)

    async def report_running(self, pod: Pod, number: int) -> None:
        """Write that the pod runs and is ready, at the `number`-th address; nothing when it is gone."""
        name, uid = identity(pod)
        report: dict[str, Any] = {"metadata": {"uid": uid}, "status": running_status(pod, number)}
        await persist(
            lambda: self._core.patch_namespaced_pod_status(
                name,
                self._namespace,
                report,
                _content_type="application/strategic-merge-patch+json",
                _request_timeout=REQUEST_SECONDS,
            )
        )

    async def delete(self, pod: Pod) -> None:
        """Remove the pod's object, as a kubelet does once the containers are gone."""
        name, uid = identity(pod)
        options = V1DeleteOptions(grace_period_seconds=0, preconditions=V1Preconditions(uid=uid))
        await persist(
            lambda: self._core.delete_namespaced_pod(
                name, self._namespace, body=options, _request_timeout=REQUEST_SECONDS
            )
        )


def identity(pod: Pod) -> tuple[str, str]:
    """The pod's name and uid."""
    return pod["metadata"]["name"], pod["metadata"]["uid"]


async def persist(call: Callable[[], Awaitable[object]]) -> bool:
    """Repeat through an outage; False when the object is gone, has another uid, or is there already."""
    async with asyncio.timeout(OUTAGE_SECONDS):
        while True:
            try:
                await call()
            except ApiException as exc:
                if exc.status in {404, 409}:
                    return False
                if exc.status != 429 and exc.status < 500:
                    raise
            except (aiohttp.ClientError, TimeoutError):
                pass
            else:
                return True
            await asyncio.sleep(RETRY_SECONDS)
