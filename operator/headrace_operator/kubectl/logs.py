"""`kubectl headrace logs NAME JOB`: the lines that workers wrote about one job, wherever it ran."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import note, printable
from headrace.errors import UsageError
from headrace_operator.api.names import QueueKey, selector
from headrace_operator.kubectl.kubectl import Kubectl, KubectlError
from headrace_operator.kubectl.pod import OperatorPod, find_pod
from headrace_operator.kubectl.words import Call


def logs(kubectl: Kubectl, call: Call) -> int:
    """1 when no line is found: pods that are gone have taken theirs with them."""
    match call.rest:
        case (job,) if not job.startswith("-"):
            pass
        case _:
            raise UsageError("name a WorkerQueue and a job: kubectl headrace logs NAME ID")
    there = [pod["metadata"]["name"] for pod in _pods(kubectl, call.named)]
    ran = _workers(find_pod(kubectl, call.operator), kubectl, call, job)
    # Of a job that is done nobody knows where it ran, so all are asked.
    pods = [one for one in there if one in ran] or there
    found = [line for pod in pods for line in _about(job, pod, kubectl.lines("logs", pod, "--container=worker"))]
    for _, pod, text in sorted(found):
        print(f"{pod}  {printable(text)}")  # noqa: T201
    if gone := sorted(ran - set(there)):
        note(f"it ran on {', '.join(gone)}, which is gone: its lines are where you collect logs, with job_id {job}")
    elif not found:
        note(f"no worker that is there has written about job {job}")
    return ExitCode.DONE if found else ExitCode.FAILED


def _pods(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    chosen = selector(QueueKey(kubectl.namespace, name))
    items: list[dict[str, Any]] = kubectl.get("pods", f"--selector={chosen}")["items"]
    return items


def _workers(pod: OperatorPod, kubectl: Kubectl, call: Call, job: str) -> set[str]:
    """The pods on which it is known to have run."""
    try:
        seen = pod.ask(call, kubectl.namespace, "show", job)
    except KubectlError:
        return set()
    return {seen.get("holder"), *(one.get("worker") for one in seen.get("transitions", ()))} - {None, ""}


def _about(job: str, pod: str, lines: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Time, pod and text of the lines whose `job_id` is this one; without a terminal a worker writes JSON."""
    for line in lines:
        if job not in line:
            continue
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict) and said.get("job_id") == job:
                yield str(said.get("time")), pod, line.rstrip("\n")
