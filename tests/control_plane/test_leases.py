"""Leadership on a real Lease: one at a time, handed over or taken after its holder's silence, never both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from headrace_operator.cluster.api import Api, connect
from headrace_operator.cluster.errors import NotLeadingError
from headrace_operator.cluster.leadership import LEASE_SECONDS, RENEW_SECONDS, Leadership
from support.control_plane import ControlPlane
from support.kube_client import KubeClient


@pytest.fixture
async def api(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    async with connect() as opened:
        yield opened


async def test_one_leads_and_hands_over(api: Api, namespace: str) -> None:
    first, second = (Leadership(api, namespace, "lease", name) for name in ("first", "second"))
    await asyncio.wait_for(first.acquire(), 5)
    waiting = asyncio.create_task(second.acquire())
    done, _ = await asyncio.wait((waiting,), timeout=1.5)
    assert not done
    first.check()
    with pytest.raises(NotLeadingError):
        second.check()
    await first.release()
    await asyncio.wait_for(waiting, 3)
    second.check()
    with pytest.raises(NotLeadingError):
        first.check()


async def test_a_silent_holder_counts_on_nothing_before_another_may_lead(api: Api, namespace: str) -> None:
    first, second = (Leadership(api, namespace, "lease", name) for name in ("first", "second"))
    await first.acquire()
    began = time.monotonic()
    waiting = asyncio.create_task(second.acquire())
    while (asked := time.monotonic()) and first.leading:
        assert asked - began < RENEW_SECONDS, "however late this process looks"
        assert not waiting.done()
        await asyncio.sleep(0.05)
    await asyncio.wait_for(waiting, 2 * LEASE_SECONDS)
    assert time.monotonic() - began >= LEASE_SECONDS
    await first.release()
    second.check()
    with pytest.raises(NotLeadingError):
        await first.keep()


async def test_a_holder_keeps_on_leading_and_learns_that_it_was_replaced(
    control_plane: ControlPlane, api: Api, namespace: str
) -> None:
    leading = Leadership(api, namespace, "lease", "first")
    await leading.acquire()
    keeping = asyncio.create_task(leading.keep())
    await asyncio.sleep(RENEW_SECONDS + 1)
    leading.check()
    usurped = '--patch={"spec":{"holderIdentity":"another"}}'
    await KubeClient(control_plane, namespace).do("patch", "lease", "lease", "--type=merge", usurped)
    with pytest.raises(NotLeadingError):
        await asyncio.wait_for(keeping, 3)


async def test_a_container_that_starts_again_does_not_wait_for_its_own_lease_to_lapse(api: Api, namespace: str) -> None:
    killed = Leadership(api, namespace, "lease", "pod-1_a", forebears="pod-1_")
    await killed.acquire()
    other = asyncio.create_task(Leadership(api, namespace, "lease", "pod-10_a", forebears="pod-10_").acquire())
    again = Leadership(api, namespace, "lease", "pod-1_b", forebears="pod-1_")
    began = time.monotonic()
    await asyncio.wait_for(again.acquire(), LEASE_SECONDS)
    assert time.monotonic() - began < LEASE_SECONDS - 1
    again.check()
    assert not other.done()
    with pytest.raises(NotLeadingError):
        await killed.keep()
    other.cancel()
