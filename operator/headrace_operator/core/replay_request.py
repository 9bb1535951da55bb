"""What the replay annotation asks for: `headrace.dev/replay=<words>`, read into a value.

Words, separated by commas: `all`, or any of `id=…` (repeatable), `task=…`, `reason=…`, which narrow each other; then
`dry-run`, `max=N`, `rate=N` (per second), `guard=<share>` (stop when so many die again), `request=<name>` (an id of the
request's own, that runs once ever), `by=<who>`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from headrace.errors import ConfigError

MOST_CHARACTERS = 16_384
_SELECTORS = ("all", "id", "task", "reason")
_OPTIONS = ("dry-run", "max", "rate", "guard", "request", "by")
_EXAMPLES = {"max": "10", "rate": "10", "guard": "0.2"}
_FLAGS = ("all", "dry-run")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._:@-]{0,62}[A-Za-z0-9])?")
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
    REFUSED = "Refused"
    """The request makes no sense; the message says why."""


@dataclass(frozen=True)
class ReplayRequest:
    """Which dead letters to run again, and how."""

    everything: bool = False
    """All of them; then there are no filters."""
    ids: tuple[str, ...] = ()
    """Only these jobs; any if empty."""
    task: str | None = None
    """Only jobs of this task."""
    reason: str | None = None
    """Only jobs that died of this."""
    dry_run: bool = False
    """Only count them."""
    most: int | None = None
    """At most so many, the oldest first."""
    rate: float | None = None
    """At most so many per second."""
    guard: float | None = None
    """Stop when this share of the replayed jobs dies again: above 0, up to 1."""
    request: str | None = None
    """The request's own id; without one it is the caller's to make."""
    by: str | None = None
    """Who asks."""

    def __str__(self) -> str:
        """The request in its own words, always in the same order: fit for a status, a log and a hash."""
        words = ["all"] if self.everything else [f"id={job}" for job in self.ids]
        words += [f"{name}={value}" for name, value in (("task", self.task), ("reason", self.reason)) if value]
        words += ["dry-run"] if self.dry_run else []
        words += [f"max={self.most}"] if self.most is not None else []
        decimals = (("rate", self.rate), ("guard", self.guard))
        words += [f"{name}={value:g}" for name, value in decimals if value is not None]
        options = (("request", self.request), ("by", self.by))
        return ",".join([*words, *(f"{name}={value}" for name, value in options if value is not None)])


def parse_replay_request(value: str) -> ReplayRequest:
    """The request that the annotation's `value` makes; raises ConfigError with one line that says what is wrong."""
    if len(value) > MOST_CHARACTERS:
        raise ConfigError(f"a replay request has at most {MOST_CHARACTERS} characters, this one has {len(value)}")
    given: dict[str, list[str]] = {}
    for word in filter(None, (part.strip() for part in value.split(","))):
        name, text = _word(word)
        given.setdefault(name, []).append(text)
    for name, texts in given.items():
        if len(texts) > 1 and name not in ("id", *_FLAGS):
            raise ConfigError(f"{name} is given {len(texts)} times; once is enough")
    _check_selection(given)
    return ReplayRequest(
        everything="all" in given,
        ids=tuple(dict.fromkeys(given.get("id", ()))),
        task=_only(given, "task"),
        reason=_only(given, "reason"),
        dry_run="dry-run" in given,
        most=_number(_only(given, "max")),
        rate=_decimal("rate", _only(given, "rate"), most=RATE_MOST),
        guard=_decimal("guard", _only(given, "guard"), most=1),
        request=_name("request", _only(given, "request")),
        by=_name("by", _only(given, "by")),
    )


def _word(word: str) -> tuple[str, str]:
    name, equals, text = (part.strip() for part in word.partition("="))
    if name not in _SELECTORS + _OPTIONS:
        known = ", ".join(known if known in _FLAGS else f"{known}=…" for known in _SELECTORS + _OPTIONS)
        raise ConfigError(f"{_shown(word)} is no word of a replay request; those are {known}")
    if name in _FLAGS and equals:
        raise ConfigError(f"{name} takes no value, got {_shown(word)}")
    if name not in _FLAGS and not text:
        raise ConfigError(f"{name} needs a value, as in {name}={_EXAMPLES.get(name, '…')}")
    return name, text


def _check_selection(given: dict[str, list[str]]) -> None:
    filters = [name for name in ("id", "task", "reason") if name in given]
    if "all" in given and filters:
        raise ConfigError(f"all goes with no filter; leave out all or {' and '.join(filters)}")
    if "all" not in given and not filters:
        raise ConfigError("nothing is selected; say all, id=…, task=… or reason=…")


def _only(given: dict[str, list[str]], name: str) -> str | None:
    texts = given.get(name)
    return texts[0] if texts else None


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:
        raise ConfigError(f"max must be a whole number from 1, got {_shown(text)}")
    return int(text)


def _decimal(word: str, text: str | None, *, most: int) -> float | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,2})?", text) or not 0 < float(text) <= most:
        raise ConfigError(
            f"{word} must be a number above 0, up to {most}, with two decimals at most, got {_shown(text)}"
        )
    return float(text)


def _name(word: str, text: str | None) -> str | None:
    if text is not None and not _NAME.fullmatch(text):
        shape = "at most 64 letters, digits and . _ : @ -, a letter or digit at each end"
        raise ConfigError(f"{word} must have {shape}, got {_shown(text)}")
    return text


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
