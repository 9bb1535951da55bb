"""`headrace schedules next`, `run`, `pause` and `resume`: Schedules of the fleet that `headrace dev` runs here.

The words and answers are those of `kubectl headrace schedules`. What a Schedule says stands in the YAML alone: to pause
one is to edit it, as with everything that is kept in Git.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from headrace.cli.exit_codes import ExitCode
from headrace.cli.output import Format, Printer, check_format, printable
from headrace.errors import ConfigError, HeadraceError, UsageError
from headrace_operator.api.names import RUN_NOW_ANNOTATION, RUN_REQUEST, ObjectKey
from headrace_operator.dev.asking import Place, StillRunningError, key_of, new_request
from headrace_operator.dev.home import in_use
from headrace_operator.dev.options import FOLDER
from headrace_operator.kubectl.schedule_answers import OF_ALL, OF_ONE, ready_of, show_all, show_one, tell_run
from headrace_operator.objects.documents import ScheduleDocument, read_schedules
from headrace_operator.schedules.upcoming import Upcoming, read_count, upcoming

_FILE: Final = "queue.yaml"


def next_main(argv: Sequence[str]) -> int:
    """Exit code 0, or 2 for a mistake, also in one of the Schedules."""
    made = _parser("next", "Show when the Schedules of a YAML are due next, each in its own time zone.")
    made.add_argument("name", nargs="?", help="only this one")
    made.add_argument("-f", "--file", default=_FILE, help=f"the YAML with the Schedules ({_FILE})")
    made.add_argument("--count", type=read_count, help=f"how many times of each ({OF_ONE} of one, else {OF_ALL})")
    made.add_argument("--data", default=FOLDER, help=f"where the dev that runs them keeps its data ({FOLDER})")
    made.add_argument("-o", "--output", type=Format, choices=list(Format), default=Format.AUTO)
    return _carried_out("next", lambda: _next(made.parse_args(argv)))


def run_main(argv: Sequence[str]) -> int:
    """Exit code 0 when it runs, 1 when it was skipped or goes on without us, 2 when it was refused."""
    made = _parser("run", "Run a Schedule of `headrace dev` once, now, beside its ticks.")
    made.add_argument("name", help="the Schedule's name, or namespace/name")
    made.add_argument("--request", help="an id of your own: the same id runs once")
    made.add_argument("-o", "--output", type=Format, choices=list(Format), default=Format.AUTO)
    made.add_argument("--data", default=FOLDER, help=f"where that dev keeps its data ({FOLDER})")
    made.add_argument("--timeout", type=float, default=60.0, help="seconds to wait for the end (60)")
    return _carried_out("run", lambda: _run(made.parse_args(argv)))


def pause_main(argv: Sequence[str]) -> int:
    """Exit code 2: the YAML is where that is said."""
    return _suspend("pause", argv, suspend=True)


def resume_main(argv: Sequence[str]) -> int:
    """The same."""
    return _suspend("resume", argv, suspend=False)


def _parser(verb: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=f"headrace schedules {verb}", description=description)


def _carried_out(verb: str, work: Callable[[], int]) -> int:
    try:
        return work()
    except HeadraceError as error:
        print(f"headrace schedules {verb}: {error}", file=sys.stderr)  # noqa: T201
        return ExitCode.MISTAKE if isinstance(error, UsageError) else ExitCode.FAILED


def _next(given: argparse.Namespace) -> int:
    printer = Printer(check_format(given.output))
    documents = _chosen(Path(given.file), given.name)
    ready = _ready(Path(given.data).absolute(), documents)
    if given.name:
        found = _upcoming(documents[0], given.count or OF_ONE)
        return show_one(printer, documents[0].key.name, found, ready)
    count = given.count or OF_ALL
    return show_all(printer, [(one.key.name, partial(_upcoming, one, count)) for one in documents], ready)


def _ready(data: Path, documents: Sequence[ScheduleDocument]) -> dict[str, dict[str, Any]]:
    """What the fleet that runs there says of each: its condition Ready, of those that it has judged."""
    if not in_use(data):
        return {}
    place = Place(data, "Schedule", "schedules")
    judged = {document.key.name: ready_of(place.status(document.key)) for document in documents}
    return {
        name: {"ready": one["status"] == "True", "reason": one["reason"], "message": one["message"]}
        for name, one in judged.items()
        if one
    }


def _chosen(file: Path, name: str | None) -> Sequence[ScheduleDocument]:
    """All Schedules of the file, or one. Raises ConfigError."""
    documents = read_schedules(file)
    if name is None:
        return documents
    key = key_of(name)
    chosen = [document for document in documents if document.key == key]
    if not chosen:
        known = ", ".join(sorted(document.key.name for document in documents))
        raise ConfigError(f"no Schedule {name!r} in {file}; there is {known or 'none'}")
    return chosen


def _upcoming(document: ScheduleDocument, count: int) -> Upcoming:
    """Raises ConfigError."""
    if document.resource is None:
        raise ConfigError(document.problem)
    spec, now_ms = document.resource.spec, time.time_ns() // 1_000_000
    return upcoming(spec.cron, spec.time_zone, suspended=spec.suspend, after_ms=now_ms, count=count)


def _run(given: argparse.Namespace) -> int:
    printer = Printer(check_format(given.output))
    request = given.request or new_request()
    if not RUN_REQUEST.fullmatch(request):
        raise UsageError("--request must have 1 to 100 letters, digits, '.', '_', ':' or '-'")
    key, place = key_of(given.name), Place(Path(given.data).absolute(), "Schedule", "schedules")
    place.check(key)
    with place.annotations.change(key) as found:
        found[RUN_NOW_ANNOTATION] = request
    status = place.wait(lambda: _told(place, key, request), what="the run", timeout=given.timeout)
    return tell_run(printer, status)


def _told(place: Place, key: ObjectKey, request: str) -> dict[str, Any] | None:
    """What has become of the run, once its annotation is gone. Raises StillRunningError."""
    wanted = place.annotations.read(key).get(RUN_NOW_ANNOTATION)
    if wanted not in (None, request):
        raise StillRunningError(f"somebody else has asked for another run: {wanted}")
    status: dict[str, Any] = place.status(key).get("runNow") or {}
    return status if wanted is None and status.get("request") == request else None


def _suspend(verb: str, argv: Sequence[str], *, suspend: bool) -> int:
    made = _parser(verb, "Say how a Schedule of `headrace dev` is paused: in its YAML, which is the truth there.")
    made.add_argument("name", help="the Schedule's name")
    name = made.parse_args(argv).name
    word = str(suspend).lower()

    def explain() -> int:
        raise UsageError(
            f"the YAML says that here: write `suspend: {word}` under {printable(name)}'s spec and save it; "
            f"on a cluster it is kubectl headrace schedules {verb}"
        )

    return _carried_out(verb, explain)
