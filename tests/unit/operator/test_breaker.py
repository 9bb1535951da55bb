"""The breaker: when it opens, what keeps it open, when it closes; a table, lives, and what holds for any of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace_operator.api.breaker import Breaker
from headrace_operator.api.status import BreakerStatus
from headrace_operator.core.breaker import BreakerState, Held, advance, held, is_open, usual_percent
from headrace_operator.core.clock import seconds, timestamp
from headrace_operator.core.symptoms import BreakerReason, Symptom, Symptoms

NOW = 1_900_000_000.0
COOL = 120
SPEC = Breaker(cool_off_seconds=COOL)
LOOP, SPIKE, NO_NODE = BreakerReason.CRASH_LOOP, BreakerReason.FAILURE_SPIKE, BreakerReason.UNSCHEDULABLE
WELL = Symptoms()
UNKNOWN = Symptoms(unclear=frozenset(BreakerReason))


def ill(*reasons: BreakerReason, message: str = "so many", usual: float | None = None) -> Symptoms:
    return Symptoms(tuple(Symptom(reason, message, usual) for reason in reasons))


def opened(reason: BreakerReason = LOOP, *, clear: float | None = None, usual: float | None = None) -> BreakerStatus:
    """Open for an hour; known to be gone since `clear`."""
    return BreakerStatus(
        state=BreakerState.OPEN,
        reason=reason,
        message="so many",
        since_time=timestamp(NOW - 3600),
        clear_time=timestamp(clear) if clear else None,
        retry_time=timestamp(clear + COOL) if clear else None,
        usual_percent=usual,
    )


CLOSED = BreakerStatus(state=BreakerState.CLOSED)
SINCE = timestamp(NOW - 3600)

# name, last, what is seen; then: state, reason, since, clear since
STEPS: list[tuple[str, BreakerStatus | None, Symptoms, tuple[str, str, str | None, str | None]]] = [
    ("at first", None, WELL, ("Closed", "", None, None)),
    ("nothing is known at first", None, UNKNOWN, ("Closed", "", None, None)),
    ("what is unknown opens nothing", CLOSED, UNKNOWN, ("Closed", "", None, None)),
    ("ill from the first", None, ill(SPIKE), ("Open", "FailureSpike", timestamp(NOW), None)),
    ("a symptom", CLOSED, ill(LOOP), ("Open", "CrashLoop", timestamp(NOW), None)),
    ("two: the more telling one", CLOSED, ill(LOOP, SPIKE), ("Open", "CrashLoop", timestamp(NOW), None)),
    ("it lasts", opened(LOOP), ill(LOOP), ("Open", "CrashLoop", SINCE, None)),
    ("another one joins", opened(SPIKE), ill(LOOP, SPIKE), ("Open", "FailureSpike", SINCE, None)),
    ("another one stays", opened(LOOP), ill(NO_NODE, SPIKE), ("Open", "Unschedulable", SINCE, None)),
    ("it is gone", opened(LOOP), WELL, ("Open", "CrashLoop", SINCE, timestamp(NOW))),
    ("for a while", opened(LOOP, clear=NOW - 119), WELL, ("Open", "CrashLoop", SINCE, timestamp(NOW - 119))),
    ("for long enough", opened(LOOP, clear=NOW - 120), WELL, ("Closed", "", timestamp(NOW), None)),
    ("it comes back", opened(LOOP, clear=NOW - 60), ill(LOOP), ("Open", "CrashLoop", SINCE, None)),
    ("another one comes", opened(LOOP, clear=NOW - 60), ill(SPIKE), ("Open", "FailureSpike", SINCE, None)),
    ("nobody knows", opened(LOOP), UNKNOWN, ("Open", "CrashLoop", SINCE, None)),
    ("any more", opened(LOOP, clear=NOW - 999), UNKNOWN, ("Open", "CrashLoop", SINCE, None)),
    (
        "of another one",
        opened(LOOP, clear=NOW - 120),
        Symptoms(unclear=frozenset({SPIKE})),
        ("Closed", "", timestamp(NOW), None),
    ),
    (
        "the clock was put back",
        opened(LOOP, clear=NOW + 3600),
        WELL,
        ("Open", "CrashLoop", SINCE, timestamp(NOW)),
    ),
]


@pytest.mark.parametrize(("name", "last", "found", "expected"), STEPS, ids=[row[0] for row in STEPS])
def test_steps(
    name: str, last: BreakerStatus | None, found: Symptoms, expected: tuple[str, str, str | None, str | None]
) -> None:
    status = advance(last, SPEC, found, NOW)
    assert status is not None
    assert (status.state, status.reason, status.since_time, status.clear_time) == expected, name
    assert (status.retry_time is None) == (status.clear_time is None)
    assert bool(status.message) == is_open(status)


def test_it_says_when_it_closes() -> None:
    status = advance(opened(LOOP, clear=NOW - 30), SPEC, WELL, NOW)
    assert status is not None
    assert status.retry_time == timestamp(NOW + 90)
    assert held(status) == Held("CrashLoop", NOW + 90)
    later = advance(status, Breaker(cool_off_seconds=300), WELL, NOW + 95)
    assert later is not None
    assert later.retry_time == timestamp(NOW + 270), "a cool-off that was changed holds from when it was gone"


def test_a_cool_off_is_no_shorter_for_times_in_whole_seconds() -> None:
    gone = advance(opened(), SPEC, WELL, NOW + 0.9)
    assert is_open(advance(gone, SPEC, WELL, NOW + COOL + 0.5))
    assert not is_open(advance(gone, SPEC, WELL, NOW + COOL + 1))


def test_the_message_is_the_latest_and_for_people() -> None:
    status = advance(opened(), SPEC, ill(LOOP, message="now\nredis://me:s3cret@redis said no"), NOW)
    assert status is not None
    assert status.message == "now redis://***@redis said no"


@pytest.mark.parametrize("last", [None, CLOSED, opened()])
def test_without_one_there_is_none(last: BreakerStatus | None) -> None:
    assert advance(last, Breaker(enabled=False), ill(LOOP), NOW) is None


@pytest.mark.parametrize("status", [None, CLOSED])
def test_a_closed_one_holds_nothing(status: BreakerStatus | None) -> None:
    assert (held(status), is_open(status), usual_percent(status)) == (None, False, None)


def test_what_was_usual_is_kept_while_the_spike_lasts_and_no_longer() -> None:
    status = advance(CLOSED, SPEC, ill(SPIKE, usual=3.5), NOW)
    assert usual_percent(status) == 3.5
    status = advance(status, SPEC, WELL, NOW + 10)
    assert usual_percent(status) == 3.5, "it may come back"
    assert usual_percent(advance(status, SPEC, ill(LOOP), NOW + 20)) is None
    assert usual_percent(opened(LOOP, usual=5)) is None


@pytest.mark.parametrize(("current", "least", "most"), [(0, 0, 1), (1, 0, 1), (4, 0, 4), (2, 5, 5), (0, 3, 3)])
def test_one_worker_may_always_run_and_so_may_the_minimum(current: int, least: int, most: int) -> None:
    assert Held("CrashLoop", None).most(current, least) == most


looks = st.lists(
    st.tuples(
        st.floats(0, 200),
        st.lists(st.sampled_from(list(BreakerReason)), unique=True, max_size=2),
        st.sets(st.sampled_from(list(BreakerReason)), max_size=3),
    ),
    max_size=40,
)
Life = list[tuple[float, list[BreakerReason], set[BreakerReason]]]


def lived(life: Life) -> Iterable[tuple[float, BreakerStatus, Symptoms, BreakerStatus]]:
    """Every look: time, the status before, what was seen, the status after; each time by another leader."""
    now, status = NOW, CLOSED
    for pause, there, unclear in life:
        now += pause
        found = Symptoms(
            tuple(Symptom(one, "m", 1.0) for one in sorted(there, key=list(BreakerReason).index)),
            frozenset(unclear - set(there)),
        )
        kept = BreakerStatus.model_validate_json(json.dumps(status.model_dump(mode="json", by_alias=True)))
        assert kept == status, "all that it goes by is in the status"
        following = advance(kept, SPEC, found, now)
        assert following is not None
        yield now, status, found, following
        status = following


@given(looks)
def test_it_opens_with_a_symptom_and_with_nothing_else(life: Life) -> None:
    for _, before, found, after in lived(life):
        if found.present:
            assert is_open(after)
            assert after.reason in {one.reason for one in found.present}
        if is_open(after) and not is_open(before):
            assert found.present


@given(looks)
def test_it_closes_only_after_a_whole_cool_off_of_known_health(life: Life) -> None:
    clear: float | None = None
    for now, before, found, after in lived(life):
        known = not found.present and before.reason not in found.unclear
        if is_open(before):
            clear = (now if clear is None else clear) if known else None
        if is_open(before) and not is_open(after):
            assert clear is not None
            assert now - clear >= COOL
        if not is_open(after):
            clear = None


@given(looks, st.floats(0, 200))
def test_it_closes_in_the_end(life: Life, pause: float) -> None:
    now, status = NOW, CLOSED
    for now, _, _, status in lived(life):  # noqa: B007
        pass
    for later in (pause, pause + COOL + 1):
        found = advance(status, SPEC, WELL, now + later)
        assert found is not None
        status = found
    assert not is_open(status)


@given(looks)
def test_since_moves_only_when_the_state_does(life: Life) -> None:
    for now, before, _, after in lived(life):
        if before.state == after.state:
            assert after.since_time == before.since_time
        else:
            assert after.since_time == timestamp(now)
        if after.retry_time is not None:
            assert seconds(after.retry_time) > now
