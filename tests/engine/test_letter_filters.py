"""What a filter means is the same for a page, an export, a dry run, a delete and a replay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from headrace.admin import dead_letters as dead_letters_module
from headrace.admin.filter_words import Moment
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.selection import LetterFilter, letter_filter, select
from headrace.client.codec import MAX_PAYLOAD, codec_named, encode_arguments
from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from support.seeding import Seeder

pytestmark = pytest.mark.everywhere

PEOPLE = ("ada", "bob", "eve")


async def _letters(seeder: Seeder) -> list[int]:
    """Six letters a to f, of attempts 0 to 5: `mail` to ada, bob, eve by name, then by place. Their times of death."""
    schema: dict[str, Any] = {"type": "object", "properties": {"to": {}, "user": {}}}
    await seeder.raw("HSET", "schemas", "mail", msgspec.json.encode(schema))
    for attempts, job_id in enumerate("abcdef"):
        who = PEOPLE[attempts % 3]
        args = [] if attempts < 3 else [who]
        kwargs: dict[str, Any] = {"to": who} if attempts < 3 else {"user": {"id": attempts}}
        payload = encode_arguments(codec_named("msgpack"), "mail", args, kwargs, MAX_PAYLOAD)
        await seeder.enqueue(job_id, task="mail", payload=payload)
        assert await seeder.exchange(1) == [job_id]
        record = lua_string(encode_death(DeathRecord("E: boom", attempts, 0)))
        reason = "OSError" if attempts % 2 else "ValueError"
        bury = ["bury", job_id, seeder.claim, "mail", reason, record, "", "", attempts]
        await seeder.exchange(0, bury)
    return [int(float(await seeder.raw("ZSCORE", "dead", job_id))) for job_id in "abcdef"]


async def _means(admin: QueueAdmin, said: LetterFilter) -> str:
    """The ids that it means, the same whoever asks."""
    page = await admin.dead_letters.page(said)
    ids = "".join(letter.id for letter in page.letters)
    newest = await admin.dead_letters.page(said, newest_first=True)
    assert "".join(letter.id for letter in newest.letters) == ids[::-1]
    exported = [letter.detail.letter.id async for letters in admin.export(said) for letter in letters]
    assert "".join(exported) == ids
    preview = await admin.replays.preview(select(said))
    assert preview.count == len(ids) == sum(preview.by_reason.values())
    assert "".join(letter.id for letter in preview.sample) == ids
    return ids


async def test_by_time_of_death(seeder: Seeder, admin: QueueAdmin) -> None:
    times = await _letters(seeder)
    assert await _means(admin, LetterFilter(since=Moment(times[2]))) == "cdef"
    assert await _means(admin, LetterFilter(older_than=Moment(times[2]))) == "ab"
    assert await _means(admin, LetterFilter(since=Moment(times[1]), older_than=Moment(times[5]))) == "bcde"
    assert await _means(admin, LetterFilter(since=Moment(times[1]), reason="OSError")) == "bdf"
    hour = 3_600_000_000
    assert await _means(admin, LetterFilter(since=Moment(hour, ago=True))) == "abcdef"
    assert await _means(admin, LetterFilter(older_than=Moment(hour, ago=True))) == ""
    assert await _means(admin, LetterFilter(older_than=Moment(0, ago=True), task="mail")) == "abcdef"


@pytest.mark.parametrize(
    ("attempts", "where", "ids"),
    [
        ("2", [], "c"),
        ("2..4", [], "cde"),
        ("..1", [], "ab"),
        (None, ["to=bob"], "be"),
        (None, ["user.id=5"], "f"),
        (None, ["0=ada"], "d"),
        ("3..", ["to=ada"], "d"),
        (None, ["to=ada", "user.id=3"], "d"),
        (None, ["to=nobody"], ""),
    ],
)
async def test_by_attempts_and_payload(
    seeder: Seeder, admin: QueueAdmin, attempts: str | None, where: Sequence[str], ids: str
) -> None:
    await _letters(seeder)
    said = letter_filter(attempts=attempts, where=where)
    assert await _means(admin, said) == ids
    moved = await admin.replays.replay(select(said), request="r1")
    assert moved.moved == len(ids)
    assert "".join(letter.id for letter in (await admin.dead_letters.page()).letters) == "".join(
        job_id for job_id in "abcdef" if job_id not in ids
    )


async def test_a_delete_takes_what_is_meant(seeder: Seeder, admin: QueueAdmin) -> None:
    times = await _letters(seeder)
    said = letter_filter(attempts="1..", where=["to=ada"])
    assert await admin.dead_letters.delete(select(said)) == 1
    assert await admin.dead_letters.delete(select(LetterFilter(older_than=Moment(times[2])))) == 2
    assert "".join(letter.id for letter in (await admin.dead_letters.page()).letters) == "cef"


async def test_payloads_that_nobody_can_read_fit_no_field(seeder: Seeder, admin: QueueAdmin) -> None:
    await _letters(seeder)
    await seeder.raw("HSET", "jobs", "a", b"\xff no envelope")
    await seeder.raw("HSET", "jobs", "d", b"\x01\x00\x00\x04mail no envelope")
    assert await _means(admin, letter_filter(where=["to=ada"])) == ""


async def test_a_page_looks_at_so_many_letters_and_says_where_to_go_on(
    seeder: Seeder, admin: QueueAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters_module, "LOOKED_AT", 200)
    for start in range(0, 500, 100):
        await seeder.bury(*(f"j{i:03d}" for i in range(start, start + 100)))
    said, cursor, pages = letter_filter(where=["to=ada"]), None, 0
    while True:
        page = await admin.dead_letters.page(said, cursor=cursor)
        pages += 1
        assert not page.letters
        if page.cursor is None:
            break
        assert page.looked_at == 200
        cursor = page.cursor
    assert pages == 3


async def test_pages_of_a_scan_shift_nothing(seeder: Seeder, admin: QueueAdmin) -> None:
    await _letters(seeder)
    said, cursor, seen = letter_filter(attempts="1..4"), None, ""
    while True:
        page = await admin.dead_letters.page(said, cursor=cursor, limit=1)
        seen += "".join(letter.id for letter in page.letters)
        if page.cursor is None:
            break
        cursor = page.cursor
    assert seen == "bcde"
