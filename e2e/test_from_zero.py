"""A fleet without pods wakes for a job, and for a delayed one when it falls due."""

from __future__ import annotations

import pytest
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.from_zero import delayed, wakes
from e2e.scenarios.playing import played

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600, func_only=True)]
SLACK = 6.0
"""This may be a busy machine; the soak says how fast it is on a quiet one."""


async def test_a_job_wakes_an_empty_fleet_and_so_does_a_delayed_one_when_it_is_due(
    cluster: Cluster, steps: Steps
) -> None:
    await played(
        cluster,
        lambda stage: wakes(stage, count=5, seed=1, slack=SLACK),
        lambda stage: delayed(stage, count=1, seed=1, delay=12, slack=SLACK),
        note=steps.write,
    )
