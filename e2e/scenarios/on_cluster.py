"""Sets a stage in a namespace of its own: two Redis servers, and an operator from its chart."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from e2e.load.app import QUEUE, load_fleet
from e2e.scenarios.book import Book
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.servers import PORT, outside_url, redis_manifests
from e2e.scenarios.stage import NAME, Reach, Stage
from e2e.scenarios.watching import watching

from headrace.admin.queue_admin import QueueAdmin
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.helm import CHART, helm
from support.kube_client import KubeClient, until
from support.kubectl import KubectlFailed

Json = dict[str, Any]
RELEASE: Final = "headrace"
SET_UP_SECONDS: Final = 240.0
LOG_LINES: Final = 40


@asynccontextmanager
async def stage_on(cluster: Cluster, *, operators: int = 2) -> AsyncIterator[Stage]:
    """A stage that is ready, and gone with its namespace afterwards."""
    namespace = f"e2e-{secrets.token_hex(3)}"
    kube = KubeClient(cluster, namespace)
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(cluster.kubectl, "create", "namespace", namespace)
        stack.push_async_callback(_remove, cluster, kube)
        async with asyncio.timeout(SET_UP_SECONDS):
            redis, ledger = await _servers(cluster, kube)
            if operators:
                await install_operator(cluster, namespace, replicas=operators)
                await kube.do("wait", "--for=condition=Available", "deployment", "--all", "--timeout=90s")
        producer = await stack.enter_async_context(load_fleet(redis.outside))
        link = Link(parse_target(redis.outside))
        stack.push_async_callback(link.close)
        book = Book(ledger.outside)
        stack.push_async_callback(book.close)
        api = await stack.enter_async_context(cluster.api())
        sight = await stack.enter_async_context(watching(api, namespace))
        stage = Stage(
            cluster,
            kube,
            api,
            redis,
            ledger,
            producer,
            QueueAdmin(link, QUEUE),
            book,
            sight,
            image=cluster.images.worker,
        )
        try:
            yield stage
        except BaseException:
            print(await told(stage))
            raise


async def install_operator(
    cluster: Cluster,
    namespace: str,
    *settings: str,
    replicas: int = 2,
    chart: Path = CHART,
    image: str = "",
    take_ownership: bool = False,
) -> None:
    """Install or upgrade the release of a namespace, without waiting. The CRDs are left alone unless set otherwise."""
    repository, _, tag = (image or cluster.images.operator).rpartition(":")
    chosen = (f"image.repository={repository}", f"image.tag={tag}", f"replicas={replicas}", f"clusterName={namespace}")
    options = [f"--set={setting}" for setting in ("crds.install=false", "logLevel=debug", *chosen, *settings)]
    options += ["--take-ownership"] if take_ownership else []
    reach = (f"--kubeconfig={cluster.kubeconfig}", f"--namespace={namespace}")
    await asyncio.to_thread(helm, cluster.helm_program, "upgrade", "--install", RELEASE, str(chart), *reach, *options)


async def told(stage: Stage) -> str:
    """What a person needs who asks why it went wrong."""
    looks = (
        ("get", "workerqueues", "-o=yaml"),
        ("get", "pods,deployments,poddisruptionbudgets", "-o=wide"),
        ("get", "events", "--sort-by=.lastTimestamp"),
        ("logs", "-l=app.kubernetes.io/name=headrace-operator", "--prefix", f"--tail={LOG_LINES}"),
        ("logs", "-l=app.kubernetes.io/name=headrace-worker", "--prefix", "--tail=5", "--max-log-requests=50"),
    )
    said = []
    for look in looks:
        try:
            said.append(f"--- kubectl {' '.join(look)}\n{await stage.kube.do(*look)}")
        except KubectlFailed as error:
            said.append(str(error))
    return "\n".join(said)


async def _servers(cluster: Cluster, kube: KubeClient) -> tuple[Reach, Reach]:
    names = ("redis", "ledger")
    for name in names:
        await kube.apply(*redis_manifests(name, kube.namespace, cluster.images.redis))
    await kube.do("wait", "--for=condition=Available", "deployment", *names, "--timeout=90s")
    reaches = [
        Reach(f"redis://{name}.{kube.namespace}.svc.cluster.local:{PORT}/0", await outside_url(kube, name))
        for name in names
    ]
    await until(lambda: _answers(reaches), seconds=30)
    return reaches[0], reaches[1]


async def _answers(reaches: list[Reach]) -> bool:
    for reach in reaches:
        target = parse_target(reach.outside)
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(target.host, target.port), 1)
        except (OSError, TimeoutError):
            return False
        writer.close()
    return True


async def _remove(cluster: Cluster, kube: KubeClient) -> None:
    """The fleet first, and without waiting: its pods drain when they have nothing to do."""
    try:
        await kube.do("delete", "workerqueue", NAME, "--wait=false", "--ignore-not-found")
        reach = (f"--kubeconfig={cluster.kubeconfig}", f"--namespace={kube.namespace}")
        await asyncio.to_thread(helm, cluster.helm_program, "uninstall", RELEASE, "--ignore-not-found", *reach)
    finally:
        await kube.do("delete", "namespace", kube.namespace, "--wait=false")
