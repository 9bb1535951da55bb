"""`headrace-operator`: the Kubernetes operator's command."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence

from headrace.errors import ConfigError
from headrace_operator.operate.settings import VARIABLES, load_operator_settings

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 after SIGTERM, 2 for a mistake in the settings or the cluster, 1 when it can't go on."""
    _parser().parse_args(argv)
    try:
        settings = load_operator_settings(os.environ)
    except ConfigError as exc:
        return _complain(exc)
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


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, VARIABLES))
    return argparse.ArgumentParser(
        prog="headrace-operator",
        description="Run the WorkerQueues of a Kubernetes cluster. Everything is set by environment variables.",
        epilog="\n".join(f"{name:<{width}}  {meaning}" for name, meaning in VARIABLES.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    assert isinstance(first, Exception)
    return first


def _complain(exc: Exception) -> int:
    print(f"headrace-operator: {exc}", file=sys.stderr)  # noqa: T201
    return 2
