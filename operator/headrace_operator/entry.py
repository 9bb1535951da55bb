"""`headrace-operator`: the Kubernetes operator's command, the check that `helm test` runs, and what `kubectl headrace`
runs in the operator's pod."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence

from headrace.errors import ConfigError, HeadraceError, UsageError
from headrace_operator.operate.settings import VARIABLES, OperatorSettings, load_operator_settings

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 after SIGTERM, 2 for a mistake in the settings or the cluster, 1 when it can't go on."""
    chosen = _parser().parse_args(argv)
    try:
        settings = load_operator_settings(os.environ)
    except ConfigError as exc:
        return _complain(exc)
    match chosen.verb:
        case "check":
            return _check(settings, chosen.url, chosen.timeout)
        case "cli":
            return _become_headrace(settings, chosen.name, chosen.words)
        case _:
            return _run(settings)


def _run(settings: OperatorSettings) -> int:
    from headrace_operator.cluster.log import start_log
    from headrace_operator.operate.run import operate

    start_log(settings.log_level)
    code = 0
    try:
        asyncio.run(operate(settings))
    except* ConfigError as group:
        code = _complain(_first(group))
    except* Exception as group:
        log.critical("the operator ends: %s", _first(group), exc_info=_first(group))
        code = 1
    return code


def _check(settings: OperatorSettings, url: str | None, seconds: float) -> int:
    """Exit code 0 if all is well, 1 with the line that says what is not."""
    from headrace_operator.operate.check import CheckFailedError, check

    async def say() -> None:
        async for line in check(settings, url, seconds):
            print(f"ok: {line}", flush=True)  # noqa: T201

    try:
        asyncio.run(say())
    except CheckFailedError as exc:
        _complain(exc)
        return 1
    except ConfigError as exc:
        return _complain(exc)
    return 0


def _become_headrace(settings: OperatorSettings, name: str, words: Sequence[str]) -> int:
    """Returns only when that can't be: 2 for a mistake, else 1."""
    from headrace_operator.operate.queue_command import hand_over, resolve

    try:
        hand_over(asyncio.run(resolve(settings, name, words)))
    except UsageError as exc:
        return _complain(exc)
    except HeadraceError as exc:
        _complain(exc)
    return 1


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, VARIABLES))
    parser = argparse.ArgumentParser(
        prog="headrace-operator",
        description="Run the WorkerQueues of a Kubernetes cluster. Everything is set by environment variables.",
        epilog="\n".join(f"{name:<{width}}  {meaning}" for name, meaning in VARIABLES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", metavar="")
    check = verbs.add_parser("check", help="ask an operator that runs already whether it does its work, and end")
    check.add_argument("--url", help="ask its /readyz too, for example http://headrace:8080")
    check.add_argument("--timeout", type=float, default=60, metavar="SECONDS", help="how long to wait (%(default)s)")
    cli = verbs.add_parser("cli", help="run the headrace command on the queues of a WorkerQueue")
    cli.add_argument("name", metavar="NAMESPACE/NAME[/QUEUE]", help="the WorkerQueue, and which of its queues")
    cli.add_argument(
        "words", metavar="VERB …", nargs=argparse.REMAINDER, help="as `headrace` takes them, without queue"
    )
    return parser


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, Exception)
    return first


def _complain(exc: Exception) -> int:
    print(f"headrace-operator: {exc}", file=sys.stderr)  # noqa: T201
    return 2
