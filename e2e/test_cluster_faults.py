"""Redis, the API server and the operator fail on a real cluster: no worker goes for it, and the fleet goes on."""

from __future__ import annotations

import pytest
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.faults import FLEETS, faults
from e2e.scenarios.playing import played

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900, func_only=True)]
CHOSEN = ("name-gone", "api-down", "leader-frozen")
"""The soak has them all."""
OUTAGE = 15
"""Seconds; the soak has more."""
LONGEST = ("redis-failover",)
"""Two changes of servers: tried once, on the busy fleet, with the least outage."""
SLACK = 4.0


async def test_a_fault_takes_no_worker_away(cluster: Cluster, steps: Steps) -> None:
    count = len(CHOSEN) * len(FLEETS)
    await played(
        cluster,
        lambda stage: faults(stage, count=count, outage=OUTAGE, names=CHOSEN, slack=SLACK),
        lambda stage: faults(stage, count=1, outage=0, names=LONGEST, slack=SLACK),
        note=steps.write,
    )
