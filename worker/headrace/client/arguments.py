"""Checks a task's arguments against its handler's annotations, with pydantic, compiled once per task.

A handler without parameters needs no check, and then pydantic is not even imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

from headrace.errors import ConfigError, PayloadError

Checked = tuple[Sequence[Any], Mapping[str, Any]]
_RESULT = object()
"""Stands for a result that is not there yet."""


class Arguments:
    """The parameters of one handler."""

    def __init__(self, task: str, handler: Callable[..., Any], injected: Collection[str] = ()) -> None:
        """injected: parameters that are not the payload's; no job may give them."""
        self._task = task
        self._handler = handler
        try:
            self._signature = inspect.signature(handler)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"task {task}: the handler has no readable signature: {error}") from error
        self._injected = injected
        if injected:
            payload = [one for one in self._signature.parameters.values() if one.name not in injected]
            self._signature = self._signature.replace(parameters=payload)
        self._validate: Callable[..., Checked] | None = None
        self.takes_none = not self._signature.parameters

    @property
    def required(self) -> list[str]:
        """The names of the parameters that every job must give."""
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        parameters = self._signature.parameters.values()
        return [one.name for one in parameters if one.default is one.empty and one.kind not in variadic]

    def check(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Checked:
        """Arguments converted to what the annotations ask for. Raises PayloadError, which never quotes a value."""
        if self.takes_none and not args and not kwargs:
            return (), {}
        if self._injected and (wrong := [name for name in kwargs if name in self._injected]):
            raise PayloadError(f"task {self._task}: {wrong[0]}: is injected, a job can't give it")
        if self._validate is None:
            self._validate = self._compile()
        from pydantic import ValidationError

        try:
            return self._validate(*args, **kwargs)
        except ValidationError as error:
            raise PayloadError(f"task {self._task}: {_describe(error)}") from None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters, in order."""
        return tuple(self._signature.parameters)

    def by_name(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments that `check` has returned, by their parameters, with the defaults of those not given."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def check_following(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """That these fit behind a result, which comes first. Returns the parameter that takes that, and those that the
        others go to. Raises ConfigError.
        """
        try:
            bound = self._signature.bind(_RESULT, *args, **kwargs)
        except TypeError as error:
            raise ConfigError(
                f"task {self._task}: after another step it gets that one's result first, then what .s() was given, and "
                f"that does not fit: {error}; use .si() to leave the result out"
            ) from None
        bound.apply_defaults()
        return next(iter(bound.arguments)), dict(bound.arguments)

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments; `{}` where an annotation has none."""
        from pydantic import TypeAdapter

        try:
            adapter: TypeAdapter[Any] = TypeAdapter(cast("Any", self._capture() if self._injected else self._handler))
            return adapter.json_schema()
        except Exception:  # annotations run code of others; a schema is help, not a condition
            return {}

    def _compile(self) -> Callable[..., Checked]:
        from pydantic import ConfigDict, validate_call
        from pydantic.errors import PydanticUserError

        try:
            return validate_call(config=ConfigDict(arbitrary_types_allowed=True))(self._capture())
        except (PydanticUserError, NameError) as error:
            raise ConfigError(f"task {self._task}: its annotations can't be checked: {error}") from error

    def _capture(self) -> Callable[..., Checked]:
        """A function of the handler's signature that returns its arguments."""

        def capture(*args: Any, **kwargs: Any) -> Checked:
            return args, kwargs

        capture.__signature__ = self._signature  # type: ignore[attr-defined]
        annotations = getattr(self._handler, "__annotations__", {})
        capture.__annotations__ = {name: one for name, one in annotations.items() if name not in self._injected}
        capture.__module__ = self._handler.__module__
        capture.__name__ = getattr(self._handler, "__name__", self._task)
        capture.__qualname__ = getattr(self._handler, "__qualname__", self._task)
        return capture


def _describe(error: Any) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"]) or "arguments"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{place}: {first['msg']}{more}"
