"""A task whose handler gets the payloads of many jobs at once: `@queue.task(batch=100)`.

Each job is enqueued, retried, cancelled and settled by itself; only the handler's call is shared.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, TypeVar

from headrace.client.arguments import Arguments
from headrace.client.returns import Returns
from headrace.client.task import Task
from headrace.errors import ConfigError

T = TypeVar("T")
_LISTS: Final = (list, Sequence, Collection, Iterable)


class BatchTask(Task[[T], Any]):
    """`enqueue` takes one payload; the handler, and a direct call, take a list of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self._codec.name == "protobuf":
            raise ConfigError(f"task {self.name}: batch= doesn't take the codec protobuf")
        with suppress(NameError):  # a type that is defined further down is looked up when the first job comes
            _ = self.arguments  # a handler that takes no list is refused here

    def __call__(self, payloads: list[T]) -> Any:  # type: ignore[override]
        return self.handler(payloads)  # type: ignore[arg-type]

    @cached_property
    def arguments(self) -> Arguments:
        """What checks one payload."""
        if self._like is not None:
            return self._like.arguments
        return Arguments(self.name, _of_one(self.name, self.handler, self.needs))

    @cached_property
    def returns(self) -> Returns:
        """A job's result is an element of what the handler returns, as msgpack has it."""
        return Returns(self.name, lambda: None)


def _of_one(task: str, handler: Callable[..., Any], injected: Collection[str]) -> Callable[..., Any]:
    """A function with the signature of a handler for one payload, to check arguments by. Raises ConfigError."""
    parameters = [one for one in inspect.signature(handler).parameters.values() if one.name not in injected]
    if len(parameters) != 1 or parameters[0].kind not in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        raise ConfigError(f"task {task}: with batch= the handler takes one parameter, the list of payloads")
    name = parameters[0].name
    element = _element(task, typing.get_type_hints(handler, include_extras=True).get(name, list))

    def one(payload: Any) -> None: ...

    parameter = inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=element)
    one.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    one.__annotations__ = {name: element}
    one.__module__ = handler.__module__
    return one


def _element(task: str, annotation: Any) -> Any:
    if (typing.get_origin(annotation) or annotation) not in _LISTS:
        raise ConfigError(f"task {task}: with batch= annotate the parameter as list[...], not {annotation!r}")
    return (typing.get_args(annotation) or (Any,))[0]
