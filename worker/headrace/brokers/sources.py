"""Which broker a URL names. New kinds register here by the scheme of their URLs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headrace.brokers.protocol import Source
from headrace.brokers.redis import RedisSource
from headrace.brokers.streams import SUFFIX, streams_source
from headrace.wire.target import parse_target

SourceFactory = Callable[[str], Source]
"""From the whole URL. Raises ConfigError for a wrong one, and never quotes a password."""


def _memory(url: str) -> Source:
    from headrace.brokers.memory.source import memory_source

    return memory_source(url)


_factories: Final[dict[str, SourceFactory]] = {"memory": _memory}


def register_broker(scheme: str, factory: SourceFactory) -> None:
    """URLs that begin with `scheme://` name this broker from now on, in this process."""
    _factories[scheme] = factory


def source_of(url: str, setting: str = "REDIS_URL") -> Source:
    """Raises ConfigError with one line that names `setting`, or the scheme's own."""
    scheme = url.partition("://")[0]
    factory = _factories.get(scheme)
    if factory is not None:
        return factory(url)
    if scheme.endswith(SUFFIX):
        return streams_source(url, setting)
    return RedisSource(parse_target(url, setting))
