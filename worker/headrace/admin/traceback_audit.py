"""Compares how often each traceback is counted with how many dead letters name it.

No single step can see a million letters, so the comparison counts only when no letter came or went during it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from headrace.admin.handle import SCAN_SLICE, QueueHandle

ROUNDS = 4


async def compare_tracebacks(handle: QueueHandle) -> Mapping[str, tuple[int, int]] | None:
    """Fingerprint → (counted, actual) of those that differ; None when the letters never stood still.

    A difference counts when two scans in a row saw it: a single scan may meet an entry twice.
    """
    before = None
    for _ in range(ROUNDS):
        stamp = await _stamp(handle)
        different = await _differences(handle)
        if stamp != await _stamp(handle):
            continue
        if not different or different == before:
            return different
        before = different
    return None


async def _stamp(handle: QueueHandle) -> object:
    """Changes whenever a letter comes or goes."""
    return await handle.pipeline([("HMGET", "count", "dead", "replayed"), ("ZCARD", "dead"), ("HLEN", "dj")])


async def _differences(handle: QueueHandle) -> dict[str, tuple[int, int]]:
    actual: Counter[str] = Counter()
    cursor = b"0"
    while True:
        cursor, _, _, fingerprints, _ = await handle.run("audit_slice", "dj", cursor, SCAN_SLICE)
        for i in range(0, len(fingerprints), 2):
            actual[fingerprints[i].decode()] += fingerprints[i + 1]
        if cursor == b"0":
            break
    counted: dict[str, int] = {}
    cursor = b"0"
    while True:
        cursor, found = await handle.request("HSCAN", "tbn", cursor, "COUNT", SCAN_SLICE * 4)
        counted.update({found[i].decode(): int(found[i + 1]) for i in range(0, len(found), 2)})
        if cursor == b"0":
            break
    names = actual.keys() | counted.keys()
    return {name: (counted.get(name, 0), actual[name]) for name in names if counted.get(name, 0) != actual[name]}
