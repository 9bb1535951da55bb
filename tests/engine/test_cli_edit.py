"""`headrace dlq edit`: other arguments for a dead letter, if they fit, and if nobody has touched it meanwhile."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headrace.admin.edit import Change
from headrace.admin.handle import QueueHandle
from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.selection import ReplaySelection
from headrace.client.codec import MAX_PAYLOAD, codec_named, decode_arguments, encode_arguments
from headrace.contract.envelope import (
    DeathRecord,
    Envelope,
    decode,
    encode,
    encode_death,
    header,
    in_workflow,
    lua_string,
    with_envelope,
)
from headrace.errors import ConflictingEditError
from support.cli import Cli, Seed
from support.seeding import Seeder

SCHEMA = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["to"],
    "additionalProperties": False,
}
RECORD = lua_string(encode_death(DeathRecord("E", 1, 0)))
ALL = ReplaySelection(everything=True)


async def _bury(seeder: Seeder, codec: str = "msgpack") -> None:
    """A letter `a` of `mail("ada", count=1)`, whose schema is known."""
    await seeder.raw("HSET", "schemas", "mail", msgspec.json.encode(SCHEMA))
    payload = encode_arguments(codec_named("msgpack"), "mail", ["ada"], {"count": 1}, MAX_PAYLOAD)
    await seeder.enqueue("a", task="mail", payload=payload)
    await seeder.exchange(1)
    await seeder.exchange(0, ["bury", "a", seeder.claim, "mail", "ValueError", RECORD, "", "", 1])


def _arguments(cli: Cli) -> tuple[Any, Any]:
    said = cli("show", "q", "a", "--payload", "-o", "json").json
    return said["args"], said["kwargs"]


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (("--set", "to=bob"), (["bob"], {"count": 1})),
        (("--set", "count=2", "--set", "to=17x"), (["17x"], {"count": 2})),
        (("--kwargs", '{"count": 5}'), (["ada"], {"count": 5})),
        (("--args", "[]", "--kwargs", '{"to": "eve"}'), ([], {"to": "eve"})),
    ],
)
def test_other_arguments(cli: Cli, seed: Seed, words: tuple[str, ...], arguments: tuple[Any, Any]) -> None:
    seed(_bury)
    assert cli("dlq", "edit", "q", "a", *words).out == "a is edited\n"
    assert _arguments(cli) == arguments
    assert cli("dlq", "replay", "q", "--all").out == "1 replayed\n"
    assert cli("audit", "q").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say what to change: --set, --kwargs or --args"),
        (("--set", "count=many"), "task mail: count: must be a whole number"),
        (("--set", "s3cret=1"), "task mail: s3cret: is not allowed"),
        (("--args", "[]"), "task mail: to: is required"),
        (
            ("--kwargs", '{"to": "eve"}'),
            "task mail: to is given twice, by position and by name; the letter has positional arguments: add "
            "--args '[]', or use --set",
        ),
        (("--kwargs", "s3cret"), '--kwargs: must be an object such as {"to": "ada"}, as JSON'),
        (("--args", "{}"), '--args: must be a list such as [1, "a"], as JSON'),
        (("--set", "to"), "--set must name an argument and its value"),
        (("--set", f"to={'x' * (MAX_PAYLOAD + 1)}"), "task mail: the payload has 262,1"),
    ],
)
def test_what_does_not_fit_changes_nothing(cli: Cli, seed: Seed, words: tuple[str, ...], said: str) -> None:
    seed(_bury)
    ran = cli("dlq", "edit", "q", "a", *words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"headrace: {said}")
    assert ran.err.count("\n") == 1
    assert _arguments(cli) == (["ada"], {"count": 1})


def test_unchecked_is_unchecked(cli: Cli, seed: Seed) -> None:
    seed(_bury)
    assert cli("dlq", "edit", "q", "a", "--set", "count=many", "--unchecked").code == 0
    assert _arguments(cli) == (["ada"], {"count": "many"})


def test_what_is_no_dead_letter(cli: Cli, seed: Seed) -> None:
    seed(_bury)
    ran = cli("dlq", "edit", "q", "nobody", "--set", "to=bob")
    assert (ran.code, ran.err) == (2, "headrace: no dead letter 'nobody' in queue 'q'\n")


@pytest.mark.everywhere
@pytest.mark.parametrize("meanwhile", ["edited", "died again"])
async def test_a_letter_that_changed_meanwhile_stays_as_it_is(
    seeder: Seeder, admin: QueueAdmin, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _bury(seeder)
    real = QueueHandle.run

    async def later(self: QueueHandle, script: str, *args: Any, **said: Any) -> Any:
        if script == "edit_dead":
            monkeypatch.setattr(QueueHandle, "run", real)
            if meanwhile == "edited":
                await admin.dead_letters.edit("a", Change(set={"to": "eve"}))
            else:
                await admin.replays.replay(ALL, request="r1")
                assert await seeder.exchange(1) == ["a"]
                bury = ["bury", "a", seeder.claim, "mail", "ValueError", RECORD, "", "", 1]
                await seeder.exchange(0, bury)
        return await real(self, script, *args, **said)

    monkeypatch.setattr(QueueHandle, "run", later)
    with pytest.raises(ConflictingEditError, match="was changed meanwhile"):
        await admin.dead_letters.edit("a", Change(set={"to": "bob"}))
    stored = decode(await seeder.raw("HGET", "jobs", "a"))
    args, _ = decode_arguments("msgpack", stored.envelope.payload)
    assert args == (["eve"] if meanwhile == "edited" else ["ada"])


@pytest.mark.everywhere
async def test_an_edit_is_another_set_than_was_proposed(seeder: Seeder, admin: QueueAdmin) -> None:
    await _bury(seeder)
    before = (await admin.replays.preview(ALL)).digest
    await admin.dead_letters.edit("a", Change(set={"to": "bob"}))
    assert (await admin.replays.preview(ALL)).digest != before


def test_a_step_of_a_workflow_keeps_what_it_was_given() -> None:
    envelope = Envelope(1, b"old")
    plain = encode(header("mail"), envelope)
    value = in_workflow(plain, feeds=True, wanted=False, takes=True) + b"\x07"
    changed = decode(with_envelope(value, Envelope(1, b"another one")))
    assert (changed.envelope.payload, changed.given, changed.feeds, changed.task) == (
        b"another one",
        b"\x07",
        True,
        "mail",
    )
    assert decode(with_envelope(plain, Envelope(2, b"x"))).envelope == Envelope(2, b"x")
