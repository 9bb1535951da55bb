"""Reports a container that ends by itself, once or again and again, as a kubelet would."""

from __future__ import annotations

import json
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


def _ended(code: int, container: str) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": "Error", "containerID": f"containerd://{container}"}}


async def _report(kube: KubeClient, pod: str, **found: Any) -> None:
    container = {"name": "worker", "image": "x", "imageID": "x", "ready": False, **found}
    patch = {"status": {"phase": "Running", "containerStatuses": [container]}}
    await kube.do("patch", "pod", pod, "--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}")
