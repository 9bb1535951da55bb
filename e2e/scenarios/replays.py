"""A replay that kubectl asks for, whose operator dies again and again; then its annotation comes back from Git.

The letters' ids are known before. Workers run what is replayed at once, and some of it dies again: whoever loses count
of a replay moves those twice. What is counted is counted past the engine, see letters.py.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from e2e.scenarios.ground import outsider
from e2e.scenarios.letters import Letters
from e2e.scenarios.operators import followed_operators
from e2e.scenarios.stage import NAME, Stage

from headrace.admin.selection import ReplaySelection
from headrace_operator.api.names import REPLAY_ANNOTATION, REPLAY_ID_ANNOTATION
from headrace_operator.reconcile.replay_run import FINAL
from support.kube_client import until

Json = dict[str, Any]
WORKERS: Final = 2
CONCURRENCY: Final = 20
MOVING_SECONDS: Final = 120.0
"""How long the replay takes where nobody dies."""
PATIENCE: Final = 600.0
REPLICAS: Final = 2
END_SECONDS: Final = 120.0
"""Within which replayed jobs must have ended."""
FIRST, SECOND = "first", "second"
"""Cures: of most letters; of those that die again, and of the new ones."""


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    letters: int = 10_000
    again: int = 100
    """Of them, those that die again once they are replayed."""
    fresh: int = 100
    """Letters that come afterwards."""
    blows: int = 20
    seconds: float = MOVING_SECONDS


@dataclass(frozen=True)
class Replayed:
    """One replay, and the returns of its annotation."""

    letters: int
    blows: int
    """Operators put to death."""
    late: int
    """Blows when nothing was left to move."""
    at_leader: int
    processes: int
    """Of the operator, that have lived."""
    leaders: int
    seconds: float
    """From the annotation to the replay's last word."""
    phase: str
    moved: int
    """As Redis has counted."""
    said: int
    """As status.replay says …"""
    expected: int
    """… and of how many."""
    unaccounted: int
    """Letters that were neither dead nor replayed, or both, or nowhere: summed over looks after each blow."""
    begun_twice: int
    """Letters that began more than once after the replay; this request's and the second's."""
    lost: int
    """Letters that neither ended well nor died again as they had to."""
    findings: int
    """Of an audit at the end."""
    returns: int
    """Times that the annotation came back."""
    moved_by_returns: int
    new: int
    """Letters that have died since the first request was accepted."""
    moved_by_new: int
    """What the same words moved under another request's name."""

    @property
    def sound(self) -> bool:
        """Whether each letter was replayed once, whoever died, and none by an annotation that was carried out."""
        once = self.letters == self.moved == self.said == self.expected and self.phase == "Completed"
        whole = not (self.unaccounted or self.begun_twice or self.lost or self.findings)
        struck = self.late == 0 and self.processes >= REPLICAS + self.blows and self.leaders > self.at_leader
        kept = self.returns > 0 and self.moved_by_returns == 0 and self.moved_by_new == self.new
        return once and whole and struck and kept


async def replays(stage: Stage, *, count: int, seed: int, size: Size | None = None) -> AsyncIterator[Replayed]:
    """`count` replays on a stage with two operators."""
    redis, beside = outsider(stage.redis.outside), outsider(stage.ledger.outside)
    try:
        letters = Letters(stage, redis, beside)
        for number in range(count):
            yield await _Trial(stage, letters, size or Size(), seed + number).run()
    finally:
        await redis.aclose()
        await beside.aclose()


@dataclass(frozen=True)
class _Look:
    """What a blow has left behind."""

    led: bool
    """Whom it hit."""
    left: int
    """Letters still to move."""
    unaccounted: int


@dataclass(frozen=True)
class _Kept:
    """What became of the annotation's returns."""

    returns: int
    moved: int
    new: int
    moved_by_new: int
    twice: int
    lost: int


