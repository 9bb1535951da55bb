"""Reads every structure of a queue at once and says where each job id stands; owns no script and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from headrace.contract.keys import prefix
from headrace.wire.link import Link
from support.streams_state import entries_at, ready_lines

READY = ("ready:high", "ready:default", "ready:low", "suspects")
ZSETS = (*READY, "sched", "dead", "sess", "reaping", "cordon", "kdue")
SETS = ("parked", "cancel", "idle")
HASHES = (
    "jobs",
    "prio",
    "crash",
    "trail",
    "workers",
    "dj",
    "facets",
    "tb",
    "tbn",
    "count",
    "versions",
    "meta",
    "credit",
    "ticks",
    "marks",
    "awaiting",
    "feeds",
)
PLACE_OF = {"sched": "scheduled", "dead": "dead", **{name: name for name in READY}}


@dataclass(frozen=True)
class Snapshot:
    """A queue's structures, decoded. `own` is by sid, of every session that has such a hash, live or not."""

    zsets: Mapping[str, Mapping[str, float]]
    sets: Mapping[str, frozenset[str]]
    hashes: Mapping[str, Mapping[str, bytes]]
    own: Mapping[str, Mapping[str, str]]
    wake: int
    """Wake tokens lying there."""
    places: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Job id → where it stands, for each id that is anywhere: `scheduled`, `ready:<priority>`, `suspects`, `parked`,
    `awaiting`, `dead`, `leased:<sid>`, `orphaned:<sid>` (held by a session that nobody will reap)."""

    @property
    def ready(self) -> int:
        return sum(len(self.zsets[name]) for name in READY)

    def counter(self, name: str) -> int:
        return int(self.hashes["count"].get(name, b"0"))

    def completed(self) -> int:
        return sum(int(v) for k, v in self.hashes["versions"].items() if k.endswith(":completed"))

    def misplaced(self) -> dict[str, frozenset[str]]:
        """Ids that break the law: not in exactly one place, held by nobody's session, or without an envelope."""
        return {
            job_id: found
            for job_id, found in self.places.items()
            if len(found) != 1 or job_id not in self.hashes["jobs"] or any(p.startswith("orphaned") for p in found)
        }

    def leftovers(self) -> dict[str, set[str]]:
        """Entries about jobs that are no more, by structure: a leak."""
        ids, dead = set(self.hashes["jobs"]), set(self.zsets["dead"])
        leased = {job_id for held in self.own.values() for job_id in held}
        found = {
            "prio": set(self.hashes["prio"]) - ids,
            "crash": set(self.hashes["crash"]) - ids,
            "trail": set(self.hashes["trail"]) - ids,
            "cancel": set(self.sets["cancel"]) - leased,
            "dj": set(self.hashes["dj"]) ^ dead,
            "idle": set(self.sets["idle"]) - set(self.zsets["sess"]),
            "marks": set(self.hashes["marks"]) - ids,
            "feeds": set(self.hashes["feeds"]) - ids,
            "workers": set(self.hashes["workers"]) ^ set(self.zsets["sess"]),
        }
        return {name: entries for name, entries in found.items() if entries}


async def read_snapshot(link: Link, queue: str, variant: str = "") -> Snapshot:
    """The queue as it is now, of that variant of the scripts. Not for use while others write: it takes several round
    trips.
    """
    at = prefix(queue) + (f"{variant}:" if variant else "")
    owners = [key.decode() for key in await link.request("KEYS", at.replace("{", "[{]") + "own:*", at=at)]
    sorted_sets = [name for name in ZSETS if variant != "streams" or name not in READY]
    commands: list[tuple[str | int, ...]] = [("ZRANGE", at + name, 0, -1, "WITHSCORES") for name in sorted_sets]
    commands += [("SMEMBERS", at + name) for name in SETS]
    commands += [("HGETALL", at + name) for name in HASHES]
    commands += [("LLEN", at + "wake"), *(("HGETALL", key) for key in owners)]
    replies = iter(await link.pipeline(commands))
    zsets = {name: {k: float(v) for k, v in _pairs(next(replies))} for name in sorted_sets}
    if variant == "streams":
        zsets |= await ready_lines(link, queue)
    sets = {name: frozenset(member.decode() for member in next(replies)) for name in SETS}
    hashes = {name: dict(_pairs(next(replies))) for name in HASHES}
    wake = next(replies)
    own = {
        key.removeprefix(at + "own:"): {k: v.decode() for k, v in _pairs(reply)}
        for key, reply in zip(owners, replies, strict=True)
    }
    return Snapshot(zsets, sets, hashes, own, wake, _places(zsets, sets, hashes, own))


async def read_everything(link: Link, queue: str) -> dict[str, object]:
    """Every key of a queue with its whole value, whatever it is for; without the clock's latest reading and the ids of
    a stream's entries, which Redis makes.
    """
    at = prefix(queue)
    found: dict[str, object] = {}
    for key in await link.request("KEYS", at.replace("{", "[{]") + "*", at=at):
        value = await _read_value(link, key.decode())
        if isinstance(value, dict):
            value.pop(b"tick", None)
        if key.endswith(b":streams:at"):
            value = await entries_at(link, queue)
        found[key.decode().removeprefix(at)] = value
    return found


async def _read_value(link: Link, key: str) -> object:
    kind = (await link.request("TYPE", key)).decode()
    match kind:
        case "stream":
            return [fields for _, fields in await link.request("XRANGE", key, "-", "+")]
        case "hash" | "zset":
            flat = await link.request(*(("HGETALL", key) if kind == "hash" else ("ZRANGE", key, 0, -1, "WITHSCORES")))
            return {flat[i]: flat[i + 1] for i in range(0, len(flat), 2)}
        case "set":
            return frozenset(await link.request("SMEMBERS", key))
        case "list":
            return await link.request("LRANGE", key, 0, -1)
        case _:
            return await link.request("GET", key)


def _pairs(flat: list[bytes]) -> list[tuple[str, bytes]]:
    return [(flat[i].decode(), flat[i + 1]) for i in range(0, len(flat), 2)]


def _places(
    zsets: Mapping[str, Mapping[str, float]],
    sets: Mapping[str, frozenset[str]],
    hashes: Mapping[str, Mapping[str, bytes]],
    own: Mapping[str, Mapping[str, str]],
) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {job_id: set() for job_id in hashes["jobs"]}
    for name, place in PLACE_OF.items():
        for job_id in zsets[name]:
            found.setdefault(job_id, set()).add(place)
    for job_id in sets["parked"]:
        found.setdefault(job_id, set()).add("parked")
    for job_id in hashes["awaiting"]:
        found.setdefault(job_id, set()).add("awaiting")
    for sid, held in own.items():
        reachable = sid in zsets["sess"] or sid in zsets["reaping"]
        for job_id in held:
            found.setdefault(job_id, set()).add(f"{'leased' if reachable else 'orphaned'}:{sid}")
    return {job_id: frozenset(places) for job_id, places in found.items()}
