"""What a handler wants injected: `Depends` in its signature, resolved once, when the task is defined.

Owns the reading of signatures. Must not open anything: that is the worker's matter (worker/resources.py).
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from enum import Enum, auto
from types import SimpleNamespace
from typing import Annotated, Any, Literal, TypeVar, get_origin, overload

from headrace.errors import ConfigError

T = TypeVar("T")
Scope = Literal["worker", "job"]
Provider = Callable[..., Any]
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Dependency:
    """What `Depends` returns, to be found in a signature."""

    provider: Provider
    scope: Scope


@overload
def Depends(provider: Callable[..., AsyncIterator[T]], *, scope: Scope = ...) -> T: ...
@overload
def Depends(provider: Callable[..., Iterator[T]], *, scope: Scope = ...) -> T: ...
@overload
def Depends(provider: Callable[..., AbstractAsyncContextManager[T]], *, scope: Scope = ...) -> T: ...
@overload
def Depends(provider: Callable[..., AbstractContextManager[T]], *, scope: Scope = ...) -> T: ...
@overload
def Depends(provider: Callable[..., Awaitable[T]], *, scope: Scope = ...) -> T: ...
@overload
def Depends(provider: Callable[..., T], *, scope: Scope = ...) -> T: ...
def Depends(provider: Provider, *, scope: Scope = "worker") -> Any:  # noqa: N802 - reads as a type in signatures
    """In a handler's or a provider's signature: `db: Pool = Depends(pool)` or `db: Annotated[Pool, Depends(pool)]`.

    provider: a generator function, async or not, that yields the value once and closes it after, or the same under
    @asynccontextmanager or @contextmanager; or a function, async or not, that returns it. scope: "worker" opens it once
    at a worker's start and closes it at its stop; "job" opens it for each run. Raises ConfigError.
    """
    if not callable(provider):
        raise ConfigError(f"Depends: {provider!r} is not a function")
    if scope not in ("worker", "job"):
        raise ConfigError(f"Depends: scope must be worker or job, got {scope!r}")
    return Dependency(provider, scope)


class Kind(Enum):
    """How a provider's value is had."""

    ASYNC_GENERATOR = auto()
    GENERATOR = auto()
    ASYNC_CONTEXT = auto()
    CONTEXT = auto()
    CALL = auto()
    """Called; what it returns is awaited if it can be."""


@dataclass(frozen=True, eq=False)
class Need:
    """One provider and what it needs itself."""

    provider: Provider
    scope: Scope
    kind: Kind
    needs: Mapping[str, Need]

    @property
    def key(self) -> tuple[Provider, Scope]:
        """Equal keys share one value."""
        return (self.provider, self.scope)

    @property
    def name(self) -> str:
        """For messages."""
        return name_of(self.provider)


def handler_needs(task: str, handler: Provider) -> dict[str, Need]:
    """Parameter → what is injected there. Raises ConfigError: what can't be resolved, or stands before a payload's
    parameter."""
    owner = f"task {task}"
    needs: dict[str, Need] = {}
    for parameter, dependency in _parameters(owner, handler):
        if dependency is not None:
            needs[parameter.name] = _resolve(owner, parameter, dependency, ())
        elif needs and parameter.kind in (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL):
            raise ConfigError(f"{owner}: {parameter.name!r} comes after an injected parameter; put those last")
    return needs


def provider_need(provider: Provider, scope: Scope, path: tuple[Provider, ...] = ()) -> Need:
    """A provider with all that it needs. Raises ConfigError."""
    owner = f"provider {name_of(provider)}"
    if provider in path:
        raise ConfigError(f"{owner}: depends on itself")
    needs: dict[str, Need] = {}
    for parameter, dependency in _parameters(owner, provider):
        if dependency is not None:
            needs[parameter.name] = _resolve(owner, parameter, dependency, (*path, provider))
            if scope == "worker" and needs[parameter.name].scope == "job":
                raise ConfigError(f"{owner}: lives as long as the worker, but {parameter.name!r} only for one job")
        elif parameter.default is parameter.empty and parameter.kind not in _VARIADIC:
            raise ConfigError(f"{owner}: parameter {parameter.name!r} is neither injected nor has a default")
    return Need(provider, scope, _kind(provider), needs)


def _resolve(owner: str, parameter: inspect.Parameter, dependency: Dependency, path: tuple[Provider, ...]) -> Need:
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY or parameter.kind in _VARIADIC:
        raise ConfigError(f"{owner}: {parameter.name!r} can't be injected by name")
    return provider_need(dependency.provider, dependency.scope, path)


def _kind(provider: Provider) -> Kind:
    if inspect.isasyncgenfunction(provider):
        return Kind.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(provider):
        return Kind.GENERATOR
    inner = inspect.unwrap(provider)
    if inspect.isasyncgenfunction(inner):
        return Kind.ASYNC_CONTEXT
    return Kind.CONTEXT if inspect.isgeneratorfunction(inner) else Kind.CALL


def _parameters(owner: str, function: Provider) -> list[tuple[inspect.Parameter, Dependency | None]]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []  # whoever checks its arguments says so
    return [(parameter, _dependency(owner, function, parameter)) for parameter in parameters]


def _dependency(owner: str, function: Provider, parameter: inspect.Parameter) -> Dependency | None:
    if isinstance(parameter.default, Dependency):
        return parameter.default
    annotation = _annotation(owner, function, parameter)
    if get_origin(annotation) is not Annotated:
        return None
    return next((one for one in annotation.__metadata__ if isinstance(one, Dependency)), None)


def _annotation(owner: str, function: Provider, parameter: inspect.Parameter) -> Any:
    """Evaluated alone: one that can't be yet, such as a name imported for type checkers only, may be a payload's."""
    written = parameter.annotation
    if not isinstance(written, str):
        return written
    inner = inspect.unwrap(function)
    names = getattr(inner, "__globals__", None) or getattr(type(inner).__call__, "__globals__", {})
    try:
        only = SimpleNamespace(__annotations__={parameter.name: written})
        return typing.get_type_hints(only, globalns=names, include_extras=True)[parameter.name]
    except Exception as error:
        if "Depends" in written:
            raise ConfigError(
                f"{owner}: the annotation of {parameter.name!r} can't be resolved: {error}; "
                f"define its names at the top of the module, or write {parameter.name} = Depends(…)"
            ) from error
        return None


def name_of(function: Provider) -> str:
    """For messages."""
    return getattr(function, "__qualname__", None) or repr(function)
