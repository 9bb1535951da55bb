"""What an application can say is said on some page: every public name, parameter, hook and field."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import get_args

import pytest

import headrace
from headrace import Context, Fleet, Job, Queue, Task
from headrace.hooks import HookName
from support.pages import PAGES

NOT_FOR_USERS = ("docs/architecture", "docs/features", "docs/performance", "docs/decisions/")
TEXT = "\n".join(path.read_text() for page, path in PAGES.items() if not page.startswith(NOT_FOR_USERS))
CODE = "\n".join(re.findall(r"^```python\n.*?^```|`[^`\n]+`", TEXT, re.MULTILINE | re.DOTALL))
INNER = {"Queue": {"producer", "producer_of", "close_producer", "link"}, "Job": {"stands_for"}, "Context": {"as_dict"}}
"""What other modules of headrace call."""
UNTAKEN = {"RetryPolicy"}
"""No public function takes one."""


def options(function: Callable[..., object]) -> list[str]:
    """What may be left out, and so must be known to be there."""
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.default is not one.empty]


def methods(kind: type) -> set[str]:
    public = {name for name, value in vars(kind).items() if not name.startswith("_") and inspect.isfunction(value)}
    return public - INNER.get(kind.__name__, set())


SAID: dict[str, Iterable[str]] = {
    "headrace": set(headrace.__all__) - UNTAKEN,
    "Fleet()": options(Fleet.__init__),
    "@queue.task": options(Queue.task),
    "task.options": options(Task.options),
    "fleet.queue": options(Fleet.queue),
    "@queue.cron": options(Queue.cron),
    "queue.results": options(Queue.results),
    "hooks": get_args(HookName),
    "Context": {*(name for name in Context.__struct_fields__ if not name.startswith("_")), *methods(Context)},
    "Queue": methods(Queue),
    "Job": methods(Job),
}


@pytest.mark.parametrize(("where", "name"), [(where, name) for where, names in SAID.items() for name in sorted(names)])
def test_it_is_on_a_page(where: str, name: str) -> None:
    assert re.search(rf"\b{name}\b", CODE), f"{name} of {where} is on no page for users"
