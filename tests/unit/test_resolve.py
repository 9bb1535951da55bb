"""Names and addresses: what a name service says, and that its silence is told from the server's."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from headrace.errors import QueueUnavailableError
from headrace.wire.connection import connect
from headrace.wire.resolve import resolve
from headrace.wire.target import Target
from headrace_operator.core.observation import Unknown
from headrace_operator.reconcile.trouble import explain


async def test_numbers_and_names_of_this_machine() -> None:
    assert await resolve(Target(host="127.0.0.1", port=7), 5) == [("127.0.0.1", 7)]
    assert {host for host, _ in await resolve(Target(host="localhost", port=7), 5)} <= {"127.0.0.1", "::1"}
    assert await resolve(Target(unix_path="/tmp/s"), 5) == []


@pytest.mark.parametrize("silent", [False, True])
async def test_no_address_is_its_own_trouble(silent: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(*_: Any, **__: Any) -> list[Any]:
        if silent:
            await asyncio.sleep(60)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", ask)
    with pytest.raises(QueueUnavailableError, match="can't connect to redis://nowhere:6379/0: ") as raised:
        await connect(Target(host="nowhere"), timeout=0.05)
    assert explain(raised.value).reason is Unknown.NAME_NOT_RESOLVED
