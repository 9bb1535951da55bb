"""The proofs of a million at a hundredth of it, a year of few schedules, and that their judges notice what is wrong."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.cli.quick_parser import read_line
from soak import dead_letters, kills, listings, operator_memory, schedules, tally
from soak.tally import END, START, Tally

SOUND = kills.Verdict(
    jobs=10,
    kills=2,
    lost=0,
    repeats=3,
    leases_lost=5,
    bound=8,
    most_starts=2,
    dead=0,
    settled=10,
    audit_clean=True,
    rss_mb=(40.0, 41.0, 45.0),
    seconds=1.0,
)
FAST = dead_letters.Verdict(
    10, {"page": 0.5}, {"page": 1.0}, {"page": 2.0}, 1000, 990, [(1000, 990)], 10, 1.0, 40.0, {"dlq list": 150.0}, 90.0
)


YEAR = schedules.Verdict(
    schedules=2,
    operators=2,
    days=365,
    ticks=11,
    jobs=7,
    replaced=1,
    skipped=1,
    missed=1,
    not_owed=1,
    duplicates=0,
    strangers=0,
    holes=0,
    wrong_skips=0,
    wrong_misses=0,
    wrong_replacements=0,
    wrong_counts=0,
    wrong_clocks=0,
    failed=1,
    dead=1,
    calls=40,
    kills=1,
    lost=1,
    frozen=1,
    jumps=1,
    seconds=1.0,
)


FLAT = operator_memory.Verdict(
    letters=10,
    replayed=5,
    said=5,
    started_mb=60.0,
    before_mb=62.0,
    burying_mb=63.0,
    with_mb=67.0,
    replaying_mb=66.0,
    audited=10,
    scrapes=3,
    seconds=1.0,
)


@pytest.mark.timeout(300)
async def test_jobs_outlive_their_workers() -> None:
    verdict = await kills.run(10_000, seed=1, every=0.05, within=240)
    assert verdict.sound, verdict
    assert verdict.kills >= 1


@pytest.mark.timeout(660)  # its own deadline comes first, as it can end what runs
async def test_a_year_of_schedules_has_one_job_per_tick() -> None:
    """Twenty of all kinds, in four zones whose clocks change."""
    verdict = await schedules.run(20, seed=4, within=600)
    assert verdict.sound, verdict
    assert verdict.ticks > 3_000


@pytest.mark.timeout(300)
async def test_dead_letters_answer_fast_beside_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No throughput is asserted here: that is for a machine that does nothing else."""
    for name, small in (("TURNS", 1), ("TURN_SECONDS", 2.0), ("ASKED_PER_SECOND", 20), ("BACKLOG", 3_000)):
        monkeypatch.setattr(dead_letters, name, small)
    monkeypatch.setattr(listings, "TIMES", 1)
    verdict = await dead_letters.run(5_000, within=240)
    assert verdict.alone_per_s > 0
    assert verdict.beside_per_s > 0
    assert all(0 < ms < 1_000 for ms in verdict.median_ms.values()), verdict
    assert verdict.exported == 5_000
    assert all(ms > 0 for ms in verdict.listing_ms.values())


def test_every_listing_of_the_command_line_is_timed() -> None:
    """And is a line that is understood; each verb that lists is there in every form."""
    lines = list(listings.lines(middle_us=1, reason="r", task="t", dead="d"))
    listing = {("stats",), ("jobs",), ("show",), ("limit",), ("dlq", "list"), ("dlq", "show"), ("schedules", "list")}
    timed: dict[tuple[str, ...], set[str]] = {}
    for line in lines:
        read = read_line(line.words)
        assert read is not None, line.name
        form = "table" if line.terminal else str(read[1]["output"])
        timed.setdefault(read[0].words, set()).add(form)
    assert timed.keys() == listing | {("dlq", "replay"), ("dlq", "delete")}
    assert all(timed[verb] == {"auto", "table", "json", "yaml"} for verb in listing - {("limit",)})
    assert len({line.name for line in lines}) == len(lines)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kills": 0},
        {"lost": 1},
        {"dead": 1},
        {"settled": 9},
        {"audit_clean": False},
        {"repeats": 6},
        {"leases_lost": 9},
        {"rss_mb": (40.0, 49.0, 49.0)},
    ],
    ids=str,
)
def test_the_judge_of_kills_takes_nothing_for_sound_that_is_not(wrong: dict[str, object]) -> None:
    assert SOUND.sound
    assert not replace(SOUND, **wrong).sound  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"quiet_ms": {"page": 10.0}},
        {"median_ms": {"page": 50.0}},
        {"beside_per_s": 849},
        {"exported": 9},
        {"export_mb": 150.0},
        {"listing_ms": {"dlq list": 1600.0}},
    ],
    ids=str,
)
def test_the_judge_of_dead_letters_too(wrong: dict[str, object]) -> None:
    assert FAST.sound
    assert not replace(FAST, **wrong).sound  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicates": 1},
        {"strangers": 1},
        {"holes": 1},
        {"wrong_skips": 1},
        {"wrong_misses": 1},
        {"wrong_replacements": 1},
        {"wrong_counts": 1},
        {"wrong_clocks": 1},
        {"replaced": 0},
        {"skipped": 0},
        {"missed": 0},
        {"not_owed": 0},
        {"failed": 0},
        {"kills": 0},
        {"lost": 0},
        {"frozen": 0},
        {"jumps": 0},
        {"jobs": 0},
    ],
    ids=str,
)
def test_the_judge_of_schedules_too(wrong: dict[str, object]) -> None:
    assert YEAR.sound
    assert not replace(YEAR, **wrong).sound  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"burying_mb": 67.1},
        {"with_mb": 67.1},
        {"replaying_mb": 67.1},
        {"before_mb": 61.9},
        {"replayed": 4},
        {"replayed": 0, "said": 0},
        {"audited": 0},
        {"scrapes": 0},
    ],
    ids=str,
)
def test_the_judge_of_the_operator_s_memory_too(wrong: dict[str, object]) -> None:
    assert FLAT.sound
    assert not replace(FLAT, **wrong).sound  # type: ignore[arg-type]


def test_a_record_says_how_many_listings_were_fast() -> None:
    some = replace(FAST, listing_ms={"stats jobs": 199.9, "dlq list jobs": 200.0})
    assert FAST.summary()["listings_within_200_ms"] == "1/1"
    assert some.summary()["listings_within_200_ms"] == "1/2"


def test_the_tally_counts_what_processes_have_written(tmp_path: Path) -> None:
    path = tmp_path / "tally"
    for events in ([(0, START), (0, END), (1, START)], [(1, START), (1, END), (2, START), (0, START)]):
        writer = Tally(path)
        for job, event in events:
            writer.write(job, event)
    counted = tally.count(path, 4)
    assert (counted.lost, counted.starts, counted.most_starts, counted.repeats) == (2, 5, 2, 2)
    assert tally.size(path) == 7
    assert os.path.getsize(path) == 35


def test_a_job_that_nobody_enqueued_is_an_error(tmp_path: Path) -> None:
    Tally(tmp_path / "tally").write(4, START)
    with pytest.raises(IndexError):
        tally.count(tmp_path / "tally", 4)
