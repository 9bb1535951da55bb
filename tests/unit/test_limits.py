"""What can be said of limits, and what is refused, as tables; a worker's own rate on a stopwatch of the test's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Fleet
from headrace.admin.published import limit_key_of
from headrace.client.limits import Rule, queue_rate
from headrace.errors import ConfigError, PayloadError
from headrace.worker.pace import Pace
from headrace.worker.rules import packed_rules

RULES = {
    "concurrency": ({"concurrency_limit": 3}, Rule(3)),
    "rate": ({"rate_limit": "10/s"}, Rule(0, 100_000, 1)),
    "a rate with room": ({"rate_limit": "1000/s"}, Rule(0, 1_000, 100)),
    "per minute": ({"rate_limit": "30 / m"}, Rule(0, 2_000_000, 1)),
    "per hour, with a burst": ({"rate_limit": "0.5/h", "rate_burst": 5}, Rule(0, 7_200_000_000, 5)),
    "both": ({"rate_limit": "1/s", "concurrency_limit": 2}, Rule(2, 1_000_000, 1)),
}


@pytest.mark.parametrize("name", RULES)
def test_a_task_s_limit_is_a_rule(name: str) -> None:
    options, expected = RULES[name]
    queue = Fleet().queue("q")

    @queue.task(**options)  # type: ignore[arg-type]
    async def send(to: str) -> None: ...

    assert send.limit is not None
    assert send.limit.rule == expected
    assert send.limit.key_of({"to": "ada"}) == "task:send"
    assert send.options(delay=1).limit is send.limit


@pytest.mark.parametrize(
    ("key", "constant"),
    [
        (None, "task:send"),
        ("shared", "shared"),
        ("{{x}}", "{x}"),
        ("{to}", None),
        ("mail:{to}", None),
        (lambda to: to, None),
        (lambda: "computed", None),
    ],
)
def test_a_key_of_all_jobs_is_known_without_the_code(key: Any, constant: str | None) -> None:
    queue = Fleet().queue("q")

    @queue.task(concurrency_limit=1, limit_key=key)
    async def send(to: str) -> None: ...

    assert send.limit is not None
    assert send.limit.constant == constant
    if constant is not None:
        assert send.limit.key_of({"to": "ada"}) == constant


@pytest.mark.parametrize(
    ("schema", "key"),
    [
        ({"x-headrace-limit-key": "task:send", "type": "object"}, "task:send"),
        ({"x-headrace-limit-key": "k" * 512}, "k" * 512),
        ({"x-headrace-limit-key": "k" * 513}, ""),
        ({"x-headrace-limit-key": 7}, ""),
        ({"x-headrace-limit-key": "\ud800"}, ""),
        ({}, ""),
        (None, ""),
        ([1], ""),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_published_of_a_key_is_taken_if_it_makes_sense(schema: object, key: str) -> None:
    assert limit_key_of(schema) == key


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({"limit_key": "{to}"}, "limit_key: say what is limited"),
    "zero": ({"concurrency_limit": 0}, "concurrency_limit: must be a whole number from 1"),
    "half": ({"concurrency_limit": 1.5}, "concurrency_limit: must be a whole number"),
    "a rate of words": ({"rate_limit": "fast"}, 'rate_limit: must be a number per s, m, h or d, such as "10/s"'),
    "a bare number": ({"rate_limit": 10}, "rate_limit: must be a number per s"),
    "never": ({"rate_limit": "0/s"}, "rate_limit: must be"),
    "a burst of nothing": ({"rate_burst": 5}, "rate_burst: give rate_limit, too"),
    "no burst": ({"rate_limit": "1/s", "rate_burst": 0}, "rate_burst: must be a whole number"),
    "a stranger": (
        {"limit_key": "{customer}", "concurrency_limit": 1},
        "task send: limit_key names 'customer', no parameter of the handler; it has to, subject",
    ),
    "a position": ({"limit_key": "{}", "concurrency_limit": 1}, "limit_key names ''"),
    "an attribute": ({"limit_key": "{to.name}", "concurrency_limit": 1}, "limit_key names 'to.name'"),
    "half a field": ({"limit_key": "{to", "concurrency_limit": 1}, "limit_key '{to' is no format"),
    "an empty key": ({"limit_key": "", "concurrency_limit": 1}, "limit_key must not be empty"),
    "a number": ({"limit_key": 7, "concurrency_limit": 1}, "limit_key must be a text or a function, got int"),
    "a function of a stranger": (
        {"limit_key": lambda customer: customer, "concurrency_limit": 1},
        "limit_key names 'customer'",
    ),
    "a function of anything": (
        {"limit_key": lambda **everything: "k", "concurrency_limit": 1},
        "limit_key's function must name the parameters",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_limit_is_refused_where_the_task_is_made(name: str) -> None:
    options, says = WRONG[name]
    queue = Fleet().queue("q")
    with pytest.raises(ConfigError, match=says.replace("(", r"\(").replace("{", r"\{")) as caught:

        @queue.task(**options)
        async def send(to: str, subject: str = "") -> None: ...

    assert "\n" not in str(caught.value)
    assert not queue.tasks, "a task with a wrong limit is no task"


KEYS: dict[str, tuple[str | Callable[..., str], str]] = {
    "a text": ("customer:{customer}", "customer:7"),
    "a text with a format": ("{customer:03}/{region}", "007/eu"),
    "a constant": ("all", "all"),
    "a function": (lambda region, customer: f"{region}-{customer % 5}", "eu-2"),
}


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_made_of_the_arguments(name: str) -> None:
    key, expected = KEYS[name]
    queue = Fleet().queue("q")

    @queue.task(limit_key=key, concurrency_limit=1)
    async def bill(customer: int, region: str = "eu") -> None: ...

    for args, kwargs in (((7,), {}), (("7",), {}), ((), {"customer": 7, "region": "eu"})):
        entry = bill._entry(args, kwargs, None)
        assert entry.mark is not None
        assert (entry.mark.limit_key, entry.mark.rule) == (expected, "bill")


@pytest.mark.parametrize(
    "key",
    [lambda secret: secret.missing, lambda secret: "", lambda secret: 5, lambda secret: secret * 600],
    ids=["raises", "empty", "no text", "too long"],
)
def test_a_key_that_can_t_be_made_is_the_enqueue_s_error_and_quotes_nothing(key: Callable[..., Any]) -> None:
    queue = Fleet().queue("q")

    @queue.task(limit_key=key, concurrency_limit=1)
    async def send(secret: str) -> None: ...

    with pytest.raises(PayloadError, match="task send: its limit_key") as caught:
        send._entry(("hush",), {}, None)
    assert "hush" not in str(caught.value)


def test_a_queue_s_rate_is_said_once() -> None:
    fleet = Fleet()
    queue = fleet.queue("q", rate_limit="10/s", rate_burst=5)
    assert queue.rate == Rule(0, 100_000, 5) == queue_rate("10/s", 5)
    assert fleet.queue("q") is queue is fleet.queue("q", rate_limit="10/s", rate_burst=5)
    with pytest.raises(ConfigError, match="queue q: it was made with another rate_limit"):
        fleet.queue("q", rate_limit="20/s")


def test_a_queue_without_limits_tells_redis_nothing() -> None:
    queue = Fleet().queue("q")

    @queue.task()
    async def send() -> None: ...

    assert packed_rules(queue) == b""
    assert send._entry((), {}, None).plain


@given(
    per_second=st.sampled_from((0.5, 3.0, 10.0, 997.0)),
    burst=st.integers(1, 20),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=60),
)
def test_a_pace_never_gives_more_than_its_rate_and_burst(
    per_second: float, burst: int, steps: list[tuple[float, int, int]]
) -> None:
    now = 0.0
    pace = Pace(per_second, burst, lambda: now)
    given_out = 0
    for pause, wanted, unused in steps:
        now += pause
        taken = pace.take(wanted)
        back = min(unused, taken)
        pace.give_back(back)
        given_out += taken - back
        assert given_out <= burst + per_second * now + 1e-3
        wait = pace.wait()
        assert (pace.take(1) == 0) == (wait > 1e-9 / per_second) or wait < 1e-5
        given_out += 0 if wait > 0 else 1
    now += burst / per_second + 1
    assert pace.take(burst + 5) == burst, "what came back is there again, and no more than the burst"
