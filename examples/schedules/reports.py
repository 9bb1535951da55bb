"""Tasks for the Schedules in queue.yaml: `headrace dev -f queue.yaml` in this folder runs them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headrace import Fleet, current_context

fleet = Fleet()
queue = fleet.queue("reports")


@queue.task()
async def heartbeat(name: str) -> None:
    """Every ten seconds."""
    print(f"{name} is alive at {current_context().tick}")


@queue.task(timeout=600)
async def report(form: Literal["pdf", "html"], pages: Annotated[int, Field(ge=1)] = 10) -> None:
    """Every night."""
    print(f"a report of {pages} pages as {form}, due at {current_context().tick}")
