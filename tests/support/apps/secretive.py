"""Handlers that meet a secret in their arguments and let it out in every way that handlers have."""

from __future__ import annotations

from headrace import Bury, Context, Fleet, RetryLater
from support.apps.journal import recorded

fleet = Fleet()
jobs = fleet.queue("jobs")


@fleet.on_job_error
async def on_error(context: Context, error: BaseException) -> None:
    raise RuntimeError(f"hook: {error}")


@jobs.task(max_retries=1, retry_base=0.01)
async def leak(secret: str) -> None:
    with recorded():
        raise ValueError(f"could not log in with {secret}")


@jobs.task(max_retries=0)
def leak_in_thread(secret: str) -> None:
    with recorded():
        raise KeyError(secret)


@jobs.task(max_retries=0, process=True)
def leak_in_process(secret: str) -> None:
    with recorded():
        raise ValueError(secret)


@jobs.task(max_retries=1)
async def later(secret: str) -> None:
    with recorded():
        raise RetryLater(0.01, why=secret)


@jobs.task()
async def give_up(secret: str) -> None:
    with recorded():
        raise Bury("wrong password") from ValueError(secret)


@jobs.task()
async def fine(secret: str) -> None:
    with recorded():
        assert secret
