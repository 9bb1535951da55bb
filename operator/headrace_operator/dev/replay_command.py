"""`headrace replay`: asks a running `headrace dev` for the same replay that the annotation asks an operator for."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from headrace.cli.exit_codes import ExitCode
from headrace.cli.letter_choice import WHICH_LETTERS
from headrace.cli.output import Format, Printer, check_format
from headrace.errors import ConfigError, HeadraceError, UsageError
from headrace_operator.api.names import REPLAY_ANNOTATION, ObjectKey
from headrace_operator.api.status import ReplayStatus
from headrace_operator.core.replay_request import (
    CANCEL,
    ReplayPhase,
    ReplayRequest,
    parse_replay_request,
    without_values,
)
from headrace_operator.dev.asking import Place, key_of, new_request
from headrace_operator.dev.options import FOLDER
from headrace_operator.reconcile.replay_run import FINAL, told


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="headrace replay", description="Run dead letters again, in the fleet that `headrace dev` runs here."
    )
    made.add_argument("queue", help="the WorkerQueue's name, or namespace/name")
    made.add_argument("--all", action="store_true", help="every dead letter")
    made.add_argument("--task", help="only those of this task")
    made.add_argument("--reason", help="only those that died of this")
    made.add_argument("--id", action="append", default=[], help="only this job; repeatable")
    made.add_argument("--since", help="only those that died then or later: 2h, or a time")
    made.add_argument("--older-than", help="only those that died before: 7d, or a time")
    made.add_argument("--attempts", help="only those after so many failed runs: 3, 2.. or 2..5")
    made.add_argument("--where", action="append", default=[], help="only those with this argument; repeatable")
    made.add_argument("--queue", dest="only", help="only this one of its queues")
    made.add_argument("--dry-run", action="store_true", help="only count them")
    made.add_argument("--approve", help="only if it is the set that a dry run gave this digest")
    made.add_argument("--max-replays", help="leave out what was replayed so often already")
    made.add_argument("--max", help="at most so many, the oldest first")
    made.add_argument("--rate", help="at most so many per second")
    made.add_argument("--guard", help="stop when this share of them dies again, such as 0.2")
    made.add_argument("--cancel", action="store_true", help="call off the replay that is under way")
    made.add_argument("-o", "--output", type=Format, choices=list(Format), default=Format.AUTO)
    made.add_argument("--data", default=FOLDER, help=f"where that dev keeps its data ({FOLDER})")
    made.add_argument("--timeout", type=float, default=3600.0, help="seconds to wait for the end (3600)")
    return made


def main(argv: Sequence[str]) -> int:
    """Exit code 0 when it is done, 2 for a mistake, 1 when it failed or goes on without us."""
    given = parser().parse_args(argv)
    try:
        key, place = key_of(given.queue), Place(Path(given.data).absolute(), "WorkerQueue")
        if given.cancel:
            return _cancel(place, key, given)
        value, printer = request_value(given), Printer(check_format(given.output))
        place.check(key)
        request = _ask(place, key, value)
        return _tell(printer, _await(place, key, request, given.timeout))
    except HeadraceError as error:
        print(f"headrace replay: {error}", file=sys.stderr)  # noqa: T201
        return ExitCode.MISTAKE if isinstance(error, UsageError) else ExitCode.FAILED


def _cancel(place: Place, key: ObjectKey, given: argparse.Namespace) -> int:
    """Whoever waits for that replay hears of it."""
    alone = parser().parse_args([given.queue, "--cancel", "--data", given.data])
    if given != alone:
        raise UsageError("--cancel stands alone: it calls off the one that is under way")
    place.check(key)
    with place.annotations.change(key) as found:
        if REPLAY_ANNOTATION not in found:
            raise UsageError(f"no replay of {key.name} is under way")
        found[REPLAY_ANNOTATION] = CANCEL
    print(f"the replay of {key.name} is called off")  # noqa: T201
    return ExitCode.DONE


def request_value(given: argparse.Namespace) -> str:
    """The annotation's value. Raises ConfigError for words that make no sense, and where no letters are named."""
    words = [f"id={job}" for job in given.id]
    filters = (("task", given.task), ("reason", given.reason), ("since", given.since), ("older-than", given.older_than))
    words += [f"{name}={text}" for name, text in (*filters, ("attempts", given.attempts)) if text is not None]
    words += [f"where={text}" for text in given.where]
    if not (given.all or words):
        raise UsageError(WHICH_LETTERS)
    if given.all:
        words.insert(0, "all")
    words += [f"queue={given.only}"] if given.only is not None else []
    words += ["dry-run"] if given.dry_run else []
    numbers = (("max", given.max), ("max-replays", given.max_replays), ("rate", given.rate), ("guard", given.guard))
    words += [f"{name}={text}" for name, text in (("approve", given.approve), *numbers) if text is not None]
    words.append(f"request={new_request()}")
    return parse_replay_request(",".join(words)).value


def _ask(place: Place, key: ObjectKey, value: str) -> ReplayRequest:
    """Write the request. Raises ConfigError while another one is under way."""
    with place.annotations.change(key) as found:
        if REPLAY_ANNOTATION in found:
            raise ConfigError(f"another replay is under way: {without_values(found[REPLAY_ANNOTATION])}")
        found[REPLAY_ANNOTATION] = value
    return parse_replay_request(value)


def _await(place: Place, key: ObjectKey, request: ReplayRequest, timeout: float) -> ReplayStatus:
    """The final status. Raises StillRunningError."""

    def look() -> ReplayStatus | None:
        replay = _read(place.status(key).get("replay"))
        if replay is None or replay.phase not in FINAL:
            return None
        # One that is refused has an id of its own.
        ours = replay.request_id == request.request or replay.request == told(request.value)
        return replay if ours else None

    return place.wait(look, what="the replay", timeout=timeout)


def _read(found: object) -> ReplayStatus | None:
    try:
        return None if found is None else ReplayStatus.model_validate_json(json.dumps(found))
    except ValidationError:
        return None


def _tell(printer: Printer, replay: ReplayStatus) -> int:
    printer.say(replay.message or replay.phase, replay.model_dump(by_alias=True, exclude_none=True, mode="json"))
    if replay.phase == ReplayPhase.REFUSED:
        return ExitCode.MISTAKE
    return ExitCode.DONE if replay.phase == ReplayPhase.COMPLETED else ExitCode.FAILED
