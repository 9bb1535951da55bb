"""Audits by the operator, as tables: whose turn, how gently, and what counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest

from headrace.admin.findings import KEPT_PER_KIND, KINDS, AuditReport, FacetMismatch, Finding, Ghost, Orphan
from headrace_operator.core.auditing import LEAST_REST, SHARE, Turn, confirmed, next_turn, rest_after

NOW, EVERY = 1000.0, 300.0


@pytest.mark.parametrize(
    ("begun", "turn"),
    [
        ({}, Turn(None, EVERY, "no queue")),
        ({"a": None}, Turn("a", 0, "never audited")),
        ({"a": 100.0, "b": None}, Turn("b", 0, "never audited")),
        ({"a": 950.0, "b": 900.0}, Turn("b", 200, "too early")),
        ({"a": 650.0, "b": 600.0}, Turn("b", 0, "due")),
        ({"a": 700.0}, Turn("a", 0, "due")),
        ({"a": NOW}, Turn("a", EVERY, "too early")),
    ],
)
def test_whose_turn_it_is(begun: Mapping[str, float | None], turn: Turn) -> None:
    assert next_turn(begun, NOW, EVERY) == turn


def test_each_queue_has_its_turn_however_long_one_takes() -> None:
    begun: dict[str, float | None] = {"a": None, "b": None, "c": None}
    now, order = 0.0, []
    for _ in range(9):
        turn = next_turn(begun, now, EVERY)
        assert turn.queue is not None
        now += turn.seconds
        begun[turn.queue] = now
        order.append(turn.queue)
        now += 10 * EVERY if turn.queue == "a" else 1
    assert order == ["a", "b", "c"] * 3


@pytest.mark.parametrize(
    ("took", "reason"), [(0.0, "least"), (0.0001, "least"), (0.001, "share"), (0.02, "share"), (3.0, "share")]
)
def test_steps_take_no_more_than_their_share(took: float, reason: str) -> None:
    rest = rest_after(took)
    assert took <= SHARE * (took + rest.seconds) * 1.000001
    assert rest.seconds >= LEAST_REST
    assert rest.reason == reason


def report(*findings: Finding, **counts: int) -> AuditReport:
    found = Counter(type(one).__name__ for one in findings) | Counter(counts)
    return AuditReport("q", {}, found, findings, 0, True, 0)


MANY = KEPT_PER_KIND + 5


@pytest.mark.parametrize(
    ("first", "second", "counts"),
    [
        (report(Orphan("a")), report(Orphan("a")), {"Orphan": 1}),
        (report(Orphan("a")), report(), {}),
        (report(Orphan("a")), report(Orphan("b")), {}),
        (report(Orphan("a")), report(Ghost("a", "parked")), {}),
        (report(Orphan("a"), Orphan("b")), report(Orphan("b"), Orphan("c")), {"Orphan": 1}),
        (report(Ghost("a", "dead"), Ghost("a", "dj")), report(Ghost("a", "dead"), Ghost("a", "dj")), {"Ghost": 1}),
        (report(FacetMismatch("t", 3, 2)), report(FacetMismatch("t", 4, 3)), {"FacetMismatch": 1}),
        (report(Orphan=MANY), report(Orphan=MANY + 1), {"Orphan": MANY}),
        (report(Orphan=MANY), report(Orphan("a")), {}),
    ],
)
def test_what_counts_was_seen_twice(first: AuditReport, second: AuditReport, counts: dict[str, int]) -> None:
    assert confirmed(first, second) == counts


def test_kinds_are_the_names_of_findings() -> None:
    assert {"Orphan", "StrayLeases", "TracebackMismatch"} < set(KINDS)
    assert len(KINDS) == 10
