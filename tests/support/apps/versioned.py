"""The tasks of `slow` in a worker of another release: it speaks TEST_PROTOCOL; a newer one tells more of itself."""

from __future__ import annotations

import os

import msgspec

from headrace.brokers import redis
from headrace.contract.protocol import PROTOCOL
from headrace.contract.replies import Presence, encode_presence
from headrace.worker import session
from support.apps.slow import fleet

__all__ = ["fleet"]

SPOKEN = int(os.environ.get("TEST_PROTOCOL", PROTOCOL))


def _tell_more(presence: Presence) -> bytes:
    told: list[object] = msgspec.msgpack.decode(encode_presence(presence))
    return msgspec.msgpack.encode([*told, "zone-b", {"gpu": True}])


for module in (session, redis):
    module.__dict__["PROTOCOL"] = SPOKEN
if SPOKEN > PROTOCOL:
    session.__dict__["encode_presence"] = _tell_more
