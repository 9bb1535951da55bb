"""A rig on an empty Redis."""

from __future__ import annotations

import pytest

from support.fleet_rig import BY_SIGNAL, Rig


@pytest.fixture
async def rig(redis_url: str) -> Rig:
    """With short pauses."""
    return Rig(redis_url)


@pytest.fixture
async def attentive(redis_url: str) -> Rig:
    """That polls once a minute."""
    return Rig(redis_url, BY_SIGNAL)
