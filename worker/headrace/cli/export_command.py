"""`headrace dlq export`: dead letters as JSON lines, to stdout or a file, however many there are."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from headrace.admin.export import Exported
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.selection import LetterFilter
from headrace.cli.letter_choice import read_filter
from headrace.cli.letter_json import detail_json
from headrace.cli.output import note
from headrace.cli.progress import Tell, progress
from headrace.cli.session import with_queue
from headrace.cli.unused_queue import note_unused
from headrace.client.codec import decode_arguments
from headrace.errors import HeadraceError, PayloadError, UsageError

_encode = msgspec.json.Encoder().encode
Write = Callable[[bytes], object]


def export(
    queue: str,
    *,
    task: str | None,
    reason: str | None,
    since: str | None,
    older_than: str | None,
    attempts: str | None,
    where: list[str],
    payload: bool,
    out: Path | None,
    redis_url: str,
) -> None:
    """The file is there only when it is whole. Raises UsageError, HeadraceError."""
    said = read_filter(task, reason, since, older_than, attempts, where)

    def run(write: Write, tell: Tell) -> int:
        return with_queue(redis_url, queue, lambda admin: _export(admin, write, tell, said, payloads=payload))

    if out is None:
        run(sys.stdout.buffer.write, lambda _: None)
        return
    with _file(out) as write, progress("letters written") as tell:
        count = run(write, tell)
    note(f"{count} dead letters in {out}")


async def _export(admin: QueueAdmin, write: Write, tell: Tell, said: LetterFilter, *, payloads: bool) -> int:
    count = 0
    async for letters in admin.export(said, payloads=payloads):
        write(b"".join(_line(letter) for letter in letters))
        count += len(letters)
        tell(count)
    if not count:
        await note_unused(admin)
    return count


def _line(letter: Exported) -> bytes:
    said = detail_json(letter.detail)
    if letter.stored is None:
        return _encode(said) + b"\n"
    envelope, stored = letter.stored.envelope, letter.stored
    rest = {"priority": letter.priority, "max_retries": envelope.max_retries, "timeout": envelope.timeout}
    said |= {"codec": envelope.codec, "payload": bytes(envelope.payload)}
    said |= {name: value for name, value in rest.items() if value is not None}
    if stored.feeds or stored.wanted or stored.given is not None:
        said["workflow"] = True
    try:
        return _encode({**said, **_arguments(envelope.codec, envelope.payload)}) + b"\n"
    except (TypeError, ValueError):  # arguments that JSON has no form for: their bytes are there
        return _encode(said) + b"\n"


def _arguments(codec: str, payload: bytes) -> dict[str, Any]:
    try:
        args, kwargs = decode_arguments(codec, payload)
    except PayloadError:
        return {}
    return {"args": args, "kwargs": kwargs}


@contextmanager
def _file(path: Path) -> Iterator[Write]:
    """A file for its owner's eyes, there only when it is whole. Raises UsageError, HeadraceError."""
    part = Path(f"{path}.part")
    try:
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except (OSError, ValueError) as error:
        raise UsageError(f"--out {path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        with open(descriptor, "wb") as stream:
            yield stream.write
        part.replace(path)
    except OSError as error:
        raise HeadraceError(f"--out {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
