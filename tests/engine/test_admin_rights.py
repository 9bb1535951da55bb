"""What looks at queues from outside needs no more rights in Redis than docs/operations.md asks for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.wire.link import Link
from support.pages import PAGES
from support.seeding import Seeder


@pytest.fixture
async def modest(link: Link) -> AsyncIterator[Link]:
    """A user who has just these."""
    (rights,) = re.findall(r"\| its ACL, if you use one \| `([^`]+)`", PAGES["docs/operations"].read_text())
    given = rights.replace("\\|", "|").split()
    await link.request("ACL", "SETUSER", "modest", "reset", "on", ">secret", *given)
    own = Link(replace(link.target, username="modest", password="secret"))
    yield own
    await own.close()
    await link.request("ACL", "DELUSER", "modest")


async def test_an_audit_and_its_repair(link: Link, modest: Link) -> None:
    seeder = Seeder(link)
    await seeder.join()
    await seeder.enqueue("leased", "ready")
    await seeder.exchange(1)
    await seeder.raw("ZREM", "sess", "s1")
    audit = QueueAdmin(modest, "q").audit
    assert (await audit.run()).counts == {"StrayLeases": 1, "Orphan": 1}
    assert (await audit.run(repair=True)).mended > 0
    assert (await audit.run()).clean
