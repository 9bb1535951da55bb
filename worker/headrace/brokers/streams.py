"""`redis+streams://…`: Redis keeps a queue's jobs in streams. A queue's most jobs come with the URL, `?max_length=`.

Owns what such URLs say beyond where Redis is; all else is redis.py in another layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode

from headrace.brokers.durability import Assurance, Durability
from headrace.brokers.layout import STREAMS
from headrace.brokers.protocol import CALL_TIMEOUT
from headrace.brokers.redis import RedisBroker, RedisSource
from headrace.contract.entry import Entry, Standing
from headrace.errors import ConfigError
from headrace.wire.link import Link
from headrace.wire.target import Target, parse_target

SUFFIX: Final = "+streams"
"""What the scheme of a Redis ends with when jobs are kept in streams there."""


class StreamsBroker(RedisBroker):
    """Says how long a queue may become before the first enqueue into it."""

    def __init__(self, link: Link, max_length: int | None, assurance: Assurance | None = None) -> None:
        """max_length: jobs that wait; 0: any number; None: as others have said."""
        super().__init__(link, STREAMS, assurance)
        self._max_length = max_length
        self._told: set[str] = set()

    def assured(self, level: str, replicas: int) -> StreamsBroker:
        """Over the same link, which then waits, too."""
        return StreamsBroker(self.link, self._max_length, Assurance(STREAMS, Durability(level), replicas))

    async def enqueue(
        self, queue: str, producer: str, seq: int, keep_ms: int, entries: Sequence[Entry]
    ) -> dict[int, Standing]:
        """Refused whole where it is too much: what is in the stream is never trimmed."""
        if self._max_length is not None and queue not in self._told:
            field = ("limit", self._max_length) if self._max_length else ("limit",)
            await self.link.request("HSET" if self._max_length else "HDEL", STREAMS.key(queue, "meta"), *field)
            self._told.add(queue)
        return await super().enqueue(queue, producer, seq, keep_ms, entries)


class StreamsSource(RedisSource):
    """One server, or a Cluster, or whatever the Sentinels say is the primary."""

    def __init__(self, target: Target, max_length: int | None = None) -> None:
        super().__init__(target, STREAMS)
        self.max_length = max_length

    @property
    def redacted(self) -> str:
        """The address without its password."""
        return self.target.redacted.replace("://", f"{SUFFIX}://", 1)

    def open(self, name: str, timeout: float = CALL_TIMEOUT) -> StreamsBroker:
        """Over a link of its own."""
        return StreamsBroker(Link(self.target, name=name, timeout=timeout), self.max_length)


def streams_source(url: str, setting: str) -> StreamsSource:
    """Of any Redis URL whose scheme ends with SUFFIX. Raises ConfigError."""
    scheme, _, rest = url.partition("://")
    address, mark, query = rest.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    lengths = [value for name, value in pairs if name == "max_length"]
    if lengths and not (lengths[-1].isascii() and lengths[-1].isdigit()):
        raise ConfigError(f"{setting}: max_length must be a number of jobs, 0 for any number, got {lengths[-1]!r}")
    others = urlencode([pair for pair in pairs if pair[0] != "max_length"]) if lengths else query
    plain = f"{scheme.removesuffix(SUFFIX)}://{address}{mark if others else ''}{others}"
    return StreamsSource(parse_target(plain, setting), int(lengths[-1]) if lengths else None)
