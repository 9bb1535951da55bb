"""Calls made twice, as in checked_queue.py, of a queue with limits, unique keys, results, ticks and a length limit."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.client.limits import Rule
from headrace.client.schedule import tick_id
from headrace.errors import QueueFullError
from headrace.wire.link import Link
from support.checked_queue import RESULT_MS, Call, CheckedQueue
from support.feature_model import FeatureModel
from support.limited import check_keys
from support.queue_driver import LEASE_MS, Exchanged, Special
from support.streams_state import LINES

STAYS = frozenset(
    ("meta", "count", "versions", "seen", "credit", "rate", "ticks", "keep", "kept:t", "cordon", "wake", "test:clock")
)
"""Keys without an end that a queue may keep when all its jobs are gone: one each, and of a bounded size."""


class CheckedFeatures(CheckedQueue):
    """Jobs of task `t` keep their results. Marks, keys and ids as the caller likes."""

    model: FeatureModel

    def __init__(self, link: Link, rules: Mapping[str, Rule], variant: str = "") -> None:
        super().__init__(link, variant)
        self.rules = rules

    async def start(self) -> None:
        await super().start()
        await self.link.request("HSET", self.queue.key("keep"), "t", RESULT_MS)

    def make_model(self) -> FeatureModel:
        return FeatureModel(LEASE_MS, self.queue.now_ms, rules=self.rules, keeps=frozenset({"t"}))

    # -- producers

    async def enqueue(self, ids: list[str], specials: list[Special]) -> None:
        model = self.model
        plain = [Special(job_id) for job_id in ids]
        room = model.room()
        if room is not None and len(ids) + sum(model.first_of(special) is None for special in specials) > room:
            with pytest.raises(QueueFullError) as refused:
                await self.queue.enqueue(ids, specials, seq=self._next())
            assert (refused.value.limit, refused.value.room) == (model.limit, room)
            return
        model.begin()
        for job in plain:
            model.add(job)
        standing = []
        for place, special in enumerate(specials, 1):
            if first := model.first_of(special):
                standing.append((place, *first))
            else:
                model.add(special)
        model.save()
        seq = self._next()
        assert await self.queue.enqueue_asking(ids, specials, seq=seq) == standing
        self.last_enqueue = (seq, ids, specials, tuple(first for _, first, _ in standing))

    async def set_limit(self, limit: int | None) -> None:
        self.model.limit = limit
        if not self.queue.variant:
            await QueueAdmin(self.link, self.queue.queue).control.set_limit(limit)
            return
        words = ("HSET", "limit", limit) if limit else ("HDEL", "limit")
        await self.link.request(words[0], self.queue.key("meta"), *words[1:])

    async def plan(self, tick: Special, *, stale: bool, standing: str) -> None:
        """The next tick of a task, from what `ticks` says, or from what it does not say any more."""
        model = self.model
        model.begin()
        held = model.ticks.get(tick.task, "")
        wanted = f"{tick.at_ms} every 60"
        seen = "1 every 60" if stale else held
        packed = msgspec.msgpack.encode([tick.packed()])
        now_ms, holds, planned, called_off = await self.queue.run("plan", tick.task, seen, wanted, standing, packed)
        if stale:
            assert (now_ms, holds.decode(), planned, called_off) == (model.now_ms, held, 0, 0)
            return
        expected = model.plan(tick, wanted, standing)
        model.save()
        assert (now_ms, holds.decode(), planned, called_off) == (model.now_ms, wanted, 1, expected)

    def next_tick(self, task: str, ahead_ms: int) -> Special:
        """Later than the one that stands."""
        held = self.model.ticks.get(task)
        at_ms = max(self.model.now_ms, int(held.split()[0]) if held else 0) + ahead_ms
        return Special(tick_id(task, at_ms), at_ms=at_ms, given=True, task=task)

    # -- workers

    async def exchange(self, call: Call) -> None:
        await super().exchange(call)
        await self._adopt()

    async def _check_order(self, answer: Exchanged) -> None:
        """Of jobs without limits, nobody who waits longer is passed over."""
        if self.model.alone or self.queue.variant:
            return
        waiting = (await self.queue.look()).zsets
        for job_id, ready_us in zip(answer.ids, answer.ready_us, strict=True):
            lane = waiting[f"ready:{self.model.jobs[job_id].priority}"]
            free = [score for other, score in lane.items() if not self.model.jobs[other].mark.limit_key]
            assert ready_us <= min(free, default=ready_us) or self.model.jobs[job_id].mark.limit_key

    def _check_next_due(self, call: Call, answer: Exchanged) -> None:
        """Without a queue's own rate it is the head of what is scheduled or the first key whose rate lets one go."""
        if answer.ids or not call.n:
            assert answer.next_due_ms == -1
        elif (due := self.model.next_due_ms()) >= 0:
            assert 0 <= answer.next_due_ms <= due

    # -- the operator and the users

    async def purge(self, n: int) -> None:
        removed = await self.queue.run("purge", n)
        seen = await self.queue.look()
        gone = set(self.model.jobs) - set(seen.places)
        assert removed == len(gone)
        self.model.purge(n, gone, {job_id: next(iter(found)) for job_id, found in seen.places.items()})

    async def delete_dead(self, job_id: str) -> None:
        assert await self.queue.run("delete_dead", job_id) == 1
        self.model.delete_dead(job_id)

    async def sleep(self) -> None:
        work = self.model.waiting() | self.model.suspects() | set(self.model.due())
        limited = any(at <= self.model.now_ms for at in self.model.kdue.values())
        assert await self.queue.run("sleep") == (0 if work or limited else 1)

    # -- what must hold after every step

    async def check(self) -> None:
        await self._adopt()
        await super().check()
        await check_keys(self.queue)
        model = self.model
        assert await self._texts("r:") == model.results
        assert await self._texts("u:") == {key: holder.encode() for key, holder in model.locks.items()}
        stats = await self.queue.stats()
        places = list(model.places().values())
        counted = (stats.parked, stats.dead, stats.leased, stats.demand - stats.leased + stats.held)
        limited = sum(at <= model.now_ms for at in model.kdue.values())
        waiting = sum(place.startswith(("ready", "suspects")) for place in places) + len(model.due()) + limited
        leased = sum(place.startswith("leased") for place in places)
        assert counted == (len(model.parked()), places.count("dead"), leased, waiting)

    async def _adopt(self) -> None:
        lines = {}
        for key in await self._keys("kw:"):
            line = await self.link.request("ZRANGE", self.queue.key(f"kw:{key}"), 0, -1)
            lines[key] = [member.decode() for member in line]
        due = await self.link.request("ZRANGE", self.queue.key("kdue"), 0, -1, "WITHSCORES")
        kdue = {due[i].decode(): int(due[i + 1]) for i in range(0, len(due), 2)}
        self.model.adopt(lines, kdue)

    async def _keys(self, family: str) -> list[str]:
        found = await self.link.request("KEYS", self.queue.key(f"{family}*").replace("{", "[{]"))
        return [key.decode().removeprefix(self.queue.key(family)) for key in found]

    async def _texts(self, family: str) -> dict[str, bytes]:
        return {
            name: await self.link.request("GET", self.queue.key(family + name)) for name in await self._keys(family)
        }

    async def check_nothing_is_left(self) -> None:
        """All jobs have ended and all sessions have left: whatever key there is has an end, or is one of a few."""
        assert not self.model.jobs
        if not self.queue.variant:
            assert (await QueueAdmin(self.link, self.queue.queue).audit.run()).findings == ()
        for name in set(await self._keys("")) - STAYS - (set(LINES) if self.queue.variant else set()):
            assert await self.link.request("PTTL", self.queue.key(name)) > 0, f"{name} is left for ever"
        assert await self.link.request("ZCARD", self.queue.key("kept:t")) == len(self.model.kept)
