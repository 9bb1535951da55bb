"""`headrace dlq import`: what an export with payloads has written are dead letters again; each bad line is said."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from headrace.admin import importing
from headrace.admin.queue_admin import QueueAdmin
from headrace.client.codec import MAX_PAYLOAD, codec_named, encode_arguments
from headrace.contract.envelope import DeathRecord, decode, encode_death, lua_string
from headrace.wire.link import Link
from headrace.wire.target import parse_target
from support.cli import Cli, Seed
from support.seeding import Seeder

RECORD = lua_string(encode_death(DeathRecord("E: too late", 2, 1, "w", 0.5)))
FIRST = {"id": "a", "task": "mail", "reason": "ValueError", "args": ["ada"], "kwargs": {"key": "s3cret"}}


async def _bury(seeder: Seeder) -> None:
    payload = encode_arguments(codec_named("msgpack"), "mail", ["ada"], {"key": "s3cret"}, MAX_PAYLOAD)
    for number, priority in enumerate(("default", "high", "low")):
        await seeder.enqueue(f"j{number}", task="mail", payload=payload, priority=priority)
        await seeder.exchange(1)
        bury = ["bury", f"j{number}", seeder.claim, "mail", "ValueError", RECORD, "fp", "Trace: here", 2]
        await seeder.exchange(0, bury)


def _without_time(text: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in text.splitlines()]
    return [{name: value for name, value in one.items() if name != "died_us"} for one in found]


def test_what_was_exported_comes_back_whole(cli: Cli, seed: Seed, tmp_path: Path) -> None:
    seed(_bury)
    file = tmp_path / "letters.jsonl"
    assert cli("dlq", "export", "q", "--payload", "--out", str(file)).code == 0
    assert _without_time(file.read_text())[1]["priority"] == "high"
    again = cli("dlq", "import", "q", str(file))
    assert (again.code, again.out) == (0, "0 imported; 3 passed over: the queue has them\n")
    assert cli("dlq", "delete", "q", "--id", "j0", "--id", "j2").code == 0
    came = cli("dlq", "import", "q", str(file), "-o", "json")
    assert came.json == {"imported": 2, "passed_over": 1, "bad_lines": 0}
    found = sorted(_without_time(cli("dlq", "export", "q", "--payload").out), key=lambda one: str(one["id"]))
    assert found == _without_time(file.read_text())
    assert [one["id"] for one in cli("dlq", "list", "q", "-o", "json").json["letters"]] == ["j1", "j0", "j2"]
    assert cli("audit", "q").code == 0
    assert cli("dlq", "replay", "q", "--all").out == "3 replayed\n"


def test_another_queue_takes_them_too(cli: Cli, seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    seed(_bury)
    exported = cli("dlq", "export", "q", "--payload").out
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(exported.encode())))
    assert cli("dlq", "import", "other", "-").out == "3 imported\n"
    assert cli("audit", "other").code == 0
    assert cli("stats", "other", "-o", "json").json[0]["dead"] == 3


def test_each_bad_line_is_said_and_no_good_one_lost(cli: Cli, tmp_path: Path) -> None:
    payload = base64.b64encode(encode_arguments(codec_named("msgpack"), "mail", ["eve"], {}, MAX_PAYLOAD)).decode()
    lines = [
        json.dumps(FIRST),
        "not json s3cret",
        "",
        json.dumps({**FIRST, "id": ""}),
        json.dumps({**FIRST, "id": "c", "reason": "a|b"}),
        json.dumps({"id": "d", "task": "mail", "reason": "E"}),
        json.dumps({**FIRST, "id": "e", "payload": payload}),
        json.dumps({**FIRST, "id": "f", "workflow": True}),
        json.dumps({**FIRST, "id": "g", "task": "a|b"}),
        json.dumps({**FIRST, "id": "h", "codec": "morse"}),
        json.dumps({**FIRST, "id": "i", "attempts": -1}),
        json.dumps({**FIRST, "id": "z"}),
    ]
    file = tmp_path / "letters.jsonl"
    file.write_text("\n".join(lines))
    cli("enqueue", "q", "t")
    ran = cli("dlq", "import", "q", str(file))
    assert (ran.code, ran.out) == (2, "2 imported; 9 lines left out\n")
    said = ran.err.splitlines()
    assert [line.split(":")[1].strip() for line in said] == [f"line {n}" for n in (2, 4, 5, 6, 7, 8, 9, 10, 11)]
    assert said[0] == "headrace: line 2: it is no line of JSON"
    assert said[3].endswith("it has no payload: was it exported without --payload?")
    assert said[4].endswith("args and kwargs say something else than payload: leave out payload to use them")
    assert "s3cret" not in ran.err
    assert [one["id"] for one in cli("dlq", "list", "q", "-o", "json").json["letters"]] == ["a", "z"]


def _letters(file: Path, *changes: dict[str, Any]) -> str:
    """A line for each."""
    packed = encode_arguments(codec_named("msgpack"), "mail", [], {"too": 1}, MAX_PAYLOAD)
    died_of_it = {"payload": base64.b64encode(packed).decode(), "args": [], "kwargs": {"too": 1}}
    lines = [{**FIRST, "id": "as-it-was", **died_of_it}, *({**FIRST, **change} for change in changes)]
    file.write_text("\n".join(map(json.dumps, lines)))
    return str(file)


def test_edited_arguments_must_fit_what_workers_have_published(cli: Cli, seed: Seed, tmp_path: Path) -> None:
    async def publish(seeder: Seeder) -> None:
        schema = {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}
        await seeder.raw("HSET", "schemas", "mail", json.dumps({**schema, "additionalProperties": False}))

    seed(publish)
    file = _letters(
        tmp_path / "letters.jsonl",
        {"id": "b", "args": [], "kwargs": {"too": "s3cret"}},
        {"id": "c", "args": ["ada"], "kwargs": {}},
        {"id": "d", "args": ["ada"], "kwargs": {"to": "s3cret"}},
        {"id": "e", "task": "scan"},
    )
    ran = cli("dlq", "import", "q", file)
    assert (ran.code, ran.out) == (2, "2 imported; 3 lines left out\n")
    assert ran.err.splitlines() == [
        "headrace: line 2: task mail: too: is not allowed",
        "headrace: line 4: task mail: to is given twice, by position and by name",
        "headrace: line 5: queue q has no task 'scan'; its workers know mail (--unchecked takes it all the same)",
    ]
    unchecked = cli("dlq", "import", "q", file, "--unchecked")
    assert (unchecked.code, unchecked.out) == (0, "3 imported; 2 passed over: the queue has them\n")


def test_lines_are_read_a_bounded_part_at_a_time(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.cli.import_command.LONGEST_LINE", 1000)
    parts: list[int] = []
    real = importing.bring_in

    async def noted(handle: Any, letters: Any) -> list[str]:
        parts.append(len(letters))
        return await real(handle, letters)

    monkeypatch.setattr("headrace.admin.importing.bring_in", noted)
    file = tmp_path / "letters.jsonl"
    with file.open("w") as out:
        for number in range(250):
            out.write(json.dumps({**FIRST, "id": f"j{number}"}) + "\n")
            if number == 100:
                out.write(json.dumps({**FIRST, "error": "x" * 5000}) + "\n")
    cli("enqueue", "q", "t")
    ran = cli("dlq", "import", "q", str(file))
    assert (ran.code, ran.out) == (2, "250 imported; 1 lines left out\n")
    assert ran.err == "headrace: line 102: it has more than 1,000 bytes\n"
    assert parts == [100, 100, 50]


def test_a_file_that_is_not_there(cli: Cli, tmp_path: Path) -> None:
    ran = cli("dlq", "import", "q", str(tmp_path / "none"))
    assert (ran.code, ran.err) == (2, f"headrace: {tmp_path / 'none'}: No such file or directory\n")


def test_readable_arguments_are_enough(cli: Cli, tmp_path: Path, redis_url: str) -> None:
    file = tmp_path / "letters.jsonl"
    file.write_text(json.dumps({**FIRST, "replays": 300, "attempts": 3, "max_retries": 7}))
    assert cli("dlq", "import", "q", str(file)).code == 0

    async def read() -> bytes:
        link = Link(parse_target(redis_url))
        seeder = Seeder(link)
        value: bytes = await seeder.raw("HGET", "jobs", "a")
        assert (await QueueAdmin(link, "q").audit.run()).clean
        await link.close()
        return value

    stored = decode(asyncio.run(read()))
    assert (stored.task, stored.attempts, stored.replays, stored.envelope.max_retries) == ("mail", 3, 255, 7)
