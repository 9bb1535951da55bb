"""Reports what keeps a pod from running as a kubelet or the scheduler would: ends, once or in a loop; no node."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from support.kube_client import KubeClient


async def report_crash_loop(kube: KubeClient, pod: str) -> None:
    """Write it into the pod's status."""
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    await _report(kube, pod, restartCount=3, state=waiting, lastState=_ended(2, "x"))


async def report_exit(kube: KubeClient, pod: str, code: int, run: int) -> None:
    """The same of the `run`-th end, the first being 1, before the container is started again."""
    before = _ended(code, f"{run - 1}") if run > 1 else {}
    await _report(kube, pod, restartCount=run - 1, state=_ended(code, f"{run}"), lastState=before)


async def report_restart(kube: KubeClient, pod: str, code: int, run: int) -> None:
    """What a kubelet writes after the `run`-th end of a container that it starts again: at once, then after pauses."""
    ended = _ended(code, f"{run}")
    ended["terminated"]["finishedAt"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}}
    state = ended if run == 1 else waiting
    await _report(kube, pod, restartCount=run - 1, state=state, lastState={} if run == 1 else ended)


async def report_unschedulable(kube: KubeClient, pod: str, since: str, *, still: bool = True) -> None:
    """Write what the scheduler says of a pod that it has found no node for `since` then, or that it has by now."""
    condition = {"type": "PodScheduled", "status": "True", "lastTransitionTime": since}
    if still:
        condition |= {"status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available: no cpu."}
    patch = {"status": {"conditions": [condition]}}
    await kube.do("patch", "pod", pod, "--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}")


def _ended(code: int, container: str) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": "Error", "containerID": f"containerd://{container}"}}


async def _report(kube: KubeClient, pod: str, **found: Any) -> None:
    container = {"name": "worker", "image": "x", "imageID": "x", "ready": False, **found}
    patch = {"status": {"phase": "Running", "containerStatuses": [container]}}
    await kube.do("patch", "pod", pod, "--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}")
