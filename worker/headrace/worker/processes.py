"""Child processes for `process=True` handlers: spawned, never forked; killed when their time is up.

One job at a time per child; an idle child is used again. Parent and child talk over a socket pair, in msgpack with a
length in front. A child whose parent is gone, even by kill -9, reads the end of the stream and exits.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from headrace.client.codec import checked_form
from headrace.context import Context
from headrace.errors import HeadraceError
from headrace.retry import Bury, RetryLater


class ChildDiedError(HeadraceError):
    """The child process ended while it ran the handler (killed, out of memory, a crash in C)."""


class CpuLimitError(ChildDiedError):
    """The handler used more CPU time than its task allows; its process was ended."""


class Unsendable:
    """Stands for a result that could not be sent: harmless, unless it is to be kept or passed on."""

    def __init__(self, why: str) -> None:
        self._why = why

    def model_dump(self, *, mode: str) -> Any:
        """Asked by whoever encodes it. Raises TypeError."""
        raise TypeError(self._why)


class RemoteError(Exception):
    """An error raised in a child. Its class carries the original's name, so that dead letters are filed under it."""

    remote_traceback: str = ""
    class_names: tuple[str, ...] = ()
    """The original's class and its bases, so that retry_on and never_retry can match them by name."""


class Answer(msgspec.Struct, array_like=True):
    """What a child says of one run."""

    ok: bool
    result: Any = None
    unsendable: str = ""
    """Why the result can't be encoded."""
    error: str = ""
    message: str = ""
    traceback: str = ""
    class_names: tuple[str, ...] = ()
    control: dict[str, Any] | None = None
    """For RetryLater and Bury: their arguments."""
    said: tuple[float, str] | None = None
    """No answer yet: what the handler says of its progress."""


_standing: ContextVar[list[Child]] = ContextVar("headrace_child")
"""At most one child, ready for this run; whoever takes it takes it out, in whatever task a middleware calls it."""
_encode = msgspec.msgpack.Encoder().encode
_encode_arguments = msgspec.msgpack.Encoder(enc_hook=checked_form).encode
_decode = msgspec.msgpack.Decoder(Answer).decode


class Child:
    """One process and its stream."""

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: Any) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer

    async def ask(self, message: bytes, hear: Callable[[float, str], None]) -> Answer:
        """Send one job, wait for its answer; `hear` is told what it says of its progress. Raises ChildDiedError."""
        try:
            self._writer.write(len(message).to_bytes(4, "big") + message)
            await self._writer.drain()
        except ConnectionError:
            pass  # `answer` finds out how it ended
        while (answer := await self.answer()).said is not None:
            hear(*answer.said)
        return answer

    async def answer(self) -> Answer:
        """What it says next; the first word is that it is ready. Raises ChildDiedError."""
        try:
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            return _decode(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            code = await self.process.wait()
            if code == -signal.SIGXCPU:
                raise CpuLimitError("the handler used more CPU time than cpu_limit allows") from error
            raise ChildDiedError(f"the process running the handler ended with {_how(code)}") from error

    def kill(self) -> None:
        """End it now."""
        self._writer.close()
        if self.process.returncode is None:
            self.process.kill()


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class Processes:
    """All children of one worker."""

    def __init__(self, app: str, redis_url: str, *, patience: float = 30.0) -> None:
        """redis_url: where handlers enqueue; the worker's own, however it was told. patience: seconds for a start."""
        self._app = app
        self._redis_url = redis_url
        self._patience = patience
        self._idle: list[Child] = []
        self._all: set[Child] = set()

    @asynccontextmanager
    async def ready(self) -> AsyncIterator[None]:
        """Around a run in this task: a child is ready for it, however long its start took. Raises ChildDiedError."""
        standing = [self._idle_child() or await self._spawn()]
        _standing.set(standing)
        try:
            yield
        finally:
            self._idle += standing
            standing.clear()

    async def run(self, context: Context, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run a task's handler in a child. When cancelled, the child is killed.

        Raises what the handler raised (as a RemoteError of the same name), RetryLater, Bury, or ChildDiedError.
        """
        message = _encode((context.as_dict(), _encode_arguments((args, kwargs))))
        standing = _standing.get([])
        child = standing.pop() if standing else self._idle_child() or await self._spawn()
        try:
            answer = await child.ask(message, context.progress)
        except BaseException:
            child.kill()
            await asyncio.shield(child.process.wait())
            self._all.discard(child)
            raise
        if answer.error == "MemoryError":  # what it still holds would count against the next run
            child.kill()
            await child.process.wait()
            self._all.discard(child)
        else:
            self._idle.append(child)
        if answer.unsendable:
            return Unsendable(answer.unsendable)
        if answer.ok:
            return answer.result
        raise _error_of(answer)

    def _idle_child(self) -> Child | None:
        while self._idle:
            child = self._idle.pop()
            if child.process.returncode is None:
                return child
            child.kill()
            self._all.discard(child)
        return None

    async def _spawn(self) -> Child:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "headrace.worker.child",
                self._app,
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "REDIS_URL": self._redis_url},
            )
        ours.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=ours)
        child = Child(process, reader, writer)
        self._all.add(child)
        try:
            async with asyncio.timeout(self._patience):
                await child.answer()
        except BaseException as error:
            child.kill()
            await asyncio.shield(process.wait())
            self._all.discard(child)
            if isinstance(error, TimeoutError):
                raise ChildDiedError(f"the process for the handler was not ready in {self._patience:g} s") from None
            raise
        return child

    async def stop(self) -> None:
        """Kill all children."""
        children, self._all = self._all, set()
        self._idle.clear()
        for child in children:
            child.kill()
        for child in children:
            await child.process.wait()


def _error_of(answer: Answer) -> BaseException:
    control = answer.control or {}
    if answer.error == "RetryLater" and control:
        return RetryLater(control["delay"], charge=control["charge"], why=answer.message)
    if answer.error == "Bury" and control:
        return Bury(control["reason"])
    kind = type(answer.error, (RemoteError,), {})
    error: RemoteError = kind(answer.message)
    error.remote_traceback = answer.traceback
    error.class_names = answer.class_names
    return error
