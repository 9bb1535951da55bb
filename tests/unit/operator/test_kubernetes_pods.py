"""What a pod's status says about its worker."""

from __future__ import annotations

from typing import Any

import pytest

from headrace_operator.runtimes.kubernetes.pods import any_crashes, common_trouble, trimmed_pod, worker_state
from headrace_operator.seams.runtime import WorkerPhase

LOOP = {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m"}}}


def pod(
    *containers: dict[str, Any], conditions: dict[str, tuple[str, str]] | None = None, **metadata: Any
) -> dict[str, Any]:
    """A pod as the API server tells it, trimmed."""
    said = [
        {"type": kind, "status": status, "reason": reason, "message": f"about {kind}"}
        for kind, (status, reason) in (conditions or {}).items()
    ]
    return trimmed_pod(
        {
            "metadata": {
                "name": "emails-1",
                "namespace": "post",
                "uid": "u",
                "resourceVersion": "1",
                "creationTimestamp": "2030-01-31T12:00:00Z",
                "labels": {"headrace.dev/queue": "emails", "headrace.dev/version": "v1"},
                **metadata,
            },
            "spec": {"containers": []},
            "status": {"phase": "Running", "conditions": said, "containerStatuses": [*containers]},
        }
    )


READY = {"Ready": ("True", "")}


@pytest.mark.parametrize(
    ("found", "phase", "message"),
    [
        (pod(), WorkerPhase.STARTING, ""),
        (pod(conditions=READY), WorkerPhase.READY, ""),
        (pod(conditions=READY, deletionTimestamp="2030-01-31T12:00:00Z"), WorkerPhase.TERMINATING, ""),
        (pod(LOOP), WorkerPhase.FAILED, "CrashLoopBackOff: back-off 5m"),
        (
            pod(LOOP | {"lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}}),
            WorkerPhase.FAILED,
            "CrashLoopBackOff: exit code 2",
        ),
        (
            pod(LOOP | {"lastState": {"terminated": {"exitCode": 3, "message": "{...}\nheadrace worker: too old\n"}}}),
            WorkerPhase.FAILED,
            "CrashLoopBackOff: exit code 3, headrace worker: too old",
        ),
        (
            pod({"state": {"terminated": {"exitCode": 1, "message": "Traceback\nValueError: the application's"}}}),
            WorkerPhase.FAILED,
            "exit code 1",
        ),
        (
            pod({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}),
            WorkerPhase.FAILED,
            "exit code 137 (OOMKilled)",
        ),
        (pod({"state": {"terminated": {"exitCode": 0}}}), WorkerPhase.STARTING, ""),
        (
            pod({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no\n such  image"}}}),
            WorkerPhase.FAILED,
            "ImagePullBackOff: no such image",
        ),
        (pod({"state": {"waiting": {"reason": "ContainerCreating"}}}), WorkerPhase.STARTING, ""),
        (
            pod(conditions={"PodScheduled": ("False", "Unschedulable")}),
            WorkerPhase.FAILED,
            "Unschedulable: about PodScheduled",
        ),
        (pod(conditions={"PodScheduled": ("True", "")}), WorkerPhase.STARTING, ""),
    ],
)
def test_phases(found: dict[str, Any], phase: WorkerPhase, message: str) -> None:
    state = worker_state(found, retired=False)
    assert (state.phase, state.message, state.id, state.version) == (phase, message, "emails-1", "v1")
    assert state.started == 1896091200.0


def test_a_pod_of_a_removed_version_is_on_its_way_out() -> None:
    assert worker_state(pod(conditions=READY), retired=True).phase is WorkerPhase.TERMINATING


@pytest.mark.parametrize(("cost", "aimed"), [("-1000", True), ("5", False), (None, False)])
def test_only_our_own_deletion_cost_is_an_aim(cost: str | None, aimed: bool) -> None:
    annotations = {} if cost is None else {"controller.kubernetes.io/pod-deletion-cost": cost}
    assert worker_state(pod(conditions=READY, annotations=annotations), retired=False).aimed is aimed


def test_one_broken_pod_among_ready_ones_is_no_reason() -> None:
    assert common_trouble([pod(LOOP), pod(conditions=READY)]) is None
    assert common_trouble([pod(), pod(LOOP)]) == "CrashLoopBackOff: back-off 5m"
    assert common_trouble([]) is None


@pytest.mark.parametrize(
    ("found", "crashes"),
    [
        ([], False),
        ([pod()], False),
        ([pod(LOOP)], True),
        ([pod(), pod(LOOP)], True),
        ([pod(LOOP), pod(conditions=READY)], False),
        ([pod({"state": {"terminated": {"exitCode": 1}}})], True),
        ([pod({"state": {"terminated": {"exitCode": 0}}})], False),
        ([pod({"state": {"waiting": {"reason": "ImagePullBackOff"}}})], False),
        ([pod(conditions={"PodScheduled": ("False", "Unschedulable")})], False),
    ],
)
def test_waiting_helps_against_everything_but_crashes(found: list[dict[str, Any]], crashes: bool) -> None:
    assert any_crashes(found) is crashes
