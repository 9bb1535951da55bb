"""Reports a container that ends at once, again and again, as a kubelet would."""

from __future__ import annotations

import json

from support.kube_client import KubeClient


async def report_crash_loop(kube: KubeClient, pod: str) -> None:
    """Write it into the pod's status."""
    container = {
        "name": "worker",
        "image": "x",
        "imageID": "x",
        "ready": False,
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}},
        "lastState": {"terminated": {"exitCode": 2, "reason": "Error", "containerID": "x"}},
    }
    patch = {"status": {"phase": "Running", "containerStatuses": [container]}}
    await kube.do("patch", "pod", pod, "--subresource=status", "--type=merge", f"--patch={json.dumps(patch)}")
