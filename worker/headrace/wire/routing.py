"""Which node of a Cluster serves a key, and which key a command is about. Pure."""

from __future__ import annotations

import binascii
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from headrace.wire.target import Address

SLOTS: Final = 16384
KEYLESS: Final = frozenset({"CONFIG", "INFO", "PING", "ROLE"})
"""Commands that any node may answer."""
_SCRIPTS: Final = frozenset({"EVAL", "EVALSHA"})


@lru_cache(maxsize=4096)
def slot_of(key: str) -> int:
    """The key's slot: CRC-16/XMODEM of the hash tag, or of all of it, as the Cluster specification says."""
    start = key.find("{")
    end = key.find("}", start + 1) if start >= 0 else -1
    tagged = key[start + 1 : end] if end > start + 1 else key
    return binascii.crc_hqx(tagged.encode(), 0) % SLOTS


def key_of(command: Sequence[Any]) -> str | None:
    """The first key of one of headrace's commands; None for those of KEYLESS and for single words."""
    name = command[0]
    if name in KEYLESS or len(command) == 1:
        return None
    return str(command[3] if name in _SCRIPTS else command[1])


@dataclass(frozen=True)
class SlotMap:
    """Who serves what, as one node has told it."""

    starts: tuple[int, ...]
    """First slots of the ranges, ascending …"""
    ends: tuple[int, ...]
    owners: tuple[Address, ...]
    """… and, range by range, the last slot and the primary."""

    @property
    def primaries(self) -> tuple[Address, ...]:
        """Every node that serves a slot."""
        return tuple(dict.fromkeys(self.owners))

    def owner(self, slot: int) -> Address | None:
        """None: nobody serves it."""
        at = bisect_right(self.starts, slot) - 1
        return self.owners[at] if at >= 0 and slot <= self.ends[at] else None


def slot_map(reply: Iterable[Sequence[Any]], asked: Address) -> SlotMap:
    """CLUSTER SLOTS, as the node at `asked` has answered. Ranges that no primary serves are left out."""
    ranges = sorted((int(first), int(last), _address(nodes[0], asked)) for first, last, *nodes in reply if nodes)
    return SlotMap(
        tuple(first for first, _, _ in ranges),
        tuple(last for _, last, _ in ranges),
        tuple(address for _, _, address in ranges),
    )


def _address(node: Sequence[Any], asked: Address) -> Address:
    """A node that does not know its own name is reached by the one that it was asked by."""
    host, port, *_ = node
    named = host.decode() if host else ""
    return (named if named not in ("", "?") else asked[0], int(port))
