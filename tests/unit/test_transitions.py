"""What is read of a job's trail, and how it is said."""

from __future__ import annotations

import msgspec
import pytest

from headrace.admin.transition_words import describe
from headrace.contract.trail import Happened, Transition, decode_trail

pack = msgspec.msgpack.encode
LOST = Transition(7, Happened.LOST, 1, "pod-1", "")
ENTRY = [7, "lost", 1, "pod-1", ""]

TRAILS = {
    "none": (None, ()),
    "one": (pack([ENTRY]), (LOST,)),
    "of a newer release: more fields": (pack([[*ENTRY, "more"]]), (LOST,)),
    "of a newer release: another kind": (pack([[7, "painted", 1, "pod-1", ""], ENTRY]), (LOST,)),
    "too short": (pack([[7, "lost"], ENTRY]), (LOST,)),
    "of other types": (pack([["lost", 7, None, 1, 2], ENTRY]), (LOST,)),
    "no list of lists": (pack([1, 2]), ()),
    "no msgpack": (b"\xc1", ()),
    "cut off": (pack([ENTRY])[:-3], ()),
    "no text": (b"\x91\x95\x07\xa4lost\x01\xa1\xff\xa0", ()),
}


@pytest.mark.parametrize("name", TRAILS)
def test_what_can_be_read_is_read(name: str) -> None:
    packed, expected = TRAILS[name]
    assert decode_trail(packed) == expected


WORDS = {
    (Happened.FAILED, 2, "pod-1", "OSError"): "failed attempt 2 on pod-1: OSError",
    (Happened.FAILED, 1, "", ""): "failed attempt 1",
    (Happened.LATER, 0, "pod-1", "RetryLater"): "asked to run again later on pod-1: RetryLater",
    (Happened.RETURNED, 0, "pod-1", "E"): "failed in a version on trial on pod-1, nothing charged: E",
    (Happened.RELEASED, 0, "pod-1", ""): "given back by pod-1",
    (Happened.RELEASED, 0, "", ""): "given back by its worker",
    (Happened.LEFT, 0, "pod-1", ""): "given back: pod-1 left",
    (Happened.LOST, 2, "pod-1", ""): "its worker pod-1 died, crash 2",
    (Happened.LOST, 0, "", ""): "its worker died, nothing charged",
    (Happened.CANCELLING, 0, "", ""): "cancellation asked for while it ran",
    (Happened.DEAD, 1, "pod-1", "E"): "died on pod-1 after 1 failed attempt: E",
    (Happened.REPLAYED, 3, "", ""): "replayed, time 3",
}


@pytest.mark.parametrize("said", WORDS)
def test_each_is_said_in_words(said: tuple[Happened, int, str, str]) -> None:
    assert describe(Transition(0, *said)) == WORDS[said]


def test_every_kind_has_words() -> None:
    assert {what for what, *_ in WORDS} == set(Happened)
