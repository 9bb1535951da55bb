"""Puts a dev together: server, workers, loop, view; and takes it apart again in the right order."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from rich.console import Console

from headrace.errors import ConfigError, HeadraceError
from headrace.wire.target import Target
from headrace_operator.dev.board import Board
from headrace_operator.dev.home import Home, open_home
from headrace_operator.dev.live import show_live
from headrace_operator.dev.options import Options
from headrace_operator.dev.plain import show_plainly
from headrace_operator.dev.server import EmbeddedServer, is_reachable
from headrace_operator.dev.unused import unused_fields
from headrace_operator.dev.watcher import Saved, watch
from headrace_operator.objects.file import FileObjects, FileSchedules
from headrace_operator.reconcile.addresses import OneAddress
from headrace_operator.reconcile.controller import Controller
from headrace_operator.reconcile.settings import ReconcileSettings
from headrace_operator.runtimes.local.code import Code
from headrace_operator.runtimes.local.runtime import LocalRuntime, LocalSettings
from headrace_operator.schedules.controller import ScheduleController
from headrace_operator.schedules.settings import ScheduleSettings


@dataclass(frozen=True)
class _Parts:
    """What a running dev consists of."""

    options: Options
    board: Board
    objects: FileObjects
    schedules: FileSchedules
    code: Code
    runtime: LocalRuntime
    controller: Controller
    scheduler: ScheduleController


async def run_dev(options: Options) -> None:
    """Until Ctrl-C, or until idle if so asked. Raises HeadraceErrors, those of the start in one line each."""
    with open_home(options.data) as home, tempfile.TemporaryDirectory(prefix="headrace-dev-") as sockets:
        objects, schedules = FileObjects(options.file, home.folder), FileSchedules(options.file, home.schedules)
        _check_apps(objects, options.file.parent)
        board = Board()
        logging.basicConfig(handlers=[board.log_handler()], level=logging.WARNING, force=True)
        async with _redis(options, home, board) as (target, url), asyncio.TaskGroup() as group:
            code = Code(options.file.parent, home.code)
            settings = LocalSettings(
                redis_url=url, folder=options.file.parent, sockets=Path(sockets), environ=os.environ
            )
            runtime = LocalRuntime(group, settings, code_of=code.folders)
            address = OneAddress(target)
            controller = Controller(
                runtime,
                objects,
                address,
                ReconcileSettings(cluster=_cluster(options), exact_runtime=True, gate=False, audit_every=0),
                version_of=code.version_of,
                listener=board,
            )
            # Each start counts the generations of the file anew.
            settled = ScheduleSettings(patience=0, rest=2.0, schemas=1.0, generations=False)
            scheduler = ScheduleController(schedules, objects, address, settled, told=board.scheduled)
            parts = _Parts(options, board, objects, schedules, code, runtime, controller, scheduler)
            await _run(parts, group)


async def _run(parts: _Parts, group: asyncio.TaskGroup) -> None:
    board, runtime = parts.board, parts.runtime
    runtime.on_change = parts.controller.wake
    runtime.on_line = board.printed
    parts.objects.on_event = parts.schedules.on_event = board.event
    parts.objects.on_problem = lambda problem: board.say(problem, warning=True)
    showing = _show(parts, group)
    for document in parts.objects.documents:
        if document.resource is not None:
            board.say(f"{document.key.name}: without effect here: {', '.join(unused_fields(document.resource.spec))}")
    stop = asyncio.Event()
    _catch_signals(stop, runtime)
    if parts.options.exit_when_idle:
        board.on_status = lambda: stop.set() if board.idle else None
    running = (parts.controller.run(), parts.scheduler.run(), _follow_saves(parts))
    loops = [group.create_task(one) for one in running]
    await stop.wait()
    board.stopping = True
    if any([await runtime.workers(key) for key in board.statuses]):
        board.say("draining workers; Ctrl-C again ends them now")
    for task in loops:
        task.cancel()
    await asyncio.wait(loops)
    await runtime.stop()
    if showing is not None:
        showing.cancel()
        await asyncio.wait([showing])
        show_plainly(board, since=time.time())
    board.say("stopped; jobs are kept" if parts.options.redis is None else "stopped")


def _show(parts: _Parts, group: asyncio.TaskGroup) -> asyncio.Task[None] | None:
    if parts.options.plain:
        show_plainly(parts.board)
        return None
    return group.create_task(show_live(parts.board, Console()))


async def _follow_saves(parts: _Parts) -> None:
    async def on_save(saved: set[Saved]) -> None:
        if Saved.YAML in saved:
            parts.objects.reload()
            parts.schedules.reload()
            parts.board.forget(
                {document.key for document in parts.objects.documents},
                {document.key for document in parts.schedules.documents},
            )
        if Saved.CODE in saved:
            await _refresh(parts)

    data = parts.options.data
    await watch(parts.options.file, (data / "annotations", data / "schedules" / "annotations"), on_save)


async def _refresh(parts: _Parts) -> None:
    try:
        changed = await asyncio.to_thread(parts.code.refresh)
    except (HeadraceError, OSError) as error:
        parts.board.say(f"the code can't be read, so the last version stays: {error}", warning=True)
        return
    if changed:
        parts.board.say("the code has changed")
        parts.controller.wake()


@asynccontextmanager
async def _redis(options: Options, home: Home, board: Board) -> AsyncIterator[tuple[Target, str]]:
    """The server, ours or another, and its URL; ours ends with the block."""
    if options.redis is not None:
        try:
            await is_reachable(options.redis)
        except HeadraceError as error:
            raise ConfigError(f"{error}; leave out --redis-url and REDIS_URL for the embedded server") from None
        board.redis = options.redis.redacted
        board.say(f"uses the Redis at {board.redis}")
        yield options.redis, options.redis_url
        return
    server = EmbeddedServer(home)
    try:
        await server.start()
        home.redis_url.write_text(f"{server.url}\n")
        board.redis = server.url
        board.say(f"has a Redis of its own: export REDIS_URL={server.url}")
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(server.keep())
            yield server.target, server.url
            keeping.cancel()
    finally:
        await server.stop()


def _catch_signals(stop: asyncio.Event, runtime: LocalRuntime) -> None:
    def asked() -> None:
        if stop.is_set():
            runtime.hurry()
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)


def _check_apps(objects: FileObjects, folder: Path) -> None:
    """Raises ConfigError for a module that isn't there at all; what is wrong inside it, its worker says."""
    for document in objects.documents:
        if document.resource is None:
            continue
        app = document.resource.spec.worker.app
        package = app.partition(":")[0].partition(".")[0]
        if PathFinder.find_spec(package, [str(folder), *sys.path]) is None:
            raise ConfigError(f"{document.key.name}: spec.worker.app: no module named {package!r} in {folder}")


def _cluster(options: Options) -> str:
    """Who owns queues: on a Redis that others use too, this folder of this machine."""
    if options.redis is None:
        return "dev"
    folder = hashlib.sha256(str(options.data).encode()).hexdigest()[:6]
    return f"dev-{platform.node()}-{folder}"
