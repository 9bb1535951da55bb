"""Verbs that only read the WorkerQueue: status, explain."""

from __future__ import annotations

from typing import Any, Final

from headrace.cli.output import Format, Printer, check_format, printable
from headrace_operator.api.names import GROUP, PLURAL
from headrace_operator.kubectl.kubectl import Json, Kubectl
from headrace_operator.kubectl.story import explain, summary
from headrace_operator.kubectl.words import Call, Options

RESOURCE: Final = f"{PLURAL}.{GROUP}"
_COLUMNS: Final = (
    "NAME",
    "READY",
    "WORKERS",
    "READY JOBS",
    "SCHEDULED",
    "IN FLIGHT",
    "DEAD",
    "ROLLOUT",
    "PAUSED",
    "WHY",
)


def show_status(kubectl: Kubectl, call: Call) -> int:
    """All WorkerQueues of the namespace, or one of them with its conditions."""
    printer = Printer(output_format(call))
    if call.name is None:
        found = [summary(body) for body in kubectl.get(RESOURCE, *everywhere(call))["items"]]
        if call.everywhere:
            printer.rows(("NAMESPACE", *_COLUMNS), [[one["namespace"], *_row(one)] for one in found], found)
        else:
            printer.rows(_COLUMNS, [_row(one) for one in found], found)
        return 0
    one = summary(kubectl.get(RESOURCE, call.name))
    shown = {name.lower(): value for name, value in zip(_COLUMNS, _row(one), strict=True)}
    printer.record({**shown, "queues": ", ".join(one["queues"]), **one["conditions"]}, one)
    return 0


def _row(one: Json) -> list[Any]:
    jobs, workers = one["jobs"], f"{one['readyReplicas']} of {one['replicas']}"
    numbers = [jobs[name] for name in ("ready", "scheduled", "leased", "dead")]
    return [one["name"], one["ready"], workers, *numbers, one["rollout"], one["paused"], one["why"]]


def explain_queue(kubectl: Kubectl, call: Call) -> int:
    """In English why it has the workers that it has."""
    call.forbid_rest()
    for line in explain(kubectl.get(RESOURCE, call.named)):
        print(printable(line))  # noqa: T201
    return 0


def everywhere(call: Call) -> tuple[str, ...]:
    """kubectl's option for all namespaces, where the call asks for them."""
    return ("--all-namespaces",) if call.everywhere else ()


def output_format(call: Call) -> Format:
    """From -o, the only option here. Raises UsageError."""
    parser = Options(call)
    parser.add_argument("-o", "--output", type=Format, choices=list(Format), default=Format.AUTO)
    wanted: Format = parser.parse_args(call.rest).output
    return check_format(wanted)
