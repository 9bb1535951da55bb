"""Whether somebody listens on a channel of Redis's."""

from __future__ import annotations

from headrace.wire.link import Link
from support.polling import eventually


async def listened_to(link: Link, channel: str) -> None:
    """Wait for a subscriber of `channel`, which ends in * if it is a pattern."""

    async def heard() -> bool:
        if channel.endswith("*"):
            return bool(await link.request("PUBSUB", "NUMPAT"))
        return bool((await link.request("PUBSUB", "NUMSUB", channel))[1])

    await eventually(heard)
