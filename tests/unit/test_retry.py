"""E3: decisions after a failed run, as tables; and what no delay ever breaks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import ConfigError
from headrace.retry import MAX_DELAY, Again, Backoff, Bury, GiveUp, RetryLater, RetryPolicy, after_failure, delay_for


class Remote(Exception):
    """As it comes from a child process: the class is made anew, the names tell the original's bases."""

    class_names = ("FileNotFoundError", "OSError", "Exception")


def sure() -> float:
    return 1.0


def decide(policy: RetryPolicy, error: BaseException, failures: int = 1, max_retries: int = 3) -> Again | GiveUp:
    return after_failure(policy, error, failures=failures, max_retries=max_retries, random=sure)


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (RetryPolicy(), [1, 2, 4, 8, 16]),
        (RetryPolicy(base=0.5, cap=3), [0.5, 1, 2, 3, 3]),
        (RetryPolicy(backoff=Backoff.LINEAR, base=2), [2, 4, 6, 8, 10]),
        (RetryPolicy(backoff=Backoff.LINEAR, base=2, cap=5), [2, 4, 5, 5, 5]),
        (RetryPolicy(backoff=Backoff.FIXED, base=7), [7, 7, 7, 7, 7]),
        (RetryPolicy(backoff=Backoff.FIXED, base=7, cap=1), [1, 1, 1, 1, 1]),
        (RetryPolicy(backoff=lambda failures: failures**3), [1, 8, 27, 64, 125]),
        (RetryPolicy(base=0), [0, 0, 0, 0, 0]),
        (RetryPolicy(backoff=lambda _: -5), [0, 0, 0, 0, 0]),
        (RetryPolicy(backoff=lambda _: math.inf), [MAX_DELAY] * 5),
        (RetryPolicy(backoff=lambda _: math.nan), [0, 0, 0, 0, 0]),
    ],
)
def test_delays(policy: RetryPolicy, delays: list[float]) -> None:
    assert [delay_for(policy, failures, sure) for failures in range(1, 6)] == delays


@pytest.mark.parametrize(
    ("error", "policy", "failures", "max_retries", "decision"),
    [
        (ValueError("x"), RetryPolicy(), 1, 3, Again(1.0, charged=True, reason="ValueError")),
        (ValueError("x"), RetryPolicy(), 3, 3, Again(4.0, charged=True, reason="ValueError")),
        (ValueError("x"), RetryPolicy(), 4, 3, GiveUp("ValueError")),
        (ValueError("x"), RetryPolicy(), 1, 0, GiveUp("ValueError")),
        (SystemExit(1), RetryPolicy(), 1, 3, Again(1.0, charged=True, reason="SystemExit")),
        (KeyError("x"), RetryPolicy(never_retry=(LookupError,)), 1, 3, GiveUp("KeyError")),
        (KeyError("x"), RetryPolicy(retry_on=(LookupError,)), 1, 3, Again(1.0, charged=True, reason="KeyError")),
        (ValueError("x"), RetryPolicy(retry_on=(LookupError,)), 1, 3, GiveUp("ValueError")),
        (
            KeyError("x"),
            RetryPolicy(retry_on=(LookupError,), never_retry=(KeyError,)),
            1,
            3,
            GiveUp("KeyError"),
        ),
        (Remote("x"), RetryPolicy(never_retry=(OSError,)), 1, 3, GiveUp("Remote")),
        (Remote("x"), RetryPolicy(retry_on=(OSError,)), 1, 3, Again(1.0, charged=True, reason="Remote")),
        (Remote("x"), RetryPolicy(retry_on=(ValueError,)), 1, 3, GiveUp("Remote")),
        (Bury("enough"), RetryPolicy(), 1, 3, GiveUp("enough")),
        (Bury("enough"), RetryPolicy(retry_on=(Bury,)), 1, 3, GiveUp("enough")),
        (RetryLater(5), RetryPolicy(), 1, 3, Again(5, charged=True, reason="asked to run again in 5 s")),
        (RetryLater(5), RetryPolicy(), 4, 3, GiveUp("RetryLater")),
        (RetryLater(5, charge=False, why="busy"), RetryPolicy(), 99, 0, Again(5, charged=False, reason="busy")),
        (RetryLater(5), RetryPolicy(never_retry=(Exception,)), 1, 3, Again(5, True, "asked to run again in 5 s")),
        (RetryLater(-5), RetryPolicy(), 1, 3, Again(0, True, "asked to run again in -5 s")),
        (RetryLater(math.inf), RetryPolicy(), 1, 3, Again(MAX_DELAY, True, "asked to run again in inf s")),
        (RetryLater(math.nan), RetryPolicy(), 1, 3, Again(0, True, "asked to run again in nan s")),
    ],
)
def test_decisions(
    error: BaseException, policy: RetryPolicy, failures: int, max_retries: int, decision: Again | GiveUp
) -> None:
    assert decide(policy, error, failures, max_retries) == decision


@pytest.mark.parametrize(
    "wrong", [{"max_retries": -1}, {"base": -0.1}, {"cap": -1.0}], ids=lambda wrong: next(iter(wrong))
)
def test_policies_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="must be 0 or more"):
        RetryPolicy(**wrong)  # type: ignore[arg-type]


def test_what_a_task_leaves_open_is_the_worker_s() -> None:
    said, unsaid = RetryPolicy(base=0, cap=9), RetryPolicy()
    assert (said.with_defaults(5, 6).base, said.with_defaults(5, 6).cap) == (0, 9)
    assert (unsaid.with_defaults(5, 6).base, unsaid.with_defaults(5, 6).cap) == (5, 6)


POLICIES = st.builds(
    RetryPolicy,
    backoff=st.sampled_from(Backoff),
    base=st.floats(0, 1e6),
    cap=st.floats(0, 1e6),
    jitter=st.booleans(),
)
DRAWS = st.floats(0, 1, exclude_max=True)


@given(policy=POLICIES, failures=st.integers(1, 10_000), draw=DRAWS)
def test_a_delay_is_never_negative_nor_longer_than_the_cap(policy: RetryPolicy, failures: int, draw: float) -> None:
    assert policy.cap is not None
    assert 0 <= delay_for(policy, failures, lambda: draw) <= (policy.cap or 0)


@given(policy=POLICIES, failures=st.integers(1, 100), draw=DRAWS)
def test_full_jitter_is_a_share_of_the_delay_without(policy: RetryPolicy, failures: int, draw: float) -> None:
    whole = delay_for(
        RetryPolicy(backoff=policy.backoff, base=policy.base, cap=policy.cap, jitter=False), failures, sure
    )
    assert delay_for(policy, failures, lambda: draw) == (whole * draw if policy.jitter else whole)


@given(failures=st.integers(1, 500), max_retries=st.integers(0, 200))
def test_a_job_runs_once_more_than_it_has_retries(failures: int, max_retries: int) -> None:
    decision = decide(RetryPolicy(), ValueError("x"), failures, max_retries)
    assert isinstance(decision, Again) is (failures <= max_retries)
