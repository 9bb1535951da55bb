"""What the replay annotation asks for: `headrace.dev/replay=<words>`, read into a value.

Words, separated by commas: `all`, or `id=…` (repeatable), or filters that narrow each other: `task=…`, `reason=…`,
`since=<age or time>`, `older-than=<age or time>`, `attempts=N` (or `2..5`), `where=<argument>=<value>` (repeatable);
then `queue=<name>` (only that one of the WorkerQueue's queues), `dry-run` or `approve=<its digest>`, `max=N`,
`max-replays=N`, `rate=N` (per second), `guard=<share>` (stop when so many die again), `request=<name>` (an id of the
request's own, that runs once ever), `by=<who>`. Or only `cancel`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from headrace.admin.selection import LetterFilter, letter_filter
from headrace.contract.keys import check_queue_name
from headrace.errors import ConfigError, UsageError

MOST_CHARACTERS = 16_384
CANCEL = "cancel"
"""The value that calls off the replay under way."""
DIGESTS_JOINED_BY = "."
"""Between the digests of several queues."""
_FILTERS = ("task", "reason", "since", "older-than", "attempts", "where")
_SELECTORS = ("all", "id", *_FILTERS)
_OPTIONS = ("queue", "dry-run", "approve", "max", "max-replays", "rate", "guard", "request", "by")
_REPEATABLE = ("id", "where")
_EXAMPLES = {
    "since": "2h",
    "older-than": "7d",
    "attempts": "2..",
    "where": "to=ada",
    "max": "10",
    "max-replays": "3",
    "rate": "10",
    "guard": "0.2",
}
_FLAGS = ("all", "dry-run")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:@-]{0,62}[A-Za-z0-9])?")
_DIGESTS = re.compile(r"[0-9a-f]{12}(\.[0-9a-f]{12}){0,15}")
_VALUE = re.compile(
    rf"(\bwhere\s*=[^=,]*=).*?(?=\s*,\s*(?:{'|'.join(_SELECTORS + _OPTIONS)})\s*(?:[=,]|$)|$)", re.DOTALL
)
_SHOWN = 60
RATE_MOST = 9999


class ReplayPhase(StrEnum):
    """Where a replay stands, as `status.replay.phase`."""

    ACCEPTED = "Accepted"
    """Noted, so that it will run; not begun."""
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    """Given up; the message says why and `replayed` how far it got."""
    CANCELLED = "Cancelled"
    """Called off by somebody; `replayed` says how far it got."""
    REFUSED = "Refused"
    """The request makes no sense; the message says why."""


@dataclass(frozen=True)
class ReplayRequest(LetterFilter):
    """Which dead letters to run again, and how."""

    everything: bool = False
    """All of them; then there are no filters."""
    ids: tuple[str, ...] = ()
    """Only these jobs; any if empty."""
    queue: str | None = None
    """Only the letters of this queue; else of all that the WorkerQueue has."""
    dry_run: bool = False
    """Only count them."""
    approve: str | None = None
    """Only if the set is the one that a dry run gave this digest."""
    most: int | None = None
    """At most so many, the oldest first."""
    max_replays: int | None = None
    """Leave out what was replayed so often already."""
    rate: float | None = None
    """At most so many per second."""
    guard: float | None = None
    """Stop when this share of the replayed jobs dies again: above 0, up to 1."""
    request: str | None = None
    """The request's own id; without one it is the caller's to make."""
    by: str | None = None
    """Who asks."""

    @property
    def filter(self) -> LetterFilter:
        """Those of its words that narrow the choice."""
        return LetterFilter(**{name: getattr(self, name) for name in LetterFilter.__dataclass_fields__})

    @property
    def value(self) -> str:
        """The annotation that asks for it, always in the same order."""
        words = ["all"] if self.everything else [*(f"id={job}" for job in self.ids), *self.words]
        words += [f"queue={self.queue}"] if self.queue else []
        words += ["dry-run"] if self.dry_run else []
        options = (
            *(("approve", self.approve), ("max", self.most), ("max-replays", self.max_replays)),
            *(("rate", _plain(self.rate)), ("guard", _plain(self.guard))),
            *(("request", self.request), ("by", self.by)),
        )
        return ",".join([*words, *(f"{name}={value}" for name, value in options if value is not None)])

    def __str__(self) -> str:
        """The same for a status and a log: without the values of payloads."""
        return without_values(self.value)


def _plain(number: float | None) -> str | None:
    return None if number is None else f"{number:g}"


def without_values(value: str) -> str:
    """An annotation, whatever it says, without what it tells of payloads."""
    return _VALUE.sub(r"\1***", value)


def is_cancel(value: str) -> bool:
    """Whether the annotation calls off what it asked for before."""
    return value.strip() == CANCEL


def parse_replay_request(value: str) -> ReplayRequest:
    """The request that the annotation's `value` makes; raises ConfigError with one line that says what is wrong."""
    if len(value) > MOST_CHARACTERS:
        raise ConfigError(f"a replay request has at most {MOST_CHARACTERS} characters, this one has {len(value)}")
    given: dict[str, list[str]] = {}
    for word in filter(None, (part.strip() for part in value.split(","))):
        name, text = _word(word, quote="where" not in given)
        given.setdefault(name, []).append(text)
    for name, texts in given.items():
        if len(texts) > 1 and name not in (*_REPEATABLE, *_FLAGS):
            raise ConfigError(f"{name} is given {len(texts)} times; once is enough")
    _check_selection(given)
    return ReplayRequest(
        **vars(_filter(given)),
        everything="all" in given,
        ids=tuple(dict.fromkeys(given.get("id", ()))),
        queue=_queue(_only(given, "queue")),
        dry_run="dry-run" in given,
        approve=_digest(_only(given, "approve"), "dry-run" in given),
        most=_number("max", _only(given, "max"), 999_999_999),
        max_replays=_number("max-replays", _only(given, "max-replays"), 255),
        rate=_decimal("rate", _only(given, "rate"), most=RATE_MOST),
        guard=_decimal("guard", _only(given, "guard"), most=1),
        request=_name("request", _only(given, "request")),
        by=_name("by", _only(given, "by")),
    )


