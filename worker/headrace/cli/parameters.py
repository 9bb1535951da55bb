"""What verbs take, as data: both parsers are made of it (decision 34). Owns the parameters that several verbs share.

Must import nothing that a right line doesn't need, so a choice is named by where its enum is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from importlib import import_module
from typing import Any, Final

DEFAULT_URL: Final = "redis://localhost:6379/0"


class Kind(Enum):
    """What a value is."""

    TEXT = auto()
    WHOLE = auto()
    NUMBER = auto()
    FLAG = auto()
    PATH = auto()
    CHOICE = auto()


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a verb's function, and how people write it."""

    name: str
    words: tuple[str, ...] = ()
    """Of an option, the short form first; none: an argument, by its place."""
    kind: Kind = Kind.TEXT
    help: str = ""
    metavar: str | None = None
    default: Any = None
    """Of a choice, the word."""
    required: bool = False
    many: bool = False
    """An option that may be repeated, or all the arguments that there are: the function gets a list."""
    least: float | None = None
    most: float | None = None
    choices: str = ""
    """module:enum."""
    environment: str = ""
    """The variable that stands in where the option is not given."""
    check: Callable[[Any], object] | None = None
    """Before anything is done; raises UsageError."""

    @property
    def choice(self) -> type[Enum]:
        """The enum of a choice."""
        module, _, name = self.choices.partition(":")
        found: type[Enum] = getattr(import_module(module), name)
        return found


def argument(name: str, metavar: str | None, help: str = "", **rest: Any) -> Parameter:  # noqa: A002
    """One that must be given."""
    return Parameter(name=name, metavar=metavar, help=help, **{"required": True, **rest})


def option(name: str, *words: str, help: str = "", **rest: Any) -> Parameter:  # noqa: A002
    """One that may be left out."""
    return Parameter(name=name, words=words, help=help, **rest)


def flag(name: str, word: str, help: str) -> Parameter:  # noqa: A002
    """One that is on when it is given."""
    return Parameter(name=name, words=(word,), kind=Kind.FLAG, help=help, default=False)


def _check_format(wanted: Any) -> None:
    from headrace.cli.output import check_format

    check_format(wanted)


QUEUE: Final = argument("queue", "QUEUE", "Name of the queue.")
QUEUES: Final = argument("queues", "QUEUE...", "Names of queues.", many=True)
JOB_ID: Final = argument("job_id", "ID", "Id of the job.")
REDIS_URL: Final = option(
    "redis_url", "--redis-url", help="Where the queues are.", default=DEFAULT_URL, environment="REDIS_URL"
)
OUTPUT: Final = option(
    "output",
    "-o",
    "--output",
    help="auto: tables on a terminal, else plain tab-separated lines.",
    kind=Kind.CHOICE,
    choices="headrace.cli.output:Format",
    default="auto",
    check=_check_format,
)
FILTER: Final = (
    option("task", "--task", help="Only letters of this task."),
    option("reason", "--reason", help="Only letters with this reason (exception class)."),
    option("since", "--since", metavar="WHEN", help="Only letters that died then or later: 2h, or a time."),
    option("older_than", "--older-than", metavar="WHEN", help="Only letters that died before: 7d, or a time."),
    option("attempts", "--attempts", metavar="N", help="Only letters after so many failed runs: 3, 2.. or 2..5."),
    option(
        "where",
        "--where",
        metavar="NAME=VALUE",
        help="Only letters with this argument; may be repeated.",
        many=True,
    ),
)
"""Which dead letters are meant."""
IDS: Final = option("ids", "--id", metavar="ID", help="This letter; may be repeated.", many=True)
EVERYTHING: Final = flag("everything", "--all", "All letters of the queue.")
YES: Final = flag("yes", "--yes", "Don't ask.")
LIMIT: Final = option("limit", "--limit", help="Most lines to show.", kind=Kind.WHOLE, default=100, least=1, most=1000)
UNCHECKED: Final = flag("unchecked", "--unchecked", "Don't compare with what the queue's workers have published.")
