"""Reads a pod: which worker it is, in which phase, and why it can't run. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from headrace_operator.api.names import QUEUE_LABEL, VERSION_LABEL
from headrace_operator.runtimes.kubernetes.deployment import CONTAINER
from headrace_operator.runtimes.kubernetes.marks import READ, is_marked
from headrace_operator.seams.runtime import Exit, Trouble, TroubleKind, WorkerPhase, WorkerState

Json = dict[str, Any]
COST_ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"
FIRST_TO_GO: Final = "-1000"
"""The deletion cost of pods that are aimed at; others have none, which counts as 0."""
_STUCK: Final = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
_MESSAGE_LENGTH: Final = 300
_BAD_CONFIGURATION: Final = 2
"""The exit code of a worker that was told something impossible …"""
_GAVE_UP: Final = re.compile(r"\(tried for \S+ s\)$")
"""… or for which Redis was away too long, as it then says at last: that may be Redis's fault."""
_RUN_LENGTH: Final = 64
"""Characters, the last ones of a container's id."""


def trimmed_pod(pod: Json) -> Json:
    """What the functions here read of `pod`, a small part of it."""
    metadata, status = pod["metadata"], pod.get("status", {})
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
    labels = metadata.get("labels", {})
    annotations = metadata.get("annotations") or {}
    return {
        "metadata": {
            **{field: metadata[field] for field in kept if field in metadata},
            "labels": {label: labels[label] for label in (QUEUE_LABEL, VERSION_LABEL) if label in labels},
            "annotations": {name: annotations[name] for name in (COST_ANNOTATION, *READ) if name in annotations},
        },
        "status": {
            "phase": status.get("phase", "Pending"),
            "conditions": [
                {"type": one["type"], "status": one["status"], "message": one.get("message", "")}
                | {"reason": one.get("reason", ""), "since": one.get("lastTransitionTime", "")}
                for one in status.get("conditions", ())
                if one["type"] in ("Ready", "PodScheduled")
            ],
            "containerStatuses": [
                {field: one[field] for field in ("name", "state", "lastState", "restartCount") if field in one}
                for one in (*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ()))
            ],
        },
    }


def is_over(pod: Json) -> bool:
    """Whether its containers have ended for good, so that only its record is left."""
    return pod["status"]["phase"] in ("Succeeded", "Failed")


def is_deleted(pod: Json) -> bool:
    """Whether it is on its way out."""
    return "deletionTimestamp" in pod["metadata"]


def is_ready(pod: Json) -> bool:
    """Whether its readiness probe has succeeded."""
    return any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"]["conditions"])


def is_aimed(pod: Json) -> bool:
    """Whether a ReplicaSet deletes it before others that are ready."""
    cost: str | None = pod["metadata"]["annotations"].get(COST_ANNOTATION)
    return cost == FIRST_TO_GO


def worker_state(pod: Json, *, retired: bool) -> WorkerState:
    """The worker that `pod` is; `retired` if its version was removed, so that it will be deleted soon."""
    message = trouble(pod)
    if is_deleted(pod) or retired:
        phase, message = WorkerPhase.TERMINATING, ""
    elif is_ready(pod):
        phase, message = WorkerPhase.READY, ""
    elif message:
        phase = WorkerPhase.FAILED
    else:
        phase = WorkerPhase.STARTING
    metadata = pod["metadata"]
    return WorkerState(
        id=metadata["name"],
        version=metadata["labels"].get(VERSION_LABEL, ""),
        phase=phase,
        started=seconds(metadata["creationTimestamp"]),
        message=message,
        aimed=is_aimed(pod),
        protected=is_marked(metadata["annotations"]),
        trouble=_trouble(pod) if phase is WorkerPhase.FAILED else None,
    )


def trouble(pod: Json) -> str:
    """Why it can't run, in one line; empty if nothing is known against it."""
    unscheduled = _unscheduled(pod)
    if unscheduled is not None:
        return _line("Unschedulable", unscheduled["message"])
    return next(filter(None, map(_container_trouble, pod["status"]["containerStatuses"])), "")