@dataclass(frozen=True)
class _Trial:
    stage: Stage
    letters: Letters
    size: Size
    seed: int

    async def run(self) -> Replayed:
        """Raises AssertionError where the replay makes no way at all."""
        size, letters, source = self.size, self.letters, random.Random(self.seed)
        await self._clean()
        # The oldest move first: what dies again is dead at each blow, for whoever goes on to take it for its own.
        ids = await letters.bury(second=size.again, first=size.letters - size.again)
        await letters.cure(FIRST)
        until_us, before = await letters.mark(), await letters.moved()
        await letters.turn()
        async with followed_operators(self.stage) as operators:
            began = time.monotonic()
            await self.stage.kube.do("annotate", "wq", NAME, f"{REPLAY_ANNOTATION}={self._words(1)}")
            looks: list[_Look] = []
            for number in range(size.blows):
                await self._way(before + len(ids) * (number + 1) // (size.blows + 1))
                led = await operators.blow(number, source)
                count = await letters.count(ids, until_us=until_us, moved_before=before)
                looks.append(_Look(led, count.untouched, count.unaccounted))
            status = await self._over()
            seconds = time.monotonic() - began
            await operators.all_there()
        moved = await letters.moved() - before
        twice, lost = await self._judge(ids, dying=size.again)
        kept = await self._returns()
        report = await self.stage.admin.audit.run()
        return Replayed(
            letters=len(ids),
            blows=len(looks),
            late=sum(look.left == 0 for look in looks),
            at_leader=sum(look.led for look in looks),
            processes=len(operators.processes),
            leaders=len(operators.leaders),
            seconds=round(seconds, 1),
            phase=status["phase"],
            moved=moved,
            said=status["replayed"],
            expected=status["matched"],
            unaccounted=sum(look.unaccounted for look in looks),
            begun_twice=twice + kept.twice,
            lost=lost + kept.lost,
            findings=sum(report.counts.values()),
            returns=kept.returns,
            moved_by_returns=kept.moved,
            new=kept.new,
            moved_by_new=kept.moved_by_new,
        )

    async def _clean(self) -> None:
        """A fleet, and nothing of an earlier trial."""
        await self.letters.forget_cures()
        await self.stage.apply(**self._spec)
        await self.stage.has(WORKERS)
        await self.stage.admin.dead_letters.delete(ReplaySelection(everything=True))

    async def _way(self, least: int) -> None:
        """Wait until so many letters were ever moved."""

        async def enough() -> bool:
            return await self.letters.moved() >= least

        await until(enough, seconds=PATIENCE, every=0.05)

    async def _over(self) -> Json:
        """status.replay, once the operator has said its last word and taken the annotation away."""
        found: Json = {}

        async def so() -> bool:
            queue = await self.stage.kube.get("workerqueue", NAME)
            found.update(queue.get("status", {}).get("replay", {}))
            asked = {REPLAY_ANNOTATION, REPLAY_ID_ANNOTATION} & queue["metadata"].get("annotations", {}).keys()
            return not asked and found.get("phase") in FINAL

        await until(so, seconds=PATIENCE, every=0.25)
        return found

    async def _judge(self, ids: set[str], *, dying: int) -> tuple[int, int]:
        """Of letters that were replayed, once their jobs have ended: how many began twice, how many are lost."""

        async def alive() -> set[str]:
            well = {run.job for run in await self.stage.book.read() if run.outcome == "ok"}
            return ids - well

        async def ended() -> bool:
            return len(left := await alive()) == dying and left <= await self.letters.dead()

        with suppress(AssertionError):
            await until(ended, seconds=END_SECONDS, every=0.5)
        begun = await self.letters.begun(ids)
        dead = await self.letters.dead()
        lost = {one for one in await alive() if one not in dead} | {one for one, times in begun.items() if not times}
        stay = len(await alive() & dead) - dying
        return sum(times > 1 for times in begun.values()), len(lost) + abs(stay)

    async def _returns(self) -> _Kept:
        """The manifest as it is kept in Git, with the annotation, in all the ways in which it comes back."""
        letters = self.letters
        await letters.bury(second=self.size.fresh)
        new, before = await letters.dead(), await letters.moved()
        for apply in (self._apply, self._apply_on_server, self._take_away_and_apply):
            await apply(self._words(1))
            await self._over()
        moved = await letters.moved() - before
        await letters.cure(SECOND)
        await letters.turn()
        await self._apply(self._words(2))
        await self._over()
        moved_by_new = await letters.moved() - before - moved
        twice, lost = await self._judge(new, dying=0)
        # A straggler, and then an older commit, behind which another request was carried out.
        await letters.bury(last=1)
        before = await letters.moved()
        await self._apply(self._words(1))
        await self._over()
        return _Kept(4, moved + await letters.moved() - before, len(new), moved_by_new, twice, lost)

    async def _apply(self, words: str, *options: str) -> None:
        manifest = self.stage.manifest(**self._spec)
        if words:
            manifest["metadata"]["annotations"] = {REPLAY_ANNOTATION: words}
        await self.stage.kube.do("apply", *options, "-f", "-", stdin=json.dumps(manifest))

    async def _apply_on_server(self, words: str) -> None:
        await self._apply(words, "--server-side", "--force-conflicts")

    async def _take_away_and_apply(self, words: str) -> None:
        await self._apply("")
        await self._apply(words)

    @property
    def _spec(self) -> Json:
        return {"replicas": WORKERS, "worker": self.stage.worker(concurrency=CONCURRENCY)}

    def _words(self, number: int) -> str:
        """What the request asks for; always the same but for its name."""
        rate = max(10, round(self.size.letters / self.size.seconds))
        return f"all,rate={rate},request=cured-{self.seed}-{number},by=e2e"
