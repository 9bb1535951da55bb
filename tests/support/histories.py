"""What every machine of random histories has, and how its histories are told: shrunk to the shortest, kept nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


class Machine(RuleBasedStateMachine):
    """Rules that call the server at `url`. Both attributes are set by `run_machine`."""

    url: str
    runner: asyncio.Runner

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)


def run_machine(kind: type[Machine], url: str, *, examples: int, steps: int) -> None:
    """So many histories of at most so many steps, on the server at `url`."""
    with asyncio.Runner() as runner:
        machine = type("BoundMachine", (kind,), {"url": url, "runner": runner})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                print_blob=True,
                report_multiple_bugs=False,
                phases=(Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
