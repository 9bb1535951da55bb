"""Handlers that fail in every way a handler can."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from headrace import Bury, Fleet, RetryLater, Task, current_context
from support.apps.journal import note, recorded

fleet = Fleet()
jobs = fleet.queue("jobs")
FailTask = Task[[str], Any]
LaterTask = Task[[float, bool], Any]


class NeverAgain(Exception):
    """Listed under never_retry."""


class WorthIt(Exception):
    """Listed under retry_on."""


class WorthItToo(WorthIt):
    """A kind of what is listed."""


@jobs.task()
async def echo(tag: str) -> None:
    with recorded():
        note("echo", tag=tag)


@jobs.task(retry_base=0.05, retry_jitter=False, max_retries=5)
async def fail_until(attempt: int) -> None:
    with recorded():
        note("attempt", number=current_context().attempt, job=current_context().job_id)
        if current_context().attempt < attempt:
            raise ValueError("not yet")


@jobs.task(retry_base=0.01)
async def unsaid() -> None:
    with recorded():
        raise ValueError("no number of retries was said")


@jobs.task(max_retries=0)
async def fail(how: str) -> None:
    with recorded():
        _fail(how)


@jobs.task(max_retries=0)
def fail_in_thread(how: str) -> None:
    with recorded():
        _fail(how)


@jobs.task(max_retries=0, process=True)
def fail_in_process(how: str) -> None:
    with recorded():
        _fail(how)


@jobs.task(max_retries=0)
async def fail_in_subtask(how: str) -> None:
    async def inner() -> None:
        _fail(how)

    with recorded():
        await asyncio.wait_for(asyncio.create_task(inner()), 5)


def _fail(how: str) -> Any:  # noqa: C901 - a table
    match how:
        case "Exception":
            raise Exception("plain")
        case "BaseException":
            raise BaseException("base")
        case "SystemExit":
            sys.exit(3)
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "CancelledError":
            raise asyncio.CancelledError
        case "GeneratorExit":
            raise GeneratorExit
        case "StopIteration":
            raise StopIteration("5")
        case "RecursionError":
            return _fail(how)
        case "UnicodeError":
            raise FileNotFoundError(f"no file {os.fsdecode(bytes([0xFF]))}")
        case "Unprintable":
            raise Unprintable
        case "Bury":
            raise Bury("odd|reason\0with \udcff separators")
        case "RetryNaN":
            if current_context().attempt == 1:
                raise RetryLater(float("nan"))
            raise Bury("came back")
        case _:
            raise AssertionError(how)


class Unprintable(Exception):
    """Its message can't be had."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@jobs.task(max_retries=2)
async def later(delay: float, charge: bool) -> None:
    with recorded():
        runs = note_run()
        if runs < 4:
            raise RetryLater(delay, charge=charge)


@jobs.task(max_retries=2, process=True)
def later_in_process(delay: float, charge: bool) -> None:
    with recorded():
        runs = note_run()
        if runs < 4:
            raise RetryLater(delay, charge=charge)


def note_run() -> int:
    """Counts this job's runs over all processes, in a file beside the notes."""
    path = f"{os.environ['TEST_NOTES']}.{current_context().job_id}"
    with open(path, "a+") as file:
        file.write("x")
        file.flush()
        runs = file.tell()
    note("later", number=runs, attempt=current_context().attempt)
    return runs


@jobs.task(max_retries=3, retry_base=0.01, never_retry=(NeverAgain,), retry_on=(WorthIt, NeverAgain))
async def choosy(kind: str) -> None:
    with recorded():
        raise {"never": NeverAgain, "worth": WorthIt, "worth_too": WorthItToo, "other": ValueError}[kind](kind)


@jobs.task(max_retries=3, retry_base=0.01, process=True, never_retry=(NeverAgain,), retry_on=(WorthIt, NeverAgain))
def choosy_in_process(kind: str) -> None:
    with recorded():
        raise {"never": NeverAgain, "worth": WorthIt, "worth_too": WorthItToo, "other": ValueError}[kind](kind)


@jobs.task(max_retries=0, process=True)
def die_in_process() -> None:
    with recorded():
        os.kill(os.getpid(), 9)


@jobs.task(max_retries=0, backoff=lambda failures: [][failures])
async def typed(number: int) -> None:
    with recorded():
        note("typed", number=number)


@jobs.task(max_retries=2, backoff=lambda failures: [][failures])
async def broken_backoff() -> None:
    with recorded():
        raise ValueError("first")