def _filter(given: dict[str, list[str]]) -> LetterFilter:
    try:
        return letter_filter(
            task=_only(given, "task"),
            reason=_only(given, "reason"),
            since=_only(given, "since"),
            older_than=_only(given, "older-than"),
            attempts=_only(given, "attempts"),
            where=given.get("where", ()),
        )
    except UsageError as error:
        raise ConfigError(str(error)) from None


def _word(word: str, *, quote: bool) -> tuple[str, str]:
    name, equals, text = (part.strip() for part in word.partition("="))
    if name not in _SELECTORS + _OPTIONS and not quote:
        raise ConfigError("what stands behind where=… is no word of a replay request; its value can't have a comma")
    if name not in _SELECTORS + _OPTIONS:
        known = ", ".join(known if known in _FLAGS else f"{known}=…" for known in _SELECTORS + _OPTIONS)
        raise ConfigError(f"{_shown(word)} is no word of a replay request; those are {known}")
    if name in _FLAGS and equals:
        raise ConfigError(f"{name} takes no value, got {_shown(word)}")
    if name not in _FLAGS and not text:
        raise ConfigError(f"{name} needs a value, as in {name}={_EXAMPLES.get(name, '…')}")
    return name, text


def _check_selection(given: dict[str, list[str]]) -> None:
    narrowing = [name for name in ("id", *_FILTERS) if name in given]
    if "all" in given and narrowing:
        raise ConfigError(f"all goes with no filter; leave out all or {' and '.join(narrowing)}")
    if "id" in given and len(narrowing) > 1:
        raise ConfigError(f"id=… goes with no filter; leave out id or {' and '.join(narrowing[1:])}")
    if "all" not in given and not narrowing:
        raise ConfigError(
            f"nothing is selected; say all, id=… or a filter: {', '.join(f'{name}=…' for name in _FILTERS)}"
        )


def _only(given: dict[str, list[str]], name: str) -> str | None:
    texts = given.get(name)
    return texts[0] if texts else None


def _number(word: str, text: str | None, most: int) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= most:
        upper = "" if len(str(most)) > 3 else f" to {most}"
        raise ConfigError(f"{word} must be a whole number from 1{upper}, got {_shown(text)}")
    return int(text)


def _digest(text: str | None, dry_run: bool) -> str | None:
    if text is not None and dry_run:
        raise ConfigError("dry-run shows a set, approve=… moves it; leave out one of them")
    if text is not None and not _DIGESTS.fullmatch(text):
        raise ConfigError(f"approve must be the digest that a dry run has told, got {_shown(text)}")
    return text


def _decimal(word: str, text: str | None, *, most: int) -> float | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,2})?", text) or not 0 < float(text) <= most:
        raise ConfigError(
            f"{word} must be a number above 0, up to {most}, with two decimals at most, got {_shown(text)}"
        )
    return float(text)


def _queue(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return check_queue_name(text)
    except ConfigError:
        raise ConfigError(f"queue must be the name of one of the WorkerQueue's queues, got {_shown(text)}") from None


def _name(word: str, text: str | None) -> str | None:
    if text is not None and not _NAME.fullmatch(text):
        shape = "at most 64 letters, digits and . _ : @ -, a letter or digit at each end"
        raise ConfigError(f"{word} must have {shape}, got {_shown(text)}")
    return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
