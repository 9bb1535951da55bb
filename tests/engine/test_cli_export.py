"""`headrace dlq export`: every letter once, as JSON lines, in bounded parts; payloads only for who asks."""

from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.sieve import AT_ONCE
from headrace.client.codec import MAX_PAYLOAD, codec_named, encode_arguments
from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from headrace.errors import QueueUnavailableError
from support.cli import Cli, Seed, three_dead
from support.seeding import Seeder

SECRET = "s3cret"
RECORD = lua_string(encode_death(DeathRecord("ValueError: boom", 1, 0)))


async def _with_payload(seeder: Seeder) -> None:
    packed = encode_arguments(codec_named("msgpack"), "mail", ["ada"], {"key": SECRET}, MAX_PAYLOAD)
    await seeder.enqueue("a", task="mail", payload=packed)
    await seeder.exchange(1)
    await seeder.exchange(0, ["bury", "a", seeder.claim, "mail", "ValueError", RECORD, "", "", 1])


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_letter_is_a_line_with_all_that_is_kept_of_it(cli: Cli, seed: Seed) -> None:
    seed(three_dead)
    first, *others = _lines(cli("dlq", "export", "q").out)
    assert first == {
        "id": "a",
        "task": "mail",
        "reason": "ValueError",
        "died_us": first["died_us"],
        "error": "ValueError: boom",
        "attempts": 3,
        "crashes": 0,
        "worker": "pod-1",
        "seconds": 0.5,
        "replays": 0,
        "traceback": "Traceback: line 1\nline 2",
        "enqueued_ms": 1700000000000,
        "correlation_id": "c-1",
        "meta": {"tenant": "a"},
    }
    assert [letter["id"] for letter in others] == ["b", "c"]
    assert [letter["id"] for letter in _lines(cli("dlq", "export", "q", "--task", "scan").out)] == ["c"]
    assert [letter["id"] for letter in _lines(cli("dlq", "export", "q", "--reason", "ValueError").out)] == ["a", "b"]


def test_an_empty_queue_exports_nothing(cli: Cli, tmp_path: Path) -> None:
    cli("enqueue", "q", "t")
    assert cli("dlq", "export", "q").out == ""
    assert cli("dlq", "export", "q", "--out", str(tmp_path / "none")).err.startswith("headrace: 0 dead letters in ")
    assert (tmp_path / "none").read_text() == ""


def test_payloads_only_for_who_asks(cli: Cli, seed: Seed) -> None:
    seed(_with_payload)
    quiet = cli("dlq", "export", "q")
    assert SECRET not in quiet.out + quiet.err
    assert "payload" not in _lines(quiet.out)[0]
    (said,) = _lines(cli("dlq", "export", "q", "--payload").out)
    assert (said["codec"], said["args"], said["kwargs"]) == ("msgpack", ["ada"], {"key": SECRET})
    assert SECRET.encode() in base64.b64decode(said["payload"])


def test_arguments_without_a_form_in_json_are_there_as_bytes(cli: Cli, seed: Seed) -> None:
    async def fill(seeder: Seeder) -> None:
        await seeder.enqueue("a", payload=b"\xc1 no msgpack")
        await seeder.exchange(1)
        await seeder.exchange(0, ["bury", "a", seeder.claim, "t", "E", RECORD, "", "", 1])

    seed(fill)
    (said,) = _lines(cli("dlq", "export", "q", "--payload").out)
    assert "args" not in said
    assert base64.b64decode(said["payload"]) == b"\xc1 no msgpack"


def test_a_file_is_whole_or_not_there(cli: Cli, seed: Seed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "letters.jsonl"

    async def fill(seeder: Seeder) -> None:
        ids = [f"j{i:04d}" for i in range(2 * AT_ONCE + 50)]
        await seeder.bury(*ids)

    seed(fill)
    ran = cli("dlq", "export", "q", "--out", str(out))
    assert (ran.code, ran.out, ran.err) == (0, "", f"headrace: 250 dead letters in {out}\n")
    assert [letter["id"] for letter in _lines(out.read_text())] == [f"j{i:04d}" for i in range(250)]
    assert stat.S_IMODE(os.stat(out).st_mode) == 0o600
    out.unlink()
    real = QueueAdmin.export

    async def cut(self: QueueAdmin, *args: Any, **said: Any) -> Any:
        async for letters in real(self, *args, **said):
            yield letters
            raise QueueUnavailableError("the connection to Redis was lost")

    monkeypatch.setattr(QueueAdmin, "export", cut)
    ran = cli("dlq", "export", "q", "--out", str(out))
    assert (ran.code, ran.err) == (1, "headrace: the connection to Redis was lost\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.everywhere
async def test_parts_are_bounded_and_letters_that_come_or_go_shift_nothing(seeder: Seeder, admin: QueueAdmin) -> None:
    ids = [f"j{i:04d}" for i in range(3 * AT_ONCE)]
    await seeder.bury(*ids)
    seen: list[str] = []
    async for letters in admin.export():
        assert len(letters) <= AT_ONCE
        seen += [letter.detail.letter.id for letter in letters]
        if len(seen) == AT_ONCE:
            assert await seeder.run("delete_dead", "j0000", "j0150") == 2
            await seeder.bury("late")
    assert seen == [job_id for job_id in ids if job_id != "j0150"]
