"""The child side of processes.py: `python -m headrace.worker.child APP FD`.

The main thread runs handlers; a second thread reads, so that the end of the parent is noticed in mid-handler, and tells
the parent what a handler says of its progress.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import queue
import select
import signal
import socket
import sys
import threading
from contextlib import nullcontext
from typing import Any

import msgspec

from headrace.client.codec import UNENCODABLE, decode_arguments, plain_form
from headrace.client.fleet import Fleet
from headrace.client.task import Task
from headrace.context import Context, Said, running
from headrace.errors import HeadraceError
from headrace.retry import Bury, RetryLater
from headrace.worker.app import load_app
from headrace.worker.failures import describe, tidy_reason, traceback_text
from headrace.worker.process_limits import limits
from headrace.worker.processes import Answer
from headrace.worker.resources import Resources

TELL_MS = 500
"""Between two words about a handler's progress."""

_encode = msgspec.msgpack.Encoder().encode
_encode_result = msgspec.msgpack.Encoder(enc_hook=plain_form).encode
_decode = msgspec.msgpack.Decoder(tuple[dict[str, Any], bytes]).decode


def main() -> None:
    """Serve until the parent closes the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    spec, descriptor = sys.argv[1], int(sys.argv[2])
    wire = Wire(socket.socket(fileno=descriptor))
    inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(wire, inbox), daemon=True).start()
    fleet: Fleet | HeadraceError
    try:
        fleet = load_app(spec).fleet
        fleet.connect_to(os.environ["REDIS_URL"])
    except HeadraceError as error:
        fleet = error
    wire.answer(Answer(ok=True))  # ready: what failed is said of each run
    while True:
        wire.answer(_answer(fleet, inbox.get(), wire))


class Wire:
    """The stream to the parent. Answers come from one thread, words about the run before them from another."""

    def __init__(self, stream: socket.socket) -> None:
        self.socket = stream
        self._lock = threading.Lock()
        self._running: Context | None = None
        self._told: Said | None = None

    def begin(self, context: Context) -> None:
        """From now on this run may say something of itself."""
        with self._lock:
            self._running, self._told = context, None

    def answer(self, answer: Answer) -> None:
        """The run is over."""
        with self._lock:
            self._running = None
            self._send(answer)

    def tell(self) -> None:
        """What it has said since the last look."""
        with self._lock:
            said = self._running.said if self._running else None
            if said is not None and said is not self._told:
                self._told = said
                self._send(Answer(ok=True, said=(said.fraction, said.message)))

    def _send(self, answer: Answer) -> None:
        data = _encode(answer)
        self.socket.sendall(len(data).to_bytes(4, "big") + data)


def _read(wire: Wire, inbox: queue.SimpleQueue[bytes]) -> None:
    stream = wire.socket.makefile("rb")
    arrival = select.poll()
    arrival.register(wire.socket, select.POLLIN)
    while True:
        while not arrival.poll(TELL_MS):
            wire.tell()
        head = stream.read(4)
        body = stream.read(int.from_bytes(head, "big")) if len(head) == 4 else b""
        if not body:
            os._exit(0)
        inbox.put(body)


def _answer(fleet: Fleet | HeadraceError, message: bytes, wire: Wire) -> Answer:
    try:
        if isinstance(fleet, HeadraceError):
            raise fleet
        fields, payload = _decode(message)
        context = Context(**fields)
        running.set(context)
        wire.begin(context)
        task = fleet.queues[context.queue].tasks[context.task]
        args, kwargs = task.arguments.check(*decode_arguments("msgpack", payload))
        limited = limits(memory=task.settings.memory_limit, cpu=task.settings.cpu_limit)
        with fleet.tracing.attached(context) if fleet.tracing else nullcontext(), limited:
            if task.needs:
                result = asyncio.run(_call_with_resources(fleet, task, args, kwargs))
            else:
                result = _call(task.handler, args, kwargs)
        return _done(result)
    except BaseException as error:
        return _failure(error)


def _done(result: Any) -> Answer:
    """A result that nobody keeps may be anything."""
    try:
        return Answer(ok=True, result=msgspec.Raw(_encode_result(result)))
    except UNENCODABLE as error:
        return Answer(ok=True, unsendable=str(error))


def _call(handler: Any, args: Any, kwargs: Any) -> Any:
    result = handler(*args, **kwargs)
    return asyncio.run(result) if inspect.iscoroutine(result) else result


async def _call_with_resources(fleet: Fleet, task: Task[Any, Any], args: Any, kwargs: Any) -> Any:
    """Each run opens its own, also those of worker scope: a child may be killed after any run."""

    async def call(values: dict[str, Any]) -> Any:
        result = task.handler(*args, **kwargs, **values)
        return await result if inspect.iscoroutine(result) else result

    return await Resources(fleet.overrides).run(task.needs, call)


def _failure(error: BaseException) -> Answer:
    control: dict[str, Any] | None = None
    if isinstance(error, RetryLater):
        control = {"delay": error.delay, "charge": error.charge}
    elif isinstance(error, Bury):
        control = {"reason": tidy_reason(error.reason)}
    name = type(error).__name__
    message = describe(error).removeprefix(f"{name}: ")
    return Answer(
        ok=False,
        error=name,
        message=message,
        traceback=traceback_text(error),
        class_names=tuple(base.__name__ for base in type(error).__mro__),
        control=control,
    )


if __name__ == "__main__":
    main()
