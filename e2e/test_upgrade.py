"""helm upgrade from 0.1.0: the new operator takes over, and no worker notices."""

from __future__ import annotations

import pytest
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.playing import played
from e2e.scenarios.upgrade import upgrades

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600, func_only=True)]


@pytest.mark.usefixtures("earlier_operator")
async def test_an_upgrade_of_the_operator_restarts_no_worker(cluster: Cluster, steps: Steps) -> None:
    await played(cluster, lambda stage: upgrades(stage, count=1, seed=1), operators=0, note=steps.write)
