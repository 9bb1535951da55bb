"""Whatever breaks between operator, API server and Redis: no worker goes because of it, and the fleet is back soon.

One trial of each fault here, with workers that are busy, idle or not there; `python -m tests.operator_faults` makes all
of them, for a minute each.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from operator_faults.catalogue import CATALOGUE, try_here
from operator_faults.site import Site, site
from operator_faults.trial import RECOVERY_SECONDS, Fleet, Trial
from support.control_plane import ControlPlane
from support.live_fleet import StartFleet
from support.own_names import names_possible

OUTAGE_SECONDS = 4.0
SLACK = 3
"""Times the recovery's limit: this machine may have other things to do."""

BY_REDIS = (
    ("dns-unknown", Fleet.EMPTY),
    ("dns-silent", Fleet.BUSY),
    ("wrong-password", Fleet.BUSY),
    ("redis-frozen", Fleet.IDLE),
    ("redis-refused", Fleet.EMPTY),
    ("redis-failover", Fleet.BUSY),
    ("wrong-type", Fleet.EMPTY),
)
BY_KUBERNETES = (
    ("api-down", Fleet.BUSY),
    ("api-frozen", Fleet.EMPTY),
    ("leader-killed", Fleet.BUSY),
    ("operators-killed", Fleet.EMPTY),
    ("leader-frozen", Fleet.BUSY),
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not names_possible(), reason="names of its own take root and unshare"),
]


@pytest.mark.timeout(600, func_only=True)
@pytest.mark.parametrize("plan", [BY_REDIS, BY_KUBERNETES], ids=["by-redis", "by-kubernetes"])
async def test_no_worker_goes_and_the_fleet_is_back_soon(
    plan: tuple[tuple[str, Fleet], ...], start_fleet: StartFleet, control_plane: ControlPlane, tmp_path: Path
) -> None:
    verdicts = []
    async with site(start_fleet, tmp_path, control_plane.kubeconfig) as ground:
        for name, fleet in plan:
            limit = RECOVERY_SECONDS * SLACK
            verdict = await try_here(CATALOGUE[name], fleet, ground, outage=OUTAGE_SECONDS, limit=limit)
            print(f"{name}, {fleet} fleet: back after {verdict.recovery:.1f} s, {verdict.seconds:.0f} s in all")
            verdicts.append(verdict)
    assert [verdict for verdict in verdicts if not verdict.sound] == []


def test_every_fault_is_tried() -> None:
    assert sorted(name for name, _ in (*BY_REDIS, *BY_KUBERNETES)) == sorted(CATALOGUE)


class _Sabotage:
    """Takes the workers away behind the operator's back, and says nothing."""

    def __init__(self, ground: Site) -> None:
        self._ground = ground

    async def begin(self) -> None:
        kube = self._ground.fleet.kube
        await kube.do("scale", "deployments", "--all", "--replicas=1")

    async def heal(self) -> None:
        return


async def test_the_judge_notices_workers_that_go_for_a_moment(
    start_fleet: StartFleet, control_plane: ControlPlane, tmp_path: Path
) -> None:
    async with site(start_fleet, tmp_path, control_plane.kubeconfig) as ground:
        trial = Trial("sabotage", _Sabotage(ground), ground, says=None, takes_jobs=False, outage=0)
        verdict = await trial.run(Fleet.BUSY)
    assert "replicas fell to 1" in verdict.complaints
