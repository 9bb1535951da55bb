"""`kubectl headrace dlq replay`: by the annotation, so that the operator runs it and the API server knows who asked."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Final

from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import note, printable
from headrace.cli.progress import progress
from headrace.errors import UsageError
from headrace_operator.api.names import REPLAY_ANNOTATION
from headrace_operator.kubectl.kubectl import Json, Kubectl, KubectlError
from headrace_operator.kubectl.look import RESOURCE
from headrace_operator.kubectl.words import Call

_LOOK_EVERY: Final = 0.5
_PATIENCE: Final = 60.0
"""Seconds without a word of it from the operator."""
_NO_WAIT: Final = "--no-wait"
_CANCEL: Final = "--cancel"
_GOOD: Final = ("Completed",)
_REFUSED: Final = "Refused"


def replay(kubectl: Kubectl, call: Call) -> int:
    """Ask for it and wait for its end; 1 when it failed, 2 when it was refused. Or call off the one under way."""
    if call.rest == (_CANCEL,):
        return _cancel(kubectl, call.named)
    words, request = annotation_words([word for word in call.rest if word != _NO_WAIT])
    if any("," in word for word in words):
        raise UsageError("dlq replay: a comma can't stand in a replay's words")
    body = kubectl.get(RESOURCE, call.named)
    if (under_way := _annotation(body)) is not None:
        raise UsageError(f"another replay is under way: {under_way}")
    kubectl.run("annotate", RESOURCE, call.named, f"{REPLAY_ANNOTATION}={','.join(words)}")
    if _NO_WAIT in call.rest:
        print(f"asked for: {request}")  # noqa: T201
        return ExitCode.DONE
    try:
        return _tell(_await(kubectl, call.named, _status(body), request))
    except KeyboardInterrupt:
        note(f"replay {request} goes on; kubectl headrace explain {call.named} says how far it is")
        raise


def _cancel(kubectl: Kubectl, name: str) -> int:
    if _annotation(kubectl.get(RESOURCE, name)) is None:
        raise UsageError(f"no replay of {name} is under way")
    kubectl.run("annotate", "--overwrite", RESOURCE, name, f"{REPLAY_ANNOTATION}=cancel")
    print(f"the replay of {name} is called off")  # noqa: T201
    return ExitCode.DONE


def annotation_words(options: Sequence[str]) -> tuple[list[str], str]:
    """`--name value`, `--name=value` and `--flag` as the annotation's words, which the operator judges; and the id of
    the request, made if none is given. Raises UsageError for what is no option.
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


def _tell(status: Json) -> int:
    said = printable(status.get("message") or f"{status['phase']}, {status.get('replayed', 0)} replayed")
    if status["phase"] in _GOOD:
        print(said)  # noqa: T201
        return ExitCode.DONE
    note(said)
    return ExitCode.MISTAKE if status["phase"] == _REFUSED else ExitCode.FAILED
