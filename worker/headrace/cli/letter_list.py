"""`headrace dlq list`, and its short way past the parser, whose start takes longer than a page of a million letters.

What the short way doesn't know to the last word goes the long one, which has help and errors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final

from headrace.admin.dead_letters import Page
from headrace.admin.facets import Facet
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.selection import LetterFilter
from headrace.cli.letter_choice import read_filter
from headrace.cli.letter_json import letter_json
from headrace.cli.letter_table import COLUMNS, row
from headrace.cli.output import Format, Printer, check_format, note
from headrace.cli.session import DEFAULT_URL, with_queue
from headrace.contract.protocol import CHUNK
from headrace.errors import UsageError

VALUES: Final = {
    **{f"--{name}": name.replace("-", "_") for name in ("task", "reason", "since", "older-than", "attempts", "where")},
    "--cursor": "cursor",
    "--limit": "limit",
    "--redis-url": "redis_url",
    "--output": "output",
    "-o": "output",
}
"""Options that take a value, and the parameters they are."""
FLAGS: Final = {"--newest": "newest", "--by-reason": "by_reason"}


def show_letters(
    queue: str,
    said: LetterFilter,
    *,
    cursor: int | None,
    limit: int,
    newest: bool,
    by_reason: bool,
    redis_url: str,
    output: Format,
) -> None:
    """A page of them, or how many there are by task and reason. Raises HeadraceError."""
    if by_reason:
        return _show_facets(Printer(output), with_queue(redis_url, queue, lambda admin: _facets(admin, said)))

    async def read(admin: QueueAdmin) -> Page:
        return await admin.dead_letters.page(said, cursor=cursor, limit=limit, newest_first=newest)

    page = with_queue(redis_url, queue, read)
    data = {"letters": [letter_json(letter) for letter in page.letters], "cursor": page.cursor}
    printer = Printer(output)
    printer.rows(COLUMNS, [row(letter) for letter in page.letters], data)
    if page.cursor is not None and not printer.structured:
        looked = f"looked at {page.looked_at} letters; " if page.looked_at else ""
        note(f"{looked}there {'may be' if page.looked_at else 'are'} more: --cursor {page.cursor}")
    return None


async def _facets(admin: QueueAdmin, said: LetterFilter) -> Sequence[Facet]:
    if said.scans:
        raise UsageError("--by-reason counts by task, reason and time; leave out --attempts and --where")
    return await admin.dead_letters.facets(said)


def _show_facets(printer: Printer, facets: Sequence[Facet]) -> None:
    printer.rows(("TASK", "REASON", "LETTERS"), [(f.task, f.reason, f.count) for f in facets], facets)


def short_way(arguments: Sequence[str]) -> Callable[[], None] | None:
    """What to run for the words behind `dlq list`; None: they are for the parser."""
    given = _read(arguments)
    if given is None:
        return None
    try:
        cursor = None if given["cursor"] is None else int(given["cursor"])
        limit, output = int(given["limit"]), Format(given["output"])
    except ValueError:
        return None
    if not 1 <= limit <= CHUNK:
        return None

    def run() -> None:
        words = (given[name] for name in ("task", "reason", "since", "older_than", "attempts", "where"))
        show_letters(
            given["queue"],
            read_filter(*words),
            cursor=cursor,
            limit=limit,
            newest=given["newest"],
            by_reason=given["by_reason"],
            redis_url=given["redis_url"],
            output=check_format(output),
        )

    return run


def _read(arguments: Sequence[str]) -> dict[str, Any] | None:
    given: dict[str, Any] = {**dict.fromkeys(VALUES.values()), **dict.fromkeys(FLAGS.values(), False)}
    given |= {"limit": "100", "output": "auto", "redis_url": os.environ.get("REDIS_URL") or DEFAULT_URL, "where": []}
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if word in FLAGS:
            given[FLAGS[word]] = True
        elif name in VALUES:
            text = value if equals else next(words, None)
            if text is None:
                return None
            given[VALUES[name]] = [*given["where"], text] if name == "--where" else text
        elif word.startswith("-") or "queue" in given:
            return None
        else:
            given["queue"] = word
    return given if "queue" in given else None
