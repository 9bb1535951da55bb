"""The outbox: every settlement goes out once, as exchange.lua reads it, and can be found for a while after."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headrace.contract.envelope import DeathRecord
from headrace.worker.outbox import REMEMBERED_BATCHES, Outbox
from headrace.worker.outcome import (
    ABANDONED,
    CANCELLED,
    DONE,
    Buried,
    Done,
    Outcome,
    Released,
    Retried,
    settlement,
)

DEATH = DeathRecord("ValueError: x", 2, 0)
OTHERS = [
    (Done(b"r", 1000, "t", 5), ("result", "j", "0.1", b"r", 1000, "t", 5)),
    (Retried(2, 500, "E: why"), ("retry", "j", "0.1", 2, 500, "E")),
    (Released(123), ("release", "j", "0.1", "123", 0)),
    (Released(123, 7), ("release", "j", "0.1", "123", 7)),
    (CANCELLED, ("cancel", "j", "0.1")),
]


def _sent(arguments: list[Any]) -> list[Any]:
    packed = arguments[-1]
    return msgspec.msgpack.decode(packed) if packed else []


@pytest.mark.parametrize(("outcome", "entry"), OTHERS, ids=lambda value: type(value).__name__)
def test_entries_are_what_settle_lua_reads(outcome: Outcome, entry: tuple[Any, ...]) -> None:
    outbox = Outbox()
    outbox.put("j", "0.1", outcome, 5)
    (said,) = _sent(outbox.take().arguments())
    assert [part.encode() if isinstance(want, bytes) else part for part, want in zip(said, entry, strict=True)] == list(
        entry
    )


def test_a_burial_carries_all_that_is_kept() -> None:
    entry = settlement("j", "0.1", Buried("t", "ValueError", DEATH, 2, "abc", "Trace"))
    assert entry is not None
    assert entry[:5] == ("bury", "j", "0.1", "t", "ValueError")
    assert entry[6:] == ("abc", "Trace", 2)


def test_plain_ends_go_in_bulk_by_claim() -> None:
    outbox = Outbox()
    for job, claim in (("a", "0.1"), ("b", "0.1"), ("c", "1.2")):
        outbox.put(job, claim, DONE, 10)
    assert outbox.size == 3
    batch = outbox.take()
    assert len(batch) == 3
    assert batch.arguments() == [30, 2, "0.1", 2, "a", "b", "1.2", 1, "c", b""]
    assert outbox.size == 0
    assert len(outbox.take()) == 0


def test_of_abandoned_runs_nothing_is_said() -> None:
    outbox = Outbox()
    outbox.put("a", "0.1", ABANDONED, 10)
    assert (outbox.size, len(outbox.take())) == (0, 0)


def test_what_was_taken_says_the_same_when_said_again() -> None:
    outbox = Outbox()
    empty = outbox.take()
    outbox.put("a", "0.1", DONE, 1)
    assert (len(empty), len(outbox.take()), len(empty)) == (0, 1, 0)


def test_what_is_still_here_and_what_was_sent_can_be_found() -> None:
    outbox = Outbox()
    outbox.put("a", "0.1", DONE, 1)
    outbox.put("b", "0.1", CANCELLED, 1)
    assert outbox.holds("a", "0.1")
    assert outbox.holds("b", "0.1")
    assert not outbox.holds("a", "0.2")
    assert outbox.find_sent("a", "0.1") is None
    outbox.take()
    assert not outbox.holds("a", "0.1")
    assert outbox.find_sent("a", "0.1") == ("done", "a", "0.1")
    assert outbox.find_sent("b", "0.1") == ("cancel", "b", "0.1")
    assert outbox.find_sent("a", "1.1") is None


def test_a_settlement_can_be_said_again() -> None:
    outbox = Outbox()
    outbox.put_again(("done", "a", "0.1"))
    assert outbox.size == 1
    assert _sent(outbox.take().arguments()) == [["done", "a", "0.1"]]


def test_memory_is_bounded_and_empty_batches_push_nothing_out() -> None:
    outbox = Outbox()
    for number in range(REMEMBERED_BATCHES + 10):
        outbox.put(f"j{number}", "0.1", DONE, 1)
        outbox.take()
        outbox.take()
    assert outbox.find_sent("j9", "0.1") is None
    assert outbox.find_sent("j10", "0.1") is not None


def test_after_a_lost_session_nothing_of_it_is_said() -> None:
    outbox = Outbox()
    outbox.put("sent", "0.1", DONE, 1)
    outbox.take()
    outbox.put("unsent", "0.2", DONE, 1)
    assert outbox.forget() == 1
    assert len(outbox.take()) == 0
    assert outbox.find_sent("sent", "0.1") is None
