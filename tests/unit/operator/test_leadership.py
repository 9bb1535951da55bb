"""When a silent holder's Lease may be taken, by a clock that the test moves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from headrace_operator.cluster import leadership
from headrace_operator.cluster.leadership import LEASE_SECONDS, RENEW_SECONDS, Leadership


class SlowApi:
    """Holds one Lease; answers a read `delay` seconds after it was sent, with what was written until then."""

    def __init__(self) -> None:
        self.now, self.delay = 100.0, 0.0
        spec = {"holderIdentity": "first", "leaseDurationSeconds": LEASE_SECONDS, "acquireTime": "long ago"}
        self.lease: dict[str, Any] = {"metadata": {"resourceVersion": "7"}, "spec": spec}

    async def get(self, _path: str) -> dict[str, Any]:
        self.now += self.delay
        return self.lease

    async def replace(self, _path: str, lease: dict[str, Any]) -> dict[str, Any]:
        self.lease = lease
        return lease


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> SlowApi:
    made = SlowApi()
    monkeypatch.setattr(leadership, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


async def test_a_lease_that_was_read_slowly_may_have_been_renewed_meanwhile(api: Any) -> None:
    standby = Leadership(api, "n", "lease", "second")
    api.delay = RENEW_SECONDS - 0.1
    assert not await standby._take()
    renewed, api.delay = api.now, 0.0
    api.now = renewed + RENEW_SECONDS - 0.1
    assert not await standby._take(), "the holder counts on leading until RENEW_SECONDS after it has written"
    api.now = renewed + LEASE_SECONDS
    assert await standby._take()
    assert api.lease["spec"]["holderIdentity"] == "second"
