"""`kubectl drain` and evictions: nodes are emptied under busy workers, whose jobs end first."""

from __future__ import annotations

import pytest
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.nodes import WORKERS, evictions, node_drains
from e2e.scenarios.playing import played

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900, func_only=True)]


async def test_draining_each_node_and_evicting_all_workers_at_once_interrupt_nobody(
    cluster: Cluster, steps: Steps
) -> None:
    *_, evicted = await played(
        cluster,
        lambda stage: node_drains(stage, count=2, seed=1, longest=6),
        lambda stage: evictions(stage, count=1, seed=1, longest=6),
        note=steps.write,
    )
    assert evicted.evicted >= WORKERS
    # The budget lets one go at a time.
    assert evicted.refused >= WORKERS - 1
