"""Merges what a WorkerQueue says about its pods over what the operator says: a strategic merge patch's main rules.

Mappings are merged, null removes, lists whose entries have a key field are merged by it, other lists are replaced.
The directives of a real strategic merge patch (`$patch` and its kin) are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MERGE_KEYS: Final[Mapping[str, str]] = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "imagePullSecrets": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
}
"""Field that holds a list → the field that tells its entries apart, as in Kubernetes' API."""


def overlaid(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `overlay` merged over it; neither is changed."""
    merged = dict(base)
    for field, value in overlay.items():
        if value is None:
            merged.pop(field, None)
        else:
            merged[field] = _merged(field, merged.get(field), value)
    return merged


def _merged(field: str, below: object, above: object) -> object:
    match below, above:
        case dict(), dict():
            return overlaid(below, above)
        case None, dict():
            return overlaid({}, above)
        case list(), list() if field in MERGE_KEYS:
            return _by_key(MERGE_KEYS[field], below, above)
        case _:
            return above


def _by_key(key: str, below: list[Any], above: list[Any]) -> list[Any]:
    """The entries of `below` in their order, then the new ones of `above`."""
    merged: list[Any] = list(below)
    for entry in above:
        same = [index for index, known in enumerate(merged) if _key(known, key) == _key(entry, key)]
        if _key(entry, key) is None or not same:
            merged.append(entry)
        else:
            merged[same[0]] = overlaid(merged[same[0]], entry)
    return merged


def _key(entry: object, key: str) -> object:
    return entry.get(key) if isinstance(entry, dict) else None
