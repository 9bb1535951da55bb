"""`-o json` and `-o yaml`: the same document, from every verb that prints data, and nothing beside it on stdout."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from headrace.admin.queue_admin import QueueAdmin
from headrace.client.codec import MAX_PAYLOAD, codec_named, encode_arguments
from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from support.cli import Cli, Seed
from support.pages import PAGES, ROOT
from support.seeding import Seeder


@pytest.fixture
def queue(seed: Seed) -> None:
    """`dead`, a dead letter with arguments and a traceback, `waits`, and a Schedule."""
    packed = encode_arguments(codec_named("msgpack"), "mail", [], {"to": "eve"}, MAX_PAYLOAD)
    record = lua_string(encode_death(DeathRecord("ValueError: boom", 1, 0)))

    async def fill(seeder: Seeder) -> None:
        await seeder.enqueue("dead", task="mail", payload=packed)
        await seeder.exchange(1)
        trace = ("fp", "line 1\nline 2\x1b[2J")
        await seeder.exchange(0, ["bury", "dead", seeder.claim, "mail", "ValueError", record, *trace, 1])
        schedules = QueueAdmin(seeder.link, "q").schedules
        await schedules.settle_terms("uid", name="nightly", timing="t", suspended=False, created_ms=1)
        await seeder.enqueue("waits")

    seed(fill)


READING = {
    "stats": ("stats", "q", "empty"),
    "top": ("top", "q", "--every", "0.1"),
    "jobs": ("jobs", "q"),
    "a page of jobs": ("jobs", "q", "--state", "ready", "--limit", "1"),
    "show": ("show", "q", "waits", "--payload"),
    "show a dead one": ("show", "q", "dead"),
    "limit": ("limit", "q", "7"),
    "audit": ("audit", "q"),
    "dlq list": ("dlq", "list", "q", "--limit", "1"),
    "dlq list by reason": ("dlq", "list", "q", "--by-reason"),
    "dlq show": ("dlq", "show", "q", "dead"),
    "schedules list": ("schedules", "list", "q"),
    "schedules next": ("schedules", "next", "nightly", "-f", str(ROOT / "examples/schedules/queue.yaml")),
    "dlq replay, dry": ("dlq", "replay", "q", "--all", "--dry-run"),
    "dlq delete, dry": ("dlq", "delete", "q", "--all", "--dry-run"),
}
CHANGING = {
    "enqueue": ("enqueue", "q", "mail", "--id", "mine"),
    "pause": ("pause", "q"),
    "resume": ("resume", "q"),
    "cancel": ("cancel", "q", "waits"),
    "purge": ("purge", "q", "--yes"),
    "dlq delete": ("dlq", "delete", "q", "--id", "dead"),
    "dlq edit": ("dlq", "edit", "q", "dead", "--set", "to=ada"),
    "dlq import": ("dlq", "import", "q", "/dev/null"),
    "dlq replay": ("dlq", "replay", "q", "--id", "dead", "--request", "r1"),
}


_TABLE = PAGES["docs/cli"].read_text().partition("| verb | document |")[2].partition("\n\n")[0]
DOCUMENTED = dict(re.findall(r"^\| `([a-z ]+)` \| (.+) \|$", _TABLE, re.MULTILINE))


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("verb", DOCUMENTED)
def test_a_document_has_the_fields_that_its_page_names(cli: Cli, verb: str) -> None:
    """And may have more."""
    named, _, only_with_payload = DOCUMENTED[verb].partition("; with")
    outer, _, inner = named.partition(" (each ")
    inner, _, behind = inner.partition(")")
    said = cli(*{**READING, **CHANGING}[verb], "-o", "json").json
    document = said[0] if named.startswith("list of ") else said
    assert set(re.findall(r"`(\w+)`", outer + behind + only_with_payload.replace("--payload", ""))) <= set(document)
    assert not inner or set(re.findall(r"`(\w+)`", inner)) <= set(document["letters"][0])


def _steady(document: Any) -> Any:
    """Without the time at which it was read."""
    if isinstance(document, dict):
        return {
            name: _steady(value)
            for name, value in document.items()
            if name not in ("now_ms", "expires_ms", "oldest_seconds")
        }
    return [_steady(one) for one in document] if isinstance(document, list) else document


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("name", READING)
def test_yaml_is_the_same_document_as_json(cli: Cli, name: str) -> None:
    as_json, as_yaml = (cli(*READING[name], "-o", form) for form in ("json", "yaml"))
    assert (as_json.code, as_yaml.code) == (0, 0)
    assert as_json.json
    assert _steady(yaml.safe_load(as_yaml.out)) == _steady(as_json.json)
    assert "\x1b" not in as_yaml.out


@pytest.mark.usefixtures("queue")
@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("name", CHANGING)
def test_what_a_verb_has_done_is_one_document(cli: Cli, name: str, form: str) -> None:
    ran = cli(*CHANGING[name], "-o", form)
    assert ran.code == 0
    assert isinstance(ran.json if form == "json" else yaml.safe_load(ran.out), dict)


def test_yaml_without_its_package_is_said_before_anything_is_done(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.cli.output.find_spec", lambda _: None)
    ran = cli("enqueue", "q", "mail", "-o", "yaml")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "headrace: -o yaml needs PyYAML: pip install pyyaml, or use -o json\n"
    assert cli("stats", "q", "-o", "json").json[0]["ready"] == 0
