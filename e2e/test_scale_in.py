"""A fleet on real nodes shrinks under busy and idle pods, and nobody's job is cut short."""

from __future__ import annotations

import pytest
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.playing import played
from e2e.scenarios.scale_in import scale_ins

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900, func_only=True)]


async def test_scale_ins_interrupt_nobody(cluster: Cluster, steps: Steps) -> None:
    stairs = await played(cluster, lambda stage: scale_ins(stage, count=2, seed=1, longest=6), note=steps.write)
    assert sum(one.scale_ins for one in stairs) >= 8
    assert sum(one.with_busy for one in stairs) >= 6
    assert sum(one.aimed for one in stairs) > 0
