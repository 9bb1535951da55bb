"""What a pod's status says about its worker."""

from __future__ import annotations

from typing import Any

import pytest

from headrace_operator.runtimes.kubernetes.pods import common_trouble, exits, trimmed_pod, worker_state
from headrace_operator.seams.runtime import Exit, Trouble, TroubleKind, WorkerPhase

LOOP = {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m"}}}


def pod(
    *containers: dict[str, Any],
    conditions: dict[str, tuple[str, str]] | None = None,
    since: str | None = None,
    **metadata: Any,
) -> dict[str, Any]:
    """A pod as the API server tells it, trimmed."""
    said = [
        {"type": kind, "status": status, "reason": reason, "message": f"about {kind}"}
        | ({"lastTransitionTime": since} if since else {})
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


ENDED = {"lastState": {"terminated": {"exitCode": 1, "finishedAt": "2030-01-31T12:05:00Z"}}}
LATER = {"lastState": {"terminated": {"exitCode": 1, "finishedAt": "2030-01-31T12:06:00Z"}}}
UNPLACED = {"PodScheduled": ("False", "Unschedulable")}
TROUBLES: list[tuple[str, dict[str, Any], Trouble | None]] = [
    ("none", pod(), None),
    ("it has ended once", pod({"state": {"terminated": {"exitCode": 1}}}), None),
    ("it is started again", pod({"state": {"running": {}}} | ENDED), None),
    ("in a loop", pod(LOOP | ENDED), Trouble(TroubleKind.CRASH_LOOP, 1896091500.0)),
    ("nobody knows its last end", pod(LOOP), Trouble(TroubleKind.CRASH_LOOP, 0.0)),
    ("two containers", pod(LOOP | ENDED, LOOP | LATER, LOOP), Trouble(TroubleKind.CRASH_LOOP, 1896091560.0)),
    (
        "beside one that runs",
        pod({"state": {"running": {}}}, LOOP | ENDED),
        Trouble(TroubleKind.CRASH_LOOP, 1896091500),
    ),
    ("ready all the same", pod(LOOP | ENDED, conditions=READY), None),
    ("on its way out", pod(LOOP | ENDED, deletionTimestamp="2030-01-31T12:00:00Z"), None),
    ("no image", pod({"state": {"waiting": {"reason": "ImagePullBackOff"}}}), None),
    ("no node, since it was made", pod(conditions=UNPLACED), Trouble(TroubleKind.UNSCHEDULABLE, 1896091200.0)),
    (
        "no node, since then",
        pod(conditions=UNPLACED, since="2030-01-31T12:10:00Z"),
        Trouble(TroubleKind.UNSCHEDULABLE, 1896091800.0),
    ),
]


@pytest.mark.parametrize(("name", "found", "expected"), TROUBLES, ids=[row[0] for row in TROUBLES])
def test_trouble_that_more_workers_would_share(name: str, found: dict[str, Any], expected: Trouble | None) -> None:
    assert worker_state(found, retired=False).trouble == expected, name


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


def run(code: int, number: int = 1, words: str = "") -> dict[str, Any]:
    """A run of a container that has ended."""
    return {"terminated": {"exitCode": code, "containerID": f"containerd://{number}", "message": words}}


RUNNING = {"running": {"startedAt": "2030-01-31T12:00:00Z"}}
AWAY = "headrace worker: REDIS_URL: can't connect to redis://h:6379/0: Connection refused (tried for 30 s)"
ENDS: list[tuple[str, dict[str, Any], list[tuple[str, bool]]]] = [
    ("nothing", {}, []),
    ("it runs", {"state": RUNNING}, []),
    ("it ended", {"state": run(137)}, [("exit code 137", False)]),
    ("it ended well", {"state": run(0)}, []),
    ("it runs again", {"state": RUNNING, "lastState": run(1)}, [("exit code 1", False)]),
    (
        "it is made again",
        {"state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": run(1)},
        [("exit code 1", False)],
    ),
    ("twice", {"state": run(1, 2), "lastState": run(137)}, [("exit code 137", False), ("exit code 1", False)]),
    ("in a loop", LOOP | {"lastState": run(137)}, [("exit code 137", False)]),
    ("whose runs end well", LOOP | {"lastState": run(0)}, [("exit code 0", False)]),
    ("misconfigured", {"state": run(2)}, [("exit code 2", True)]),
    ("Redis was away", {"state": run(2, words=AWAY)}, [(f"exit code 2: {AWAY}", False)]),
    ("no image", {"state": {"waiting": {"reason": "ImagePullBackOff"}}}, []),
]


@pytest.mark.parametrize(("name", "status", "expected"), ENDS, ids=[row[0] for row in ENDS])
def test_how_a_worker_ended(name: str, status: dict[str, Any], expected: list[tuple[str, bool]]) -> None:
    found = exits([pod({"name": "worker"} | status)])
    assert [(one.why, one.final) for one in found] == expected, name
    assert len({one.id for one in found}) == len(found)


def test_a_run_keeps_its_name() -> None:
    [ended] = exits([pod({"name": "worker", "state": run(1)})])
    assert ended == Exit("emails-1/worker/containerd://1", "exit code 1")
    assert exits([pod({"name": "worker", "state": RUNNING, "lastState": run(1)})]) == (ended,)
    assert exits([pod({"name": "worker", "state": run(1)}, name="emails-2")])[0].id != ended.id


def test_only_the_worker_itself_can_say_that_its_configuration_is_wrong() -> None:
    [ended] = exits([pod({"name": "proxy", "state": run(2)})])
    assert not ended.final


def test_a_pod_that_can_t_be_placed_has_not_ended() -> None:
    assert exits([pod(conditions={"PodScheduled": ("False", "Unschedulable")}), pod()]) == ()
