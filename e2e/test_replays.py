"""A replay by annotation: the operator is killed and deleted again and again, and Git brings the annotation back."""

from __future__ import annotations

import pytest
from e2e.harness.steps import Steps
from e2e.scenarios.cluster import Cluster
from e2e.scenarios.playing import played
from e2e.scenarios.replays import Size, replays

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900, func_only=True)]
SMALL = Size(letters=300, again=12, fresh=8, blows=4, seconds=30)
"""Each kind of blow once, at the leader and at anyone."""


async def test_each_letter_is_replayed_once_whoever_dies_and_whatever_git_brings_back(
    cluster: Cluster, steps: Steps
) -> None:
    await played(cluster, lambda stage: replays(stage, count=1, seed=1, size=SMALL), note=steps.write)
