"""`headrace dlq …`."""

from __future__ import annotations

import io
from typing import Any

import pytest

from headrace.admin.queue_admin import QueueAdmin
from headrace.admin.replay import Replays
from headrace.admin.selection import ReplaySelection
from headrace.contract.envelope import DeathRecord, encode_death, lua_string
from headrace.errors import QueueUnavailableError
from support.cli import Cli, Seed, three_dead
from support.seeding import Seeder


def test_dlq_list_filters_and_pages(cli: Cli, seed: Seed) -> None:
    seed(three_dead)
    listed = cli("dlq", "list", "q", "-o", "json").json
    assert [(letter["id"], letter["task"], letter["reason"]) for letter in listed["letters"]] == [
        ("a", "mail", "ValueError"),
        ("b", "mail", "ValueError"),
        ("c", "scan", "OSError"),
    ]
    assert [x["id"] for x in cli("dlq", "list", "q", "--reason", "OSError", "-o", "json").json["letters"]] == ["c"]
    first = cli("dlq", "list", "q", "--limit", "1", "-o", "json").json
    rest = cli("dlq", "list", "q", "--cursor", str(first["cursor"]), "-o", "json").json
    assert [letter["id"] for letter in rest["letters"]] == ["b", "c"]
    counted = cli("dlq", "list", "q", "--by-reason").out.splitlines()
    assert counted[1:] == ["mail\tValueError\t2", "scan\tOSError\t1"]


def test_dlq_show_has_the_traceback(cli: Cli, seed: Seed) -> None:
    seed(three_dead)
    assert cli("dlq", "show", "q", "a").out.endswith("\nTraceback: line 1\nline 2\n")
    assert cli("dlq", "show", "q", "a", "-o", "json").json["traceback"] == "Traceback: line 1\nline 2"


def test_unprintable_errors_do_not_reach_the_terminal(cli: Cli, seed: Seed) -> None:
    async def fill(seeder: Seeder) -> None:
        await seeder.bury("a", reason="\x1b[2Jgone", traceback="\x1b]0;title\x07 line\nnext")

    seed(fill)
    for form in ("plain", "table"):
        for verb in (("dlq", "list", "q"), ("dlq", "show", "q", "a"), ("show", "q", "a")):
            assert "\x1b[2J" not in cli(*verb, "-o", form).out
            assert "\x1b]0" not in cli(*verb, "-o", form).out


def test_dlq_replay_dry_run_then_for_real(cli: Cli, seed: Seed) -> None:
    seed(three_dead)
    dry = cli("dlq", "replay", "q", "--task", "mail", "--dry-run", "-o", "json").json
    assert (dry["count"], dry["by_reason"]) == (2, {"ValueError": 2})
    assert cli("stats", "q", "-o", "json").json[0]["dead"] == 3
    assert cli("dlq", "replay", "q", "--task", "mail", "--max", "1").out == "1 replayed\n"
    assert cli("dlq", "replay", "q", "--id", "c", "--id", "nope").out == "1 replayed\n"
    assert cli("dlq", "replay", "q", "--all").out == "1 replayed\n"
    (said,) = cli("stats", "q", "-o", "json").json
    assert (said["dead"], said["ready"], said["replayed"]) == (0, 3, 3)


def test_a_bounded_dry_run_shows_what_would_move(cli: Cli, seed: Seed) -> None:
    seed(three_dead)
    bounded = ("dlq", "replay", "q", "--all", "--max", "1", "--dry-run")
    dry = cli(*bounded, "-o", "json").json
    assert (dry["count"], dry["matched"], dry["by_reason"]) == (1, 3, {"ValueError": 1})
    assert [letter["id"] for letter in dry["sample"]] == ["a"]
    told = cli(*bounded).out.splitlines()
    assert told[:2] == ["REASON\tLETTERS", "ValueError\t1"]
    assert [line.split("\t")[0] for line in told[2:]] == ["ID", "a", "1 of 3 that match would be replayed"]


