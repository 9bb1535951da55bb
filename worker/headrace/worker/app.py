"""Finds the application that `module[:attribute]` names."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass

from headrace.client.fleet import Fleet
from headrace.client.queue import Queue
from headrace.errors import ConfigError


@dataclass(frozen=True)
class App:
    """A fleet, and which of its queues were asked for."""

    spec: str
    fleet: Fleet
    queues: tuple[str, ...]


def load_app(spec: str) -> App:
    """Import the module, from the current directory too. The attribute is a Fleet or a Queue; default `fleet`.

    Raises ConfigError in one line, also for an error in the module's own code, with its place.
    """
    module_name, _, attribute = spec.partition(":")
    if not module_name or module_name.startswith("."):
        raise ConfigError(f"{spec!r}: name the application as module or module:attribute")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    module = _import(module_name)
    found = _attribute(module, module_name, attribute)
    if isinstance(found, Queue):
        return App(spec, found.fleet, (found.name,))
    if not isinstance(found, Fleet):
        raise ConfigError(f"{spec}: {attribute or 'fleet'} is a {type(found).__name__}, not a Fleet or a Queue")
    if not any(queue.tasks for queue in found.queues.values()):
        raise ConfigError(f"{spec}: the fleet has no task; register one with @fleet.queue(name).task()")
    return App(spec, found, tuple(name for name, queue in found.queues.items() if queue.tasks))


def _import(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(f"no module named {error.name!r} here; is the directory or PYTHONPATH right?") from None
        raise ConfigError(f"{name} can't be imported: {error}{_place(error)}") from error
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}{_place(error)}") from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{name} can't be imported: {type(error).__name__}: {error}{_place(error)}") from error


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    if isinstance(error, SyntaxError) and error.filename:
        return ""
    while trace is not None and trace.tb_next is not None and "headrace/client" not in str(trace.tb_next.tb_frame):
        trace = trace.tb_next
    if trace is None or "importlib" in trace.tb_frame.f_code.co_filename:
        return ""
    return f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"


def _attribute(module: object, module_name: str, attribute: str) -> object:
    if attribute:
        try:
            return getattr(module, attribute)
        except AttributeError:
            raise ConfigError(f"module {module_name!r} has no attribute {attribute!r}") from None
    if isinstance(found := getattr(module, "fleet", None), Fleet):
        return found
    fleets = {id(value): value for value in vars(module).values() if isinstance(value, Fleet)}
    if len(fleets) == 1:
        return next(iter(fleets.values()))
    problem = "several fleets" if fleets else "no Fleet"
    raise ConfigError(f"module {module_name!r} has {problem}; name one as {module_name}:attribute")
