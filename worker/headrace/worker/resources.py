"""Opens what handlers have injected: once per worker, or once per run; closes it in the reverse order.

The values of worker scope are opened and closed by one task, the launcher's, so that they may hold task groups.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar, assert_never

from headrace.client.depends import Kind, Need, Provider, Scope, provider_need
from headrace.errors import ConfigError
from headrace.worker.failures import describe, innermost_place

T = TypeVar("T")
Values = dict[tuple[Provider, Scope], Any]


class Resources:
    """One worker's, or one run's in a child process."""

    def __init__(self, overrides: Mapping[Provider, Provider]) -> None:
        """overrides: provider → the one to ask in its stead."""
        self._overrides = overrides
        self._values: Values = {}
        self._stack = AsyncExitStack()

    async def open(self, needs: Iterable[Need], *, patience: float) -> None:
        """Open everything of worker scope, each once, in `patience` seconds. Raises ConfigError; then, too, `close`
        closes what has been opened."""
        for need in [inner for one in needs for inner in _of_worker_scope(one)]:
            try:
                async with asyncio.timeout(patience):
                    await self._value(need, self._values, self._stack)
            except TimeoutError as error:
                raise ConfigError(f"the resource {need.name} did not open within {patience:g} s") from error
            except Exception as error:
                place = innermost_place(error)
                raise ConfigError(f"the resource {need.name} can't be opened: {describe(error)} ({place})") from error

    async def close(self, *, patience: float) -> Exception | None:
        """Close everything in `patience` seconds; again does nothing. Returns the error of one that failed to."""
        stack, self._stack = self._stack, AsyncExitStack()
        try:
            async with asyncio.timeout(patience):
                await stack.aclose()
        except Exception as error:
            return error
        return None

    def shared(self, needs: Mapping[str, Need]) -> dict[str, Any]:
        """Parameter → value, of those of worker scope, once they are open."""
        return {name: self._values[need.key] for name, need in needs.items()}

    async def run(self, needs: Mapping[str, Need], call: Callable[[dict[str, Any]], Awaitable[T]]) -> T:
        """Call with parameter → value; what is not open yet is opened for this run and closed after it. A provider sees
        the call's error, but can't make it a success."""
        values: Values = {}
        failure: BaseException
        async with AsyncExitStack() as stack:
            given = {name: await self._value(need, values, stack) for name, need in needs.items()}
            try:
                return await call(given)
            except BaseException as error:
                failure = error
                raise
        raise failure  # a provider has swallowed it

    async def _value(self, need: Need, values: Values, stack: AsyncExitStack) -> Any:
        key = need.key
        if key in self._values:
            return self._values[key]
        if key not in values:
            asked = self._asked(need)
            arguments = {name: await self._value(inner, values, stack) for name, inner in asked.needs.items()}
            values[key] = await _enter(asked, arguments, stack)
        return values[key]

    def _asked(self, need: Need) -> Need:
        stand_in = self._overrides.get(need.provider)
        return need if stand_in is None else provider_need(stand_in, need.scope)


def _of_worker_scope(need: Need) -> Iterable[Need]:
    if need.scope == "worker":
        yield need  # what it needs itself is opened with it
    else:
        for inner in need.needs.values():
            yield from _of_worker_scope(inner)


async def _enter(need: Need, arguments: Mapping[str, Any], stack: AsyncExitStack) -> Any:
    provider = need.provider
    match need.kind:
        case Kind.ASYNC_GENERATOR:
            return await stack.enter_async_context(asynccontextmanager(provider)(**arguments))
        case Kind.GENERATOR:
            return stack.enter_context(contextmanager(provider)(**arguments))
        case Kind.ASYNC_CONTEXT:
            return await stack.enter_async_context(provider(**arguments))
        case Kind.CONTEXT:
            return stack.enter_context(provider(**arguments))
        case Kind.CALL:
            value = provider(**arguments)
            return await value if inspect.isawaitable(value) else value
    assert_never(need.kind)
