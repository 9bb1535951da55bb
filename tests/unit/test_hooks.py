"""Hooks are awaited in order of registration; the context says where a handler runs."""

from __future__ import annotations

import asyncio

import pytest

from headrace import Context, Fleet, current_context
from headrace.context import running
from headrace.errors import ConfigError
from headrace.hooks import Hooks


async def test_hooks_run_one_after_the_other_with_their_arguments() -> None:
    said: list[tuple[str, int]] = []
    hooks = Hooks()

    async def first(number: int) -> None:
        await asyncio.sleep(0)
        said.append(("first", number))

    async def second(number: int) -> None:
        said.append(("second", number))

    assert hooks.add("on_start", first) is first
    hooks.add("on_start", second)
    await hooks.call("on_start", 3)
    await hooks.call("on_shutdown", 4)
    assert said == [("first", 3), ("second", 3)]
    assert hooks.named("on_start") == (first, second)
    assert hooks.named("on_dead") == ()


async def test_the_first_error_ends_the_round() -> None:
    said: list[str] = []
    hooks = Hooks()

    async def breaks() -> None:
        raise ValueError("broken")

    async def never() -> None:
        said.append("never")

    hooks.add("on_start", breaks)
    hooks.add("on_start", never)
    with pytest.raises(ValueError, match="broken"):
        await hooks.call("on_start")
    assert said == []


def test_what_can_not_be_called_is_refused() -> None:
    with pytest.raises(ConfigError, match="on_start: 3 is not a function"):
        Fleet().on_start(3)  # type: ignore[type-var]


async def test_the_context_is_the_running_job_s_own_and_only_there() -> None:
    with pytest.raises(RuntimeError, match="outside a running job"):
        current_context()

    async def run(name: str) -> str:
        running.set(Context(job_id=name, queue="q", task="t"))
        await asyncio.sleep(0.001)
        return current_context().job_id

    assert await asyncio.gather(run("a"), run("b")) == ["a", "b"]  # type: ignore[comparison-overlap]
    with pytest.raises(RuntimeError):
        current_context()


def test_a_context_crosses_to_another_process_as_a_dict() -> None:
    context = Context(job_id="j", queue="q", task="t", attempt=2, correlation_id="c", meta={"a": "b"}, ready_ms=1.5)
    assert Context(**context.as_dict()).as_dict() == context.as_dict()
    assert repr(context) == "<Context q/t j attempt 2>"
