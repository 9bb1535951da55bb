"""`headrace worker APP`: starts a worker. Imports only what a worker needs."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from headrace.cli.exit_codes import ExitCode
from headrace.errors import HeadraceError, ProtocolError, UsageError
from headrace.worker.settings import Sourced, WorkerSettings, load_settings

OPTIONS = {
    "--redis-url": "where the queues are (REDIS_URL)",
    "--concurrency": "jobs that run at the same time (WORKER_COUNT)",
    "--queues": "queues and weights, e.g. emails=3,reports=1 (HEADRACE_QUEUES)",
    "--metrics-port": "health and metrics, 0 for any free port (METRICS_PORT)",
    "--shutdown-timeout": "time for running jobs after SIGTERM, e.g. 30s (SHUTDOWN_TIMEOUT)",
    "--log-level": "debug, info, warning or error (LOG_LEVEL)",
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="headrace worker", description="Run the tasks of an application.")
    made.add_argument("app", nargs="?", help="module or module:attribute; the attribute is a Fleet or a Queue")
    for option, text in OPTIONS.items():
        made.add_argument(option, help=text)
    made.add_argument("--print-config", action="store_true", help="show each setting and where it comes from, and exit")
    made.add_argument("--reload", action="store_true", help="start anew when a source file changes (development)")
    return made


def main(argv: Sequence[str]) -> int:
    """Exit code 0 after a graceful stop, 2 for a mistake of the user's, 3 when this version can't work beside those
    that are on its queues, 1 when Redis could not be reached."""
    arguments = parser().parse_args(argv)
    options = {
        name.lstrip("-").replace("-", "_"): value
        for name in OPTIONS
        if (value := getattr(arguments, name.lstrip("-").replace("-", "_"))) is not None
    }
    try:
        settings, sources = load_settings(os.environ, options)
        if arguments.print_config:
            _print_config(sources)
            return 0
        if not arguments.app:
            raise UsageError("name the application: headrace worker module[:attribute]")
        if arguments.reload:
            from headrace.cli.reload import run_with_reload

            return run_with_reload([a for a in argv if a != "--reload"])
        told = any(line.name == "REDIS_URL" and line.source != "default" for line in sources)
        _run(_work(arguments.app, settings, told))
    except UsageError as error:
        return _complain(error, ExitCode.MISTAKE)
    except HeadraceError as error:
        return _complain(error, _exit_code(error))
    except BaseExceptionGroup as group:
        expected = group.subgroup(HeadraceError)
        if expected is None:
            raise
        first = _first(expected)
        return _complain(first, _exit_code(first))
    return 0


def _exit_code(error: BaseException) -> int:
    return ExitCode.SKEW if isinstance(error, ProtocolError) else ExitCode.FAILED


def _first(group: BaseExceptionGroup[HeadraceError]) -> BaseException:
    """What went wrong inside the worker's task groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _complain(error: BaseException, code: int) -> int:
    print(f"headrace worker: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
    return code


async def _work(spec: str, settings: WorkerSettings, told: bool) -> None:
    """told: the address comes from REDIS_URL or --redis-url; it wins over the one the fleet was made with."""
    from headrace.worker.app import load_app
    from headrace.worker.launcher import Worker
    from headrace.worker.log import Log

    log = Log(settings.log_level, settings.log_format, settings.log_jobs)
    log.set_fields(worker_id=settings.worker_id)
    app = load_app(spec)
    if not told:
        settings = replace(settings, redis_url=app.fleet.redis_url)
    await Worker(app, settings, log).run()


def _run(main: Coroutine[Any, Any, None]) -> None:
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop

        loop_factory = new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        loop = runner.get_loop()
        worker = loop.create_task(main)
        try:
            _run_to_the_end(loop, worker)
        finally:
            _let_go(loop, worker)


def _run_to_the_end(loop: asyncio.AbstractEventLoop, worker: asyncio.Task[None]) -> None:
    while not worker.done():
        try:
            loop.run_until_complete(worker)
        except (SystemExit, KeyboardInterrupt):
            # asyncio lets these two through from any task, also one that a handler has started: that is no reason
            # for the worker to end. A signal reaches it by its own handler.
            if worker.done():
                raise


def _let_go(loop: asyncio.AbstractEventLoop, worker: asyncio.Task[None]) -> None:
    """A signal comes too late now; and a handler that heeds no cancellation must not keep the process."""
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left and loop.run_until_complete(asyncio.wait(left, timeout=1))[1]:
        error = worker.exception()
        if error is not None:
            traceback.print_exception(error)
        sys.stdout.flush()
        os._exit(0 if error is None else 1)


def _print_config(sources: list[Sourced]) -> None:
    name_width = max(len(line.name) for line in sources)
    value_width = max(len(line.value) for line in sources)
    for line in sources:
        print(f"{line.name:<{name_width}}  {line.value:<{value_width}}  {line.source:<24}  {line.help}")  # noqa: T201
