"""Jobs longer than the cooldown, than their pod, than its grace."""

from __future__ import annotations

import pytest
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.long_jobs import long_jobs
from e2e.scenarios.playing import played

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600, func_only=True)]


async def test_long_jobs_are_finished_whatever_happens_around_them(cluster: Cluster, steps: Steps) -> None:
    await played(cluster, lambda stage: long_jobs(stage, count=3, seconds=16), note=steps.write)
