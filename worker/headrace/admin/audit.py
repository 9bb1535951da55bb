"""Proves that each job id stands in exactly one state, and mends what does not, while the queue goes on.

Every structure is scanned in bounded slices by audit_slice.lua, which looks at an id's places in the
step that read it: what it names was a fact, not a race. mend.lua looks again before it changes anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any, Final

from headrace.admin.findings import (
    KEPT_PER_KIND,
    AuditReport,
    Doubled,
    FacetMismatch,
    Finding,
    Ghost,
    Misfiled,
    Orphan,
    StrayGate,
    StrayLeases,
    StraySchedule,
    Stuck,
    TracebackMismatch,
)
from headrace.admin.handle import SCAN_SLICE, QueueHandle, Rest
from headrace.admin.traceback_audit import compare_tracebacks
from headrace.contract.protocol import CHUNK, Priority, State

_PLAIN: Final = (
    "sched",
    *(f"ready:{p}" for p in Priority),
    "suspects",
    "parked",
    "dead",
    "dj",
    "prio",
    "crash",
    "trail",
    "cancel",
    "marks",
    "awaiting",
    "feeds",
)
_OF_KEYS: Final = ("kc", "kw")
_STATE_OF: Final = {"suspects": State.READY, "reaping": State.LEASED}


class Audit:
    """Audits of one queue."""

    def __init__(self, handle: QueueHandle) -> None:
        self._handle = handle

    async def run(self, *, repair: bool = False, rest: Rest | None = None) -> AuditReport:
        """Look at everything once; with `repair`, mend what is found. Takes ten to thirty seconds per million jobs,
        and what `rest` waits after each step.
        """
        return await _Run(replace(self._handle, rest=rest), repair).run()


class _Run:
    """One audit under way."""

    def __init__(self, handle: QueueHandle, repair: bool) -> None:
        self._handle = handle
        self._repair = repair
        self._states: Counter[State] = Counter()
        self._counts: Counter[str] = Counter()
        self._kept: list[Finding] = []
        self._mended = 0
        self._ids = 0

    async def run(self) -> AuditReport:
        await self._check_sessions()  # first: mending their leases makes ready what would else look like orphans
        await self._check_structure("jobs")
        for structure in [*_PLAIN, *await self._leases(), *await self._letters(), *await self._limit_keys()]:
            await self._check_structure(structure)
        await self._check_gates()  # last: at those of mended jobs nobody waits any more
        await self._check_schedules()
        checked = await self._check_counts()
        return AuditReport(
            self._handle.queue, self._states, self._counts, tuple(self._kept), self._mended, checked, self._ids
        )

    def _note(self, finding: Finding) -> None:
        kind = type(finding).__name__
        self._counts[kind] += 1
        if self._counts[kind] <= KEPT_PER_KIND:
            self._kept.append(finding)

    async def _check_structure(self, structure: str) -> None:
        async for seen, sound, _, faults in slices(self._handle, structure):
            self._ids += seen
            for i in range(0, len(sound), 2):
                place = sound[i].decode()
                self._states[_STATE_OF.get(place) or State(place)] += sound[i + 1]
            for fault in faults:
                self._note(_finding([part.decode() for part in fault]))
            if self._repair and faults:
                self._mended += await self._mend(structure, [fault[0] for fault in faults])

    async def _mend(self, structure: str, ids: Sequence[bytes]) -> int:
        family, _, key = structure.partition(":")
        taken_out: int = await self._handle.run("mend_key", key, *ids) if family in _OF_KEYS else 0
        changed: int = await self._handle.run("mend", *ids)
        return max(taken_out, changed)

    async def _leases(self) -> list[str]:
        live, reaping = await self._handle.pipeline([("ZRANGE", "sess", 0, -1), ("ZRANGE", "reaping", 0, -1)])
        return [f"own:{sid.decode()}" for sid in (*live, *reaping)]

    async def _letters(self) -> list[str]:
        return [f"dead:{facet.decode()}" for facet in await self._handle.request("HKEYS", "facets")]

    async def _limit_keys(self) -> list[str]:
        """The structures of limit keys; none where no job ever had a mark."""
        if not await self._handle.request("HGET", "meta", "marks"):
            return []
        return [f"{family}:{member}" for family in _OF_KEYS async for member in self._members(family)]

    async def _members(self, family: str) -> AsyncIterator[str]:
        """What follows the family's name in the queue's keys. Some may come twice."""
        pattern = self._handle.key(f"{family}:*")
        skip, cursor = len(pattern) - 1, b"0"
        while True:
            cursor, found = await self._handle.scan_keys(cursor, pattern)
            for key in found:
                yield key.decode()[skip:]
            if cursor == b"0":
                return

    async def _check_sessions(self) -> None:
        found = [sid async for sid in self._members("own")]
        for start in range(0, len(found), CHUNK):
            stray = await self._handle.run("audit_sessions", *found[start : start + CHUNK])
            for i in range(0, len(stray), 2):
                await self._note_session(stray[i].decode(), stray[i + 1])

    async def _note_session(self, sid: str, leases: int) -> None:
        self._note(StrayLeases(sid, leases))
        if self._repair:
            self._mended += await self._handle.run("leave", sid)

    async def _check_gates(self) -> None:
        found = [gate async for gate in self._members("gate")]
        for start in range(0, len(found), CHUNK):
            asked = found[start : start + CHUNK]
            stray = await self._handle.run("audit_gates", "mend" if self._repair else "look", *asked)
            for gate in stray:
                self._note(StrayGate(gate.decode()))
            if self._repair:
                self._mended += len(stray)

    async def _check_schedules(self) -> None:
        found = {uid async for uid in self._members("schedule")}
        found |= {uid.decode() for uid in await self._handle.request("HKEYS", "schedules")}
        uids = sorted(found)
        for start in range(0, len(uids), CHUNK):
            asked = uids[start : start + CHUNK]
            stray = await self._handle.run("audit_schedules", "mend" if self._repair else "look", *asked)
            for uid in stray:
                self._note(StraySchedule(uid.decode()))
            if self._repair:
                self._mended += len(stray)

    async def _check_counts(self) -> bool:
        tracebacks = await compare_tracebacks(self._handle)
        differences: list[str | int] = []
        for fingerprint, (counted, actual) in (tracebacks or {}).items():
            self._note(TracebackMismatch(fingerprint, counted, actual))
            differences += [fingerprint, actual - counted]
        wrong: Sequence[Any] = await self._handle.run("mend_counts", "mend" if self._repair else "look", *differences)
        for i in range(0, len(wrong), 3):
            self._note(FacetMismatch(wrong[i].decode(), wrong[i + 1], wrong[i + 2]))
        if self._repair:
            self._mended += len(wrong) // 3 + len(differences) // 2
        return tracebacks is not None


async def slices(handle: QueueHandle, structure: str) -> AsyncIterator[tuple[int, list[Any], list[Any], list[Any]]]:
    """audit_slice.lua over a whole structure: ids seen, sound places, fingerprints, faults of each slice."""
    cursor = b"0"
    while True:
        cursor, seen, sound, fingerprints, faults = await handle.run("audit_slice", structure, cursor, SCAN_SLICE)
        yield seen, sound, fingerprints, faults
        if cursor == b"0":
            return


def _finding(fault: Sequence[str]) -> Finding:
    job_id, kind, *places = fault
    match kind:
        case "orphan":
            return Orphan(job_id)
        case "ghost":
            return Ghost(job_id, places[0])
        case "doubled":
            return Doubled(job_id, tuple(places))
        case "misfiled":
            return Misfiled(job_id, places[0])
        case "stuck":
            return Stuck(job_id)
        case _:
            raise ValueError(f"audit_slice.lua named a fault {kind!r} that this version does not know")
