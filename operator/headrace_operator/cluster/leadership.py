"""Who leads: a Lease that one process holds and renews, and that another takes when it is no longer renewed.

Times are judged by this process's monotonic clock from what it saw, never by the clocks of others.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from headrace_operator.cluster.api import Api, Json
from headrace_operator.cluster.errors import ApiConflictError, ApiError, ApiNotFoundError, NotLeadingError

LEASE_SECONDS: Final = 6
"""A Lease that wasn't renewed for so long is anybody's."""
RENEW_SECONDS: Final = 4.0
"""Without a renewal for so long, this process no longer counts on leading."""
RETRY_SECONDS: Final = 1.0


@dataclass
class _Seen:
    """The Lease as somebody else left it, and since when it stands so."""

    version: str = ""
    since: float = 0.0


class Leadership:
    """`acquire`, then `keep` beside the work, then `release`."""

    def __init__(self, api: Api, namespace: str, name: str, identity: str, *, forebears: str | None = None) -> None:
        """`identity` must be another one in each process.

        A holder whose identity begins with `forebears` is gone for sure: an earlier process of this very container.
        """
        self.heard = 0.0
        """When the Lease was last read or written, on the monotonic clock; 0 if it never was."""
        self._api, self._identity, self._forebears = api, identity, forebears
        self._folder = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._metadata: Json = {"name": name, "namespace": namespace}
        self._path = f"{self._folder}/{name}"
        self._seen = _Seen()
        self._lease: Json | None = None
        self._renewed: float | None = None

    @property
    def leading(self) -> bool:
        """Whether nobody else can lead now."""
        return self._renewed is not None and time.monotonic() - self._renewed < RENEW_SECONDS

    def check(self) -> None:
        """Raise NotLeadingError unless leading: to be asked before each write."""
        if not self.leading:
            raise NotLeadingError("another process may lead by now; nothing was written")

    async def acquire(self) -> None:
        """Return once leading, however long that takes."""
        while True:
            with suppress(ApiError, TimeoutError):
                async with asyncio.timeout(RENEW_SECONDS):
                    if await self._take():
                        return
            await asyncio.sleep(RETRY_SECONDS)

    async def keep(self) -> None:
        """Renew until cancelled. Raises NotLeadingError once leadership is lost or not certain any more."""
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            self.check()
            assert self._renewed is not None
            try:
                async with asyncio.timeout(self._renewed + RENEW_SECONDS - time.monotonic()):
                    await self._write(self._held())
            except ApiConflictError:
                await self._look_who_wrote()
            except (ApiError, TimeoutError):
                self.check()

    async def release(self) -> None:
        """Let the next one lead at once. Nothing if not leading; losing the message only costs time."""
        if not self.leading or self._lease is None:
            return
        free = self._lease | {"spec": self._lease["spec"] | {"holderIdentity": "", "leaseDurationSeconds": 1}}
        self._renewed = None
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(RENEW_SECONDS):
                await self._api.replace(self._path, free)

    async def _take(self) -> bool:
        """Try to become the holder. Raises ApiErrors."""
        began = time.monotonic()
        try:
            found = await self._api.get(self._path)
        except ApiNotFoundError:
            self._lease = None
            with suppress(ApiConflictError):
                await self._write(self._held())
                return True
            return False
        self.heard = time.monotonic()
        spec, version = found["spec"], found["metadata"]["resourceVersion"]
        if version != self._seen.version:
            self._seen = _Seen(version, self.heard)  # it may have been written just before the answer
        patience = spec.get("leaseDurationSeconds") or LEASE_SECONDS
        if self._may_live(spec.get("holderIdentity") or "") and began - self._seen.since < patience:
            return False
        self._lease = found
        with suppress(ApiConflictError):
            await self._write(self._held())
            return True
        return False

    def _may_live(self, holder: str) -> bool:
        """Whether `holder` is somebody, and perhaps still there."""
        gone = self._forebears is not None and holder.startswith(self._forebears)
        return holder not in ("", self._identity) and not gone

    async def _look_who_wrote(self) -> None:
        """Somebody changed the Lease. Raises NotLeadingError if it is not ours any more."""
        with suppress(ApiError, TimeoutError):
            async with asyncio.timeout(RENEW_SECONDS):
                found = await self._api.get(self._path)
            if found["spec"].get("holderIdentity") != self._identity:
                self._renewed = None
            self._lease = found
        self.check()

    def _held(self) -> Json:
        """The Lease with us as its holder, as of now."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before: Json = self._lease["spec"] if self._lease is not None else {}
        ours = before.get("holderIdentity") == self._identity
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": self._lease["metadata"] if self._lease is not None else self._metadata,
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": LEASE_SECONDS,
                "acquireTime": before["acquireTime"] if ours else now,
                "renewTime": now,
                "leaseTransitions": before.get("leaseTransitions", 0) + (0 if ours or not before else 1),
            },
        }

    async def _write(self, lease: Json) -> None:
        sent = time.monotonic()
        if self._lease is None:
            self._lease = await self._api.create(self._folder, lease)
        else:
            self._lease = await self._api.replace(self._path, lease)
        self._renewed = sent
        self.heard = time.monotonic()
