"""`kubectl headrace dlq replay`: by the annotation, so that the operator runs it and the API server knows who asked."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import Format, Printer, check_format, note, printable
from headrace.cli.progress import progress
from headrace.errors import UsageError
from headrace_operator.api.names import REPLAY_ANNOTATION
from headrace_operator.core.replay_request import without_values
from headrace_operator.kubectl.kubectl import Json, Kubectl, KubectlError
from headrace_operator.kubectl.look import RESOURCE
from headrace_operator.kubectl.pod import find_pod
from headrace_operator.kubectl.words import Call, Options

_LOOK_EVERY: Final = 0.5
_PATIENCE: Final = 60.0
"""Seconds without a word of it from the operator."""
_CANCEL: Final = "--cancel"
_DRY_RUN: Final = "--dry-run"
_MAX_REPLAYS: Final = "--max-replays"
_GOOD: Final = ("Completed",)
_REFUSED: Final = "Refused"


def replay(kubectl: Kubectl, call: Call) -> int:
    """Ask for it and wait for its end; 1 when it failed, 2 when it was refused. Or call off the one under way."""
    if _CANCEL in call.rest:
        return _cancel(kubectl, call)
    if _DRY_RUN not in call.rest:
        return _ask(kubectl, call)
    spec = kubectl.get(RESOURCE, call.named)["spec"]
    if len(spec["queues"]) > 1 and call.queue is None:
        return _ask(kubectl, call)  # what it finds must be what the operator can be asked to move: in all queues
    # It changes nothing, and shows the oldest. Its digest holds for the operator's bounds.
    bound = (spec.get("deadLetters") or {}).get("maxReplays")
    said = any(word.partition("=")[0] == _MAX_REPLAYS for word in call.rest)
    rest = call.rest if bound is None or said else (_MAX_REPLAYS, str(bound), *call.rest)
    return find_pod(kubectl, call.operator).run(replace(call, rest=rest), kubectl.namespace)


def _ask(kubectl: Kubectl, call: Call) -> int:
    parser = Options(call)
    parser.add_argument("--no-wait", action="store_true")
    parser.add_argument("-o", "--output", type=Format, choices=list(Format), default=Format.AUTO)
    own, options = parser.parse_known_args(call.rest)
    printer = Printer(check_format(own.output))
    words, request = annotation_words(options, call.queue)
    if any("," in word for word in words):
        raise UsageError("dlq replay: a comma can't stand in a replay's words")
    body = kubectl.get(RESOURCE, call.named)
    _check_queue(body, call)
    if (under_way := _annotation(body)) is not None:
        raise UsageError(f"another replay is under way: {without_values(under_way)}")
    kubectl.run("annotate", RESOURCE, call.named, f"{REPLAY_ANNOTATION}={','.join(words)}")
    if own.no_wait:
        printer.say(f"asked for: {request}", {"requestId": request})
        return ExitCode.DONE
    try:
        return _tell(printer, _await(kubectl, call.named, _status(body), request))
    except KeyboardInterrupt:
        note(f"replay {request} goes on; kubectl headrace explain {call.named} says how far it is")
        raise


def _check_queue(body: Json, call: Call) -> None:
    """Raises UsageError."""
    queues = [queue["name"] for queue in body["spec"]["queues"]]
    if call.queue is not None and call.queue not in queues:
        raise UsageError(f"{call.named} has no queue {call.queue!r}, only {', '.join(queues)}")


def _cancel(kubectl: Kubectl, call: Call) -> int:
    if call.rest != (_CANCEL,) or call.queue is not None:
        raise UsageError("dlq replay: --cancel stands alone: it calls off the one that is under way")
    name = call.named
    if _annotation(kubectl.get(RESOURCE, name)) is None:
        raise UsageError(f"no replay of {name} is under way")
    kubectl.run("annotate", "--overwrite", RESOURCE, name, f"{REPLAY_ANNOTATION}=cancel")
    print(f"the replay of {name} is called off")  # noqa: T201
    return ExitCode.DONE


def annotation_words(options: Sequence[str], queue: str | None = None) -> tuple[list[str], str]:
    """`--name value`, `--name=value` and `--flag` as the annotation's words, which the operator judges; and the id of
    the request, made if none is given. `queue`: the only one that is meant. Raises UsageError for what is no option.
    """
    words: list[str] = []
    left = list(options)
    while left:
        name, equals, value = left.pop(0).partition("=")
        if not name.startswith("--") or name == "--":
            raise UsageError(f"dlq replay: {name!r} is no option")
        if not equals and left and not left[0].startswith("--"):
            value = left.pop(0)
        words.append(f"{name[2:]}={value}" if value else name[2:])
    words += [] if queue is None else [f"queue={queue}"]
    given = [word.partition("=")[2] for word in words if word.startswith("request=")]
    if given:
        return words, given[-1]
    request = f"{time.strftime('%Y%m%dt%H%M%S')}-{secrets.token_hex(3)}"
    return [*words, f"request={request}"], request


def _await(kubectl: Kubectl, name: str, before: Json, request: str) -> Json:
    """status.replay, once the operator has taken the annotation away; `before`: as it was. A replay may take as long as
    it likes, but must be taken up in time. Raises KubectlError.
    """
    give_up = time.monotonic() + _PATIENCE
    with progress("letters moved") as tell:
        while time.monotonic() < give_up:
            body = kubectl.get(RESOURCE, name)
            status, waiting = _status(body), _annotation(body) is not None
            ours = status.get("requestId") == request
            # Words that make no sense have no request's id.
            if not waiting and (ours or (status != before and status["phase"] == _REFUSED)):
                return status
            if ours:
                tell(status.get("replayed", 0))
                give_up = time.monotonic() + _PATIENCE
            time.sleep(_LOOK_EVERY)
    raise KubectlError(f"no operator took replay {request} up in {_PATIENCE:g} s, or somebody took it away")


def _annotation(body: Json) -> str | None:
    found: str | None = body["metadata"].get("annotations", {}).get(REPLAY_ANNOTATION)
    return found


def _status(body: Json) -> Json:
    found: Json = (body.get("status") or {}).get("replay") or {}
    return found


def _tell(printer: Printer, status: Json) -> int:
    """The outcome, or the whole status as a document; what went wrong is on stderr in any case."""
    said = printable(status.get("message") or f"{status['phase']}, {status.get('replayed', 0)} replayed")
    good = status["phase"] in _GOOD
    if printer.structured:
        printer.document(status)
    elif good:
        printer.say(said, status)
    if not good:
        note(said)
        return ExitCode.MISTAKE if status["phase"] == _REFUSED else ExitCode.FAILED
    if status.get("dryRun") and status.get("matched") and not printer.structured:
        note(f"to replay just these: the same with --approve {status['digest']} in place of --dry-run")
    return ExitCode.DONE
