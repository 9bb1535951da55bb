"""`headrace replay`: asks a running `headrace dev` for the same replay that the annotation asks an operator for."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from headrace.errors import ConfigError, HeadraceError, UsageError
from headrace_operator.api.names import REPLAY_ANNOTATION, QueueKey
from headrace_operator.api.status import ReplayStatus
from headrace_operator.core.replay_request import ReplayPhase, ReplayRequest, parse_replay_request, without_values
from headrace_operator.dev.home import in_use
from headrace_operator.dev.options import FOLDER
from headrace_operator.objects.annotations import Annotations, file_name
from headrace_operator.reconcile.replay_run import FINAL

_LOOK = 0.05
_ALIVE_EVERY = 1.0
"""Seconds between two looks whether dev still runs."""


class StillRunningError(HeadraceError):
    """The replay goes on, but nobody waits for it here any more."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="headrace replay", description="Run dead letters again, in the fleet that `headrace dev` runs here."
    )
    made.add_argument("queue", help="the WorkerQueue's name, or namespace/name")
    made.add_argument("--all", action="store_true", help="every dead letter (as without any selection)")
    made.add_argument("--task", help="only those of this task")
    made.add_argument("--reason", help="only those that died of this")
    made.add_argument("--id", action="append", default=[], help="only this job; repeatable")
    made.add_argument("--since", help="only those that died then or later: 2h, or a time")
    made.add_argument("--older-than", help="only those that died before: 7d, or a time")
    made.add_argument("--attempts", help="only those after so many failed runs: 3, 2.. or 2..5")
    made.add_argument("--where", action="append", default=[], help="only those with this argument; repeatable")
    made.add_argument("--dry-run", action="store_true", help="only count them")
    made.add_argument("--approve", help="only if it is the set that a dry run gave this digest")
    made.add_argument("--max-replays", help="leave out what was replayed so often already")
    made.add_argument("--max", help="at most so many, the oldest first")
    made.add_argument("--rate", help="at most so many per second")
    made.add_argument("--guard", help="stop when this share of them dies again, such as 0.2")
    made.add_argument("--data", default=FOLDER, help=f"where that dev keeps its data ({FOLDER})")
    made.add_argument("--timeout", type=float, default=3600.0, help="seconds to wait for the end (3600)")
    return made


def main(argv: Sequence[str]) -> int:
    """Exit code 0 when it is done, 2 for a mistake, 1 when it failed or goes on without us."""
    given = parser().parse_args(argv)
    try:
        key = _key(given.queue)
        folder = Path(given.data).absolute()
        value = request_value(given)
        _check(folder, key)
        request = _ask(folder, key, value)
        return _tell(_await(folder, key, request, given.timeout))
    except HeadraceError as error:
        print(f"headrace replay: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, UsageError) else 1


def request_value(given: argparse.Namespace) -> str:
    """The annotation's value. Raises ConfigError for words that make no sense."""
    words = [f"id={job}" for job in given.id]
    filters = (("task", given.task), ("reason", given.reason), ("since", given.since), ("older-than", given.older_than))
    words += [f"{name}={text}" for name, text in (*filters, ("attempts", given.attempts)) if text is not None]
    words += [f"where={text}" for text in given.where]
    if given.all or not words:
        words.insert(0, "all")
    words += ["dry-run"] if given.dry_run else []
    numbers = (("max", given.max), ("max-replays", given.max_replays), ("rate", given.rate), ("guard", given.guard))
    words += [f"{name}={text}" for name, text in (("approve", given.approve), *numbers) if text is not None]
    words.append(f"request={time.strftime('%Y%m%dt%H%M%S')}-{secrets.token_hex(3)}")
    return parse_replay_request(",".join(words)).value


def _key(name: str) -> QueueKey:
    namespace, _, rest = name.rpartition("/")
    return QueueKey(namespace or "default", rest)


def _check(folder: Path, key: QueueKey) -> None:
    if not in_use(folder):
        raise ConfigError(f"no `headrace dev` runs with its data in {folder}; start it, or name its --data")
    if not (folder / "status" / file_name(key)).exists():
        known = sorted(path.stem for path in (folder / "status").glob("*.json"))
        raise ConfigError(f"no WorkerQueue {key.name!r} here; there is {', '.join(known) or 'none'}")


def _ask(folder: Path, key: QueueKey, value: str) -> ReplayRequest:
    """Write the request, as `kubectl annotate` would. Raises ConfigError while another one is under way."""
    with Annotations(folder / "annotations").change(key) as found:
        if REPLAY_ANNOTATION in found:
            raise ConfigError(f"another replay is under way: {without_values(found[REPLAY_ANNOTATION])}")
        found[REPLAY_ANNOTATION] = value
    return parse_replay_request(value)


def _await(folder: Path, key: QueueKey, request: ReplayRequest, timeout: float) -> ReplayStatus:
    """The final status. Raises StillRunningError."""
    status_file = folder / "status" / file_name(key)
    give_up = time.monotonic() + timeout
    next_check = 0.0
    while (now := time.monotonic()) < give_up:
        replay = _read(status_file)
        if replay is not None and replay.request_id == request.request and replay.phase in FINAL:
            return replay
        if now > next_check:
            next_check = now + _ALIVE_EVERY
            if not in_use(folder):
                raise StillRunningError("`headrace dev` has stopped; the replay goes on when it is started again")
        time.sleep(_LOOK)
    raise StillRunningError(f"not done after {timeout:g} s; it goes on")


def _read(status_file: Path) -> ReplayStatus | None:
    try:
        found = json.loads(status_file.read_text(encoding="utf-8")).get("replay")
        return None if found is None else ReplayStatus.model_validate_json(json.dumps(found))
    except (OSError, ValueError, ValidationError):
        return None


def _tell(replay: ReplayStatus) -> int:
    print(replay.message or replay.phase)  # noqa: T201
    return 0 if replay.phase == ReplayPhase.COMPLETED else 1
