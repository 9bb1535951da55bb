"""`kubectl headrace schedules`: list, next, run, pause and resume, by what the API server has of Schedules."""

from __future__ import annotations

import json
import secrets
import time
from functools import partial
from typing import Any, Final

from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import Format, Printer, check_format
from headrace.errors import UsageError
from headrace_operator.api.names import GROUP, RUN_NOW_ANNOTATION, RUN_REQUEST, SCHEDULE_PLURAL
from headrace_operator.kubectl.kubectl import Json, Kubectl, KubectlError
from headrace_operator.kubectl.look import everywhere
from headrace_operator.kubectl.schedule_answers import OF_ALL, OF_ONE, ready_of, show_all, show_one, tell_run
from headrace_operator.kubectl.words import Call, Options
from headrace_operator.schedules.upcoming import Upcoming, read_count, upcoming

_RESOURCE: Final = f"{SCHEDULE_PLURAL}.{GROUP}"
_COLUMNS: Final = ("NAME", "CRON", "TIME ZONE", "SUSPENDED", "READY", "REASON", "LAST", "NEXT", "ACTIVE", "MISSED")
_SHOWN: Final = (
    *("name", "cron", "timeZone", "suspended", "ready", "reason"),
    *("lastScheduleTime", "nextScheduleTime", "active", "missed"),
)
"""What of a document stands under these."""
_LOOK_EVERY: Final = 0.5
_PATIENCE: Final = 60.0
"""Seconds for the operator, and for a Redis that is away."""


def list_all(kubectl: Kubectl, call: Call) -> int:
    """All Schedules of the namespace, or one."""
    options = Options(call)
    options.add_argument("-o", "--output", type=Format, choices=list(Format), default=Format.AUTO)
    printer = Printer(check_format(options.parse_args(call.rest).output))
    found = [_summary(body) for body in _bodies(kubectl, call)]
    rows = [[one[field] for field in _SHOWN] for one in found]
    if call.everywhere:
        rows = [[one["namespace"], *row] for one, row in zip(found, rows, strict=True)]
    printer.rows((*(("NAMESPACE",) if call.everywhere else ()), *_COLUMNS), rows, found)
    return ExitCode.DONE


def next_ticks(kubectl: Kubectl, call: Call) -> int:
    """The next times at which one is due, in its own zone; without a name the next one of each."""
    options = Options(call)
    options.add_argument("-o", "--output", type=Format, choices=list(Format), default=Format.AUTO)
    options.add_argument("--count", type=read_count)
    chosen = options.parse_args(call.rest)
    printer = Printer(check_format(chosen.output))
    if call.name is not None:
        return show_one(printer, call.name, _upcoming(kubectl.get(_RESOURCE, call.name), chosen.count or OF_ONE))
    count = chosen.count or OF_ALL
    return show_all(printer, [(_place(body, call), partial(_upcoming, body, count)) for body in _bodies(kubectl, call)])


def _upcoming(body: Json, count: int) -> Upcoming:
    """Raises ConfigError."""
    spec, now_ms = body["spec"], time.time_ns() // 1_000_000
    suspended = bool(spec.get("suspend"))
    return upcoming(spec["cron"], spec.get("timeZone", "UTC"), suspended=suspended, after_ms=now_ms, count=count)


def _bodies(kubectl: Kubectl, call: Call) -> list[Json]:
    if call.name is not None:
        return [kubectl.get(_RESOURCE, call.name)]
    found: list[Json] = kubectl.get(_RESOURCE, *everywhere(call))["items"]
    return found


def _place(body: Json, call: Call) -> str:
    metadata: Json = body["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if call.everywhere else str(metadata["name"])


def run_now(kubectl: Kubectl, call: Call) -> int:
    """Run one now, by its annotation, and wait until that is done; 1 when it was skipped, 2 when it was refused."""
    options = Options(call)
    options.add_argument("--request")
    options.add_argument("-o", "--output", type=Format, choices=list(Format), default=Format.AUTO)
    chosen = options.parse_args(call.rest)
    printer, name = Printer(check_format(chosen.output)), _named(call)
    request = chosen.request or f"{time.strftime('%Y%m%dt%H%M%S')}-{secrets.token_hex(3)}"
    if not RUN_REQUEST.fullmatch(request):
        raise UsageError("schedules run: --request must have 1 to 100 letters, digits, '.', '_', ':' or '-'")
    kubectl.run("annotate", "--overwrite", _RESOURCE, name, f"{RUN_NOW_ANNOTATION}={request}")
    return tell_run(printer, _await(kubectl, name, request))


def _await(kubectl: Kubectl, name: str, request: str) -> Json:
    """status.runNow, once the operator has dealt with the request and taken it away. Raises KubectlError."""
    give_up = time.monotonic() + _PATIENCE
    while time.monotonic() < give_up:
        body = kubectl.get(_RESOURCE, name)
        status: Json = (body.get("status") or {}).get("runNow") or {}
        wanted = body["metadata"].get("annotations", {}).get(RUN_NOW_ANNOTATION)
        if wanted is None and status.get("request") == request:
            return status
        if wanted not in (None, request):
            raise KubectlError(f"somebody else has asked for another run: {wanted}")
        time.sleep(_LOOK_EVERY)
    raise KubectlError(
        f"not run in {_PATIENCE:g} s; it goes on: kubectl headrace schedules list {name} -o yaml says why"
    )


def pause(kubectl: Kubectl, call: Call) -> int:
    """Nothing runs until it is resumed; the ticks of that time are not missed."""
    return _suspend(kubectl, call, suspend=True)


def resume(kubectl: Kubectl, call: Call) -> int:
    """It runs from its next tick on."""
    return _suspend(kubectl, call, suspend=False)


def _suspend(kubectl: Kubectl, call: Call, *, suspend: bool) -> int:
    call.forbid_rest()
    name = _named(call)
    kubectl.run("patch", _RESOURCE, name, "--type=merge", f"--patch={json.dumps({'spec': {'suspend': suspend}})}")
    print(f"{name} is paused" if suspend else f"{name} goes on")  # noqa: T201
    return ExitCode.DONE


def _named(call: Call) -> str:
    if call.name is None:
        raise UsageError(f"name a Schedule: kubectl headrace {call.verb} NAME")
    return call.name


def _summary(body: Json) -> dict[str, Any]:
    """The document of one."""
    spec: Json = body["spec"]
    status: Json = body.get("status") or {}
    ready = ready_of(status)
    return {
        "name": body["metadata"]["name"],
        "namespace": body["metadata"]["namespace"],
        "cron": spec["cron"],
        "timeZone": spec.get("timeZone", "UTC"),
        "suspended": bool(spec.get("suspend")),
        "ready": ready.get("status", "Unknown"),
        "reason": ready.get("reason", ""),
        "lastScheduleTime": status.get("lastScheduleTime"),
        "nextScheduleTime": status.get("nextScheduleTime"),
        "active": len(status.get("active", ())),
        "missed": status.get("missed", 0),
        "description": status.get("description", ""),
        "workerQueue": spec["workerQueue"],
        "task": spec["task"],
        "message": ready.get("message", ""),
    }
