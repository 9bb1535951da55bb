"""Verbs that change a WorkerQueue by its annotations, as people do by hand: pause, resume, drain."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import note
from headrace_operator.api.names import PAUSED_ANNOTATION
from headrace_operator.kubectl.kubectl import Json, Kubectl
from headrace_operator.kubectl.look import RESOURCE
from headrace_operator.kubectl.pod import OperatorPod, find_pod
from headrace_operator.kubectl.words import Call, Options

_LOOK_EVERY: Final = 1.0


def pause(kubectl: Kubectl, call: Call) -> int:
    """No job may start; what runs goes on."""
    call.forbid_rest()
    _annotate(kubectl, call, f"{PAUSED_ANNOTATION}=true")
    print(f"{call.named} is paused")  # noqa: T201
    return ExitCode.DONE


def resume(kubectl: Kubectl, call: Call) -> int:
    """Whoever paused it by hand, here or in Redis; what the spec says it goes on saying."""
    call.forbid_rest()
    _annotate(kubectl, call, f"{PAUSED_ANNOTATION}-")
    body = kubectl.get(RESOURCE, call.named)
    if body["spec"].get("paused"):
        note(f"{call.named} stays paused: its spec says paused")
        return ExitCode.FAILED
    if _paused_in_redis(body):
        pod = find_pod(kubectl, call.operator)
        for queue in body["spec"]["queues"]:
            pod.tell(replace(call, queue=queue["name"]), kubectl.namespace, "resume")
    print(f"{call.named} goes on")  # noqa: T201
    return ExitCode.DONE


def drain(kubectl: Kubectl, call: Call) -> int:
    """Pause it and wait until no worker holds a job."""
    parser = Options(call)
    parser.add_argument("--timeout", type=float, default=600.0)
    timeout: float = parser.parse_args(call.rest).timeout
    pod = find_pod(kubectl, call.operator)
    pause(kubectl, Call(verb="drain", name=call.name))
    give_up = time.monotonic() + timeout
    said: int | None = None
    while (held := _held(pod, kubectl, call)) != 0:
        if held is not None and held != said:
            print(f"draining, {held} jobs in hand", flush=True)  # noqa: T201
            said = held
        if time.monotonic() > give_up:
            note(f"not drained after {timeout:g} s; it stays paused")
            return ExitCode.FAILED
        time.sleep(_LOOK_EVERY)
    print("drained")  # noqa: T201
    return ExitCode.DONE


def _held(pod: OperatorPod, kubectl: Kubectl, call: Call) -> int | None:
    """Jobs in the hands of workers; None while the pause is not yet in force everywhere."""
    queues: list[dict[str, Any]] = pod.ask(call, kubectl.namespace, "stats")
    return sum(queue["leased"] for queue in queues) if all(queue["paused"] for queue in queues) else None


def _paused_in_redis(body: Json) -> bool:
    conditions = body.get("status", {}).get("conditions", ())
    return any(one["type"] == "Paused" and one["reason"] == "PausedInRedis" for one in conditions)


def _annotate(kubectl: Kubectl, call: Call, change: str) -> None:
    kubectl.run("annotate", "--overwrite", RESOURCE, call.named, change)
