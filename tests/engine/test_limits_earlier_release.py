"""Workers of 0.1.0, by its own scripts, on a queue with limits: they are kept out before they can do harm."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headrace.contract.replies import encode_presence
from headrace.errors import ProtocolError
from headrace.wire.link import Link
from support.earlier_release import HistoryMissing, unpack
from support.leave_out import leave_out
from support.limited import check_keys, limited
from support.presences import presence
from support.queue_driver import LEASE_MS, QueueDriver

INCLUDE = re.compile(r"^--@include (.+)$", re.MULTILINE)
OLD = encode_presence(presence("w", protocol=1))
Earlier = Callable[..., Any]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The text of a script of 0.1.0."""
    try:
        lua = unpack("0.1.0", tmp_path_factory.mktemp("earlier")) / "worker" / "headrace" / "contract" / "lua"
    except HistoryMissing as error:
        leave_out(f"limits beside workers of 0.1.0: {error}")

    def text(name: str) -> str:
        return INCLUDE.sub(lambda found: "".join(_lib(lua, part) for part in found[1].split(",")), _read(lua, name))

    return text


def _read(lua: Path, name: str) -> str:
    return (lua / f"{name}.lua").read_text(encoding="utf-8")


def _lib(lua: Path, part: str) -> str:
    return _read(lua / "lib", part.strip())


@pytest.fixture
def earlier(scripts: Callable[[str], str], link: Link) -> Earlier:
    """Runs a script of 0.1.0 on the queue."""

    async def run(name: str, *args: str | int | bytes) -> Any:
        return await link.request("EVAL", scripts(name), 1, QueueDriver(link).prefix, *args)

    return run


async def test_a_worker_of_0_1_0_keeps_jobs_with_keys_out_until_it_has_left(link: Link, earlier: Earlier) -> None:
    queue = QueueDriver(link)
    assert (await earlier("join", "old", LEASE_MS, OLD, 1))[0] == b"OK"
    with pytest.raises(ProtocolError, match="a worker of this queue speaks protocol 1"):
        await queue.enqueue(specials=[limited("a", "k")])
    await earlier("leave", "old")
    await queue.enqueue(specials=[limited("a", "k")])
    await check_keys(queue)


async def test_a_worker_of_0_1_0_can_t_join_a_queue_with_keys(link: Link, earlier: Earlier) -> None:
    queue = QueueDriver(link)
    await queue.enqueue(specials=[limited("a", "k")])
    assert await earlier("join", "old", LEASE_MS, OLD, 1) == [b"UPGRADE", 2]
    told = await earlier("exchange", "old", "0", 1, 9, "", "v1", 0, 0, "")
    assert told[0] == b"LOST"
    assert await queue.states() == {"a": {"ready:default"}}