def test_letters_replayed_too_often_are_in_no_dry_run(cli: Cli, seed: Seed) -> None:
    async def fill(seeder: Seeder) -> None:
        await three_dead(seeder)
        await QueueAdmin(seeder.link, "q").replays.replay(ReplaySelection(ids=("a",)), request="r0")
        await seeder.exchange(1)
        record = lua_string(encode_death(DeathRecord("again", 1, 0)))
        await seeder.exchange(0, ["bury", "a", seeder.claim, "mail", "ValueError", record, "", "", 1])

    seed(fill)
    spared = ("dlq", "replay", "q", "--all", "--max-replays", "1", "--dry-run")
    dry = cli(*spared, "-o", "json").json
    assert (dry["count"], dry["matched"], dry["left_out"]) == (2, 3, 1)
    assert dry["by_reason"] == {"ValueError": 1, "OSError": 1}
    assert [letter["id"] for letter in dry["sample"]] == ["b", "c"]
    assert cli(*spared).out.splitlines()[-1] == "2 of 3 that match would be replayed; 1 replayed too often stay"


def test_beyond_what_is_looked_at_reasons_are_of_all_that_match(
    cli: Cli, seed: Seed, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(three_dead)
    monkeypatch.setattr("headrace.admin.proposal.COUNTED", 1)
    told = cli("dlq", "replay", "q", "--all", "--max", "2", "--dry-run").out.splitlines()
    assert told[:3] == ["REASON\tMATCHED", "ValueError\t2", "OSError\t1"]
    assert told[-1] == "2 of 3 that match would be replayed"


def test_an_interrupted_replay_says_how_to_go_on(cli: Cli, seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    seed(three_dead)
    real = Replays.replay

    async def cut(self: Replays, *args: Any, **said: Any) -> Any:
        await real(self, *args, **said)
        raise QueueUnavailableError("the connection to Redis was lost")

    monkeypatch.setattr(Replays, "replay", cut)
    ran = cli("dlq", "replay", "q", "--all", "--request", "mine")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "headrace: interrupted: go on with --request mine",
        "headrace: the connection to Redis was lost",
    ]


def test_dlq_delete_asks_first(cli: Cli, seed: Seed, monkeypatch: pytest.MonkeyPatch) -> None:
    seed(three_dead)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    refused = cli("dlq", "delete", "q", "--all")
    assert (refused.code, refused.err) == (
        2,
        "headrace: there is nobody to ask: say --yes to go on without a question\n",
    )
    assert "3 would be deleted" in cli("dlq", "delete", "q", "--all", "--dry-run").out
    assert cli("dlq", "delete", "q", "--id", "a").out == "1 deleted\n"
    assert cli("dlq", "delete", "q", "--all", "--yes").out == "2 deleted\n"


def test_an_approval_moves_what_the_dry_run_has_shown_or_nothing(cli: Cli, seed: Seed) -> None:
    seed(three_dead)
    dry = cli("dlq", "replay", "q", "--task", "mail", "--dry-run")
    digest = dry.err.split("--approve ")[1].split()[0]
    assert dry.err == f"headrace: to replay just these: the same with --approve {digest} in place of --dry-run\n"
    assert cli("dlq", "delete", "q", "--id", "a").code == 0
    refused = cli("dlq", "replay", "q", "--task", "mail", "--approve", digest)
    assert (refused.code, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert refused.err.startswith(
        f"headrace: letters, filter, max or max-replays differ from what {digest} was proposed for: look again; the"
    )
    now = cli("dlq", "replay", "q", "--task", "mail", "--dry-run", "-o", "json").json["digest"]
    assert f" is {now} now\n" in refused.err
    assert cli("dlq", "replay", "q", "--task", "mail", "--max", "1", "--approve", now).code == 1
    for nothing in ("zzz", "", f"{now}.{now}"):  # an empty one is a script's variable that is not set
        mistake = cli("dlq", "replay", "q", "--task", "mail", "--approve", nothing)
        assert (mistake.code, mistake.out) == (2, "")
        assert mistake.err == f"headrace: --approve must be the digest that a dry run has told, got {nothing!r}\n"
    assert cli("dlq", "replay", "q", "--task", "mail", "--approve", now).out == "1 replayed\n"
    assert cli("dlq", "replay", "q", "--all", "--dry-run", "--approve", now).code == 2


REPLAY, DELETE = ("dlq", "replay", "q"), ("dlq", "delete", "q")


@pytest.mark.parametrize("verb", [REPLAY, DELETE, (*REPLAY, "--dry-run"), (*DELETE, "--dry-run")], ids=" ".join)
@pytest.mark.parametrize("form", ["plain", "json"])
def test_ids_of_no_letter_are_named(cli: Cli, seed: Seed, verb: tuple[str, ...], form: str) -> None:
    seed(three_dead)
    none = cli(*verb, "--id", "nope", "--id", "nope", "--id", "no\x1b", "-o", form)
    assert (none.code, none.err) == (2, "headrace: no dead letters 'nope', 'no\\x1b' in queue 'q'\n")
    some = cli(*verb, "--id", "a", "--id", "nope", "-o", form)
    assert some.code == 0
    assert some.err.startswith("headrace: ")
    assert some.err.endswith("headrace: no dead letter 'nope' in queue 'q'\n")
    many = cli(*verb, *(word for i in range(12) for word in ("--id", f"x{i}")), "-o", form)
    assert many.err.endswith("'x9' and 2 more in queue 'q'\n")
    assert "nope" not in cli(*verb, "--id", "b", "-o", form).err


def test_a_replay_that_goes_on_misses_none_of_what_it_moved(cli: Cli, seed: Seed) -> None:
    seed(three_dead)
    for said in ("1 replayed\n", "0 replayed\n"):
        ran = cli(*REPLAY, "--id", "a", "--request", "mine")
        assert (ran.code, ran.out, ran.err) == (0, said, "")
    assert cli(*REPLAY, "--id", "nope", "--request", "other").code == 2


def test_filters_stand_on_every_verb(cli: Cli, seed: Seed) -> None:
    seed(three_dead)
    few = ("--since", "1h", "--attempts", "3", "--reason", "OSError")
    assert [letter["id"] for letter in cli("dlq", "list", "q", *few, "-o", "json").json["letters"]] == ["c"]
    assert cli("dlq", "export", "q", *few).out.count("\n") == 1
    assert cli("dlq", "list", "q", "--by-reason", "--since", "1h").out.count("\n") == 3
    assert cli("dlq", "list", "q", "--by-reason", "--older-than", "1h").out.count("\n") == 1
    assert cli("dlq", "list", "q", "--where", "to=ada", "-o", "json").json == {"letters": [], "cursor": None}
    assert "1 would be deleted" in cli("dlq", "delete", "q", *few, "--dry-run").out
    assert cli("dlq", "delete", "q", "--older-than", "1h", "--yes").out == "0 deleted\n"
    assert cli("dlq", "replay", "q", *few, "--max-replays", "1").out == "1 replayed\n"
    assert cli("dlq", "delete", "q", "--since", "1h", "--yes").out == "2 deleted\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--since", "soon"), "--since must be an age such as 90s"),
        (("--attempts", "many"), "--attempts must be a number such as 3"),
        (("--where", "s3cret"), "--where must name a parameter and its value, as in --where to=ada"),
        (("--by-reason", "--attempts", "1"), "--by-reason counts by task, reason and time"),
    ],
)
def test_a_wrong_filter_is_one_line(cli: Cli, words: tuple[str, ...], said: str) -> None:
    ran = cli("dlq", "list", "q", *words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"headrace: {said}")
    assert ran.err.count("\n") == 1
    assert "s3cret" not in ran.err
