"""Watches one kind of our resources with kopf: raw events only, so no finalizers, timers or annotations of kopf's own.

kopf runs in a thread with an event loop of its own: it takes over signals and ends foreign tasks in the loop that it
runs in. Knows nothing of what an event means.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import kopf

from headrace_operator.api.names import GROUP, VERSION
from headrace_operator.cluster.api import in_cluster

log = logging.getLogger(__name__)

Json = dict[str, Any]
STOP_SECONDS: Final = 5.0
FAREWELL_SECONDS: Final = 0.3


class KopfWatch:
    """Calls `on_event(type, object)` in the caller's event loop; the type is None for what a list showed."""

    def __init__(self, plural: str, namespaces: Sequence[str], on_event: Callable[[str | None, Json], None]) -> None:
        """`plural` names the kind; `namespaces` without any stands for the whole cluster."""
        self._plural = plural
        self._namespaces = namespaces
        self._on_event = on_event
        self._stop = threading.Event()

    async def run(self) -> None:
        """Watch until cancelled. Raises whatever kopf fails with."""
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = loop.create_future()
        thread = threading.Thread(target=self._run, args=(loop, ended), name=f"kopf-{self._plural}", daemon=True)
        thread.start()
        try:
            await ended
        finally:
            self._stop.set()
            await asyncio.to_thread(thread.join, STOP_SECONDS)

    def _run(self, loop: asyncio.AbstractEventLoop, ended: asyncio.Future[None]) -> None:
        """In the thread."""
        failure: Exception = RuntimeError("kopf has stopped by itself")
        try:
            asyncio.run(self._operate(loop))
        except Exception as exc:
            failure = exc
        with contextlib.suppress(RuntimeError):  # the other loop is closed: nobody listens any more
            loop.call_soon_threadsafe(_end, ended, failure)

    async def _operate(self, loop: asyncio.AbstractEventLoop) -> None:
        registry = kopf.OperatorRegistry()

        @kopf.on.event(GROUP, VERSION, self._plural, registry=registry)
        async def hear(event: Any, **_: Any) -> None:
            if not self._stop.is_set():  # whoever has stopped this watch may watch anew already
                loop.call_soon_threadsafe(self._on_event, event["type"], event["object"])

        login = kopf.login_with_service_account if in_cluster() else kopf.login_with_kubeconfig
        kopf.on.login(registry=registry)(login)
        try:
            await kopf.operator(
                registry=registry,
                settings=_settings(),
                standalone=True,
                clusterwide=not self._namespaces,
                namespaces=self._namespaces,
                stop_flag=self._stop,
            )
        finally:
            # kopf waits for the flag in a thread of its own, and the loop does not end before that one.
            self._stop.set()
        # Connections that were broken off say goodbye to their peers; without the loop they would stay open.
        await asyncio.sleep(FAREWELL_SECONDS)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    # Namespaces and CRDs are not watched: that would take rights in the whole cluster.
    settings.scanning.disabled = True
    settings.posting.enabled = False
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    # A thousand queues listed at once must not mean a thousand tasks for long.
    settings.queueing.worker_limit = 50
    settings.queueing.idle_timeout = 0.2
    return settings


def _end(ended: asyncio.Future[None], failure: Exception) -> None:
    if not ended.done():
        ended.set_exception(failure)
