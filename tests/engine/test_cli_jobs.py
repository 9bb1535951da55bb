"""The verbs about single jobs: enqueue, show, jobs, cancel."""

from __future__ import annotations

from headrace.contract.progress import Told, encode_told
from headrace.contract.replies import encode_presence
from support.cli import Cli, Seed, three_dead
from support.presences import presence
from support.seeding import Seeder


def test_enqueue_then_show(cli: Cli) -> None:
    job_id = cli("enqueue", "q", "mail", "--args", '["ada"]', "--kwargs", '{"subject": "hi"}').out.strip()
    shown = cli("show", "q", job_id, "--payload", "-o", "json").json
    assert (shown["state"], shown["task"], shown["args"], shown["kwargs"]) == (
        "ready",
        "mail",
        ["ada"],
        {"subject": "hi"},
    )
    assert "no worker of this queue is running" in shown["why"]


def test_show_tells_how_far_a_running_job_is(cli: Cli, seed: Seed) -> None:
    async def begin(seeder: Seeder) -> None:
        await seeder.enqueue("a", "b")
        await seeder.exchange(2)
        told = encode_told([Told("a", seeder.claim, 0.4, "reading\x1b[2J part 3", 0)])
        await seeder.run("renew", seeder.sid, 60_000, encode_presence(presence("pod-1")), told)

    seed(begin)
    lines = dict(line.split("\t") for line in cli("show", "q", "a", "-o", "plain").out.splitlines())
    percent, _, message = lines["progress"].partition(" at ")
    assert (percent, message.partition("Z: ")[2]) == ("40%", "reading [2J part 3")
    said = cli("show", "q", "a", "-o", "json").json["progress"]
    assert (said["fraction"], said["message"]) == (0.4, "reading\x1b[2J part 3")
    assert cli("show", "q", "b", "-o", "json").json["progress"] is None


def test_show_tells_what_has_befallen_a_job(cli: Cli, seed: Seed) -> None:
    async def fail_and_die(seeder: Seeder) -> None:
        await seeder.enqueue("plain", delay_ms=60_000)
        await seeder.enqueue("a")
        await seeder.exchange(1)
        await seeder.exchange(0, ["retry", "a", seeder.claim, 1, 0, "OSError"])
        await seeder.exchange(1)
        await seeder.run("reap_session", seeder.sid)

    seed(fail_and_die)
    lines = dict(line.split("\t") for line in cli("show", "q", "a", "-o", "plain").out.splitlines())
    said = [lines[f"transition {place}"].partition("Z ")[2] for place in (1, 2)]
    assert said == ["failed attempt 1 on pod-1: OSError", "its worker pod-1 died, crash 1"]
    told = cli("show", "q", "a", "-o", "json").json["transitions"]
    assert [(one["what"], one["times"], one["worker"], one["error"]) for one in told] == [
        ("failed", 1, "pod-1", "OSError"),
        ("lost", 1, "pod-1", ""),
    ]
    assert told[0]["at_ms"] <= told[1]["at_ms"]
    assert cli("show", "q", "plain", "-o", "json").json["transitions"] == []
    assert "transition" not in cli("show", "q", "plain").out
    assert "transitions" not in cli("jobs", "q", "-o", "json").json["jobs"][0]


def test_show_keeps_payloads_to_itself(cli: Cli) -> None:
    job_id = cli("enqueue", "q", "mail", "--args", '["s3cret"]').out.strip()
    for form in ("plain", "json", "table"):
        assert "s3cret" not in cli("show", "q", job_id, "-o", form).out
    assert "s3cret" in cli("show", "q", job_id, "-o", "plain", "--payload").out


def test_enqueue_with_delay_priority_and_id(cli: Cli) -> None:
    cli("enqueue", "q", "mail", "--delay", "60", "--id", "mine")
    cli("enqueue", "q", "mail", "--priority", "high")
    (said,) = cli("stats", "q", "-o", "json").json
    assert (said["scheduled"], said["ready"]) == (1, 1)
    again = cli("enqueue", "q", "other", "--id", "mine", "-o", "json")
    assert (again.code, again.json["created"]) == (0, False)
    assert "mine is taken" in again.err
    assert cli("show", "q", "mine", "-o", "json").json["task"] == "mail"


def test_enqueue_compares_with_what_workers_have_published(cli: Cli, seed: Seed) -> None:
    schema = '{"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]}'

    async def publish(seeder: Seeder) -> None:
        await seeder.raw("HSET", "schemas", "mail", schema)

    seed(publish)
    assert cli("enqueue", "q", "mail", "--kwargs", '{"to": "ada"}').code == 0
    wrong = cli("enqueue", "q", "mail", "--args", "[3]")
    assert (wrong.code, wrong.err) == (2, "headrace: task mail: to: must be a string\n")
    unknown = cli("enqueue", "q", "sned")
    assert (unknown.code, unknown.err.count("\n")) == (2, 1)
    assert "no task 'sned'" in unknown.err
    assert cli("enqueue", "q", "sned", "--unchecked").code == 0
    large = cli("enqueue", "q", "mail", "--args", f'["{"x" * 300_000}"]')
    assert (large.code, large.err.count("\n")) == (2, 1)
    assert "the limit is 262,144" in large.err


def test_jobs_of_all_states_and_of_one(cli: Cli, seed: Seed) -> None:
    async def fill(seeder: Seeder) -> None:
        await seeder.bury("dead")
        await seeder.enqueue("leased")
        await seeder.exchange(1)
        await seeder.enqueue("ready")
        await seeder.enqueue("later", delay_ms=60_000)

    seed(fill)
    lines = [line.split("\t") for line in cli("jobs", "q").out.splitlines()]
    assert [line[:2] for line in lines[1:]] == [
        ["leased", "leased"],
        ["ready", "ready"],
        ["later", "scheduled"],
        ["dead", "dead"],
    ]
    assert [job["id"] for job in cli("jobs", "q", "--state", "scheduled", "-o", "json").json["jobs"]] == ["later"]


def test_jobs_page_by_cursor(cli: Cli) -> None:
    for i in range(5):
        cli("enqueue", "q", "t", "--id", f"j{i}")
    first = cli("jobs", "q", "--state", "ready", "--limit", "3")
    assert "there are more: --cursor " in first.err
    cursor = first.err.split("--cursor ")[1].strip()
    rest = cli("jobs", "q", "--state", "ready", "--cursor", cursor)
    ids = [line.split("\t")[0] for ran in (first, rest) for line in ran.out.splitlines()[1:]]
    assert ids == [f"j{i}" for i in range(5)]


def test_cancel_waiting_and_unknown_and_dead(cli: Cli, seed: Seed) -> None:
    seed(three_dead)
    cli("enqueue", "q", "mail", "--id", "mine")
    assert cli("cancel", "q", "mine").out == "mine is cancelled\n"
    assert cli("cancel", "q", "mine").code == 2
    dead = cli("cancel", "q", "a")
    assert (dead.code, "headrace dlq delete q --id a" in dead.err) == (2, True)