def common_trouble(pods: Iterable[Json]) -> str | None:
    """Why none of `pods` can run; None as soon as one of them is ready, or none has a problem."""
    found: str | None = None
    for pod in pods:
        if is_ready(pod):
            return None
        found = found or trouble(pod) or None
    return found


def exits(pods: Iterable[Json]) -> tuple[Exit, ...]:
    """How containers of `pods` have ended by themselves, as far as it is seen: two runs of each at most."""
    return tuple(
        one
        for pod in pods
        for status in pod["status"]["containerStatuses"]
        for one in _exits(f"{pod['metadata']['name']}/{status.get('name', '')}", status)
    )


def seconds(timestamp: str) -> float:
    """Unix time from a Kubernetes timestamp."""
    return datetime.fromisoformat(timestamp).timestamp()


def _unscheduled(pod: Json) -> Json | None:
    """What the scheduler says of a pod that it can't place."""
    said: list[Json] = pod["status"]["conditions"]
    return next((one for one in said if one["type"] == "PodScheduled" and one["reason"] == "Unschedulable"), None)


def _trouble(pod: Json) -> Trouble | None:
    """Of the kinds that more workers would share. Kubernetes speaks of a loop from the second end in a row on."""
    unscheduled = _unscheduled(pod)
    if unscheduled is not None:
        since = unscheduled["since"] or pod["metadata"]["creationTimestamp"]
        return Trouble(TroubleKind.UNSCHEDULABLE, seconds(since))
    looping = [one for one in pod["status"]["containerStatuses"] if _is_looping(one)]
    ends = [one.get("lastState", {}).get("terminated", {}).get("finishedAt") for one in looping]
    known = [seconds(end) for end in ends if end]
    return Trouble(TroubleKind.CRASH_LOOP, max(known, default=0.0)) if looping else None


def _is_looping(status: Json) -> bool:
    return bool(status.get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff")


def _container_trouble(status: Json) -> str:
    state = status.get("state", {})
    waiting, ended = state.get("waiting", {}), state.get("terminated", {})
    if ended and ended.get("exitCode"):
        return _line(_exit(ended), _last_words(ended))
    if waiting.get("reason") not in _STUCK:
        return ""
    last = status.get("lastState", {}).get("terminated")
    detail = waiting.get("message", "")
    if waiting["reason"] == "CrashLoopBackOff" and last:
        words = _last_words(last)
        detail = f"{_exit(last)}, {words}" if words else _exit(last)
    return _line(waiting["reason"], detail)


def _last_words(ended: Json) -> str:
    """What the worker's command said last, if that is what it ended with.

    Of an application's own words nothing is repeated: they may hold what nobody else should read.
    """
    lines: list[str] = ended.get("message", "").strip().splitlines()
    return lines[-1] if lines and lines[-1].startswith("headrace ") else ""


def _exits(container: str, status: Json) -> Iterator[Exit]:
    state = status.get("state", {})
    looping = _is_looping(status)  # then exit code 0 is none of a stop's
    for ended in (status.get("lastState", {}).get("terminated"), state.get("terminated")):
        if ended and (ended.get("exitCode") or looping):
            run = str(ended.get("containerID") or ended.get("finishedAt", ""))[-_RUN_LENGTH:]
            words, ours = _last_words(ended), status.get("name") == CONTAINER
            final = ours and ended.get("exitCode") == _BAD_CONFIGURATION and not _GAVE_UP.search(words)
            yield Exit(f"{container}/{run}", _line(_exit(ended), words), final)


def _exit(ended: Json) -> str:
    reason = ended.get("reason", "Error")
    return f"exit code {ended.get('exitCode')}" + (f" ({reason})" if reason != "Error" else "")


def _line(word: str, detail: str) -> str:
    text = " ".join(detail.split())
    return (f"{word}: {text}" if text else word)[:_MESSAGE_LENGTH]
