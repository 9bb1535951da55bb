"""`kubectl headrace` as kubectl's plugin on a real cluster: exec, logs and rights as they are there."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e.harness.steps import Steps
from e2e.load.app import QUEUE
from e2e.load.generator import Lengths
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.on_cluster import RELEASE, stage_on
from e2e.scenarios.stage import NAME, Stage, scaling

from support.cli import Ran
from support.kube_client import until
from support.kubectl import KubectlFailed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600, func_only=True)]
JOBS = 10


@dataclass(frozen=True)
class Person:
    """Types `kubectl headrace …` with a kubeconfig of theirs."""

    cluster: Cluster
    namespace: str
    kubeconfig: Path

    async def types(self, *words: str) -> Ran:
        """At no terminal."""
        folders = (str(Path(sys.executable).parent), str(self.cluster.kubectl_program.parent), os.environ["PATH"])
        environ = {**os.environ, "PATH": ":".join(folders), "KUBECONFIG": str(self.kubeconfig)}
        command = [str(self.cluster.kubectl_program), "headrace", *words, f"--namespace={self.namespace}"]
        command.append(f"--operator-namespace={self.namespace}")

        def run() -> Ran:
            done = subprocess.run(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            return Ran(done.returncode, done.stdout, done.stderr)

        return await asyncio.to_thread(run)


async def test_a_fleet_by_the_name_of_its_workerqueue(cluster: Cluster, steps: Steps, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        with steps("a namespace with Redis and two operators"):
            stage = await stack.enter_async_context(stage_on(cluster, operators=2))
        admin = Person(cluster, stage.kube.namespace, cluster.kubeconfig)
        with steps(f"{JOBS} jobs"):
            await stage.apply(scaling=scaling(minReplicas=1, maxReplicas=1))
            load = stage.load(random.Random(5), Lengths(0.05, 0.2))
            await load.burst(JOBS)
            await stage.finished(load, seconds=120)
        with steps("as an admin"):
            [stats] = (await admin.types("stats", NAME, "-o", "json")).json
            assert (stats["queue"], stats["ready"], len(stats["workers"])) == (QUEUE, 0, 1)
            assert (await admin.types("explain", NAME)).out.startswith("1 worker is wanted")
            wrong = await admin.types("show", NAME, "nope")
            assert (wrong.code, len(wrong.err.splitlines())) == (2, 1)
            written = await admin.types("logs", NAME, load.acknowledged[0])
            assert written.code == 0, written.err
            assert {json.loads(line.partition("  ")[2])["job_id"] for line in written.out.splitlines()} == {
                load.acknowledged[0]
            }
            assert (await admin.types("drain", NAME, "--timeout", "60")).out.splitlines()[-1] == "drained"
            assert (await admin.types("resume", NAME)).code == 0
        with steps("as a viewer"):
            await as_a_viewer(stage, await a_viewer(stage, tmp_path))


async def a_viewer(stage: Stage, folder: Path) -> Person:
    """A ServiceAccount with the chart's Roles for viewers and exec."""
    await stage.kube.do("create", "serviceaccount", "ada")
    for role in ("viewer", "exec"):
        bound = (f"--role={RELEASE}-{role}", f"--serviceaccount={stage.kube.namespace}:ada")
        await stage.kube.do("create", "rolebinding", f"ada-{role}", *bound)
    token = (await stage.kube.do("create", "token", "ada", "--duration=1h")).strip()
    config = json.loads(await stage.kube.do("config", "view", "--minify", "--flatten", "-o=json"))
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    kubeconfig = folder / "ada.kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    return Person(stage.cluster, stage.kube.namespace, kubeconfig)


async def as_a_viewer(stage: Stage, ada: Person) -> None:
    """She may look, change nothing, and run nothing else in the operator's pod."""

    async def looks() -> bool:
        return (await ada.types("stats", NAME)).code == 0

    await until(looks, seconds=30, every=0.5)  # the API server learns of a role a moment later
    purge = await ada.types("purge", NAME, "--yes")
    assert (purge.code, "needs the right to patch WorkerQueue" in purge.err) == (1, True), purge
    assert (await ada.types("pause", NAME)).code == 1
    [pod, *_] = await stage.kube.objects("pods", "-l=app.kubernetes.io/name=headrace-operator")
    with pytest.raises(KubectlFailed, match="only kubectl headrace may run something"):
        await stage.kube.do(
            f"--kubeconfig={ada.kubeconfig}", "exec", pod["metadata"]["name"], "--", "python3", "-c", "print(1)"
        )
