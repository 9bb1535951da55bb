"""HTTP for probes and metrics, from threads of its own: /livez must answer about the event loop, not from it.

/livez: the event loop turns. /readyz: jobs can be fetched; for alerts. /startedz: latches after the first successful
fetch; this is Kubernetes' readiness probe, so that no outage makes a busy pod the first victim. /metrics.
POST /drain, on loopback only.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from headrace.errors import ConfigError


@dataclass(frozen=True)
class Probes:
    """What the server asks the worker; all but `refresh` are called from a thread and must not block."""

    live: Callable[[], tuple[bool, str]]
    ready: Callable[[], tuple[bool, str]]
    started: Callable[[], tuple[bool, str]]
    quiet: Callable[[], None]
    refresh: Callable[[], Any]
    """A coroutine function that reads the queues' gauges."""


def bind(host: str, port: int) -> socket.socket:
    """The listening socket; bound early, so that a taken port is an error at start. Raises ConfigError."""
    try:
        return socket.create_server((host, port), backlog=16, reuse_port=False)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (")[0]
        raise ConfigError(f"METRICS_PORT: can't listen on {host}:{port}: {why}; 0 takes any free port") from None


class HealthServer:
    """Start once; its threads are daemons and end with the process."""

    def __init__(
        self, listener: socket.socket, probes: Probes, metrics: Any, token: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._listener = listener
        self._probes = probes
        self._metrics = metrics
        self._token = token
        self._loop = loop
        self._server: Any = None
        self._serving = False
        self._lock = threading.Lock()
        self._stopped = False

    def start(self) -> None:
        """Serve from a thread; the imports are made there too. Idempotent."""
        if self._serving:
            return
        self._serving = True
        threading.Thread(target=self._serve, name="headrace-health", daemon=True).start()

    def stop(self) -> None:
        """Stop accepting."""
        with self._lock:
            self._stopped = True
        if self._server is not None:
            self._server.shutdown()
        self._listener.close()

    def _serve(self) -> None:
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            timeout = 5.0

            def do_GET(self) -> None:
                self._reply("GET")

            def do_POST(self) -> None:
                self._reply("POST")

            def _reply(self, method: str) -> None:
                code, kind, body = answer(method, self.path.partition("?")[0], self.headers, self.client_address[0])
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                return  # a client that hung up

        with self._lock:
            if self._stopped:
                return
            self._server = server = Server(self._listener.getsockname()[:2], Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = self._listener
        server.serve_forever(poll_interval=0.2)

    def _answer(self, method: str, path: str, headers: Any, client: str) -> tuple[int, str, bytes]:
        checks = {"/livez": self._probes.live, "/readyz": self._probes.ready, "/startedz": self._probes.started}
        if method == "GET" and path in checks:
            good, text = checks[path]()
            return _text(200 if good else 503, text)
        if method == "GET" and path == "/metrics":
            return self._scrape(headers)
        if path == "/drain":
            if method != "POST":
                return _text(405, "POST /drain drains this worker")
            if not ip_address(client).is_loopback:
                return _text(403, "/drain answers on loopback only; in a pod use `headrace drain`")
            self._loop.call_soon_threadsafe(self._probes.quiet)
            return _text(202, "draining")
        return _text(404, "there are /livez, /readyz, /startedz, /metrics and POST /drain")

    def _scrape(self, headers: Any) -> tuple[int, str, bytes]:
        given = headers.get("Authorization", "")
        if self._token and not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return _text(401, "/metrics needs the bearer token in METRICS_TOKEN")
        from headrace.worker.exposition import render

        with contextlib.suppress(Exception):  # the worker's own numbers are worth having without the queue's
            asyncio.run_coroutine_threadsafe(self._probes.refresh(), self._loop).result(2)
        kind, body = render(self._metrics, headers.get("Accept", ""))
        return 200, kind, body


def _text(code: int, text: str) -> tuple[int, str, bytes]:
    return code, "text/plain; charset=utf-8", f"{text}\n".encode()
