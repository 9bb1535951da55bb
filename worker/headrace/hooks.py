"""Lifecycle hooks: what an application wants awaited at the turns of a worker's and a job's life."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from headrace.errors import ConfigError

HookName = Literal["on_start", "on_shutdown", "on_job_start", "on_job_complete", "on_job_error", "on_retry", "on_dead"]
F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


class Hooks:
    """The registered hooks, by name, in order of registration."""

    def __init__(self) -> None:
        self._registered: dict[HookName, tuple[Callable[..., Awaitable[Any]], ...]] = {}

    def add(self, name: HookName, function: F) -> F:
        """Register; raises ConfigError for something that can't be called."""
        if not callable(function):
            raise ConfigError(f"{name}: {function!r} is not a function")
        self._registered[name] = (*self._registered.get(name, ()), function)
        return function

    def named(self, name: HookName) -> tuple[Callable[..., Awaitable[Any]], ...]:
        """The hooks of that name."""
        return self._registered.get(name, ())

    async def call(self, name: HookName, *args: object) -> None:
        """Await each in turn; the first error ends it and is raised."""
        for function in self._registered.get(name, ()):
            await function(*args)
