"""A cluster of the machine's Docker as scenarios reach it: kubectl, helm, the API, and what happens inside its nodes.

Knows nothing of how it was made. A pod's processes are signalled on its node, from outside its own namespaces.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from headrace_operator.cluster.api import Api
from support.kubectl import run_kubectl

Json = dict[str, Any]
CALL_SECONDS: Final = 300.0
CONTROL_PLANE: Final = "node-role.kubernetes.io/control-plane"
_PIDS_OF_POD: Final = """
for cgroup in /proc/[0-9]*/cgroup; do
  grep -qs -e "$1" -e "$2" "$cgroup" || continue
  pid=${cgroup#/proc/}; pid=${pid%/cgroup}
  [ "$(tr '\\0' ' ' </proc/$pid/cmdline | cut -c 1-6)" = /pause ] || echo "$pid"
done
"""


class NodeCommandError(Exception):
    """A command on a node exited with another code than 0; the message is what it said."""


@dataclass(frozen=True)
class Images:
    """What pods are made from; all of them are on the nodes."""

    operator: str = "headrace-operator:dev"
    worker: str = "headrace-e2e:dev"
    redis: str = "headrace-redis:dev"


@dataclass(frozen=True)
class Cluster:
    """One cluster, as its admin."""

    kubeconfig: Path
    kubectl_program: Path
    helm_program: Path
    images: Images = Images()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What `kubectl arguments…` prints; raises KubectlFailed."""
        return run_kubectl(self.kubectl_program, self.kubeconfig, *arguments, stdin=stdin, seconds=CALL_SECONDS)

    @asynccontextmanager
    async def api(self) -> AsyncIterator[Api]:
        """Requests and watches in plain JSON."""
        settings = type.__call__(Configuration)
        load: Callable[..., Awaitable[None]] = config.load_kube_config
        await load(config_file=str(self.kubeconfig), client_configuration=settings, persist_config=False)
        async with ApiClient(configuration=settings) as client:
            yield Api(client)

    async def on_node(self, node: str, *command: str) -> str:
        """What a command prints on a node. Raises NodeCommandError."""

        def run() -> subprocess.CompletedProcess[str]:
            docker = ["docker", "exec", node, *command]
            return subprocess.run(docker, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)

        done = await asyncio.to_thread(run)
        if done.returncode != 0:
            raise NodeCommandError(f"{node}: {' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    async def signal(self, pod: Json, name: str) -> None:
        """Send a signal (KILL, STOP, CONT) to the processes of a pod's containers. Raises NodeCommandError."""
        uid, node = pod["metadata"]["uid"], pod["spec"]["nodeName"]
        # systemd's cgroups write a uid with underscores.
        found = await self.on_node(node, "sh", "-c", _PIDS_OF_POD, "sh", uid, uid.replace("-", "_"))
        if not found.split():
            raise NodeCommandError(f"{node}: {pod['metadata']['name']} has no process")
        await self.on_node(node, "kill", f"-{name}", *found.split())


def address_of(node: Json) -> str:
    """Of a node, on Docker's bridge: this machine reaches it."""
    return next(str(one["address"]) for one in node["status"]["addresses"] if one["type"] == "InternalIP")
