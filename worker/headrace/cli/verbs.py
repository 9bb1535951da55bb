"""The verbs of the command: what each is called, takes and says of itself, and where its function is. Data alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from headrace.cli.parameters import (
    EVERYTHING,
    FILTER,
    IDS,
    JOB_ID,
    LIMIT,
    OUTPUT,
    QUEUE,
    QUEUES,
    REDIS_URL,
    UNCHECKED,
    YES,
    Kind,
    Parameter,
    argument,
    flag,
    option,
)


@dataclass(frozen=True)
class Verb:
    """One of them; `words` has two where a group has it."""

    words: tuple[str, ...]
    function: str
    """module:name in this package; gets every parameter by its name and returns an exit code, or None for 0."""
    help: str
    parameters: tuple[Parameter, ...]


def _verb(words: str, function: str, help: str, *parameters: Parameter) -> Verb:  # noqa: A002
    return Verb(tuple(words.split()), function, help, parameters)


_SHOWN: Final = (REDIS_URL, OUTPUT)
GROUPS: Final[Mapping[str, str]] = {
    "dlq": "Dead letters: jobs that really failed.",
    "schedules": "Schedules: what has become of their ticks.",
}
"""Words that have verbs behind them, and what they are about."""
_ALL: Final = (
    _verb("stats", "queue_commands:stats", "Show how many jobs stand where, and who works.", QUEUES, *_SHOWN),
    _verb("pause", "queue_commands:pause", "Let workers claim nothing more; running jobs go on.", QUEUE, *_SHOWN),
    _verb("resume", "queue_commands:resume", "Let workers claim jobs again.", QUEUE, *_SHOWN),
    _verb(
        "limit",
        "queue_commands:limit",
        "Show or set how many jobs may wait in a queue; enqueues beyond that are refused, retries and replays never.",
        QUEUE,
        argument("jobs", "[JOBS|none]", "Most jobs that may wait.", required=False),
        *_SHOWN,
    ),
    _verb(
        "purge",
        "queue_commands:purge",
        "Call off every waiting job of a queue; running jobs and dead letters stay. Asks first.",
        QUEUE,
        YES,
        *_SHOWN,
    ),
    _verb(
        "audit",
        "queue_commands:audit",
        "Prove that each job stands in exactly one state. Exit code 1 when something is wrong.",
        QUEUE,
        flag("repair", "--repair", "Mend what is found."),
        *_SHOWN,
    ),
    _verb(
        "top",
        "top_command:top",
        "Watch queues: depths, rates, the oldest job, workers. Ends with q; without a terminal it looks twice.",
        QUEUES,
        option(
            "every",
            "--every",
            help="Seconds between two looks.",
            kind=Kind.NUMBER,
            default=1.0,
            least=0.1,
            most=3600,
        ),
        *_SHOWN,
    ),
    _verb(
        "enqueue",
        "enqueue_command:enqueue",
        "Enqueue one job by the name of its task. Its arguments must fit what the queue's workers have published.",
        QUEUE,
        argument("task", "TASK", "Name of the task."),
        option("args", "--args", metavar="JSON", help="Positional arguments, a list.", default="[]"),
        option("kwargs", "--kwargs", metavar="JSON", help="Named arguments, an object.", default="{}"),
        option("delay", "--delay", help="Seconds to wait.", kind=Kind.NUMBER, default=0.0, least=0),
        option(
            "priority",
            "--priority",
            kind=Kind.CHOICE,
            choices="headrace.contract.protocol:Priority",
            default="default",
        ),
        option("job_id", "--id", help="Id of your own: the same id is enqueued once."),
        UNCHECKED,
        option(
            "durability",
            "--durability",
            help="What to wait for: see docs/guarantees.md.",
            kind=Kind.CHOICE,
            choices="headrace.brokers.durability:Durability",
            default="accepted",
        ),
        *_SHOWN,
    ),
    _verb(
        "jobs",
        "job_commands:jobs",
        "List jobs; the running ones first.",
        QUEUE,
        option(
            "state",
            "--state",
            help="Only jobs in this state.",
            kind=Kind.CHOICE,
            choices="headrace.contract.protocol:State",
        ),
        LIMIT,
        option("cursor", "--cursor", help="Where the last list ended (needs --state)."),
        *_SHOWN,
    ),
    _verb(
        "show",
        "job_commands:show",
        "Show one job, and why it is or isn't running.",
        QUEUE,
        JOB_ID,
        flag("payload", "--payload", "Show the arguments too."),
        *_SHOWN,
    ),
    _verb(
        "cancel",
        "job_commands:cancel",
        "Call a job off: at once when it waits, by its worker when it runs.",
        QUEUE,
        JOB_ID,
        *_SHOWN,
    ),
    _verb(
        "dlq list",
        "dlq_commands:list_letters",
        "List dead letters, or count them by task and reason.",
        QUEUE,
        *FILTER,
        option("cursor", "--cursor", help="Where the last list ended.", kind=Kind.WHOLE),
        LIMIT,
        flag("newest", "--newest", "Newest first."),
        flag("by_reason", "--by-reason", "Only count them, by task and reason."),
        *_SHOWN,
    ),
    _verb("dlq show", "dlq_commands:show", "Show one dead letter with its traceback.", QUEUE, JOB_ID, *_SHOWN),
    _verb(
        "dlq delete",
        "dlq_commands:delete",
        "Delete dead letters for good. Asks first, except for given ids.",
        QUEUE,
        IDS,
        *FILTER,
        EVERYTHING,
        flag("dry_run", "--dry-run", "Only show what would be deleted."),
        YES,
        *_SHOWN,
    ),
    _verb(
        "dlq replay",
        "replay_command:replay",
        "Make dead letters ready again, oldest first, with fresh attempts.",
        QUEUE,
        IDS,
        *FILTER,
        EVERYTHING,
        option("most", "--max", help="Most letters to move.", kind=Kind.WHOLE, least=1),
        option(
            "max_replays",
            "--max-replays",
            help="Leave out what was replayed so often already.",
            kind=Kind.WHOLE,
            least=1,
            most=255,
        ),
        option("rate", "--rate", help="Most letters to move per second.", kind=Kind.NUMBER),
        option("guard", "--guard", help="Stop when this share of them dies again, such as 0.2.", kind=Kind.NUMBER),
        flag("dry_run", "--dry-run", "Only show what would be moved."),
        option("approve", "--approve", metavar="DIGEST", help="Only if it is the set that a dry run has shown."),
        option("request", "--request", help="Go on with an interrupted replay."),
        *_SHOWN,
    ),
    _verb(
        "dlq edit",
        "edit_command:edit",
        "Change a dead letter's arguments. They must fit what its workers have published; the old ones are gone.",
        QUEUE,
        JOB_ID,
        option("args", "--args", metavar="JSON", help="All positional arguments, a list."),
        option("kwargs", "--kwargs", metavar="JSON", help="All named arguments, an object."),
        option("single", "--set", metavar="NAME=JSON", help="This argument; may be repeated.", many=True),
        UNCHECKED,
        *_SHOWN,
    ),
    _verb(
        "dlq export",
        "export_command:export",
        "Write dead letters as JSON lines, oldest first.",
        QUEUE,
        *FILTER,
        flag("payload", "--payload", "The arguments, too."),
        option("out", "--out", metavar="FILE", help="Where to write them, else stdout.", kind=Kind.PATH),
        REDIS_URL,
    ),
    _verb(
        "dlq import",
        "import_command:import_letters",
        "Bring dead letters back from a file. Jobs whose id the queue has are passed over.",
        QUEUE,
        argument("file", "FILE", "What dlq export --payload has written; -: stdin.", kind=Kind.PATH),
        UNCHECKED,
        *_SHOWN,
    ),
    _verb(
        "schedules list",
        "schedule_commands:list_schedules",
        "List the Schedules whose jobs go into a queue.",
        QUEUE,
        *_SHOWN,
    ),
    _verb(
        "completion",
        "completion_command:completion",
        "Print a shell's completion script; for bash: source <(headrace completion bash).",
        argument("shell", None, "Which one.", kind=Kind.CHOICE, choices="headrace.cli.completion_command:Shell"),
    ),
)
VERBS: Final[Mapping[tuple[str, ...], Verb]] = {verb.words: verb for verb in _ALL}
"""By their words, in the order of the help."""
OWN: Final = tuple(dict.fromkeys(words[0] for words in VERBS))
"""The first words."""


def find_verb(arguments: Sequence[str]) -> Verb | None:
    """The one that a command line begins with."""
    return VERBS.get(tuple(arguments[:1])) or VERBS.get(tuple(arguments[:2]))


def carry_out(verb: Verb, values: Mapping[str, Any]) -> int:
    """Run it; `values` has all of its parameters. Returns the exit code. Raises HeadraceError."""
    for parameter in verb.parameters:
        if parameter.check is not None:
            parameter.check(values[parameter.name])
    module, _, name = verb.function.partition(":")
    code: int | None = getattr(import_module(f"headrace.cli.{module}"), name)(**values)
    return code or 0
