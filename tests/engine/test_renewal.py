"""The renewal thread's connection is there before the first renewal is due: later there may be no way to open one."""

from __future__ import annotations

import pytest

from headrace.brokers.redis import RedisBroker, RedisSource
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from headrace.worker import renewal
from headrace.worker.renewal import Renewal, Renewed
from headrace.worker.session import Session
from support.polling import eventually
from support.servers import RedisServer
from support.worker_parts import make_parts

pytestmark = pytest.mark.parametrize("redis_server", ["valkey"], indirect=True)
HOUR = 3600.0


async def test_a_new_session_is_renewed_at_once(
    redis_server: RedisServer, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "LONGEST_INTERVAL", HOUR)
    session = Session("q", lease=3 * HOUR, pulse=make_parts().pulse)
    await session.join(RedisBroker(link))
    heard: list[Renewed] = []
    keeping = Renewal(
        RedisSource(parse_target(redis_server.url)),
        3 * HOUR,
        block_limit=HOUR,
        sessions=lambda: [session],
        report=heard.extend,
    )
    keeping.start()
    try:
        await eventually(lambda: heard)
    finally:
        keeping.stop()
    assert heard[0].live
