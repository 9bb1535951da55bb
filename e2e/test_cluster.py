"""The cluster itself, before fleets are put to the test: nodes, pod network, the operator's rollout, a first queue."""

from __future__ import annotations

import json
import random
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

import pytest
from e2e.harness.steps import Steps
from e2e.load.generator import Lengths
from e2e.scenarios.cluster import CONTROL_PLANE, Cluster
from e2e.scenarios.on_cluster import RELEASE, stage_on
from e2e.scenarios.stage import Stage

from support.kube_client import Json, KubeClient, until
from support.kubectl import KubectlFailed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600, func_only=True)]
JOBS: Final = 20
PORT: Final = 6379
GROUP: Final = "all"
"""The name of the service that has both pods behind it."""
WAIT: Final = "--timeout=120s"


def worker_nodes(cluster: Cluster) -> list[str]:
    """Their names, in order."""
    listed = cluster.kubectl("get", "nodes", f"-l=!{CONTROL_PLANE}", "-o=jsonpath={.items[*].metadata.name}")
    return sorted(listed.split())


def pod_on(node: str, name: str, image: str) -> Json:
    """A pod of Redis there, once the scheduler may."""
    container = {
        "name": "redis",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    }
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    labels = {"app": name, "group": GROUP}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}


def service(name: str) -> Json:
    """In front of the pod of that name, or of all."""
    spec = {"selector": {"group": GROUP} if name == GROUP else {"app": name}, "ports": [{"port": PORT}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def test_three_nodes_are_ready(cluster: Cluster) -> None:
    """One control plane and two nodes for workers."""
    nodes = json.loads(cluster.kubectl("get", "nodes", "-o=json"))["items"]
    conditions = [one for node in nodes for one in node["status"]["conditions"] if one["type"] == "Ready"]
    assert [one["status"] for one in conditions] == ["True"] * 3
    assert len(worker_nodes(cluster)) == 2


async def test_pods_reach_each_other_by_name_by_service_and_by_address(
    cluster: Cluster, namespace: str, steps: Steps
) -> None:
    """On one node and across nodes."""
    inside = f"--namespace={namespace}"
    names = {f"on-{node}": node for node in worker_nodes(cluster)}
    pods = [pod_on(node, name, cluster.images.redis) for name, node in names.items()]
    manifests = [*pods, *map(service, (*names, GROUP))]
    with steps("a pod on each node"):
        cluster.kubectl("apply", inside, "-f=-", stdin="\n---\n".join(map(json.dumps, manifests)))
        cluster.kubectl("wait", inside, "--for=condition=Ready", "pod", "--all", WAIT)
    addresses = [cluster.kubectl("get", inside, "pod", name, "-o=jsonpath={.status.podIP}") for name in names]
    services = [cluster.kubectl("get", inside, "service", name, "-o=jsonpath={.spec.clusterIP}") for name in names]
    long_names = [f"{name}.{namespace}.svc.cluster.local" for name in names]
    with steps("names, services and addresses from both"):
        for source in names:
            for target in (*names, GROUP, *long_names, *services, *addresses):
                # A ready pod is behind its service once kube-proxy has heard of it.
                await until(partial(answers, KubeClient(cluster, namespace), source, target), seconds=30)


async def answers(kube: KubeClient, source: str, target: str) -> bool:
    """Whether the Redis at `target` does, asked by the pod `source`."""
    try:
        said = await kube.do("exec", source, "--", "redis-cli", "-h", target, "ping")
    except KubectlFailed:
        return False
    return said.strip() == "PONG"


def test_a_node_is_drained_and_comes_back(cluster: Cluster, namespace: str, steps: Steps) -> None:
    """Nothing new starts there in between."""
    inside = f"--namespace={namespace}"
    node = worker_nodes(cluster)[-1]
    try:
        with steps(f"drain {node}"):
            # --force: pods of earlier tests, on their way out, have no controller.
            cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", WAIT)
        cluster.kubectl("apply", inside, "-f=-", stdin=json.dumps(pod_on(node, "late", cluster.images.redis)))
        reason = '--for=jsonpath={.status.conditions[?(@.type=="PodScheduled")].reason}=Unschedulable'
        cluster.kubectl("wait", inside, "pod", "late", reason, WAIT)
    finally:
        cluster.kubectl("uncordon", node)
    with steps("a pod on it after uncordon"):
        cluster.kubectl("wait", inside, "--for=condition=Ready", "pod", "late", WAIT)


async def test_the_operator_rolls_out_and_a_first_queue_runs_jobs(cluster: Cluster, steps: Steps) -> None:
    """Two replicas by the chart, one of them leads; workers start from zero and are gone again afterwards."""
    async with AsyncExitStack() as stack:
        with steps("a namespace with Redis and two operators"):
            stage = await stack.enter_async_context(stage_on(cluster, operators=2))
        await one_leads(stage)
        with steps(f"{JOBS} jobs from zero"):
            await stage.apply()
            load = stage.load(random.Random(4), Lengths(0.05, 0.5))
            await load.burst(JOBS)
            await stage.finished(load, seconds=120)
        assert (await stage.book.judge(load.acknowledged)).lost == 0
        with steps("back to zero"):
            await stage.empty()


async def one_leads(stage: Stage) -> None:
    """Of two operators."""
    operators = await stage.kube.objects("pods", f"-l=app.kubernetes.io/instance={RELEASE}")
    assert len(operators) == 2
    lease = await stage.kube.get("lease", RELEASE)
    holder = lease["spec"]["holderIdentity"]
    assert sum(holder.startswith(one["metadata"]["name"]) for one in operators) == 1
