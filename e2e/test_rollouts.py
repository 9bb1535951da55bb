"""New versions under load on real nodes: sound ones replace the old, broken ones are stopped and taken back."""

from __future__ import annotations

import pytest
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.playing import played
from e2e.scenarios.rollouts import BROKEN, broken, rollouts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900, func_only=True)]


async def test_three_rollouts_under_load_lose_nothing_and_never_have_too_many_pods(
    cluster: Cluster, steps: Steps
) -> None:
    await played(cluster, lambda stage: rollouts(stage, count=3, seed=1, longest=3), note=steps.write)


async def test_a_broken_version_is_rolled_back_and_the_old_one_serves_on(cluster: Cluster, steps: Steps) -> None:
    tried = await played(cluster, lambda stage: broken(stage, count=len(BROKEN), seed=1), note=steps.write)
    assert {one.mode for one in tried} == set(BROKEN)
