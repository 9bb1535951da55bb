"""Which slot a key has, which node a slot, which key a command: against the Cluster specification's own examples."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.contract.keys import key
from headrace.errors import HeadraceError, QueueFullError, QueueUnavailableError
from headrace.wire.errors import DemotedError, MovedError, NoScriptError, ServerError, map_error
from headrace.wire.routing import SLOTS, key_of, slot_map, slot_of


@pytest.mark.parametrize(
    ("name", "slot"),
    [
        ("123456789", 0x31C3),
        ("foo", 12182),
        ("{user1000}.following", 3443),
        ("{user1000}.followers", 3443),
        ("foo{}{bar}", 8363),
        ("foo{{bar}}zap", 4015),
        ("foo{bar}{zap}", 5061),
    ],
)
def test_slots(name: str, slot: int) -> None:
    assert slot_of(name) == slot


def test_all_keys_of_a_queue_have_one_slot() -> None:
    assert len({slot_of(key("emails", name)) for name in ("", "jobs", "own:a", "dead:t|{x}")}) == 1


REPLY: list[list[Any]] = [
    [10923, 16383, [b"c", 3, b"id"]],
    [0, 5460, [b"a", 1, b"id"], [b"replica", 9, b"id"]],
    [5461, 5461, [b"c", 3, b"id"]],
    [5463, 10922, [b"", 2, b"id"]],
]


@pytest.mark.parametrize(
    ("slot", "owner"),
    [
        (0, ("a", 1)),
        (5460, ("a", 1)),
        (5461, ("c", 3)),
        (5462, None),
        (5463, ("asked", 2)),
        (10922, ("asked", 2)),
        (10923, ("c", 3)),
        (SLOTS - 1, ("c", 3)),
    ],
)
def test_owners(slot: int, owner: tuple[str, int] | None) -> None:
    assert slot_map(REPLY, ("asked", 7)).owner(slot) == owner


def test_a_map_names_each_primary_once_and_may_be_empty() -> None:
    assert slot_map(REPLY, ("asked", 7)).primaries == (("a", 1), ("c", 3), ("asked", 2))
    nothing = slot_map([], ("asked", 7))
    assert (nothing.primaries, nothing.owner(0)) == ((), None)


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (("EVALSHA", "sha", 1, "hr:{q}:", "x"), "hr:{q}:"),
        (("EVAL", "text", 1, "hr:{q}:"), "hr:{q}:"),
        (("HGETALL", "hr:{q}:own:s"), "hr:{q}:own:s"),
        (("PING",), None),
        (("INFO", "server"), None),
        (("CONFIG", "GET", "maxmemory-policy"), None),
    ],
)
def test_keys_of_commands(command: tuple[Any, ...], found: str | None) -> None:
    assert key_of(command) == found


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("MOVED 866 10.0.0.1:7", MovedError),
        ("ASK 866 10.0.0.1:7", QueueUnavailableError),
        ("READONLY You can't write against a read only replica.", DemotedError),
        ("UNBLOCKED force unblock from blocking operation", DemotedError),
        ("NOREPLICAS Not enough good replicas to write.", DemotedError),
        ("CLUSTERDOWN Hash slot not served", QueueUnavailableError),
        (
            "ERR Error running script (call to f_ab): @user_script:12: @user_script: 12: -READONLY x",
            DemotedError,
        ),
        ("ERR Error running script (call to f_ab): @user_script:9: @user_script: 9: -OOM command", QueueFullError),
        ("ERR Error running script (call to f_ab): @user_script:1: attempt to index a nil value", ServerError),
        ("NOSCRIPT No matching script.", NoScriptError),
    ],
)
def test_error_replies(reply: str, kind: type[HeadraceError]) -> None:
    assert type(map_error(Exception(reply))) is kind


def test_where_a_slot_has_moved() -> None:
    moved = map_error(Exception("MOVED 866 fd00::1:7001"))
    assert isinstance(moved, MovedError)
    assert (moved.slot, moved.address) == (866, ("fd00::1", 7001))
